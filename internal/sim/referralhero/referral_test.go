package referralhero_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// TestReferralAdvances walks a referral through its events. Each step is a call and what the referral is then.
func TestReferralAdvances(t *testing.T) {
	t.Parallel()
	type step struct{ call, response, status string } // response is a code where the call is refused
	const pending = "custom_event_pending"
	for name, tc := range map[string]struct {
		events  int
		status  string // parameter of add
		options referralhero.Options
		added   string
		steps   []step
	}{
		"one event": {events: 1, added: "confirmed", steps: []step{
			{"track", "subscriber_retrieved", "confirmed"}, {"confirm", "wrong_goal", "confirmed"},
		}},
		"one event, asked to be pending": {events: 1, status: pending, added: "confirmed"},
		"two events": {events: 2, status: pending, added: "pending", steps: []step{
			{"confirm", "wrong_goal", "pending"}, {"track", "custom_event_completed", "confirmed"}, {"track", "subscriber_retrieved", "confirmed"},
		}},
		"two events, not asked to be pending": {events: 2, added: "confirmed"},
		"two events, pending by default":      {events: 2, options: referralhero.Options{PendingByDefault: true}, added: "pending"},
		"an unknown status is ignored":        {events: 2, status: "pending", added: "confirmed"},
		"three events": {events: 3, status: pending, added: "pending", steps: []step{
			{"confirm", "wrong_goal", "pending"}, {"track", "custom_event_completed", "unconfirmed"}, {"track", "subscriber_retrieved", "unconfirmed"},
			{"confirm", "subscriber_confirmed", "confirmed"}, {"confirm", "subscriber_retrieved", "confirmed"}, {"track", "subscriber_retrieved", "confirmed"},
		}},
		"repeats refused": {events: 2, status: pending, options: referralhero.Options{RefuseRepeats: true}, added: "pending", steps: []step{
			{"track", "custom_event_completed", "confirmed"}, {"track", "already_completed", "confirmed"},
		}},
		"unqualified and back": {events: 3, status: pending, added: "pending", steps: []step{
			{"track", "custom_event_completed", "unconfirmed"}, {"unqualify", "subscriber_unqualified", "unqualified"},
			{"unqualify", "subscriber_unqualified", "unqualified"}, {"track", "subscriber_retrieved", "unqualified"},
			{"confirm", "subscriber_retrieved", "unqualified"}, {"qualify", "subscriber_qualified", "unconfirmed"},
			{"qualify", "subscriber_qualified", "unconfirmed"}, {"confirm", "subscriber_confirmed", "confirmed"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.options, referralhero.List{Events: tc.events})
			grace := b.add(t, object{"email": "grace@example.com"})
			ada := b.add(t, object{"email": "ada@example.com", "referrer": grace["code"], "status": tc.status})
			counts := map[any]object{
				"pending":     {"pending_referrals": 1.0, "unconfirmed_referrals": 0.0, "people_referred": 0.0},
				"unconfirmed": {"pending_referrals": 0.0, "unconfirmed_referrals": 1.0, "people_referred": 0.0},
				"confirmed":   {"pending_referrals": 0.0, "unconfirmed_referrals": 0.0, "people_referred": 1.0},
				"unqualified": {"pending_referrals": 0.0, "unconfirmed_referrals": 0.0, "people_referred": 0.0},
			}
			check(t, ada, object{"referral_status": tc.added, "referred": true})
			check(t, b.get(t, grace["id"]), counts[tc.added])
			for i, step := range tc.steps {
				path := fmt.Sprintf("%s/%s/%s", subscribersPath, ada["id"], step.call)
				if step.call == "track" {
					path = subscribersPath + "/track_referral_conversion_event"
				}
				_, envelope := b.send(t, "POST", path, object{"email": "Ada@Example.com"})
				response := envelope["code"]
				if data, ok := envelope["data"].(map[string]any); ok {
					response = data["response"]
				}
				if response != step.response {
					t.Fatalf("step %d, %s: %v, want %s", i, step.call, response, step.response)
				}
				now := b.get(t, ada["id"])
				check(t, now, object{"referral_status": step.status})
				check(t, now["referred_by"].(map[string]any), object{"id": grace["id"], "email": "grace@example.com"})
				check(t, b.get(t, grace["id"]), counts[step.status])
			}
		})
	}
}

func TestConfirmByIdentifier(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Events: 3})
	b.add(t, object{"email": "grace@example.com"})
	b.add(t, object{"email": "ada@example.com", "referrer": "GRACE@example.com", "status": "custom_event_pending"})
	b.do(t, "POST", subscribersPath+"/track_referral_conversion_event", object{"email": "ada@example.com"})
	confirmed := b.do(t, "POST", subscribersPath+"/confirm", object{"email": "ada@example.com"})
	check(t, confirmed, object{"response": "subscriber_confirmed", "referral_status": "confirmed"})
	check(t, confirmed["referred_by"].(map[string]any), object{"email": "grace@example.com", "people_referred": 1.0})
}

func TestTrackMakesReferrals(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Events: 3})
	grace := b.add(t, object{"email": "grace@example.com"})
	b.add(t, object{"email": "ada@example.com"})
	const path = subscribersPath + "/track_referral_conversion_event"
	for _, email := range []string{"ada@example.com", "new@example.com"} {
		check(t, b.do(t, "POST", path, object{"email": email, "referrer": grace["code"], "conversion_value": 12.5}),
			object{"response": "custom_event_completed", "referral_status": "unconfirmed", "conversion_amount": 12.5})
	}
	check(t, b.get(t, grace["id"]), object{"unconfirmed_referrals": 2.0, "pending_referrals": 0.0})
	if _, envelope := b.send(t, "POST", path, object{"email": "grace@example.com", "referrer": "ada@example.com"}); envelope["code"] != "no_referrer" {
		t.Errorf("a referrer became the referral of its own referral: %v", envelope)
	}
	if _, envelope := b.send(t, "POST", path, object{"email": "grace@example.com", "referrer": "grace@example.com"}); envelope["code"] != "no_referrer" {
		t.Errorf("somebody referred themselves: %v", envelope)
	}
}

func TestUnknownReferrerMakesOrganic(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Events: 2})
	check(t, b.add(t, object{"email": "ada@example.com", "referrer": "ffffffff", "status": "custom_event_pending"}),
		object{"response": "subscriber_created", "referred": false, "referred_by": map[string]any{}, "referral_status": nil})
}

func TestLevels(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Events: 2})
	top := b.add(t, object{"email": "top@example.com"})
	above := []object{top}
	for level := 1; level <= 3; level++ { // one confirmed and one pending each time
		var added object
		for _, status := range []string{"custom_event_pending", ""} {
			added = b.add(t, object{"email": fmt.Sprintf("l%d%s@example.com", level, status), "referrer": above[level-1]["code"], "status": status})
		}
		above = append(above, added)
	}
	check(t, b.get(t, top["id"]), object{
		"people_referred": 1.0, "pending_referrals": 1.0, "level_2_confirmed_referrals": 1.0, "level_3_confirmed_referrals": 1.0,
	})
	for path, want := range map[string]int{
		"referred": 2, "level_1_referrals": 1, "level_2_referrals": 1, "level_3_referrals": 1,
		"level_2_all_referrals": 2, "level_3_all_referrals": 2,
	} {
		rows := b.do(t, "GET", fmt.Sprintf("%s/%s/%s?sort_by=email_asc", subscribersPath, top["id"], path), nil)["subscribers"].([]any)
		if len(rows) != want {
			t.Errorf("%s: %d, want %d", path, len(rows), want)
		}
	}
}

func TestRewardsAndMails(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{
		Events:      1,
		Automations: referralhero.Automations{Welcome: true, ReferralWelcome: true, Referral: true, PromotedReward: true},
		Bonuses:     []referralhero.Bonus{{Title: "Mug", Referrals: 2}},
	})
	grace := b.add(t, object{"email": "grace@example.com"})
	for i := range 3 {
		b.add(t, object{"email": fmt.Sprintf("p%d@example.com", i), "referrer": grace["code"]})
	}
	path := fmt.Sprintf("%s/%s", subscribersPath, grace["id"])
	rewards := b.do(t, "GET", path+"/rewards", nil)["rewards"].([]any)
	if len(rewards) != 1 {
		t.Fatalf("rewards: %v", rewards)
	}
	mug := rewards[0].(map[string]any)
	check(t, mug, object{"name": "Mug", "status": "pending", "referral": "p1@example.com", "subscriber_id": grace["id"]})
	if _, envelope := b.send(t, "POST", path+"/unlock_promoted_reward", object{"reward_id": mug["id"]}); envelope["code"] != "subscriber_not_promoted" {
		t.Errorf("unlocked before promotion: %v", envelope)
	}
	check(t, b.do(t, "POST", path+"/promote", nil), object{"response": "subscriber_promoted", "promoted": true})
	if _, envelope := b.send(t, "POST", path+"/promote", nil); envelope["code"] != "subscriber_already_promoted" {
		t.Errorf("promoted twice: %v", envelope)
	}
	check(t, b.do(t, "POST", path+"/unlock_promoted_reward", object{"reward_id": mug["id"]}), object{"response": "reward_unlocked"})
	check(t, b.do(t, "POST", subscribersPath+"/update_reward_status", object{"reward_id": mug["id"], "status": "sent"}), object{"status": "sent"})
	if left := b.do(t, "GET", "/lists/"+uuid+"/rewards?status=pending", nil)["rewards"].([]any); len(left) != 0 {
		t.Errorf("pending rewards: %v", left)
	}
	if diff := cmp.Diff(map[string]int{"Welcome": 1, "Referral Welcome": 3, "Referral": 3, "Promoted Reward": 1}, b.MailCounts(uuid)); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	check(t, b.do(t, "POST", subscribersPath+"/add_points", object{"email": "grace@example.com", "points": 5}), object{"points": 8.0})
	_, bonuses := b.send(t, "GET", "/lists/"+uuid+"/bonuses", nil)
	if got := bonuses["data"].([]any); len(got) != 1 {
		t.Errorf("bonuses: %v", got)
	}
	ranking := b.do(t, "GET", "/lists/"+uuid+"/leaderboard?count=1", nil)["ranking"].([]any)
	if len(ranking) != 4 || ranking[0].(map[string]any)["id"] != grace["id"] {
		t.Errorf("leaderboard: %v", ranking)
	}
}

// TestCountsAgreeWithTheReferrals does random things, and then works out from the referrals alone what all
// counts and positions must be.
func TestCountsAgreeWithTheReferrals(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{WindowKind: referralhero.None}, referralhero.List{})
	b.client.Transport = direct{b} // it makes thousands of calls
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		list := referralhero.List{
			UUID: fmt.Sprintf("MF%010x", run), Name: "Run", Ranking: true,
			Events: rapid.IntRange(1, 3).Draw(rt, "events"), Verification: rapid.Bool().Draw(rt, "verification"),
		}
		b.SetList(list)
		path := "/lists/" + list.UUID + "/subscribers"
		person := rapid.Map(rapid.IntRange(0, 7), func(n int) string { return fmt.Sprintf("p%d@example.com", n) })
		id := func() string {
			email := person.Draw(rt, "who")
			for _, s := range b.Subscribers(list.UUID) {
				if s.Email == email {
					return s.ID
				}
			}
			return "sub_none"
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				b.send(t, "POST", path, object{
					"email": person.Draw(rt, "who"), "referrer": person.Draw(rt, "referrer"),
					"status":       rapid.SampledFrom([]string{"", "custom_event_pending"}).Draw(rt, "status"),
					"double_optin": rapid.Bool().Draw(rt, "double_optin"),
				})
			},
			"track": func(rt *rapid.T) {
				b.send(t, "POST", path+"/track_referral_conversion_event", object{"email": person.Draw(rt, "who"), "referrer": person.Draw(rt, "referrer")})
			},
			"confirm":   func(*rapid.T) { b.send(t, "POST", path+"/"+id()+"/confirm", nil) },
			"unqualify": func(*rapid.T) { b.send(t, "POST", path+"/"+id()+"/unqualify", nil) },
			"qualify":   func(*rapid.T) { b.send(t, "POST", path+"/"+id()+"/qualify", nil) },
			"delete":    func(*rapid.T) { b.send(t, "DELETE", path+"/"+id(), nil) },
			"verify":    func(*rapid.T) { b.Verify(list.UUID, id()) },
			"":          func(rt *rapid.T) { checkCounts(t, rt, b, list.UUID) },
		})
	})
}

func checkCounts(t *testing.T, rt *rapid.T, b *bench, uuid string) {
	everybody := b.Subscribers(uuid)
	byID := map[string]referralhero.Subscriber{}
	for _, s := range everybody {
		byID[s.ID] = s
	}
	type counts struct{ People, Pending, Unconfirmed, Level2, Level3 int }
	want := map[string]*counts{}
	for _, s := range everybody {
		want[s.ID] = &counts{}
	}
	for _, s := range everybody {
		first, ok := byID[s.ReferredBy]
		if !ok || s.VerifiedAt == 0 {
			continue
		}
		switch s.Status {
		case referralhero.Pending:
			want[first.ID].Pending++
		case referralhero.Unconfirmed:
			want[first.ID].Unconfirmed++
		case referralhero.Confirmed:
			want[first.ID].People++
			if second, ok := byID[first.ReferredBy]; ok {
				want[second.ID].Level2++
				if third, ok := byID[second.ReferredBy]; ok {
					want[third.ID].Level3++
				}
			}
		}
	}
	for _, s := range everybody {
		if got := (counts{s.PeopleReferred, s.PendingReferrals, s.UnconfirmedReferrals, s.Level2, s.Level3}); got != *want[s.ID] {
			rt.Fatalf("%s: %+v, want %+v", s.Email, got, *want[s.ID])
		}
	}
	ranked := slices.DeleteFunc(everybody, func(s referralhero.Subscriber) bool { return s.VerifiedAt == 0 })
	slices.SortStableFunc(ranked, func(a, b referralhero.Subscriber) int { return b.PeopleReferred - a.PeopleReferred })
	rows := b.do(t, "GET", "/lists/"+uuid+"/subscribers?sort_by=position_asc", nil)["subscribers"].([]any)
	if len(rows) != len(ranked) {
		rt.Fatalf("%d listed, want %d", len(rows), len(ranked))
	}
	for i, row := range rows {
		row := row.(map[string]any)
		if row["id"] != ranked[i].ID || row["position"] != float64(i+1) {
			rt.Fatalf("place %d: %v at position %v, want %s", i+1, row["email"], row["position"], ranked[i].Email)
		}
	}
}

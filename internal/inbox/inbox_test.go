package inbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

// TestHints says what comes of each event.
func TestHints(t *testing.T) {
	t.Parallel()
	subject := func(why inbox.Why) inbox.Hint { return inbox.Hint{Subscriber: "sub_1", Why: why} }
	registration := inbox.Hint{Subscriber: "sub_1", Why: inbox.Registration, Once: true}
	referrer := inbox.Hint{Code: "9c41d7aa", Why: inbox.Referral}
	bereft := inbox.Hint{Code: "9c41d7aa", Why: inbox.Referral, Deep: true}
	type queued struct {
		queue string
		delay time.Duration
		hints []inbox.Hint
	}
	live := func(hints ...inbox.Hint) []queued { return []queued{{"live", 0, hints}} }
	changes := func(hints ...inbox.Hint) []queued { return []queued{{"changes", 0, hints}} }
	for name, tc := range map[string]struct {
		body    string
		want    []queued
		outcome inbox.Outcome
	}{
		"somebody comes":                            {body("new_registration", `,"referral":""`), live(registration), inbox.Queued},
		"somebody comes who was referred":           {body("new_registration", referred), live(registration, referrer), inbox.Queued},
		"somebody comes whose referrer is gone":     {body("new_registration", `,"referral":"subscriber_deleted"`), live(registration), inbox.Queued},
		"somebody comes whose referrer has no code": {body("new_registration", `,"referral":{"email":"g@example.org"}`), live(registration, inbox.Hint{Why: inbox.Referral}), inbox.Queued},
		"somebody comes by our own import":          {body("new_registration", ours), []queued{{"changes", 2 * time.Minute, []inbox.Hint{registration}}}, inbox.Queued},
		"our own import, and referred": {body("new_registration", `,"source":"imported_from_salesforce","referral":{"code":"9c41d7aa"}`),
			[]queued{{"changes", 2 * time.Minute, []inbox.Hint{registration}}, {"live", 0, []inbox.Hint{referrer}}}, inbox.Queued},
		"somebody changes":                              {body("subscriber_updated", referred), changes(subject(inbox.Update)), inbox.Queued},
		"somebody of our own import changes":            {body("subscriber_updated", ours), changes(subject(inbox.Update)), inbox.Queued},
		"somebody is promoted":                          {body("subscriber_promoted", ""), changes(subject(inbox.Promotion)), inbox.Queued},
		"a reward is earned":                            {body("reward_unlocked", `,"reward_id":1`), changes(subject(inbox.Reward)), inbox.Queued},
		"a reward is sent":                              {body("reward_sent", ""), changes(subject(inbox.Reward)), inbox.Queued},
		"a bonus is earned, as it was called":           {body("bonus_unlocked", ""), changes(subject(inbox.Reward)), inbox.Queued},
		"somebody goes":                                 {body("subscriber_deleted", ""), live(subject(inbox.Deletion)), inbox.Queued},
		"somebody goes who was referred":                {body("subscriber_deleted", referred), live(subject(inbox.Deletion), bereft), inbox.Queued},
		"somebody comes who is named by an address":     {strings.ReplaceAll(body("new_registration", referred), `"sub_1"`, `""`), live(inbox.Hint{Why: inbox.Registration}), inbox.Queued},
		"somebody changes who is named by an address":   {strings.ReplaceAll(body("subscriber_updated", ""), `"sub_1"`, `null`), changes(inbox.Hint{Why: inbox.Update}), inbox.Queued},
		"an event that is not known":                    {body("subscriber_position_changed", ""), nil, inbox.UnknownEvent},
		"an event that is not known, about nobody":      {`{"response":"list_created"}`, nil, inbox.UnknownEvent},
		"a campaign that is not known":                  {strings.ReplaceAll(body("subscriber_updated", ""), string(campaign), "MFffffffffff"), nil, inbox.UnknownList},
		"a campaign that cannot be":                     {strings.ReplaceAll(body("subscriber_updated", ""), string(campaign), strings.Repeat("x", 3000)), nil, inbox.UnknownList},
		"no campaign":                                   {`{"response":"subscriber_updated","subscriber_id":"sub_1"}`, nil, inbox.UnknownList},
		"the Test button":                               {`{"list_uuid":"MFXXXX","subscriber_id":"sub_123ABC","response":"new_registration","email":"john@example.com","referral":""}`, nil, inbox.UnknownList},
		"something that was read nowhere, and is known": {body("new_registration", `,"referral":7,"created_at":{"at":[1]}`), live(registration), inbox.Queued},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := w.deliver(tc.body); err != nil {
				t.Fatal(err)
			}
			var got []queued
			for _, s := range w.sent {
				for i := range s.hints {
					if h := &s.hints[i]; h.Account != account || h.Campaign != campaign || h.At != w.now.UnixMilli() || h.Group() != string(account) {
						t.Errorf("hint = %+v", *h)
					} else {
						h.Account, h.Campaign, h.At = "", "", 0
					}
				}
				got = append(got, queued{s.queue, s.due.Sub(s.at), s.hints})
			}
			if diff := cmp.Diff(got, tc.want, cmp.AllowUnexported(queued{})); diff != "" {
				t.Errorf("got - want +\n%s", diff)
			}
			if w.counts[tc.outcome] != 1 || len(w.counts) != 1 {
				t.Errorf("counted %v, want one %s", w.counts, tc.outcome)
			}
			if last := w.settings().LastAt; !last.Equal(w.now) {
				t.Errorf("the last delivery was at %s, want now", last)
			}
			if text := fmt.Sprint(w.sent, w.log.String()); strings.Contains(text, "@") || strings.Contains(text, "Ada") {
				t.Errorf("something personal is queued or logged: %s", text)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := body("subscriber_updated", "")
	for name, tc := range map[string]struct {
		hook       bridge.Secret // the right one if it is empty
		signatures []string
		body       string
		kind       bridge.Kind
		outcome    inbox.Outcome // none if nobody may know
	}{
		"an address that does not exist":              {bridge.NewToken(), []string{sign(secret, good)}, good, bridge.NotFound, ""},
		"an empty address":                            {bridge.NewSecret(" "), []string{sign(secret, good)}, good, bridge.NotFound, ""},
		"an address that does not exist, and no body": {bridge.NewToken(), nil, "", bridge.NotFound, ""},
		"no signature":                                {bridge.Secret{}, nil, good, bridge.Denied, inbox.Refused},
		"a signature of something else":               {bridge.Secret{}, []string{sign(secret, good+" ")}, good, bridge.Denied, inbox.Refused},
		"a signature with another secret":             {bridge.Secret{}, []string{sign(bridge.NewSecret("another"), good)}, good, bridge.Denied, inbox.Refused},
		"a signature twice":                           {bridge.Secret{}, []string{sign(secret, good), sign(secret, good)}, good, bridge.Denied, inbox.Refused},
		"a malformed body of a stranger is not read":  {bridge.Secret{}, nil, "{", bridge.Denied, inbox.Refused},
		"a malformed body":                            {bridge.Secret{}, []string{sign(secret, "{")}, "{", bridge.Invalid, inbox.Malformed},
		"a body that names nobody":                    {bridge.Secret{}, nil, fmt.Sprintf(`{"list_uuid":%q,"response":"subscriber_updated"}`, campaign), bridge.Invalid, inbox.Malformed},
		"a body that is too long":                     {bridge.Secret{}, nil, body("subscriber_updated", `,"x":"`+strings.Repeat("x", inbox.Largest)+`"`), bridge.Invalid, inbox.Malformed},
		"a body that is too long, and not signed":     {bridge.Secret{}, []string{"x"}, strings.Repeat(" ", inbox.Largest+1), bridge.Invalid, inbox.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			hook, signatures := tc.hook, tc.signatures
			if hook.Empty() {
				hook = w.hook
			}
			if signatures == nil && tc.outcome == inbox.Malformed {
				signatures = []string{sign(secret, tc.body)}
			}
			err := w.inbox.Receive(t.Context(), hook, signatures, []byte(tc.body))
			if bridge.KindOf(err) != tc.kind {
				t.Errorf("%v, want %s", err, tc.kind)
			}
			want := map[inbox.Outcome]int{}
			if tc.outcome != "" {
				want[tc.outcome] = 1
			}
			if diff := cmp.Diff(w.counts, want); diff != "" || w.sent != nil {
				t.Errorf("sent %v, counted got - want +\n%s", w.sent, diff)
			}
			settings := w.settings()
			if counted := settings.RefusedLately(w.now); counted == 1 != (tc.outcome == inbox.Refused) || !settings.LastAt.IsZero() {
				t.Errorf("%d refused, last delivery %s", counted, settings.LastAt)
			}
			if strings.Contains(fmt.Sprint(err)+w.log.String(), "@") {
				t.Errorf("the error or the log quotes the body: %v", err)
			}
		})
	}
}

func TestNothingIsGenuineBeforeThereIsASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.service.NewAddress(t.Context(), "a_2"))
	other, err := w.service.Webhook(t.Context(), "a_2")
	w.must(err)
	text := body("subscriber_updated", "")
	for _, key := range []bridge.Secret{secret, {}} { // another account's secret, and the empty one
		if err := w.inbox.Receive(t.Context(), other.Address, []string{sign(key, text)}, []byte(text)); bridge.KindOf(err) != bridge.Denied {
			t.Errorf("%v, want denied", err)
		}
	}
}

// TestRepetitions delivers the same body several times.
func TestRepetitions(t *testing.T) {
	t.Parallel()
	at := func(seconds ...int) []time.Duration {
		var times []time.Duration
		for _, s := range seconds {
			times = append(times, time.Duration(s)*time.Second)
		}
		return times
	}
	const end = 300 // of ReferralHero's attempts, in seconds
	for name, tc := range map[string]struct {
		response string
		times    []time.Duration
		due      []time.Duration // of the hints
	}{
		"a sign-up, tried again":                        {"new_registration", at(0, 60, 240), at(0)},
		"a sign-up, repeated within a day":              {"new_registration", at(0, 3600, 86_399), at(0)},
		"a sign-up, after a day":                        {"new_registration", at(0, 86_400), at(0, 86_400)},
		"a deletion, tried again":                       {"subscriber_deleted", at(0, 60), at(0)},
		"a change, once":                                {"subscriber_updated", at(0), at(0)},
		"a change, tried again":                         {"subscriber_updated", at(0, 60), at(0, end)},
		"a change, tried again and again":               {"subscriber_updated", at(0, 60, 240), at(0, end)},
		"a change, again at the last moment":            {"subscriber_updated", at(0, end-1), at(0, end)},
		"a change back to what was, after the attempts": {"subscriber_updated", at(0, end), at(0, end)},
		"a change, and again long after a repetition":   {"subscriber_updated", at(0, 60, 400), at(0, end, 400)},
		"a change, and repetitions in every window":     {"subscriber_updated", at(0, 60, 400, 460, 690), at(0, end, 400, 700)},
		"a change, again, and soon after the attempts":  {"subscriber_updated", at(0, 250, 320), at(0, end, 320)},
		"a change, and twice when the attempts end":     {"subscriber_updated", at(0, end, end), at(0, end, 2*end)},
		"a reward, twice":                               {"reward_unlocked", at(0, 1), at(0, end)},
		"a promotion, the next day":                     {"subscriber_promoted", at(0, 90_000), at(0, 90_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			begin := w.now
			for _, after := range tc.times {
				w.now = begin.Add(after)
				w.must(w.deliver(body(tc.response, "")))
			}
			var got []time.Duration
			for _, s := range w.sent {
				got = append(got, s.due.Sub(begin))
				if len(s.hints) != 1 || s.hints[0].At != s.due.UnixMilli() {
					t.Errorf("hints = %+v, want one that only what is read from %d on makes needless", s.hints, s.due.UnixMilli())
				}
			}
			if diff := cmp.Diff(got, tc.due); diff != "" {
				t.Errorf("hints are due: got - want +\n%s", diff)
			}
		})
	}
	t.Run("bodies that differ are not repetitions", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for _, more := range []string{"", `,"points":1`, `,"points":2`} {
			w.must(w.deliver(body("subscriber_updated", more)))
		}
		if len(w.sent) != 3 {
			t.Errorf("sent %v", w.sent)
		}
	})
	t.Run("neither are those of another account", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.must(w.deliver(body("new_registration", "")))
		w.must(w.rows.SaveCampaign(t.Context(), bridge.Campaign{ID: campaign, Account: "a_2"}))
		w.must(w.service.NewAddress(t.Context(), "a_2"))
		w.must(w.service.SetSecret(t.Context(), "a_2", secret))
		other, err := w.service.Webhook(t.Context(), "a_2")
		w.must(err)
		w.hook = other.Address
		w.must(w.deliver(body("new_registration", "")))
		if len(w.sent) != 2 || w.sent[1].hints[0].Account != "a_2" {
			t.Errorf("sent %v", w.sent)
		}
	})
}

// TestTroubleAtEveryStep has each call of a port go wrong in every way, once, and ReferralHero try again.
func TestTroubleAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a sign-up":               body("new_registration", referred),
		"an echo with a referrer": body("new_registration", `,"source":"imported_from_salesforce","referral":{"code":"9c41d7aa"}`),
		"a change":                body("subscriber_updated", ""),
		"a deletion":              body("subscriber_deleted", referred),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed := newWorld(t)
			undisturbed.must(undisturbed.deliver(text))
			want := named(undisturbed)
			for step := 1; step <= undisturbed.step; step++ {
				for what := fails; what <= diesAfterwards; what++ {
					w := newWorld(t)
					w.trip = func(n int) trouble {
						if n == step {
							return what
						}
						return works
					}
					attempts := w.retry(text)
					got := named(w)
					extra := 0
					for hint, n := range want {
						extra += got[hint] - n
						if got[hint] < n || got[hint] > n+1 {
							t.Errorf("step %d, trouble %d: %d times %s, want %d or one more", step, what, got[hint], hint, n)
						}
					}
					if len(got) != len(want) || attempts > 2 || attempts == 1 && extra > 0 {
						t.Errorf("step %d, trouble %d: %d attempts, hints %v, want %v", step, what, attempts, got, want)
					}
				}
			}
		})
	}
}

// named counts hints by what they are about.
func named(w *world) map[string]int {
	counts := map[string]int{}
	for _, s := range w.sent {
		for _, h := range s.hints {
			counts[fmt.Sprint(s.queue, h.Subscriber, h.Code, h.Why)]++
		}
	}
	return counts
}

// TestNoChangeIsLost delivers the same body at any times while processes die, and holds that for each delivery that was
// answered there is a hint that is looked at later, and that nothing read before the delivery makes needless.
func TestNoChangeIsLost(t *testing.T) {
	t.Parallel()
	w, round := newWorld(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		text := body("subscriber_updated", fmt.Sprintf(`,"points":%d`, round))
		w.sent = nil
		begin := w.now
		troubles := rapid.MapOfN(rapid.IntRange(1, 60), rapid.SampledFrom([]trouble{fails, unanswered, diesBefore, diesAfterwards}), 0, 4).Draw(rt, "troubles")
		w.step, w.trip = 0, func(step int) trouble { return troubles[step] }
		pauses := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 60, 150, 200, 299, 300, 301}), 1, 8).Draw(rt, "pauses in seconds")
		for _, pause := range pauses {
			w.now = w.now.Add(time.Duration(pause) * time.Second)
			if w.deliver(text) != nil {
				continue
			}
			covered := false
			for _, s := range w.sent {
				covered = covered || !s.due.Before(w.now) && s.hints[0].At >= w.now.UnixMilli()
			}
			if !covered {
				rt.Fatalf("the delivery after %s is lost: %v", w.now.Sub(begin), w.sent)
			}
		}
		if len(w.sent) > len(pauses) {
			rt.Fatalf("%d hints of %d deliveries", len(w.sent), len(pauses))
		}
	})
}

// TestWhatAWebhookCosts counts writes.
func TestWhatAWebhookCosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.units.ResetUnits()
	const webhooks = 50
	for n := range webhooks {
		w.must(w.deliver(body("subscriber_updated", fmt.Sprintf(`,"points":%d`, n))))
	}
	u := w.units.Units()
	if u.Write > webhooks+1 || u.Read > 4*webhooks { // one more for the minute's note that deliveries come
		t.Errorf("%d webhooks cost %v write and %v read units", webhooks, u.Write, u.Read)
	}
	w.units.ResetUnits()
	for range webhooks {
		w.must(w.deliver(body("new_registration", "")))
	}
	if u := w.units.Units(); u.Write > 1 {
		t.Errorf("%d repetitions cost %v write units", webhooks, u.Write)
	}
}

// TestWhichCampaignsDeliver holds what is known of each campaign's deliveries, and what it costs to know it.
func TestWhichCampaignsDeliver(t *testing.T) {
	t.Parallel()
	const other bridge.CampaignID = "MFffffffffff"
	changes := func(of bridge.CampaignID, n int) string {
		return strings.ReplaceAll(body("subscriber_updated", fmt.Sprintf(`,"points":%d`, n)), string(campaign), string(of))
	}
	never := inbox.Delivered{Known: true}
	for name, tc := range map[string]struct {
		happens func(w *world)
		want    func(w *world, began time.Time) (one, two inbox.Delivered)
	}{
		"nothing came": {func(*world) {}, func(*world, time.Time) (one, two inbox.Delivered) { return never, never }},
		"one of them delivers": {func(w *world) { w.must(w.deliver(changes(campaign, 1))) },
			func(_ *world, began time.Time) (one, two inbox.Delivered) {
				return inbox.Delivered{Known: true, At: began}, never
			}},
		"the Test button, which names no campaign of ours": {func(w *world) { w.must(w.deliver(changes("MFXXXX", 1))) },
			func(*world, time.Time) (one, two inbox.Delivered) { return never, never }},
		"one delivers within the minute after the other": {func(w *world) {
			w.must(w.deliver(changes(campaign, 1)))
			w.now = w.now.Add(time.Second)
			w.must(w.deliver(changes(other, 1)))
		}, func(_ *world, began time.Time) (one, two inbox.Delivered) {
			return inbox.Delivered{Known: true, At: began}, inbox.Delivered{Known: true, At: began.Add(time.Second)}
		}},
		"two workers at the same moment": {func(w *world) {
			rows, first := w.rows, true
			w.trip = func(step int) trouble {
				if w.sent != nil && first { // between what this worker has read and its note
					first = false
					settings, err := rows.Webhook(t.Context(), account)
					w.must(errors.Join(err, rows.NoteDelivery(t.Context(), settings, other, w.now.Add(-time.Second))))
				}
				return works
			}
			w.must(w.deliver(changes(campaign, 1)))
		}, func(_ *world, began time.Time) (one, two inbox.Delivered) {
			return inbox.Delivered{Known: true, At: began}, inbox.Delivered{Known: true, At: began.Add(-time.Second)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(w.rows.SaveCampaign(t.Context(), bridge.Campaign{ID: other, Account: account, Name: "Autumn Referral", Identifier: bridge.ByEmail}))
			began := w.now
			tc.happens(w)
			settings := w.settings()
			one, two := tc.want(w, began)
			if diff := cmp.Diff([]inbox.Delivered{settings.Delivered(campaign), settings.Delivered(other)}, []inbox.Delivered{one, two}); diff != "" {
				t.Errorf("got - want +\n%s", diff)
			}
		})
	}
}

// TestKnowingWhoDeliversCostsAWriteAnHour has three campaigns deliver all the time: the note of the account has room for one of
// them a minute, and each of the others costs a write an hour.
func TestKnowingWhoDeliversCostsAWriteAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	others := []bridge.CampaignID{campaign, "MF000000000b", "MF000000000c"}
	for _, id := range others[1:] {
		w.must(w.rows.SaveCampaign(t.Context(), bridge.Campaign{ID: id, Account: account, Name: string(id), Identifier: bridge.ByEmail}))
	}
	w.units.ResetUnits()
	n := 0
	for end := w.now.Add(2 * time.Hour); w.now.Before(end); w.now = w.now.Add(20 * time.Second) {
		for _, id := range others {
			n++
			w.must(w.deliver(strings.ReplaceAll(body("subscriber_updated", fmt.Sprintf(`,"points":%d`, n)), string(campaign), string(id))))
		}
	}
	// Each body is kept once; the account is noted once a minute; of the other two each is noted once an hour besides.
	if got, want := w.units.Units().Write, float64(n+120+2*2); got > want {
		t.Errorf("%d webhooks cost %v write units, want %v at most", n, got, want)
	}
	for _, id := range others {
		if d := w.settings().Delivered(id); w.now.Sub(d.At) > time.Hour+time.Minute {
			t.Errorf("the last delivery of %s is taken to be %s old", id, w.now.Sub(d.At))
		}
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := func(times int) {
		for range times {
			if err := w.inbox.Receive(t.Context(), w.hook, nil, []byte("{}")); bridge.KindOf(err) != bridge.Denied {
				t.Fatal(err)
			}
		}
	}
	want := func(n int) {
		t.Helper()
		if got := w.settings().RefusedLately(w.now); got != n {
			t.Errorf("%d refused lately, want %d", got, n)
		}
	}
	refuse(3)
	want(3)
	w.now = w.now.Add(23 * time.Hour)
	refuse(1)
	want(4)
	w.now = w.now.Add(2 * time.Hour)
	want(4)
	refuse(1) // more than a day after the first: counting begins anew
	want(1)
	w.now = w.now.Add(24 * time.Hour)
	want(0)
	refuse(2)
	w.must(w.service.SetSecret(t.Context(), account, bridge.NewSecret("another-secret-0123456789")))
	want(0)
	settings := w.settings()
	settings.Refused, settings.RefusedSince, settings.RefusedAt = 998, w.now, w.now
	w.must(w.rows.SaveWebhook(t.Context(), settings))
	refuse(5)
	want(1000)
	w.units.ResetUnits()
	refuse(10)
	if u := w.units.Units(); u.Write != 0 {
		t.Errorf("whoever knows the address has us write %v units", u.Write)
	}
}

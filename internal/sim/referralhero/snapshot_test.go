package referralhero_test

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{WindowKind: referralhero.Sliding, Limit: 12}, referralhero.List{
		Events: 2, Ranking: true, Verification: true, Automations: referralhero.Automations{Welcome: true}, Bonuses: []referralhero.Bonus{{Title: "Mug", Referrals: 1}},
	})
	grace := b.add(t, object{"email": "grace@example.com", "double_optin": false})
	for i := range 4 {
		b.add(t, object{"email": fmt.Sprintf("p%d@example.com", i), "referrer": grace["code"], "status": "custom_event_pending", "double_optin": i > 2})
	}
	b.do(t, "POST", subscribersPath+"/track_referral_conversion_event", object{"email": "p1@example.com"})
	b.do(t, "POST", subscribersPath+"/add_transactions", object{"email": "p1@example.com", "amount": 5, "transaction_id": "x"})
	saved, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	before := b.do(t, "GET", subscribersPath+"?sort_by=position_asc", nil)

	again := referralhero.New(referralhero.Options{Now: func() time.Time { return noon.Add(-time.Hour) }, WindowKind: referralhero.Sliding, Limit: 12})
	if err := again.Restore(saved); err != nil {
		t.Fatal(err)
	}
	resaved, err := again.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(saved), string(resaved)); diff != "" {
		t.Errorf("the second snapshot differs (-first +second):\n%s", diff)
	}
	server := httptest.NewServer(again)
	defer server.Close()
	c := &bench{Service: again, url: server.URL}
	if diff := cmp.Diff(before, c.do(t, "GET", subscribersPath+"?sort_by=position_asc", nil)); diff != "" {
		t.Errorf("subscribers (-before +after):\n%s", diff)
	}
	fresh := c.add(t, object{"email": "new@example.com", "double_optin": false})
	check(t, fresh, object{"response": "subscriber_created", "created_at": float64(noon.Unix())})
	for _, s := range b.Subscribers(uuid) {
		if s.ID == fresh["id"] || s.Code == fresh["code"] {
			t.Errorf("%s was given again", s.ID)
		}
	}
	for range 3 {
		c.do(t, "GET", "/lists", nil)
	}
	if status, _ := c.send(t, "GET", "/lists", nil); status != 429 {
		t.Errorf("status %d: the calls before the restart are forgotten", status)
	}
	for _, broken := range []string{"", "{}", string(saved[:len(saved)/2])} {
		if again.Restore([]byte(broken)) == nil {
			t.Errorf("restored from %.20q", broken)
		}
	}
	if got := len(again.Subscribers(uuid)); got != 6 {
		t.Errorf("%d subscribers after refused restores", got)
	}
}

func TestRestoreKeepsGivenToken(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]string{"a given token stays": "1234", "a made one is restored": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := referralhero.New(referralhero.Options{})
			renewed := before.RenewToken()
			saved, err := before.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			after := referralhero.New(referralhero.Options{Token: given})
			if err := after.Restore(saved); err != nil {
				t.Fatal(err)
			}
			want := given
			if want == "" {
				want = renewed
			}
			if got := after.Token(); got != want || len(renewed) != 40 {
				t.Errorf("token %q, want %q", got, want)
			}
		})
	}
}

// TestSnapshotWhileCallsComeIn saves while others change what is saved; the race detector watches.
func TestSnapshotWhileCallsComeIn(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{WindowKind: referralhero.None}, referralhero.List{Bonuses: []referralhero.Bonus{{Title: "Mug", Referrals: 1}}})
	grace := b.add(t, object{"email": "grace@example.com"})
	b.add(t, object{"email": "ada@example.com", "referrer": grace["code"]})
	path := fmt.Sprintf("%s/%s", subscribersPath, grace["id"])
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 50 {
			b.do(t, "POST", path, object{"tags": []string{fmt.Sprint(i)}, "name": fmt.Sprint(i)})
			b.do(t, "POST", subscribersPath+"/update_reward_status", object{"reward_id": 1, "status": "resent"})
			b.add(t, object{"email": fmt.Sprintf("p%d@example.com", i), "referrer": grace["code"]})
		}
	})
	work.Go(func() {
		for range 50 {
			saved, err := b.Snapshot()
			if err == nil {
				err = referralhero.New(referralhero.Options{}).Restore(saved)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
}

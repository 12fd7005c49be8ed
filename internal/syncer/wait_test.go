package syncer_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// broken is something that stands in the way of work, and how it goes away.
type broken struct {
	begin, end func(w *world)
	waits      string // what a person reads
	wake       bool   // somebody says that it is over
}

func status(s bridge.ConnectionStatus) func(*world) {
	return func(w *world) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.link = s
	}
}

func heroFault(rule string) func(*world) {
	return func(w *world) { w.must(w.hero.Set("faults", rule)) }
}

// TestWhatStandsInTheWay has sign-ups, few and many, while nothing goes on. The campaign says why it waits, next to no calls are made
// in vain, and when the obstacle is gone everybody comes to be right by itself.
func TestWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	obstacles := map[string]broken{
		"a connection that needs its owner": {status(bridge.NeedsReconnect), status(bridge.Active), "The Salesforce connection has to be renewed. Reconnect it under Salesforce", true},
		"a connection that needs an admin":  {func(w *world) { status(bridge.NeedsAdmin)(w); w.closed.Store(true) }, func(w *world) { w.closed.Store(false) }, "Salesforce refuses access. An administrator of the org has to allow the integration", true},
		"a connection that was ended":       {status(bridge.Disconnected), status(bridge.Active), "The Salesforce account was disconnected. Connect it again, or choose another one", false},
		"an org without the API": {
			func(w *world) { w.switches(func(s *simorg.Switches) { s.APIDisabledForUser = true }) },
			func(w *world) { w.switches(func(s *simorg.Switches) { s.APIDisabledForUser = false }) },
			"Salesforce refuses access. An administrator of the org has to allow the integration", false},
		"an org that is down": {
			func(w *world) {
				w.org.SetRules(simorg.Rule{Kind: simorg.KindAPI, Fault: simorg.Fault{Status: 503, HTML: true}})
			},
			func(w *world) { w.org.SetRules() }, "Salesforce does not answer as it should", false},
		"an org whose day is used up": {
			func(w *world) { w.switches(func(s *simorg.Switches) { s.DailyRequests = 1 }) },
			func(w *world) { w.switches(func(s *simorg.Switches) { s.DailyRequests = 115_000 }) },
			"The org's Salesforce API calls for today are nearly used up; the rest is left to you", false},
		"a token that is refused": {heroFault("refuse code invalid_token"), func(w *world) { heroFault("")(w); w.retoken() },
			"ReferralHero refuses the API token. Enter a valid one under Account", false},
		"a campaign that is gone": {heroFault("refuse code invalid_list"), heroFault(""), "ReferralHero does not know the campaign any more: it may be paused or deleted", false},
		"an hour that is used up": {heroFault("429"), heroFault(""), "This hour's calls to ReferralHero are used up", false},
		"ReferralHero down":       {heroFault("502"), heroFault(""), "ReferralHero does not answer as it should", false},
	}
	for name, o := range obstacles {
		for _, n := range []int{3, 45} {
			t.Run(fmt.Sprint(name, ", ", n, " sign-ups"), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, options{})
				var ids []bridge.SubscriberID
				for i := range n {
					id, _ := w.signUp(fmt.Sprintf("p%d@example.com", i), "Some Body", "")
					ids = append(ids, id)
				}
				w.count()
				o.begin(w)
				began := w.Now().Truncate(time.Millisecond)
				for i, id := range ids {
					w.tell(syncer.Hint{Subscriber: id, Why: "registration", Once: true})
					if i%10 == 9 {
						w.some(20)
					}
				}
				w.some(40)
				s, err := w.store.Sync(t.Context(), account, campaign)
				w.must(err)
				if s.Waits != o.waits {
					t.Errorf("the campaign waits: %q, want %q", s.Waits, o.waits)
				}
				waiting := func() {
					t.Helper()
					h, err := w.service.Health(t.Context(), account, campaign, 2)
					w.must(err)
					if late := h.Backlog().Since.Sub(began); late < 0 || late > time.Minute {
						t.Errorf("it has waited since %s after the first change; waits %q, wanted %q", late, h.Sync.Waits, h.Sync.Wanted)
					}
				}
				waiting()
				calls := w.org.Counts().API + w.hero.Counts().Calls
				for end := w.Now().Add(2 * time.Hour); w.Now().Before(end); w.advance(5 * time.Minute) {
					w.must(w.sweep.Run(t.Context()))
					w.some(100)
				}
				waiting()
				if calls = w.org.Counts().API + w.hero.Counts().Calls - calls; calls > 60 && o.waits[0] != 'R' && o.waits[:26] != "Salesforce does not answer" || calls > 900 {
					t.Errorf("%d calls were made in vain in two hours", calls)
				}
				o.end(w)
				if o.wake {
					if _, err := w.service.Wake(t.Context(), account, connection); err != nil {
						t.Fatal(err)
					}
					w.work(fixed(1), immortal)
				}
				w.pass(90 * time.Minute)
				w.agree(true)
				if s, err = w.store.Sync(t.Context(), account, campaign); err != nil || s.Waits != "" || s.Wanted != "" {
					t.Errorf("in the end it waits: %q, %q, %v", s.Waits, s.Wanted, err)
				}
				h, err := w.service.Health(t.Context(), account, campaign, 2)
				if w.must(err); !h.Backlog().Empty() {
					t.Errorf("in the end the backlog is %+v", h.Backlog())
				}
			})
		}
	}
}

// some works on what can be seen by now, at most so many times.
func (w *world) some(times int) {
	w.t.Helper()
	for range times {
		w.mu.Lock()
		early := len(w.queue) == 0
		for _, m := range w.queue {
			if early = m.at.After(w.Now()); !early {
				break
			}
		}
		w.mu.Unlock()
		if early {
			return
		}
		for _, batch := range w.receive(fixed(2)) {
			w.do(batch, immortal(nil))
		}
	}
}

func (w *world) switches(change func(*simorg.Switches)) {
	s := w.org.Switches()
	change(&s)
	w.org.SetSwitches(s)
}

// retoken enters the account's token again.
func (w *world) retoken() {
	w.t.Helper()
	a, err := w.store.Account(w.t.Context(), account)
	w.must(err)
	a.Token, a.TokenAt = bridge.NewSecret(w.hero.Token()), w.Now()
	w.must(w.store.SaveAccount(w.t.Context(), a))
}

func TestTheRestOfTheDayIsLeftToTheCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	use := func(percent int) {
		used := w.org.Counts().API
		w.switches(func(s *simorg.Switches) { s.DailyRequests = used * 100 / percent })
	}
	for range 100 {
		w.orgCall(http.MethodGet, "/limits", nil, nil)
	}
	a, _ := w.signUp("a@example.com", "A", "")
	use(85)
	w.told("registration", a) // hints go on
	w.agree(true)
	b, _ := w.signUp("b@example.com", "B", "")
	w.must(w.service.Compare(t.Context(), account, campaign))
	w.some(20)
	if run, err := w.store.Run(t.Context(), account, campaign); err == nil && run.StartedAt.After(w.Now().Add(-time.Minute)) && run.Slice > 0 {
		t.Errorf("a run goes on: %+v", run)
	}
	use(97)
	layout, err := w.store.Layout(t.Context(), account, connection, "Contact")
	w.must(err)
	if _, err := w.client.Look(t.Context(), layout); err != nil { // from then on it is known
		t.Fatal(err)
	}
	w.tell(syncer.Hint{Subscriber: b, Why: "registration"})
	w.some(20)
	if n := len(w.records("Contact")); n != 1 {
		t.Errorf("there are %d contacts, want one: the hint has to wait", n)
	}
	use(10)
	w.pass(40 * time.Minute)
	w.agree(true)
	w.ran()
}

func TestLiveWorkHasItsReserve(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{bare: true, hero: simhero.Options{Subscribers: 3_000, WindowKind: simhero.None}})
	w.allow(40)
	w.count()
	w.later()
	var batch []message // of a usual hour
	for _, s := range w.hero.Subscribers(string(campaign))[:10] {
		batch = append(batch, message{live: true, hint: &syncer.Hint{Account: account, Campaign: campaign, Subscriber: bridge.SubscriberID(s.ID), At: w.Now().UnixMilli()}})
	}
	w.do(batch, immortal(nil))
	w.some(30)
	a, _ := w.signUp("a@example.com", "A", "")
	w.tell(syncer.Hint{Subscriber: a, Why: "registration"})
	w.some(5)
	if got := w.contact("a@example.com").text("RH_SUB_ID__c"); got != string(a) {
		t.Errorf("the contact shows %q while a run has used up its part of the hour; log:\n%s", got, w.logs)
	}
}

// TestAWriteWithoutAnAnswer has Salesforce carry a write out and not say so, or neither.
func TestAWriteWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simorg.Fault{
		"that was carried out":     {Drop: true},
		"that was not":             {Status: 500, Code: "UNKNOWN_EXCEPTION"},
		"because the org was busy": {Status: 503, Code: "SERVER_UNAVAILABLE"},
	} {
		for _, by := range []string{"a hint", "a run"} {
			t.Run(name+", by "+by, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "A", Email: "a@example.com"}}})
				a, _ := w.signUp("a@example.com", "A", "")
				b, _ := w.signUp("b@example.com", "B", "")
				w.org.SetRules(simorg.Rule{Path: "/composite", Times: 1, Skip: 1, Fault: fault})
				if by == "a hint" {
					w.told("registration", a, b)
				} else {
					w.compare()
				}
				w.agree(true)
				if n := len(w.records("Contact")); n != 2 || len(w.causes()) != 0 {
					t.Errorf("there are %d contacts, and these need somebody: %v", n, w.causes())
				}
				w.org.SetRules()
				if s := w.compare().Statement; s.Equal != 2 {
					t.Errorf("the statement is %+v", s)
				}
			})
		}
	}
}

// later switches syncing on and leaves the work for later.
func (w *world) later() {
	w.t.Helper()
	o := syncer.Options{Connection: connection, Target: bridge.ToContact, Only: syncer.Everybody, Every: syncer.Daily}
	w.must(w.service.Save(w.t.Context(), account, campaign, "Dana Reeve", o))
}

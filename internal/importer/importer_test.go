package importer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

func TestEveryContactHasItsOutcome(t *testing.T) {
	t.Parallel()
	contacts := people(1200)
	existing := []string{"ann.0@example.com", "ann.700@example.com"} // brought by an import before this one
	for name, welcome := range map[string]bool{"without a welcome mail": false, "with one, so opted-out people are left out": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: contacts, existing: existing})
			i := w.start(func(o *bridge.ImportOptions) { o.Welcome = welcome })
			w.work(fixed(1), immortal)
			got := w.agrees(i.ID, oracle(contacts, existing, welcome), len(existing))
			if got.Mail != bridge.MailSent || len(w.mails) != 1 {
				t.Fatalf("mail = %q, %d mails, want sent, 1", got.Mail, len(w.mails))
			}
			m := w.mails[0]
			if m.To != "dana@example.com" || !strings.Contains(m.Text, "https://bridge.example.com/imports/"+string(i.ID)) || !strings.Contains(m.HTML, "1,200 contacts") {
				t.Errorf("mail = %+v", m)
			}
			if strings.Contains(m.Text+m.HTML, "@") || strings.Contains(m.Text+m.HTML, "O&#39;Neill") {
				t.Errorf("the mail names contacts: %s", m.Text)
			}
			for _, s := range w.hero.Subscribers(string(campaign))[len(existing):] {
				if s.Source != "imported_from_salesforce" || !strings.HasPrefix(s.Name, "Ann O'Neill ") || s.Host != "https://www.example.com/join" {
					t.Fatalf("subscriber = %+v", s)
				}
			}
		})
	}
}

func TestNothingToImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(10)})
	i := w.start(func(o *bridge.ImportOptions) { o.Filter = "LastName = 'Nobody'" })
	w.work(fixed(1), immortal)
	w.agrees(i.ID, map[string]bridge.Outcome{}, 0)
	if len(w.mails) != 1 {
		t.Errorf("%d mails, want 1", len(w.mails))
	}
}

// few are contacts in two chunks of which only some have addresses, so that a run is short.
func few() []simorg.Contact {
	contacts := people(60)
	for i := range contacts {
		if i%9 != 0 && i != 55 {
			contacts[i].Email = ""
		}
	}
	contacts[58].Email = contacts[9].Email
	return contacts
}

// TestAWorkerMayDieAtAnyStep runs the same import again and again, and each time a worker dies at the next of all
// its calls to the outside: once before the call, once after it was carried out.
func TestAWorkerMayDieAtAnyStep(t *testing.T) {
	t.Parallel()
	contacts := few()
	want := oracle(contacts, nil, false)
	for name, after := range map[string]bool{"before the call": false, "after the call": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := 0
			for dieAt(t, contacts, want, steps, after) {
				steps++
			}
			if steps < 30 {
				t.Fatalf("an import takes %d steps only: the test does not see what it should", steps)
			}
		})
	}
}

// dieAt runs an import in which a worker dies at the given step, and reports whether there was such a step.
func dieAt(t *testing.T, contacts []simorg.Contact, want map[string]bridge.Outcome, step int, after bool) bool {
	t.Helper()
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	last := &mortal.Life{Steps: step, After: after}
	w.workOne(func() *mortal.Life {
		switch {
		case last.Over():
			return &mortal.Life{Steps: -1}
		case last.Made() > 0:
			last = &mortal.Life{Steps: last.Steps - last.Made(), After: after}
		}
		return last
	})
	got := w.agrees(i.ID, want, 0)
	if sent := got.Mail == bridge.MailSent && len(w.mails) == 1; !sent && !(got.Mail == bridge.MailUnknown && len(w.mails) <= 1 && last.Over()) {
		t.Errorf("mail = %s, %d mails", got.Mail, len(w.mails))
	}
	if t.Failed() {
		t.Fatalf("death at step %d", step)
	}
	return last.Over()
}

// workOne is work with one worker at a time, in order.
func (w *world) workOne(life func() *mortal.Life) {
	w.t.Helper()
	for range 500 {
		batch := w.receive(1)
		if len(batch) == 0 {
			return
		}
		w.do(batch[0], life())
	}
	w.t.Fatal("the import does not end")
}

// TestAnyWorkersMayDie lets several workers at a time take messages that come twice and in any order, and lets half
// of them die somewhere.
func TestAnyWorkersMayDie(t *testing.T) {
	t.Parallel()
	contacts := people(1100)
	existing := []string{"ann.1@example.com", "ann.1000@example.com"}
	want := oracle(contacts, existing, false)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: contacts, existing: existing})
			i := w.start(nil)
			deaths := 0
			w.work(fixed(seed), func(random *rand.Rand) *mortal.Life {
				if random.IntN(3) == 0 { // a duplicate of something that waits
					if waiting := w.peek(); len(waiting) > 0 && len(waiting) < 20 {
						w.put(time.Duration(random.IntN(100))*time.Second, waiting[random.IntN(len(waiting))].job)
					}
				}
				if random.IntN(2) == 0 || deaths > 60 {
					return &mortal.Life{Steps: -1}
				}
				deaths++
				return &mortal.Life{Steps: random.IntN(400), After: random.IntN(2) == 0}
			})
			got := w.agrees(i.ID, want, len(existing))
			if len(w.mails) > 1 || got.Mail == bridge.MailSent && len(w.mails) != 1 || got.Mail == bridge.MailFailed {
				t.Errorf("mail = %s, %d mails", got.Mail, len(w.mails))
			}
		})
	}
}

func TestTwoWorkersFinishTheLastTwoPagesTogether(t *testing.T) {
	t.Parallel()
	contacts := people(700)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	w.do(w.receive(1)[0], immortal(nil)) // plans both pages
	batch := w.receive(2)
	if len(batch) != 2 {
		t.Fatalf("%d jobs, want the two pages", len(batch))
	}
	done := make(chan bool)
	for _, m := range append(batch, batch...) { // and each of them twice
		go func() {
			w.do(m, immortal(nil))
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	w.work(fixed(1), immortal)
	got := w.agrees(i.ID, oracle(contacts, nil, false), 0)
	if len(w.mails) != 1 {
		t.Errorf("%d mails, want 1", len(w.mails))
	}
	if calls := w.hero.Counts().Calls; calls != got.Counts.Created {
		t.Errorf("%d calls for %d subscribers: a claimed page was worked on twice", calls, got.Counts.Created)
	}
}

// TestClaimsOnlySaveWork lets a second worker take a page while the first is at it, as if that had outlived its claim.
func TestClaimsOnlySaveWork(t *testing.T) {
	t.Parallel()
	contacts := people(200)
	alone := tally(oracle(contacts, nil, false)).Created
	for _, second := range []int{1, 30, alone - 12} { // the call at which it comes
		var calls atomic.Int32
		begun := make(chan bool)
		faults := func(*http.Request) *simhero.Fault {
			if int(calls.Add(1)) == second {
				close(begun)
			}
			return nil
		}
		w := newWorld(t, options{contacts: contacts, hero: simhero.Options{Latency: 15 * time.Millisecond, Faults: faults}})
		i := w.start(nil)
		w.do(w.receive(1)[0], immortal(nil))
		job := w.receive(1)[0].job
		late := w.worker
		late.Now = func() time.Time { return w.Now().Add(time.Hour) }
		done := make(chan error)
		go func() { done <- w.worker.Handle(t.Context(), job) }()
		<-begun
		go func() { done <- late.Handle(t.Context(), job) }()
		for range 2 {
			if err := <-done; err != nil && bridge.KindOf(err) != bridge.Throttled {
				t.Error(err)
			}
		}
		if made := int(calls.Load()); made <= alone {
			t.Errorf("%d calls, no more than one worker alone: the test does not see what it should", made)
		}
		w.put(time.Hour, job)
		w.work(fixed(1), immortal)
		w.agrees(i.ID, oracle(contacts, nil, false), 0)
		if len(w.mails) != 1 {
			t.Errorf("%d mails, want 1", len(w.mails))
		}
	}
}

// TestReceiptsAreRightInTheEnd spoils the running counts of an import: its receipts mend them, loudly.
func TestReceiptsAreRightInTheEnd(t *testing.T) {
	t.Parallel()
	contacts := people(60)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	w.do(w.receive(1)[0], immortal(nil))
	spoiled := w.get(i.ID)
	spoiled.Counts.Created += 7
	if err := w.store.SaveImport(t.Context(), spoiled, time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	if got := w.get(i.ID); got.Counts != tally(oracle(contacts, nil, false)) || got.Selected != 60 {
		t.Errorf("counts = %+v of %d", got.Counts, got.Selected)
	}
	if !strings.Contains(w.logs.String(), "counts differ from their receipts") {
		t.Errorf("nobody is told: %s", w.logs)
	}
}

func TestFaultsOfReferralHero(t *testing.T) {
	t.Parallel()
	contacts := people(300)
	for name, faults := range map[string]string{
		"errors now and then, before and after the work": "500 every 61; 500-after every 67; 502 every 71",
		"connections that break before and after":        "cut every 47; cut-before every 53",
		"answers that are cut off":                       "truncated every 29",
		"an error that says 200":                         "200-error every 29",
		"an outage of a while":                           "502 times 60 on /subscribers",
		"an outage that does what was asked":             "cut times 60 on /subscribers",
		"one refusal for too many calls":                 "429 every 50 times 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rules simhero.Rules
			if err := rules.Set(faults); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, options{contacts: contacts, hero: simhero.Options{FaultRules: rules}})
			i := w.start(nil)
			w.work(fixed(1), immortal)
			w.agrees(i.ID, oracle(contacts, nil, false), 0)
		})
	}
}

func TestARefusedContactIsInvalid(t *testing.T) {
	t.Parallel()
	contacts := people(30)
	w := newWorld(t, options{contacts: contacts, hero: simhero.Options{FaultRules: simhero.Rules{
		{Kind: simhero.Refuse, Code: "invalid_email_address", Path: "/subscribers", Every: 10, Times: 1},
	}}})
	i := w.start(nil)
	w.work(fixed(1), immortal)
	got := w.get(i.ID)
	want := tally(oracle(contacts, nil, false))
	want.Created--
	want.Invalid++
	if got.State != bridge.Done || got.Counts != want {
		t.Errorf("%s %+v, want done %+v", got.State, got.Counts, want)
	}
}

// TestWaits looks at imports that cannot go on, at what they say, and at how they go on.
func TestWaits(t *testing.T) {
	t.Parallel()
	contacts := people(120)
	for name, tc := range map[string]struct {
		hero   simhero.Rules
		org    simorg.Rule
		parked string
		wait   time.Duration
	}{
		"ReferralHero refuses the token": {
			hero:   simhero.Rules{{Kind: simhero.Refuse, Code: "invalid_token", Path: "/subscribers", Times: 6}},
			parked: "API token", wait: 15 * time.Minute,
		},
		"ReferralHero says that the account is inactive": {
			hero:   simhero.Rules{{Kind: simhero.Refuse, Code: "inactive_account", Path: "/subscribers", Times: 6}},
			parked: "API token", wait: 15 * time.Minute,
		},
		"ReferralHero counts more calls than we": {
			hero:   simhero.Rules{{Kind: simhero.Throttle, Path: "/subscribers", Times: 1}},
			parked: "this hour's calls are used up", wait: time.Hour,
		},
		"ReferralHero is down": {
			hero:   simhero.Rules{{Kind: simhero.Gateway, Path: "/subscribers", Times: 40}},
			parked: "ReferralHero does not answer", wait: time.Minute,
		},
		"Salesforce is down": {
			org:    simorg.Rule{Kind: simorg.KindAPI, Fault: simorg.Fault{Status: 503, HTML: true}, Times: 1},
			parked: "Salesforce does not answer", wait: time.Minute,
		},
		"the org's calls are used up": {
			org:    simorg.Rule{Kind: simorg.KindAPI, Fault: simorg.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, Times: 1},
			parked: "the rest is left to you", wait: 15 * time.Minute,
		},
		"the org refuses us": {
			org:    simorg.Rule{Kind: simorg.KindAPI, Fault: simorg.Fault{Status: 403, Code: "API_DISABLED_FOR_ORG", Message: "off"}, Times: 1},
			parked: "administrator", wait: 15 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: contacts, hero: simhero.Options{FaultRules: tc.hero}})
			i := w.start(nil)
			if tc.org.Times > 0 {
				w.org.SetRules(tc.org)
			}
			before := w.Now()
			for w.get(i.ID).Parked == "" {
				batch := w.receive(1)
				if len(batch) == 0 {
					t.Fatal("the import neither waits nor works")
				}
				w.do(batch[0], immortal(nil))
			}
			got := w.get(i.ID)
			if got.State != bridge.Running || !strings.Contains(got.Parked, tc.parked) {
				t.Errorf("state = %s, parked = %q, want running, %q", got.State, got.Parked, tc.parked)
			}
			if wait := got.Until.Sub(before); wait < tc.wait-time.Minute || wait > tc.wait+time.Minute {
				t.Errorf("it waits for %s, want about %s", wait, tc.wait)
			}
			if due, err := w.store.DueImports(t.Context(), got.Until.Add(2*time.Minute), 10); err != nil || len(due) != 1 {
				t.Errorf("due = %v, %v, want the import", due, err)
			}
			w.work(fixed(1), immortal)
			w.agrees(i.ID, oracle(contacts, nil, false), 0)
		})
	}
}

func TestARefusedTokenIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(30), hero: simhero.Options{FaultRules: simhero.Rules{
		{Kind: simhero.Refuse, Code: "invalid_token", Path: "/subscribers", Times: 1},
	}}})
	w.start(nil)
	for range 2 {
		w.do(w.receive(1)[0], immortal(nil))
	}
	a, err := w.store.Account(t.Context(), account)
	if err != nil || a.Refused != "invalid_token" {
		t.Errorf("refused = %q, %v, want invalid_token", a.Refused, err)
	}
}

func TestADeadConnectionWaitsForAPerson(t *testing.T) {
	t.Parallel()
	contacts := people(30)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	w.link = bridge.NeedsReconnect
	w.do(w.receive(1)[0], immortal(nil))
	if got := w.get(i.ID); !strings.Contains(got.Parked, "Reconnect") {
		t.Fatalf("parked = %q, want words about reconnecting", got.Parked)
	}
	w.link = bridge.Active
	if _, err := w.service.Resume(t.Context(), account, i.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
}

func TestAMissingCampaignEndsTheImport(t *testing.T) {
	t.Parallel()
	contacts := people(80)
	w := newWorld(t, options{contacts: contacts, hero: simhero.Options{FaultRules: simhero.Rules{
		{Kind: simhero.Refuse, Code: "invalid_list", Path: "/subscribers", Times: 8},
	}}})
	i := w.start(nil)
	w.work(fixed(1), immortal)
	got := w.get(i.ID)
	if got.State != bridge.Broken || !strings.Contains(got.Cause, "paused") || got.EndedAt.IsZero() {
		t.Fatalf("state = %s, cause = %q, want failed with words", got.State, got.Cause)
	}
	for range 8 { // each attempt meets the rest of the faults; in the end the campaign is active again
		if _, err := w.service.Resume(t.Context(), account, i.ID); err != nil {
			t.Fatal(err)
		}
		w.advance(time.Minute)
		w.work(fixed(1), immortal)
		if w.get(i.ID).State == bridge.Done {
			break
		}
	}
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
}

func TestTheHourIsSharedFairly(t *testing.T) {
	t.Parallel()
	contacts := make([]simorg.Contact, 900)
	for i := range contacts {
		contacts[i] = simorg.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "X", Email: fmt.Sprintf("x%d@example.com", i),
			Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	for _, kind := range []simhero.WindowKind{simhero.Fixed, simhero.Sliding} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: contacts, hero: simhero.Options{Limit: 400, WindowKind: kind}})
			a, err := w.store.Account(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			a.Allowance = 400
			if err := w.store.SaveAccount(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			i := w.start(nil)
			began := w.Now()
			w.work(fixed(1), immortal)
			w.agrees(i.ID, oracle(contacts, nil, false), 0)
			if c := w.hero.Counts(); c.Answers429 > 0 || c.Calls > 900 {
				t.Errorf("%d calls, %d of them refused, want 900, 0", c.Calls, c.Answers429)
			}
			if took := w.Now().Sub(began); took < 2*time.Hour || took > 2*time.Hour+20*time.Minute {
				t.Errorf("900 contacts at 400 an hour took %s, want two hours and a little", took)
			}
		})
	}
}

func TestPauseResumeCancel(t *testing.T) {
	t.Parallel()
	contacts := people(700)
	w := newWorld(t, options{contacts: contacts})
	ctx := t.Context()
	i := w.start(nil)
	w.do(w.receive(1)[0], immortal(nil))
	w.do(w.receive(1)[0], immortal(nil)) // one page
	if got, err := w.service.Pause(ctx, account, i.ID); err != nil || got.State != bridge.Paused {
		t.Fatalf("Pause = %s, %v", got.State, err)
	}
	w.work(fixed(1), immortal)
	p, err := w.service.Get(ctx, account, i.ID)
	if err != nil || p.Import.State != bridge.Paused || p.Counts.Sum() != 500 {
		t.Fatalf("Get = %s with %d outcomes, %v, want paused with 500", p.Import.State, p.Counts.Sum(), err)
	}
	if due, err := w.store.DueImports(ctx, w.Now().Add(24*time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("due = %v, %v, want nothing: a paused import waits for a person", due, err)
	}
	if _, err := w.service.Start(ctx, account, "Dana", i.Options); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a second import in the campaign: %v, want a conflict", err)
	}
	if _, err := w.service.Resume(ctx, account, i.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
	if _, err := w.service.Cancel(ctx, account, i.ID); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("cancel of one that is done: %v, want a conflict", err)
	}

	next := w.start(nil)
	w.do(w.receive(1)[0], immortal(nil))
	if _, err := w.service.Cancel(ctx, account, next.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	if got := w.get(next.ID); got.State != bridge.Canceled || got.Counts.Sum() != 0 {
		t.Errorf("canceled import: %s, %+v", got.State, got.Counts)
	}
	if len(w.mails) != 1 {
		t.Errorf("%d mails, want none for the canceled one", len(w.mails))
	}
	w.start(nil) // the campaign is free
	all, err := w.service.List(ctx, account, campaign, "", 2)
	if err != nil || len(all) != 2 || all[1].ID != next.ID {
		t.Errorf("List = %v, %v, want the two newest", all, err)
	}
	if older, err := w.service.List(ctx, account, "", next.ID, 10); err != nil || len(older) != 1 || older[0].ID != i.ID {
		t.Errorf("List before = %v, %v, want the first", older, err)
	}
}

func TestAPauseStopsBetweenChunks(t *testing.T) {
	t.Parallel()
	contacts := people(400)
	var w *world
	var i bridge.Import
	var calls atomic.Int32
	w = newWorld(t, options{contacts: contacts, hero: simhero.Options{Faults: func(r *http.Request) *simhero.Fault {
		if strings.HasSuffix(r.URL.Path, "/subscribers") {
			if calls.Add(1) == 60 {
				if _, err := w.service.Pause(context.WithoutCancel(t.Context()), account, i.ID); err != nil {
					t.Error(err)
				}
			}
		}
		return nil
	}}})
	i = w.start(nil)
	w.work(fixed(1), immortal)
	if n := calls.Load(); n > 150 {
		t.Errorf("%d calls, want the rest of the chunk after 60", n)
	}
	p, err := w.service.Get(t.Context(), account, i.ID)
	if err != nil || p.Counts.Created == 0 || p.Counts.Sum() > 200 {
		t.Errorf("progress = %+v, %v, want the chunks that were done", p.Counts, err)
	}
	if _, err := w.service.Resume(t.Context(), account, i.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
}

func TestFailedContactsAreTriedAgain(t *testing.T) {
	t.Parallel()
	contacts := people(600)
	var mended atomic.Bool
	w := newWorld(t, options{contacts: contacts, hero: simhero.Options{Faults: func(r *http.Request) *simhero.Fault {
		if body := read(r); !mended.Load() && (strings.Contains(body, "ann.32@") || strings.Contains(body, "ann.512@")) {
			return &simhero.Fault{Kind: simhero.Cut} // it is done, and nobody is told
		}
		return nil
	}}})
	i := w.start(nil)
	w.work(fixed(1), immortal)
	got := w.get(i.ID)
	if got.State != bridge.Done || got.Counts.Failed != 2 {
		t.Fatalf("%s with %+v, want 2 failed", got.State, got.Counts)
	}
	calls := w.hero.Counts().Calls
	w.advance(time.Hour)
	if _, err := w.service.Retry(t.Context(), account, i.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	if got := w.get(i.ID); got.Counts.Failed != 2 || got.Pass != 2 {
		t.Errorf("pass %d with %+v, want pass 2 with 2 failed", got.Pass, got.Counts)
	}
	if made := w.hero.Counts().Calls - calls; made != 8 {
		t.Errorf("the second pass made %d calls, want 4 for each of the failed", made)
	}
	mended.Store(true)
	if _, err := w.service.Retry(t.Context(), account, i.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
	if len(w.mails) != 3 {
		t.Errorf("%d mails, want one for each pass", len(w.mails))
	}
	if _, err := w.service.Retry(t.Context(), account, i.ID); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("retry without failures: %v, want a conflict", err)
	}
}

func TestContactsThatVanishAndComeBack(t *testing.T) {
	t.Parallel()
	contacts := people(130)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(func(o *bridge.ImportOptions) { o.Filter = "Title = null" })
	w.do(w.receive(1)[0], immortal(nil)) // planned
	want := oracle(contacts, nil, false)
	for _, n := range []int{2, 60} { // they do not match the filter any more
		w.edit(contacts[n].ID, `{"Title":"Director"}`)
		delete(want, contacts[n].ID)
	}
	w.work(fixed(1), immortal)
	got := w.get(i.ID)
	counts := tally(want)
	counts.Skipped += 2
	if got.State != bridge.Done || got.Counts != counts || got.Selected != 130 {
		t.Errorf("%s, %+v of %d, want %+v of 130", got.State, got.Counts, got.Selected, counts)
	}
	gone := 0
	for row, err := range w.service.Outcomes(t.Context(), account, i.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Contact == "" {
			gone++
		}
	}
	if gone != 2 {
		t.Errorf("%d rows without a contact, want 2", gone)
	}
}

// TestMailStates looks at what is known of the mail, and that it is never sent twice.
func TestMailStates(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		notify string
		errs   []error // of one attempt after the other; then it is sent
		want   bridge.MailState
		sends  int
	}{
		"nobody to write to":     {notify: "-", want: bridge.MailNone},
		"refused":                {errs: []error{&bridge.Error{Op: "mail", Kind: bridge.Invalid}}, want: bridge.MailFailed, sends: 1},
		"no answer":              {errs: []error{&bridge.Error{Op: "mail", Kind: bridge.UnknownOutcome}}, want: bridge.MailUnknown, sends: 1},
		"an error of no meaning": {errs: []error{errors.New("?")}, want: bridge.MailUnknown, sends: 1},
		"too fast, then sent":    {errs: []error{&bridge.Error{Op: "mail", Kind: bridge.Throttled, After: time.Minute}}, want: bridge.MailSent, sends: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: people(5), notify: tc.notify})
			sends := 0
			w.mailer = func(context.Context, importer.Message) error {
				if sends++; sends <= len(tc.errs) {
					return tc.errs[sends-1]
				}
				return nil
			}
			i := w.start(nil)
			w.work(fixed(1), immortal)
			if got := w.get(i.ID); got.State != bridge.Done || got.Mail != tc.want || sends != tc.sends {
				t.Errorf("%s, mail %q, %d attempts, want done, %q, %d", got.State, got.Mail, sends, tc.want, tc.sends)
			}
			if said := strings.Contains(w.logs.String(), "nobody knows whether the completion mail was sent"); said != (tc.want == bridge.MailUnknown) {
				t.Errorf("operators are told: %t, and the mail is %q", said, tc.want)
			}
		})
	}
}

func TestTheSweepFindsWhatWasLost(t *testing.T) {
	t.Parallel()
	contacts := people(600)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	w.do(w.receive(1)[0], immortal(nil))
	if lost := w.receive(10); len(lost) != 2 {
		t.Fatalf("%d jobs, want the two pages, which get lost now", len(lost))
	}
	for range 10 {
		w.advance(time.Minute)
		if err := w.sweep.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.work(fixed(1), immortal)
	}
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
	if err := w.sweep.Run(t.Context()); err != nil || len(w.peek()) != 0 {
		t.Errorf("a sweep over what has ended: %v, %d jobs, want none", err, len(w.peek()))
	}
	if strings.Contains(w.logs.String(), lifeless) {
		t.Errorf("operators are told of an import that the sweep set going: %s", w.logs)
	}
}

// lifeless is what operators are told of an import that does not go on.
const lifeless = "import shows no sign of life"

func TestAnImportThatDoesNotGoOn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		begins func(w *world, i bridge.Import) error
		minute func(w *world, i bridge.Import) error
		told   bool
	}{
		"nobody takes its pages": {told: true},
		"somebody takes one each minute, and there are few calls": {minute: func(w *world, i bridge.Import) error {
			sheet, err := w.store.Page(w.t.Context(), account, i.ID, 2)
			if err != nil {
				return err
			}
			p := sheet.Page
			p.Fence, p.TakenAt = p.Fence+1, w.Now()
			return errors.Join(w.store.ClaimPage(w.t.Context(), p), w.store.ReleasePage(w.t.Context(), p))
		}},
		"it waits until there are calls": {begins: func(w *world, i bridge.Import) error {
			i.Parked, i.Until = "for calls", w.Now().Add(25*time.Minute)
			return w.store.SaveImport(w.t.Context(), i, i.Until.Add(time.Minute))
		}},
		"it should have gone on long ago": {told: true, begins: func(w *world, i bridge.Import) error {
			i.Parked, i.Until = "for calls", w.Now().Add(5*time.Minute)
			return w.store.SaveImport(w.t.Context(), i, i.Until.Add(time.Minute))
		}},
		"somebody has paused it": {begins: func(w *world, i bridge.Import) error {
			_, err := w.service.Pause(w.t.Context(), account, i.ID)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: people(600)})
			i := w.start(nil)
			w.do(w.receive(1)[0], immortal(nil)) // plans
			i = w.get(i.ID)
			if tc.begins != nil {
				if err := tc.begins(w, i); err != nil {
					t.Fatal(err)
				}
			}
			for n := range 30 {
				for len(w.receive(10)) > 0 { // jobs get lost
				}
				w.advance(time.Minute)
				if tc.minute != nil {
					if err := tc.minute(w, i); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.sweep.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n < 9 && strings.Contains(w.logs.String(), lifeless) {
					t.Fatalf("told within ten minutes: %s", w.logs)
				}
			}
			if told := strings.Contains(w.logs.String(), lifeless); told != tc.told {
				t.Errorf("operators are told: %t, want %t; log: %s", told, tc.told, w.logs)
			}
		})
	}
}

func TestAPageThatKillsItsWorkersIsGivenUp(t *testing.T) {
	t.Parallel()
	contacts := people(600)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	for range 400 {
		batch := w.receive(1)
		if len(batch) == 0 {
			break
		}
		l := &mortal.Life{Steps: -1}
		if batch[0].job.Page == 2 && w.get(i.ID).State == bridge.Running {
			if sheet, err := w.store.Page(t.Context(), account, i.ID, 2); err == nil && sheet.Page.Tries <= 20 {
				l.Steps = 6 // always soon after it has claimed the page
			}
		}
		w.do(batch[0], l)
	}
	got := w.get(i.ID)
	if got.State != bridge.Done || got.Counts.Failed != 100 || got.Counts.Sum() != 600 {
		t.Fatalf("%s with %+v, want the 100 contacts of page 2 failed", got.State, got.Counts)
	}
	if _, err := w.service.Retry(t.Context(), account, i.ID); err != nil {
		t.Fatal(err)
	}
	w.work(fixed(1), immortal)
	if got := w.get(i.ID); got.Counts != tally(oracle(contacts, nil, false)) {
		t.Errorf("after a retry: %+v", got.Counts)
	}
}

func TestProgressAndEstimate(t *testing.T) {
	t.Parallel()
	contacts := people(1500)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(nil)
	for range 2 {
		w.do(w.receive(1)[0], immortal(nil))
	}
	p, err := w.service.Get(t.Context(), account, i.ID)
	if err != nil || p.Counts.Sum() != 500 || p.Import.Total != 1500 {
		t.Fatalf("progress = %d of %d, %v, want 500 of 1500", p.Counts.Sum(), p.Import.Total, err)
	}
	if p.Remaining < 30*time.Second || p.Remaining > 2*time.Minute || p.FinishAt.IsZero() || p.Rate <= 0 {
		t.Errorf("remaining = %s, rate = %g, want about a minute", p.Remaining, p.Rate)
	}
	if _, err := w.service.Get(t.Context(), "a_2", i.ID); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("another account sees it: %v", err)
	}
}

// TestADeadWorkersPageIsSentWhenItsClaimIsOver loses a page's job together with its worker. The next rescue finds the claim
// in force, and must not leave the page to a sweep that comes minutes later.
func TestADeadWorkersPageIsSentWhenItsClaimIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(30)})
	i := w.start(nil)
	for _, m := range w.receive(1) {
		w.do(m, immortal(nil))
	}
	sheet, err := w.store.Page(t.Context(), account, i.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := sheet.Page
	p.Fence, p.Pass, p.Tries, p.Until = p.Fence+1, 1, 1, w.Now().Add(2*time.Minute)
	if err := w.store.ClaimPage(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.receive(10)
	w.put(0, importer.Job{Account: account, Import: i.ID, Rescue: true})
	w.work(fixed(1), immortal)
	if got := w.get(i.ID); got.State != bridge.Done {
		t.Errorf("state = %s, want %s; the queue is empty", got.State, bridge.Done)
	}
}

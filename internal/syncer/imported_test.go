package syncer_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// answered is a subscriber as the answer to an import's call shows it.
func (w *world) answered(id bridge.SubscriberID) bridge.Subscriber {
	w.t.Helper()
	s, _, err := w.worker.Hero.Subscriber(w.t.Context(), bridge.NewSecret(w.hero.Token()), campaign, id)
	w.must(err)
	return s
}

// people are contacts with an address each, of whom an import makes subscribers.
func importing(t *testing.T, n int, org simorg.Options, change func(*syncer.Options)) (*world, []syncer.Imported) {
	t.Helper()
	var contacts []simorg.Contact
	for i := range n {
		contacts = append(contacts, simorg.Contact{LastName: "X", Email: fmt.Sprintf("p%d@example.com", i), Title: "Owner", Person: i%3 == 0})
	}
	w := newWorld(t, options{contacts: contacts, org: org, sync: change})
	var people []syncer.Imported
	for _, r := range w.records("Contact") {
		id, _ := w.signUp(r.text("Email"), "Some Body", "")
		people = append(people, syncer.Imported{Contact: bridge.SalesforceID(r.text("Id")), Subscriber: w.answered(id)})
	}
	return w, people
}

func (w *world) hand(l *mortal.Life, people []syncer.Imported) {
	w.t.Helper()
	ctx, cancel := l.Begin(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.worker.Imported(ctx, account, campaign, connection, people); err != nil && !l.Over() {
		w.t.Fatal(err)
	}
}

func TestImportedPeople(t *testing.T) {
	t.Parallel()
	for name, org := range map[string]simorg.Options{"contacts": {}, "person accounts among them": {PersonAccounts: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, people := importing(t, 30, org, nil)
			w.org.ResetCounts()
			w.hero.ResetCounts()
			w.hand(immortal(nil), people)
			if calls := w.org.Counts().API; calls > 3 || w.hero.Counts().Calls != 0 {
				t.Errorf("%d calls to Salesforce and %d to ReferralHero", calls, w.hero.Counts().Calls)
			}
			w.agree(false)
			// The import comes twice, and ReferralHero tells of the people who were just added.
			w.org.ResetCounts()
			w.hand(immortal(nil), people)
			for _, p := range people {
				w.tell(syncer.Hint{Subscriber: p.Subscriber.ID, Why: "registration", Once: true})
			}
			w.work(fixed(1), immortal)
			if calls := w.org.Counts().API + w.hero.Counts().Calls; calls != 0 {
				t.Errorf("the echo of our own import makes %d calls", calls)
			}
			if s := w.compare().Statement; s.Equal+s.Repaired != 30 || s.Created != 0 {
				t.Errorf("the statement is %+v", s)
			}
			w.agree(true)
			if n := len(w.records("Contact")); n != 30 {
				t.Errorf("there are %d contacts", n)
			}
		})
	}
}

func TestImportedPeopleWhoAreSpecial(t *testing.T) {
	t.Parallel()
	w, people := importing(t, 4, simorg.Options{}, nil)
	// Two contacts share an address, and so a subscriber; a third has been given another subscriber's SUB_ID; the fourth has referred somebody.
	s := w.org.Switches()
	s.DuplicatesAllowed = true
	w.org.SetSwitches(s)
	w.orgCall(http.MethodPatch, "/sobjects/Contact/"+string(people[1].Contact), map[string]any{"Email": "p0@example.com"}, nil)
	people[1].Subscriber = people[0].Subscriber
	w.told("registration", people[2].Subscriber.ID)
	third, _ := w.signUp("third@example.com", "Third", "")
	people[2].Subscriber = w.answered(third)
	w.signUp("friend@example.com", "Friend", people[3].Subscriber.Code)
	people[3].Subscriber = w.answered(people[3].Subscriber.ID)
	w.hand(immortal(nil), people)
	w.work(fixed(1), immortal)
	w.compare()
	w.heroCall(http.MethodDelete, "/subscribers/"+string(w.subscriber("p1@example.com")), nil, nil)
	w.compare()
	w.agree(false)
	if got := w.causes(); len(got) != 0 {
		t.Errorf("need somebody: %v", got)
	}
}

// subscriber is the id of who has an address.
func (w *world) subscriber(email string) bridge.SubscriberID {
	w.t.Helper()
	for _, s := range w.hero.Subscribers(string(campaign)) {
		if s.Email == email {
			return bridge.SubscriberID(s.ID)
		}
	}
	w.t.Fatalf("nobody has the address %s", email)
	return ""
}

func TestAnImportLosesItsWorkerAtEveryStep(t *testing.T) {
	t.Parallel()
	for steps := 0; steps < 45; steps += stride(4) {
		t.Run(fmt.Sprint("after ", steps, " calls"), func(t *testing.T) {
			t.Parallel()
			w, people := importing(t, 6, simorg.Options{}, nil)
			l := &mortal.Life{Steps: steps, After: steps%2 == 0}
			w.hand(l, people)
			w.work(fixed(1), immortal)
			if l.Over() {
				w.must(w.worker.Compare(t.Context(), account, campaign, "import")) // at the end of an import
				w.work(fixed(1), immortal)
			}
			w.pass(15 * time.Minute)
			w.agree(false)
		})
	}
}

func TestImportsOfWhoIsLeftOut(t *testing.T) {
	t.Parallel()
	w, people := importing(t, 3, simorg.Options{}, func(o *syncer.Options) { o.Only = syncer.OnlyAdvocates })
	w.hand(immortal(nil), people)
	w.work(fixed(1), immortal)
	for _, r := range w.records("Contact") {
		if r.text("RH_SUB_ID__c") != "" {
			t.Errorf("%s shows %s", r.text("Email"), r.text("RH_SUB_ID__c"))
		}
	}
}

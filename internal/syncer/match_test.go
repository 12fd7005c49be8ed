package syncer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// stage is a world with three subscribers, a to c, whose contacts were there, and the codes of their referrals.
type stage struct {
	*world
	a, b, c bridge.SubscriberID
	code    string // of a, who has referred b
}

func newStage(t *testing.T, change func(*syncer.Options)) stage {
	t.Helper()
	w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "A", Email: "A@Example.com", Title: "Owner"},
		{LastName: "B", Email: "b@example.com", Title: "Owner"}, {LastName: "C", Email: "c@example.com", Title: "Owner"}}, sync: change})
	s := stage{world: w}
	s.a, s.code = w.signUp("a@example.com", "A", "")
	s.b, _ = w.signUp("b@example.com", "B", s.code)
	s.c, _ = w.signUp("c@example.com", "C", "")
	s.told("registration", s.a, s.b, s.c)
	w.agree(true)
	return s
}

// told brings hints and has them worked on.
func (w *world) told(why string, ids ...bridge.SubscriberID) {
	w.t.Helper()
	for _, id := range ids {
		w.tell(syncer.Hint{Subscriber: id, Why: why})
	}
	w.work(fixed(1), immortal)
}

// update changes a subscriber's extra field.
func (w *world) update(id bridge.SubscriberID, value string) {
	w.t.Helper()
	w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": value}, nil)
}

func (w *world) id(email string) string { return w.contact(email).text("Id") }

func (w *world) edit(email string, fields map[string]any) {
	w.t.Helper()
	w.orgCall(http.MethodPatch, "/sobjects/Contact/"+w.id(email), fields, nil)
}

// TestWhatPeopleDoToRecords has somebody in the org, or at ReferralHero, do something, and then a hint or a run come. The end is the same, and needs
// nobody.
func TestWhatPeopleDoToRecords(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(s stage){
		"nothing": func(stage) {},
		"the contact was deleted": func(s stage) {
			s.orgCall(http.MethodDelete, "/sobjects/Contact/"+s.id("b@example.com"), nil, nil)
		},
		"the contact was merged into one that was nobody's": func(s stage) {
			s.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "B", "Title": "Owner"}, nil)
			for _, r := range s.records("Contact") {
				if r.text("Email") == "" {
					s.must(s.org.Merge(r.text("Id"), s.id("b@example.com")))
					s.orgCall(http.MethodPatch, "/sobjects/Contact/"+r.text("Id"), map[string]any{"Email": "b@example.com"}, nil)
				}
			}
		},
		"the contact was merged twice": func(s stage) {
			for range 2 {
				loser := s.id("b@example.com")
				s.orgCall(http.MethodPatch, "/sobjects/Contact/"+loser, map[string]any{"Email": "old@example.com"}, nil)
				s.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "B", "Email": "b@example.com", "Title": "Owner"}, nil)
				s.must(s.org.Merge(s.id("b@example.com"), loser))
			}
		},
		"the SUB_ID was cleared by hand": func(s stage) {
			s.edit("b@example.com", map[string]any{"RH_SUB_ID__c": nil})
		},
		"the SUB_ID was moved to another contact by hand": func(s stage) {
			s.edit("b@example.com", map[string]any{"RH_SUB_ID__c": nil, "Email": "gone@example.com"})
			s.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "B", "Email": "b@example.com", "Title": "Owner", "RH_SUB_ID__c": string(s.b)}, nil)
			s.orgCall(http.MethodDelete, "/sobjects/Contact/"+s.id("gone@example.com"), nil, nil)
		},
		"the SUB_ID was exchanged for nonsense": func(s stage) {
			s.edit("b@example.com", map[string]any{"RH_SUB_ID__c": "sub_000000000000"})
		},
		"our fields were edited": func(s stage) {
			s.edit("b@example.com", map[string]any{"RH_POINTS__c": 99, "RH_SOURCE__c": "mine", "RH_LAST_REF__c": nil, "RH_REF_LINK__c": nil})
		},
		"a second contact with the address was made": func(s stage) {
			switches := s.org.Switches()
			switches.DuplicatesAllowed = true
			s.org.SetSwitches(switches)
			s.edit("b@example.com", map[string]any{"Email": "else@example.com"})
			s.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "B2", "Email": "b@example.com", "Title": "Owner"}, nil)
			s.orgCall(http.MethodPatch, "/sobjects/Contact/"+s.id("else@example.com"), map[string]any{"Email": "b@example.com"}, nil)
		},
		"the subscriber was deleted and signed up again": func(s stage) {
			s.heroCall(http.MethodDelete, "/subscribers/"+string(s.b), nil, nil)
			s.signUp("b@example.com", "B", s.code)
		},
		"the subscriber was deleted": func(s stage) {
			s.heroCall(http.MethodDelete, "/subscribers/"+string(s.b), nil, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			do(s)
			ids := []bridge.SubscriberID{s.a, s.b, s.c}
			for _, p := range s.hero.Subscribers(string(campaign)) {
				ids = append(ids, bridge.SubscriberID(p.ID))
			}
			for _, p := range s.hero.Subscribers(string(campaign)) {
				s.update(bridge.SubscriberID(p.ID), "x")
			}
			s.told("update", ids...)
			run := s.compare()
			s.agree(true)
			if got := s.causes(); len(got) != 0 {
				t.Errorf("need somebody: %v", got)
			}
			for _, r := range s.records("Contact") {
				if r.text("Title") != "Owner" && name != "the contact was deleted" {
					t.Errorf("the title of %s is %q", r.text("Email"), r.text("Title"))
				}
			}
			if again := s.compare().Statement; again.Equal != run.Statement.Subscribers || again.Repaired != 0 {
				t.Errorf("the next statement is %+v", again)
			}
		})
	}
}

func TestARunRepairsWhatHintsLeave(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.edit("b@example.com", map[string]any{"RH_POINTS__c": 99, "RH_SOURCE__c": "mine"})
	calls := s.org.Counts().API
	s.told("update", s.b)
	if calls = s.org.Counts().API - calls; calls != 0 {
		t.Errorf("a hint that brings nothing new made %d calls", calls)
	}
	if got := s.contact("b@example.com").text("RH_SOURCE__c"); got != "mine" {
		t.Errorf("the hint has written %q", got)
	}
	if st := s.compare().Statement; st.Repaired != 1 || st.Equal != 2 {
		t.Errorf("the statement is %+v", st)
	}
	s.agree(true)
}

func TestAContactMergedIntoAnothersNeedsSomebody(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"a hint", "a run"} {
		t.Run("found by "+by, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			s.must(s.org.Merge(s.id("a@example.com"), s.id("b@example.com")))
			s.update(s.b, "x")
			if by == "a hint" {
				s.told("update", s.b)
			} else if st := s.compare().Statement; st.Refused != 1 || st.Equal != 2 {
				t.Errorf("the statement is %+v", st)
			}
			if got := s.causes(); got["merged_away"] != 1 || len(got) != 1 {
				t.Errorf("need somebody: %v; log:\n%s", got, s.logs)
			}
			if got := s.contact("a@example.com").text("RH_SUB_ID__c"); got != string(s.a) {
				t.Errorf("the contact is %q's", got)
			}
			// Somebody gives the other one a contact again.
			s.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "B", "Email": "b@example.com"}, nil)
			s.pass(time.Hour)
			s.compare()
			s.agree(true)
			if got := s.causes(); len(got) != 0 {
				t.Errorf("need somebody in the end: %v", got)
			}
		})
	}
}

func TestTwoContactsMergedIntoAThird(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"hints together", "hints one by one", "a run"} {
		t.Run("found by "+by, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			s.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "D", "Email": "d@example.com"}, nil)
			for _, email := range []string{"b@example.com", "c@example.com"} {
				s.must(s.org.Merge(s.id("d@example.com"), s.id(email)))
			}
			s.update(s.b, "x")
			s.update(s.c, "x")
			switch by {
			case "a run":
				s.compare()
			case "hints together":
				s.told("update", s.b, s.c)
			default:
				s.told("update", s.b)
				s.told("update", s.c)
			}
			if got := s.causes(); got["merged_away"] != 1 || len(got) != 1 {
				t.Errorf("need somebody: %v; log:\n%s", got, s.logs)
			}
			owner := s.contact("d@example.com").text("RH_SUB_ID__c")
			for range 2 {
				if st := s.compare().Statement; st.Refused != 1 || st.Equal+st.Repaired != 2 {
					t.Errorf("the statement is %+v", st)
				}
				if now := s.contact("d@example.com").text("RH_SUB_ID__c"); now != owner {
					t.Errorf("the contact was %q's and is %q's", owner, now)
				}
			}
		})
	}
}

// Whoever is deleted and signs up again has a new id and the same contact; word of both may come in one batch.
func TestSignedUpAgainInTheSameBatch(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for range 8 { // a batch has no order
		old := s.b
		s.heroCall(http.MethodDelete, "/subscribers/"+string(old), nil, nil)
		s.b, _ = s.signUp("b@example.com", "B", s.code)
		var hints []syncer.Hint
		for id, why := range map[bridge.SubscriberID]string{old: "deletion", s.b: "registration"} {
			hints = append(hints, syncer.Hint{Account: account, Campaign: campaign, Subscriber: id, Why: why, At: s.Now().UnixMilli()})
		}
		for _, err := range s.worker.Hints(t.Context(), hints, true) {
			s.must(err)
		}
		if got := s.causes(); len(got) != 0 {
			t.Fatalf("need somebody: %v", got)
		}
		if got := s.contact("b@example.com").text("RH_SUB_ID__c"); got != string(s.b) {
			t.Fatalf("the contact is %q's, want %q's", got, s.b)
		}
	}
}

func TestDeletedContactsThatComeBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	was := s.id("b@example.com")
	s.orgCall(http.MethodDelete, "/sobjects/Contact/"+was, nil, nil)
	if st := s.compare().Statement; st.Created != 1 || st.Equal != 2 {
		t.Errorf("the statement is %+v", st)
	}
	if now := s.id("b@example.com"); now == was {
		t.Error("the contact is the one that was deleted")
	}
	s.agree(true)
}

func TestLeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{bare: true})
	w.fields("Lead")
	w.on(func(o *syncer.Options) { o.Target = bridge.ToLead })
	a, _ := w.signUp("a@example.com", "Ada Byron", "")
	b, _ := w.signUp("b@example.com", "Bob", "")
	w.told("registration", a, b)
	leads := w.records("Lead")
	if len(leads) != 2 || leads[0].text("RH_SUB_ID__c") == "" || leads[0].text("RH_REF_LINK__c") == "" {
		t.Fatalf("the leads are %v; log:\n%s", leads, w.logs)
	}
	for _, l := range leads {
		if _, err := w.org.Convert(l.text("Id")); err != nil {
			t.Fatal(err)
		}
	}
	w.update(a, "x")
	w.told("update", a)
	if got := w.contact("a@example.com"); got.text("RH_EX_FIELD__c") != "x" {
		t.Errorf("the contact shows %v; log:\n%s", got, w.logs)
	}
	w.compare()
	w.agree(true)
	if s := w.compare().Statement; s.Equal != 2 {
		t.Errorf("the statement is %+v", s)
	}
}

func TestLeadsThatBecomeContactsWithoutFields(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"a hint", "a run"} {
		t.Run("found by "+by, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{bare: true, without: true})
			w.fields("Lead")
			w.on(func(o *syncer.Options) { o.Target = bridge.ToLead })
			a, _ := w.signUp("a@example.com", "Ada Byron", "")
			w.told("registration", a)
			if _, err := w.org.Convert(w.records("Lead")[0].text("Id")); err != nil {
				t.Fatal(err)
			}
			w.update(a, "x")
			if by == "a hint" {
				w.told("update", a)
			}
			for range 2 {
				if s := w.compare().Statement; s.Skipped != 1 {
					t.Errorf("the statement is %+v", s)
				}
			}
			if leads := w.records("Lead"); len(leads) != 1 || len(w.causes()) != 0 {
				t.Errorf("%d leads, and these need somebody: %v", len(leads), w.causes())
			}
			w.fields("Contact")
			w.update(a, "y")
			w.told("update", a)
			w.compare()
			w.agree(true)
		})
	}
}

func TestPersonAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{bare: true, without: true, org: simorg.Options{PersonAccounts: true}, contacts: []simorg.Contact{
		{LastName: "A", Email: "a@example.com", Person: true}, {LastName: "B", Email: "b@example.com"}}})
	w.fields("Contact")
	w.fields("Lead")
	record := w.recordType()
	w.on(nil)
	a, _ := w.signUp("a@example.com", "A", "")
	b, _ := w.signUp("b@example.com", "B", "")
	w.on(func(o *syncer.Options) { o.Target, o.RecordType = bridge.ToPersonAccount, record })
	c, _ := w.signUp("c@example.com", "Cy Twombly", "")
	w.told("registration", a, b, c)
	w.agree(true)
	w.update(a, "x")
	w.update(c, "x")
	w.told("update", a, c)
	w.compare()
	w.agree(true)
	if s := w.compare().Statement; s.Equal != 3 {
		t.Errorf("the statement is %+v; needs %v; log:\n%s", s, w.causes(), w.logs)
	}
	w.must(w.org.Merge(w.accountOf("c@example.com"), w.accountOf("a@example.com")))
	w.update(a, "y")
	w.told("update", a)
	if got := w.causes(); got["merged_away"] != 1 {
		t.Errorf("need somebody: %v; log:\n%s", got, w.logs)
	}
}

func TestWhoIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*syncer.Options)
		shows  string // whose contacts show something, of a who referred b, of c, and of d who has no contact
	}{
		"everybody":                {nil, "abcd"},
		"only referrals":           {func(o *syncer.Options) { o.Only = syncer.OnlyReferrals }, "b"},
		"only advocates":           {func(o *syncer.Options) { o.Only = syncer.OnlyAdvocates }, "a"},
		"only those with a record": {func(o *syncer.Options) { o.LinkOnly = true }, "abc"},
		"referrals with a record":  {func(o *syncer.Options) { o.LinkOnly, o.Only = true, syncer.OnlyReferrals }, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{sync: tc.change, contacts: []simorg.Contact{{LastName: "A", Email: "a@example.com"}, {LastName: "B", Email: "B@EXAMPLE.COM"},
				{LastName: "C", Email: "c@example.com"}}})
			a, code := w.signUp("a@example.com", "A", "")
			b, _ := w.signUp("b@example.com", "B", code)
			c, _ := w.signUp("c@example.com", "C", "")
			d, _ := w.signUp("d@example.com", "D", "")
			for range 2 {
				w.told("registration", a, b, c, d)
				w.compare()
			}
			shows := ""
			for _, r := range w.records("Contact") {
				if r.text("RH_SUB_ID__c") != "" {
					shows += strings.ToLower(r.text("Email")[:1])
				}
			}
			if shows != tc.shows {
				t.Errorf("%q are in sync, want %q", shows, tc.shows)
			}
			if s := w.compare().Statement; s.Equal != len(tc.shows) || s.Skipped != 4-len(tc.shows) {
				t.Errorf("the statement is %+v", s)
			}
		})
	}
}

func TestUnverifiedPeopleWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{list: simhero.List{Verification: true}})
	var answer struct{ Data struct{ ID string } }
	w.heroCall(http.MethodPost, "/subscribers", map[string]any{"email": "a@example.com", "name": "A", "double_optin": true}, &answer)
	id := bridge.SubscriberID(answer.Data.ID)
	w.told("registration", id)
	w.compare()
	if n := len(w.records("Contact")); n != 0 {
		t.Errorf("there are %d contacts", n)
	}
	w.hero.Verify(string(campaign), string(id))
	w.told("registration", id)
	w.agree(true)
}

func TestTheDefaultAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "A", Email: "a@example.com", AccountID: "0015g0000000001"}},
		sync: func(o *syncer.Options) { o.Parent = "0015g0000000001" }})
	a, _ := w.signUp("a@example.com", "A", "")
	b, _ := w.signUp("b@example.com", "B", "")
	w.told("registration", a, b)
	var page struct{ TotalSize int }
	w.orgCall(http.MethodGet, "/query?q=SELECT+COUNT()+FROM+Contact+WHERE+AccountId+=+'0015g0000000001'", nil, &page)
	if page.TotalSize != 2 {
		t.Errorf("%d contacts are under the account, want 2", page.TotalSize)
	}
	w.agree(true)
}

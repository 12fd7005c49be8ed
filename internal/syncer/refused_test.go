package syncer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// refusing has the org refuse to write records whose address contains a text.
func refusing(code, message, address string) simorg.Rule {
	return simorg.Rule{Kind: simorg.KindRecord, Object: "Contact", Field: "Email", Contains: address, Fault: simorg.Fault{Code: code, Message: message, Status: 400}}
}

// causes is what needs somebody, by cause.
func (w *world) causes() map[string]int {
	w.t.Helper()
	all, err := w.service.Causes(w.t.Context(), account, campaign)
	w.must(err)
	counts := map[string]int{}
	for _, c := range all {
		counts[c.Code] = c.Count
		if c.Title == "" || c.Fix == "" || c.Who == "" {
			w.t.Errorf("nobody is told what to do about %s", c.ID)
		}
	}
	return counts
}

// pass lets time go by, with the sweep looking after things every five minutes.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := w.Now().Add(d); w.Now().Before(end); {
		w.must(w.sweep.Run(w.t.Context()))
		w.work(fixed(5), immortal)
		w.advance(5 * time.Minute)
	}
	w.must(w.sweep.Run(w.t.Context()))
	w.work(fixed(5), immortal)
}

// compare has everybody compared, and returns the run, whose numbers must add up.
func (w *world) compare() syncer.Run {
	w.t.Helper()
	w.must(w.service.Compare(w.t.Context(), account, campaign))
	w.work(fixed(3), immortal)
	return w.ran()
}

// ran returns the newest run, which must have ended with numbers that add up.
func (w *world) ran() syncer.Run {
	w.t.Helper()
	run, err := w.store.Run(w.t.Context(), account, campaign)
	w.must(err)
	skipped := 0
	for _, n := range run.Statement.Reasons {
		skipped += n
	}
	if s := run.Statement; run.EndedAt.IsZero() || s.Subscribers != s.Equal+s.Repaired+s.Refused+s.Skipped || skipped != s.Skipped {
		w.t.Errorf("the run has ended at %s with %+v, which does not add up; log:\n%s", run.EndedAt, s, w.logs)
	}
	return run
}

// kept is what is kept of a subscriber.
func (w *world) kept(id bridge.SubscriberID) syncer.Link {
	w.t.Helper()
	found, err := w.store.Links(w.t.Context(), account, campaign, []bridge.SubscriberID{id})
	w.must(err)
	return found[id]
}

// TestRecordsThatAreRefused has one of three records refused, with every code that a record can get. The others are written, the
// refused one is shown with what to do, and it is tried by itself until the cause is gone.
func TestRecordsThatAreRefused(t *testing.T) {
	t.Parallel()
	for code, passes := range map[string]bool{ // whether it is tried a few times before anybody is told
		"FIELD_CUSTOM_VALIDATION_EXCEPTION":             false,
		"FIELD_FILTER_VALIDATION_EXCEPTION":             false,
		"FIELD_INTEGRITY_EXCEPTION":                     false,
		"REQUIRED_FIELD_MISSING":                        false,
		"STRING_TOO_LONG":                               false,
		"NUMBER_OUTSIDE_VALID_RANGE":                    false,
		"INVALID_EMAIL_ADDRESS":                         false,
		"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       false,
		"INSUFFICIENT_ACCESS":                           false,
		"INSUFFICIENT_ACCESS_OR_READONLY":               false,
		"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": false,
		"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          false,
		"CANNOT_EXECUTE_FLOW_TRIGGER":                   false,
		"DUPLICATES_DETECTED":                           false,
		"DUPLICATE_VALUE":                               false,
		"DUPLICATE_EXTERNAL_ID":                         false,
		"STORAGE_LIMIT_EXCEEDED":                        false,
		"LIMIT_EXCEEDED":                                false,
		"ENTITY_IS_LOCKED":                              false,
		"INVALID_FIELD_FOR_INSERT_UPDATE":               false,
		"INVALID_FIELD":                                 false,
		"UNKNOWN_EXCEPTION":                             false,
		"INVALID_CROSS_REFERENCE_KEY":                   false, // of what the record refers to: it is there itself
		"NOT_FOUND":                                     false,
		"ENTITY_IS_DELETED":                             false,
		"SOMETHING_NEW":                                 false,
		"UNABLE_TO_LOCK_ROW":                            true,
		"QUERY_TIMEOUT":                                 true, // of a trigger
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "X", Email: "p0@example.com"}, {LastName: "X", Email: "bad@example.com"}}})
			w.org.SetRules(refusing(code, "because of p1", "bad@"))
			var ids []bridge.SubscriberID
			for _, email := range []string{"p0@example.com", "bad@example.com", "p2@example.com"} {
				id, _ := w.signUp(email, "Some Body", "")
				ids = append(ids, id)
				w.put(0, false, syncer.Hint{Account: account, Campaign: campaign, Subscriber: id, At: w.Now().UnixMilli(), Why: "update"})
			}
			w.org.ResetCounts()
			w.work(fixed(1), immortal)
			if got := w.causes(); got[code] != 1 || len(got) != 1 {
				t.Errorf("need somebody: %v, want one of %s; log:\n%s", got, code, w.logs)
			}
			if calls := w.org.Counts().API; calls > 15 || calls > 6 && !passes {
				t.Errorf("%d calls", calls)
			}
			for _, email := range []string{"p0@example.com", "p2@example.com"} {
				if w.contact(email).text("RH_SUB_ID__c") == "" {
					t.Errorf("%s was not written", email)
				}
			}
			run := w.compare()
			if s := run.Statement; s.Equal != 2 || s.Refused != 1 && !passes && code != "DUPLICATE_VALUE" || s.Refused+s.Skipped != 1 {
				t.Errorf("the statement is %+v", s)
			}
			if tries := w.kept(ids[1]).Problem.Tries; tries < 2 && !passes {
				t.Errorf("%d tries are counted", tries)
			}
			w.org.SetRules()
			w.pass(2 * time.Hour)
			w.agree(true)
			if got := w.causes(); len(got) != 0 {
				t.Errorf("need somebody in the end: %v", got)
			}
		})
	}
}

func TestACauseThatIsGoneIsFoundOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.org.SetRules(refusing("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.", "@example.com"))
	for i := range 40 {
		id, _ := w.signUp(fmt.Sprintf("p%d@example.com", i), "Some Body", "")
		w.tell(syncer.Hint{Subscriber: id, Why: "registration", Once: true})
	}
	w.work(fixed(1), immortal)
	w.org.SetRules(refusing("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.", "p7@")) // one has a reason of its own
	calls := w.org.Counts().API
	w.pass(3 * time.Hour)
	if got := w.causes(); got["FIELD_CUSTOM_VALIDATION_EXCEPTION"] != 1 {
		t.Errorf("need somebody: %v, want one", got)
	}
	if calls = w.org.Counts().API - calls; calls > 70 {
		t.Errorf("%d calls to find that out", calls)
	}
}

func TestRefusalsOfOneReasonAreOneCause(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code     string
		messages [2]string
		causes   int
	}{
		"a flow that numbers its errors": {"CANNOT_EXECUTE_FLOW_TRIGGER", [2]string{
			"We can't save this record because the \"Welcome\" process failed. Error ID: 1392847563-71234 (-1392847563)",
			"We can't save this record because the \"Welcome\" process failed. Error ID: 99887766-4 (1177)"}, 1},
		"code that names row and record": {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", [2]string{
			"Tidy: execution of AfterUpdate caused by: System.DmlException: Update failed. First exception on row 0 with id 0035g00000AbCdE",
			"Tidy: execution of AfterUpdate caused by: System.DmlException: Update failed. First exception on row 17 with id 0035g00000XyZaB"}, 1},
		"a rule that quotes the address": {"FIELD_CUSTOM_VALIDATION_EXCEPTION", [2]string{"p0@example.com is blocked.", "p1@example.com is blocked."}, 1},
		"two rules":                      {"FIELD_CUSTOM_VALIDATION_EXCEPTION", [2]string{"A phone is missing.", "A title is missing."}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{})
			w.org.SetRules(refusing(tc.code, tc.messages[0], "p0@"), refusing(tc.code, tc.messages[1], "p1@"))
			for i := range 2 {
				id, _ := w.signUp(fmt.Sprintf("p%d@example.com", i), "Some Body", "")
				w.tell(syncer.Hint{Subscriber: id, Why: "registration", Once: true})
			}
			w.work(fixed(1), immortal)
			all, err := w.service.Causes(t.Context(), account, campaign)
			w.must(err)
			total := 0
			for _, c := range all {
				total += c.Count
			}
			if len(all) != tc.causes || total != 2 || all[0].Said != tc.messages[0] && all[0].Said != tc.messages[1] {
				t.Errorf("the causes are %+v, want %d", all, tc.causes)
			}
		})
	}
}

func TestRefusedPeopleWhoAreGoneNeedNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.org.SetRules(refusing("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.", "@example.com"))
	a, _ := w.signUp("a@example.com", "A", "")
	b, _ := w.signUp("b@example.com", "B", "")
	w.tell(syncer.Hint{Subscriber: a, Why: "registration"}, syncer.Hint{Subscriber: b, Why: "registration"})
	w.work(fixed(1), immortal)
	for _, id := range []bridge.SubscriberID{a, b} {
		w.heroCall(http.MethodDelete, "/subscribers/"+string(id), nil, nil)
	}
	w.tell(syncer.Hint{Subscriber: a, Why: "deletion"}) // and of b nobody tells
	w.work(fixed(1), immortal)
	if got := w.causes(); got["FIELD_CUSTOM_VALIDATION_EXCEPTION"] != 1 {
		t.Errorf("need somebody: %v, want one", got)
	}
	w.compare()
	if got := w.causes(); len(got) != 0 {
		t.Errorf("need somebody in the end: %v", got)
	}
	calls := w.hero.Counts().Calls
	w.compare()
	if calls = w.hero.Counts().Calls - calls; calls != 1 {
		t.Errorf("a run makes %d calls to ReferralHero, want one: nobody is asked for who is known to be gone", calls)
	}
}

func TestChoicesTakePeopleOffTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.org.SetRules(refusing("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.", "@example.com"))
	a, _ := w.signUp("a@example.com", "A", "")
	w.tell(syncer.Hint{Subscriber: a, Why: "registration"})
	w.work(fixed(1), immortal)
	w.on(func(o *syncer.Options) { o.Only = syncer.OnlyReferrals })
	if got := w.causes(); len(got) != 0 {
		t.Errorf("need somebody: %v", got)
	}
	if s := w.ran().Statement; s.Skipped != 1 {
		t.Errorf("the statement is %+v", s)
	}
}

func TestFieldsThatComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "X", Email: "a@example.com"}}})
	a, _ := w.signUp("a@example.com", "A", "")
	b, _ := w.signUp("b@example.com", "B", "")
	both := func(why string) {
		w.tell(syncer.Hint{Subscriber: a, Why: why}, syncer.Hint{Subscriber: b, Why: why})
		w.work(fixed(1), immortal)
	}
	both("registration")
	w.agree(true)

	hide := func(name string, visible bool) { w.must(w.org.SetVisible(user, "Contact", "RH_"+name+"__c", visible)) }
	hide("POINTS", false)
	hide("EX_FIELD", false)
	for _, id := range []bridge.SubscriberID{a, b} {
		w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": "new", "extra_field_2": "too"}, nil)
	}
	both("update")
	if got := w.contact("a@example.com").text("RH_EX_FIELD_2__c"); got != "too" {
		t.Errorf("what is visible shows %q; log:\n%s", got, w.logs)
	}
	// Somebody new needs a search, which fails for the hidden field as well.
	hide("SOURCE", false)
	c, _ := w.signUp("c@example.com", "C", "")
	w.tell(syncer.Hint{Subscriber: c, Why: "registration"})
	w.work(fixed(1), immortal)
	if got := w.contact("c@example.com").text("RH_SUB_ID__c"); got != string(c) {
		t.Errorf("the new contact shows %q; log:\n%s", got, w.logs)
	}
	hide("CODE", false)
	if s := w.compare().Statement; s.Equal+s.Repaired != 3 {
		t.Errorf("the statement is %+v", s)
	}
	for _, name := range []string{"POINTS", "EX_FIELD", "SOURCE", "CODE"} {
		hide(name, true)
	}
	layout, err := w.store.Layout(t.Context(), account, connection, "Contact")
	w.must(err)
	layout, err = w.client.Look(t.Context(), layout)
	w.must(err)
	w.must(w.store.SaveLayout(t.Context(), layout))
	w.must(w.service.Fields(t.Context(), layout)) // as what looks at fields does
	w.work(fixed(1), immortal)
	w.agree(true)
}

func TestWithoutTheKeyNoRecordIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "X", Email: "a@example.com"}}, hidden: []int{bridge.SubscriberKey}})
	a, _ := w.signUp("a@example.com", "A", "")
	b, _ := w.signUp("b@example.com", "B", "")
	w.tell(syncer.Hint{Subscriber: a, Why: "registration"}, syncer.Hint{Subscriber: b, Why: "registration"})
	w.work(fixed(1), immortal)
	if got := w.contact("a@example.com").text("RH_SOURCE__c"); got == "" {
		t.Error("the contact that is there was not written")
	}
	if got := w.causes(); got["key_hidden"] != 1 {
		t.Errorf("need somebody: %v", got)
	}
	if s := w.compare().Statement; s.Equal != 1 || s.Refused != 1 {
		t.Errorf("the statement is %+v", s)
	}
	w.must(w.org.SetVisible(user, "Contact", "RH_SUB_ID__c", true))
	layout, err := w.store.Layout(t.Context(), account, connection, "Contact")
	w.must(err)
	layout, err = w.client.Look(t.Context(), layout)
	w.must(err)
	w.must(w.store.SaveLayout(t.Context(), layout))
	w.must(w.service.Fields(t.Context(), layout))
	w.work(fixed(1), immortal)
	w.agree(true)
	if got := w.causes(); len(got) != 0 {
		t.Errorf("need somebody in the end: %v", got)
	}
}

func TestTheReasonsAreSentences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.org.SetRules(refusing("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Region must be set", "a@"))
	a, _ := w.signUp("a@example.com", "A", "")
	w.tell(syncer.Hint{Subscriber: a, Why: "registration"})
	w.work(fixed(1), immortal)
	all, err := w.service.Causes(t.Context(), account, campaign)
	w.must(err)
	if len(all) != 1 || !strings.Contains(all[0].Said, "Region must be set") {
		t.Errorf("the causes are %+v", all)
	}
	n := 0
	for r, err := range w.service.Refused(t.Context(), account, campaign, "") {
		w.must(err)
		if n++; r.Subscriber != a {
			t.Errorf("%s is refused", r.Subscriber)
		}
	}
	w.org.SetRules()
	if _, err := w.service.Retry(t.Context(), account, campaign, all[0].ID, ""); err != nil || n != 1 {
		t.Errorf("%d are refused; retrying them: %v", n, err)
	}
	w.work(fixed(1), immortal)
	w.agree(true)
}

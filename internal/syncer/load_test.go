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

// loading is a world whose backfill is a bulk load that takes ten minutes and has just begun.
func loading(t *testing.T, n int) (*world, []bridge.SubscriberID) {
	t.Helper()
	w, ids := listed(t, n, 10)
	w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(10 * time.Minute) })
	w.later()
	w.some(3)
	if run, err := w.store.Run(t.Context(), account, campaign); err != nil || run.Load == nil || !run.Load.Begun {
		t.Fatalf("the run is %+v, %v; want one with a load; log:\n%s", run, err, w.logs)
	}
	return w, ids
}

func TestLiveWorkWhileALoadIsUnderWay(t *testing.T) {
	t.Parallel()
	w, ids := loading(t, 40)
	code := w.hero.Subscribers(string(campaign))[3].Code
	w.update(ids[3], "by id")
	w.update(ids[4], "x")
	fresh, _ := w.signUp("new@example.com", "New", code)
	w.tell(syncer.Hint{Subscriber: ids[3], Why: "update"}, syncer.Hint{Code: code, Why: "referral"}, syncer.Hint{Subscriber: fresh, Why: "registration", Once: true})
	w.some(20)
	if got := w.contact("new@example.com").text("RH_SUB_ID__c"); got != string(fresh) {
		t.Errorf("somebody new shows %q while a load is under way", got)
	}
	if n := len(w.records("Contact")); n != 1 {
		t.Errorf("there are %d contacts, want only the new one", n)
	}
	w.tell(syncer.Hint{Subscriber: ids[4], Why: "update"})
	w.work(fixed(1), immortal)
	w.agree(false)
	if s := w.ran().Statement; s.Created != 40 || s.Repaired != 40 {
		t.Errorf("the statement is %+v", s)
	}
}

func TestRowsThatALoadDoesNotTake(t *testing.T) {
	t.Parallel()
	for code, refused := range map[string]bool{"FIELD_CUSTOM_VALIDATION_EXCEPTION": true, "UNABLE_TO_LOCK_ROW": false, "DUPLICATES_DETECTED": false} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w, ids := loading(t, 40)
			w.org.SetRules(refusing(code, "No.", "p3")) // eleven of them
			w.pass(11 * time.Minute)                    // Salesforce has tried the rows
			run := w.ran()
			if s := run.Statement; refused && (s.Refused != 11 || s.Created != 29) || !refused && s.Refused+s.Skipped != 11 {
				t.Errorf("the statement is %+v", s)
			}
			w.org.SetRules()
			w.pass(time.Hour)
			w.compare()
			w.agree(true)
			if got := w.causes(); len(got) != 0 {
				t.Errorf("need somebody in the end: %v", got)
			}
			w.update(ids[30], "x")
			w.told("update", ids[30])
			w.agree(true)
		})
	}
}

func TestALoadThatFails(t *testing.T) {
	t.Parallel()
	for name, always := range map[string]bool{"once": false, "always": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := loading(t, 40)
			abort := func() {
				var list struct{ Records []row }
				w.orgCall(http.MethodGet, "/jobs/ingest", nil, &list)
				for _, j := range list.Records {
					if j.text("state") == "UploadComplete" || j.text("state") == "InProgress" {
						w.orgCall(http.MethodPatch, "/jobs/ingest/"+j.text("id"), map[string]any{"state": "Aborted"}, nil)
					}
				}
			}
			abort()
			for range 20 {
				w.some(3)
				if always {
					abort()
				}
				w.advance(time.Minute)
			}
			w.pass(time.Hour)
			w.agree(true)
			runs, err := w.store.Runs(t.Context(), account, campaign, 9)
			w.must(err)
			if len(runs) != 2 || runs[1].Cause == "" || runs[0].Cause != "" || runs[1].Statement.Subscribers != 40 {
				t.Errorf("the runs are %+v", runs)
			}
		})
	}
}

func TestALoadThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	w, ids := loading(t, 40)
	w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(1000 * time.Hour) })
	w.update(ids[0], "x")
	w.tell(syncer.Hint{Subscriber: ids[0], Why: "update"})
	w.advance(9 * time.Minute)
	for range 30 { // the load that is there ends in a minute; so take it away, and another one takes its place for ever
		w.must(w.sweep.Run(t.Context()))
		w.some(40)
		w.advance(time.Hour)
	}
	w.pass(time.Hour)
	w.agree(true)
}

func TestPersonsAreNotLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{bare: true, bulk: 10, org: simorg.Options{PersonAccounts: true}, hero: simhero.Options{Subscribers: 30, WindowKind: simhero.None}})
	w.count()
	record := w.recordType()
	w.on(func(o *syncer.Options) { o.Target, o.RecordType = bridge.ToPersonAccount, record })
	w.agree(true)
	if s := w.ran().Statement; s.Created != 30 {
		t.Errorf("the statement is %+v", s)
	}
}

func TestALoadOfWhoIsThereAlready(t *testing.T) {
	t.Parallel()
	var contacts []simorg.Contact
	for i := range 30 {
		contacts = append(contacts, simorg.Contact{LastName: "X", Email: fmt.Sprintf("p%d@example.com", i), Title: "Owner"})
	}
	w := newWorld(t, options{bare: true, bulk: 10, contacts: contacts, hero: simhero.Options{WindowKind: simhero.None}})
	for i := range 60 {
		w.signUp(fmt.Sprintf("p%d@example.com", i), "P", "")
	}
	w.count()
	w.on(nil)
	w.agree(true)
	if s := w.ran().Statement; s.Created != 30 || s.Repaired != 60 {
		t.Errorf("the statement is %+v", s)
	}
	// Choices leave alone who is in sync, also if only the bulk load knows its record.
	w.on(func(o *syncer.Options) { o.Only = syncer.OnlyAdvocates })
	if s := w.ran().Statement; s.Equal != 60 {
		t.Errorf("the statement is %+v", s)
	}
}

func TestHintsWaitLongerForALoadThatTakesLong(t *testing.T) {
	t.Parallel()
	w, ids := listed(t, 40, 10)
	w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(6 * time.Hour) })
	w.later()
	w.some(3)
	w.update(ids[0], "x")
	w.tell(syncer.Hint{Subscriber: ids[0], Why: "update"})
	w.handed = 0
	w.work(fixed(1), immortal)
	w.agree(true)
	if w.handed > 45 {
		t.Errorf("the hint was handed out %d times in six hours, want at most 45", w.handed)
	}
}

// A bulk load does not tell the ids of new records, so a large campaign looks for them once more; and by then some have lost their address.
func TestRecordsWithoutAnAddressAreStillFoundAfterALoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{bare: true, bulk: 10, hero: simhero.Options{Subscribers: 1600, WindowKind: simhero.None}})
	w.count()
	w.on(nil)
	before := w.records("Contact")
	for _, r := range before[:3] {
		w.edit(r.text("Email"), map[string]any{"FirstName": "Renamed", "Email": nil})
	}
	if s := w.compare().Statement; s.Created != 0 {
		t.Errorf("the statement is %+v, want nobody new", s)
	}
	renamed := 0
	after := w.records("Contact")
	for _, r := range after {
		if r.text("FirstName") == "Renamed" && r.text("RH_SUB_ID__c") != "" {
			renamed++
		}
	}
	if renamed != 3 || len(after) != len(before) {
		t.Errorf("%d of 3 keep their names, of %d contacts; there were %d", renamed, len(after), len(before))
	}
}

package salesforce_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// numbered are n contacts in order, with an address each.
func numbered(n int) []simulated.Contact {
	contacts := make([]simulated.Contact, n)
	for i := range contacts {
		contacts[i] = simulated.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "Lee", Email: fmt.Sprintf("n%d@example.com", i)}
	}
	return contacts
}

func TestEveryRecord(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ records, calls int }{
		{0, 1}, {1, 1}, {1999, 1}, {2000, 1}, {2001, 1}, {4000, 1}, {9999, 1}, {10_000, 1}, {10_001, 2},
	} {
		t.Run(fmt.Sprint(tc.records), func(t *testing.T) {
			t.Parallel()
			s := newStand(t, simulated.Options{Contacts: numbered(tc.records)})
			var last bridge.SalesforceID
			n := 0
			calls := s.calls(func() {
				err := s.EveryRecord(t.Context(), s.layouts, bridge.ToContact, bridge.Matchable, func(r bridge.Record) error {
					if r.ID <= last || r.Email != fmt.Sprintf("n%d@example.com", n) {
						return fmt.Errorf("record %d: %s with %s after %s", n, r.ID, r.Email, last)
					}
					last = r.ID
					n++
					return nil
				})
				if err != nil {
					t.Errorf("EveryRecord: %v", err)
				}
			})
			if n != tc.records || calls != tc.calls {
				t.Errorf("%d records by %d calls, want %d by %d", n, calls, tc.records, tc.calls)
			}
			if count, err := s.CountRecords(t.Context(), s.layouts, bridge.ToContact, bridge.Matchable); err != nil || count != tc.records {
				t.Errorf("CountRecords = %d, %v, want %d", count, err, tc.records)
			}
		})
	}
}

func TestEveryRecordThatCanBeMatched(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: []simulated.Contact{{LastName: "Address", Email: "a@example.com"}, {LastName: "Neither"}}})
	change := newContacts(1)
	change[0].Person.Email = ""
	succeed(t, s.Write(t.Context(), s.layouts, change))
	hidden := s.layouts["Contact"]
	hidden.Visible = hidden.Visible.Without(bridge.SubscriberKey)
	for name, tc := range map[string]struct {
		layout bridge.Layout
		want   int
	}{
		"by address or by SUB_ID":           {s.layouts["Contact"], 2},
		"by address where SUB_ID is hidden": {hidden, 1},
	} {
		layouts, n := map[string]bridge.Layout{"Contact": tc.layout}, 0
		err := s.EveryRecord(t.Context(), layouts, bridge.ToContact, bridge.Matchable, func(bridge.Record) error { n++; return nil })
		if err != nil || n != tc.want {
			t.Errorf("%s: %d records, %v, want %d", name, n, err, tc.want)
		}
		if n, err := s.CountRecords(t.Context(), layouts, bridge.ToContact, bridge.Matchable); err != nil || n != tc.want {
			t.Errorf("%s: CountRecords = %d, %v, want %d", name, n, err, tc.want)
		}
	}
}

// TestShorterPages: two long texts among the columns, and Salesforce gives 200 rows at a time.
func TestShorterPages(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: numbered(2500)})
	layout := s.layouts["Contact"]
	for i, name := range map[int]string{bridge.EmailLink: "Long_1", bridge.FacebookLink: "Long_2"} {
		s.post("/setup/fields", map[string][]string{"object": {"Contact"}, "name": {name}, "label": {name}, "type": {"LongTextArea"}, "length": {"1000"}, "visible": {"on"}})
		layout.Names[i] = name + "__c"
	}
	s.layouts["Contact"] = layout
	seen := map[bridge.SalesforceID]bool{}
	calls := s.calls(func() {
		err := s.EveryRecord(t.Context(), s.layouts, bridge.ToContact, bridge.Matchable, func(r bridge.Record) error {
			if seen[r.ID] {
				return fmt.Errorf("%s again", r.ID)
			}
			seen[r.ID] = true
			return nil
		})
		if err != nil {
			t.Errorf("EveryRecord: %v", err)
		}
	})
	if len(seen) != 2500 || calls > 4 { // one to find out, then 1,000 at a time
		t.Errorf("%d records by %d calls", len(seen), calls)
	}
}

func TestEveryRecordThatIsOurs(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: people(20)})
	succeed(t, s.Write(t.Context(), s.layouts, newContacts(5)))
	var got []string
	err := s.EveryRecord(t.Context(), s.layouts, bridge.ToContact, bridge.Ours, func(r bridge.Record) error {
		got = append(got, r.Values[bridge.Code])
		return nil
	})
	if diff := cmp.Diff([]string{"code0", "code1", "code2", "code3", "code4"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if n, err := s.CountRecords(t.Context(), s.layouts, bridge.ToContact, bridge.Ours); n != 5 || err != nil {
		t.Errorf("CountRecords = %d, %v", n, err)
	}
	t.Run("until the caller has enough", func(t *testing.T) {
		enough, n := errors.New("enough"), 0
		err := s.EveryRecord(t.Context(), s.layouts, bridge.ToContact, bridge.Ours, func(bridge.Record) error {
			if n++; n == 3 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || n != 3 {
			t.Errorf("%v after %d", err, n)
		}
	})
	t.Run("not without SUB_ID", func(t *testing.T) {
		layout := s.layouts["Contact"]
		layout.Visible = layout.Visible.Without(bridge.SubscriberKey)
		layouts := map[string]bridge.Layout{"Contact": layout}
		if _, err := s.CountRecords(t.Context(), layouts, bridge.ToContact, bridge.Ours); bridge.KindOf(err) != bridge.Denied {
			t.Errorf("%v, want denied", err)
		}
	})
}

func TestWhatIsReadOfARecord(t *testing.T) {
	t.Parallel()
	contacts := people(2)
	contacts[1].AccountID = "0015g0000000001"
	s := newStand(t, simulated.Options{Contacts: contacts, Now: func() time.Time { return time.Date(2026, 11, 3, 10, 15, 30, 0, time.UTC) }})
	one, two := id(t, contacts[0].ID), id(t, contacts[1].ID)
	values := filled(12_345_678) // which Salesforce writes with an exponent
	values[bridge.TotalReferrals] = "-3"
	succeed(t, s.Write(t.Context(), s.layouts, []bridge.Change{{Target: bridge.ToContact, ID: two, Fields: bridge.EveryField, Values: values}}))
	got := map[bridge.SalesforceID]bridge.Record{}
	read := func(layouts map[string]bridge.Layout) {
		clear(got)
		err := s.RecordsByID(t.Context(), layouts, bridge.ToContact, []bridge.SalesforceID{two, one, id(t, "0035g00000ZZZZZ")}, func(r bridge.Record) { got[r.ID] = r })
		if err != nil {
			t.Fatal(err)
		}
	}
	read(s.layouts)
	want := map[bridge.SalesforceID]bridge.Record{
		one: {Target: bridge.ToContact, ID: one, Email: "Ann0@Example.com", Modified: contacts[0].Created},
		two: {Target: bridge.ToContact, ID: two, Parent: id(t, "0015g0000000001"), Email: "Ann1@Example.com",
			Modified: time.Date(2026, 11, 3, 10, 15, 30, 0, time.UTC), Values: values},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	t.Run("only what is visible", func(t *testing.T) {
		if err := s.org.SetVisible("admin@acme.example", "Contact", "RH_CODE__c", false); err != nil {
			t.Fatal(err)
		}
		if err := s.org.SetVisible("admin@acme.example", "Contact", "AccountId", false); err != nil {
			t.Fatal(err)
		}
		layout := s.layouts["Contact"]
		layout.Visible = layout.Visible.Without(bridge.Code)
		for _, calls := range []int{2, 1} { // that the account is hidden is found out once
			if got := s.calls(func() { read(map[string]bridge.Layout{"Contact": layout}) }); got != calls {
				t.Errorf("%d calls, want %d", got, calls)
			}
		}
		values[bridge.Code] = ""
		r := want[two]
		r.Values, r.Parent = values, ""
		want[two] = r
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		err := s.RecordsByID(t.Context(), s.layouts, bridge.ToContact, []bridge.SalesforceID{one}, func(bridge.Record) {})
		if bridge.KindOf(err) != bridge.Invalid || bridge.CodeOf(err) != "INVALID_FIELD" {
			t.Errorf("%v, want invalid INVALID_FIELD", err)
		}
	})
}

func TestRecordsByKey(t *testing.T) {
	t.Parallel()
	mails := []string{`o'neil@example.com`, `ann+tag@example.com`, `"odd"@example.com`, `back\slash@example.com`, `100%_@example.com`, `Ελένη@example.com`}
	var contacts []simulated.Contact
	for i, mail := range mails {
		contacts = append(contacts, simulated.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "Lee", Email: strings.ToUpper(mail)})
	}
	contacts = append(contacts, simulated.Contact{LastName: "Other", Email: "100xy@example.com"})
	s := newStand(t, simulated.Options{Contacts: contacts})
	changes := newContacts(2)
	changes[1].Person.Email = "o'neil@example.com"
	succeed(t, s.Write(t.Context(), s.layouts, changes))
	var got []string
	err := s.RecordsByKey(t.Context(), s.layouts, bridge.ToContact, []bridge.SubscriberID{"sub_000000000000", "sub_000000000001", "SUB_000000000000", "') OR Id != null"},
		append(mails, "nobody@example.com", "", "@{part0.records[0].Id}"), func(r bridge.Record) { got = append(got, strings.ToLower(r.Email)+r.Values[bridge.SubscriberKey]) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"new0@example.comsub_000000000000", "o'neil@example.comsub_000000000001"}
	for _, mail := range mails {
		want = append(want, strings.ToLower(mail))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	t.Run("nothing to look for costs nothing", func(t *testing.T) {
		if calls := s.calls(func() {
			if err := s.RecordsByKey(t.Context(), s.layouts, bridge.ToContact, nil, []string{""}, func(bridge.Record) { t.Error("a record") }); err != nil {
				t.Error(err)
			}
		}); calls != 0 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestManyKeysAreFewCalls(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: numbered(3000)})
	changes := newContacts(1000)
	for i := range changes {
		changes[i].Person.Email = fmt.Sprintf("n%d@example.com", i) // so each is found twice
	}
	succeed(t, s.Write(t.Context(), s.layouts, changes))
	for name, tc := range map[string]struct {
		keys, mails, want, calls int
	}{
		"200 subscribers":  {200, 200, 400, 1},
		"1000 subscribers": {1000, 1000, 2000, 1},
		"3000 addresses":   {0, 3000, 4000, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []bridge.SubscriberID
			var mails []string
			for i := range tc.keys {
				keys = append(keys, bridge.SubscriberID(changes[i].Values[bridge.SubscriberKey]))
			}
			for i := range tc.mails {
				mails = append(mails, fmt.Sprintf("n%d@example.com", i))
			}
			seen := map[bridge.SalesforceID]bool{}
			calls := s.calls(func() {
				err := s.RecordsByKey(t.Context(), s.layouts, bridge.ToContact, keys, mails, func(r bridge.Record) {
					if seen[r.ID] {
						t.Errorf("%s again", r.ID)
					}
					seen[r.ID] = true
				})
				if err != nil {
					t.Error(err)
				}
			})
			if len(seen) != tc.want || calls != tc.calls {
				t.Errorf("%d records by %d calls, want %d by %d", len(seen), calls, tc.want, tc.calls)
			}
		})
	}
	for _, n := range []int{500, 2500} {
		var ids []bridge.SalesforceID
		for i := range n {
			ids = append(ids, id(t, fmt.Sprintf("0035g00000%05d", i)))
		}
		found := 0
		if calls := s.calls(func() {
			if err := s.RecordsByID(t.Context(), s.layouts, bridge.ToContact, ids, func(bridge.Record) { found++ }); err != nil {
				t.Error(err)
			}
		}); calls != 1 || found != n {
			t.Errorf("%d of %d records by %d calls, want 1", found, n, calls)
		}
	}
}

// TestFurtherPagesAreFollowed: an address that very many contacts share.
func TestFurtherPagesAreFollowed(t *testing.T) {
	t.Parallel()
	contacts := numbered(4100)
	for i := range contacts {
		contacts[i].Email = "shared@example.com"
	}
	s := newStand(t, simulated.Options{Contacts: contacts})
	for _, mails := range [][]string{{"shared@example.com"}, slices.Concat([]string{"shared@example.com"}, many(600))} {
		n := 0
		if calls := s.calls(func() {
			if err := s.RecordsByKey(t.Context(), s.layouts, bridge.ToContact, nil, mails, func(bridge.Record) { n++ }); err != nil {
				t.Error(err)
			}
		}); n != 4100 || calls != 3 {
			t.Errorf("%d records by %d calls, want 4100 by 3", n, calls)
		}
	}
}

func many(n int) []string {
	var mails []string
	for i := range n {
		mails = append(mails, fmt.Sprintf("somebody.with.a.longer.address%d@example.com", i))
	}
	return mails
}

func TestConvertedLeadsAreLeftOut(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Generated: -1})
	changes := newContacts(3)
	for i := range changes {
		changes[i].Target = bridge.ToLead
		changes[i].Person.Company = "Acme"
	}
	written := s.Write(t.Context(), s.layouts, changes)
	succeed(t, written)
	if _, err := s.org.Convert(string(written[1].ID)); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := s.EveryRecord(t.Context(), s.layouts, bridge.ToLead, bridge.Ours, func(r bridge.Record) error {
		got = append(got, string(r.Target)+" "+r.Values[bridge.Code])
		return nil
	})
	if diff := cmp.Diff([]string{"Lead code0", "Lead code2"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if got := s.records(bridge.ToLead, "sub_000000000001", "sub_000000000002"); len(got) != 1 {
		t.Errorf("by key: %v", got)
	}
	w := s.Write(t.Context(), s.layouts, []bridge.Change{{Target: bridge.ToLead, ID: written[1].ID, Fields: bridge.EveryField, Values: filled(9)}})[0]
	if bridge.KindOf(w.Err) != bridge.NotFound || bridge.CodeOf(w.Err) != "CANNOT_UPDATE_CONVERTED_LEAD" {
		t.Errorf("writing the converted one: %v", w.Err)
	}
}

func TestReadingFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault simulated.Fault
		kind  bridge.Kind
	}{
		"the day's calls are used up": {simulated.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, bridge.Throttled},
		"an error of theirs":          {simulated.Fault{Status: 500, Code: "UNKNOWN_EXCEPTION"}, bridge.Unavailable},
		"no answer":                   {simulated.Fault{Drop: true}, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, simulated.Options{Contacts: numbered(10)})
			s.org.SetRules(simulated.Rule{Kind: simulated.KindAPI, Fault: tc.fault})
			err := s.EveryRecord(t.Context(), s.layouts, bridge.ToContact, bridge.Matchable, func(bridge.Record) error { return nil })
			if bridge.KindOf(err) != tc.kind {
				t.Errorf("EveryRecord: %v, want %s", err, tc.kind)
			}
			err = s.RecordsByKey(t.Context(), s.layouts, bridge.ToContact, nil, []string{"n1@example.com"}, func(bridge.Record) {})
			if bridge.KindOf(err) != tc.kind {
				t.Errorf("RecordsByKey: %v, want %s", err, tc.kind)
			}
			if err == nil || strings.Contains(err.Error(), "n1@") {
				t.Errorf("the error's text quotes an address: %v", err)
			}
		})
	}
}

// TestChainsThatBreak: a part that fails because the one before it was short means the end; after any other failure,
// reading goes on where it was, or fails.
func TestChainsThatBreak(t *testing.T) {
	t.Parallel()
	row := func(n int) string {
		return fmt.Sprintf(`{"attributes":{"type":"Contact","url":"/x"},"Id":"%s","Email":"a@example.com","SystemModstamp":"2026-11-03T10:15:30.000+0000"}`, id(t, fmt.Sprintf("0035g00000%05d", n)))
	}
	rows := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, row(from+i))
		}
		return strings.Join(list, ",")
	}
	ok := func(query int, done bool, rows string) string {
		return fmt.Sprintf(`{"body":{"totalSize":9,"done":%t,"nextRecordsUrl":"/services/data/v66.0/query/x-1","records":[%s]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"part%d"}`, done, rows, query)
	}
	bad := func(query, status int, code string) string {
		return fmt.Sprintf(`{"body":[{"errorCode":"%s","message":"secret"}],"httpHeaders":{},"httpStatusCode":%d,"referenceId":"part%d"}`, code, status, query)
	}
	halted := func(from int) string {
		var list []string
		for i := from; i < 5; i++ {
			list = append(list, bad(i, 400, "PROCESSING_HALTED"))
		}
		return strings.Join(list, ",")
	}
	for name, tc := range map[string]struct {
		parts []string // of one call after the other
		rows  int
		kind  bridge.Kind
	}{
		"none at all":                                    {[]string{ok(0, true, "") + "," + halted(1)}, 0, ""},
		"a short page, then halted":                      {[]string{ok(0, true, rows(0, 3)) + "," + halted(1)}, 3, ""},
		"a full page, then a short one":                  {[]string{ok(0, true, rows(0, 2000)) + "," + ok(1, true, rows(2000, 1)) + "," + halted(2)}, 2001, ""},
		"the first is halted":                            {[]string{halted(0)}, 0, bridge.Unavailable},
		"halted after a full page, which is not the end": {[]string{ok(0, true, rows(0, 2000)) + "," + halted(1), ok(0, true, rows(2000, 2)) + "," + halted(1)}, 2002, ""},
		"another error after a full page": {[]string{ok(0, true, rows(0, 2000)) + "," + bad(1, 400, "QUERY_TIMEOUT") + "," + halted(2), ok(0, true, "") + "," + halted(1)},
			2000, ""},
		"another error after a full page, which lasts": {[]string{ok(0, true, rows(0, 2000)) + "," + bad(1, 400, "QUERY_TIMEOUT") + "," + halted(2),
			bad(0, 400, "QUERY_TIMEOUT") + "," + halted(1)}, 2000, bridge.Unavailable},
		"a hidden field":                     {[]string{bad(0, 400, "INVALID_FIELD") + "," + halted(1)}, 0, bridge.Invalid},
		"rows after the end are not given":   {[]string{ok(0, true, rows(0, 3)) + "," + ok(1, true, rows(0, 3)) + "," + halted(2)}, 3, ""},
		"fewer rows at a time, then the end": {[]string{ok(0, false, rows(0, 3)) + "," + halted(1), ok(0, true, rows(3, 2)) + "," + halted(1)}, 5, ""},
		"no rows, and yet more":              {[]string{ok(0, false, "") + "," + halted(1)}, 0, bridge.Unavailable},
		"the answers in another order":       {[]string{ok(1, true, rows(0, 3)) + "," + ok(0, true, rows(0, 3)) + "," + halted(2)}, 3, bridge.Unavailable},
		"an answer is missing":               {[]string{ok(0, true, rows(0, 3))}, 3, bridge.Unavailable},
		"an answer too many":                 {[]string{ok(0, true, rows(0, 3)) + "," + halted(1) + "," + bad(5, 400, "PROCESSING_HALTED")}, 3, bridge.Unavailable},
		"a row without an id":                {[]string{ok(0, true, `{"Email":"x"}`) + "," + halted(1)}, 0, bridge.Unavailable},
		"no rows but words":                  {[]string{ok(0, true, `"x"`) + "," + halted(1)}, 0, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls == len(tc.parts) {
					t.Error("a call too many")
					return
				}
				fmt.Fprintf(w, `{"compositeResponse":[%s]}`, tc.parts[calls])
				calls++
			}))
			defer server.Close()
			token := "x"
			tokens := &session{t: t, origin: server.URL}
			tokens.token.Store(&token)
			hosts := salesforce.Hosts{Simulator: server.URL}
			c := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: tokens}
			n := 0
			err := c.EveryRecord(t.Context(), map[string]bridge.Layout{"Contact": {}}, bridge.ToContact, bridge.Matchable, func(bridge.Record) error { n++; return nil })
			if bridge.KindOf(err) != tc.kind || n != tc.rows || calls != len(tc.parts) {
				t.Errorf("%d rows by %d calls, %v; want %d by %d, %q", n, calls, err, tc.rows, len(tc.parts), tc.kind)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error's text quotes Salesforce: %v", err)
			}
		})
	}
}

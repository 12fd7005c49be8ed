package salesforce_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// records reads contacts or leads as the client does, by SUB_ID.
func (s *stand) records(target bridge.Target, keys ...string) map[string]bridge.Record {
	s.t.Helper()
	var ids []bridge.SubscriberID
	for _, key := range keys {
		ids = append(ids, bridge.SubscriberID(key))
	}
	found := map[string]bridge.Record{}
	err := s.RecordsByKey(s.t.Context(), s.layouts, target, ids, nil, func(r bridge.Record) { found[r.Values[bridge.SubscriberKey]] = r })
	if err != nil {
		s.t.Fatalf("RecordsByKey: %v", err)
	}
	return found
}

// succeed fails the test if a change was not written.
func succeed(t *testing.T, written []bridge.Written) {
	t.Helper()
	for i, w := range written {
		if w.Err != nil || w.ID == "" {
			t.Fatalf("change %d: %q, %v", i, w.ID, w.Err)
		}
	}
}

func TestThousandChangesAreOneCall(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Generated: -1})
	changes := newContacts(1000)
	var written []bridge.Written
	if calls := s.calls(func() { written = s.Write(t.Context(), s.layouts, changes) }); calls != 1 {
		t.Errorf("%d calls to create 1,000, want 1", calls)
	}
	succeed(t, written)
	for i := range changes {
		if !written[i].Created {
			t.Fatalf("change %d was not a creation", i)
		}
		changes[i].ID, changes[i].Person, changes[i].Fields = written[i].ID, nil, bridge.FieldSet(0).With(bridge.Points)
		changes[i].Values[bridge.Points] = fmt.Sprint(i + 7)
	}
	slices.Reverse(changes)
	if calls := s.calls(func() { written = s.Write(t.Context(), s.layouts, changes) }); calls != 1 {
		t.Errorf("%d calls to update 1,000, want 1", calls)
	}
	succeed(t, written)
	for i, w := range written {
		if w.ID != changes[i].ID || w.Created {
			t.Fatalf("result %d is of %s, created %t; want %s", i, w.ID, w.Created, changes[i].ID)
		}
	}
	got := s.records(bridge.ToContact, "sub_000000000000", "sub_0000000003e7")
	want := filled(999)
	want[bridge.Points] = "1006"
	if diff := cmp.Diff(want, got["sub_0000000003e7"].Values); diff != "" {
		t.Errorf("the last contact:\n%s", diff)
	}
}

func TestCallsAreCountedByCollections(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		contacts, leads int
		calls           int
		direct          int // of them, calls of one collection
	}{
		"one collection":                  {200, 0, 1, 1},
		"two":                             {201, 0, 1, 0},
		"one of each kind":                {1, 1, 1, 0},
		"six, of which the last is alone": {1001, 0, 2, 1},
		"none":                            {0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, simulated.Options{Generated: -1})
			changes := newContacts(tc.contacts + tc.leads)
			for i := range changes[:tc.leads] {
				changes[i].Target = bridge.ToLead
				changes[i].Person.Company = "Acme"
			}
			s.forget()
			var written []bridge.Written
			if calls := s.calls(func() { written = s.Write(t.Context(), s.layouts, changes) }); calls != tc.calls {
				t.Errorf("%d calls, want %d", calls, tc.calls)
			}
			succeed(t, written)
			direct := 0
			for _, one := range s.seen {
				if one.path != "/services/data/v66.0/composite" {
					direct++
				}
			}
			if direct != tc.direct {
				t.Errorf("%d direct calls, want %d", direct, tc.direct)
			}
		})
	}
}

func TestWhatIsSentOfAChange(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: people(1)})
	known := id(t, people(1)[0].ID)
	hidden := s.layouts["Contact"]
	hidden.Visible = hidden.Visible.Without(bridge.Source)
	s.layouts["Contact"] = hidden
	for name, tc := range map[string]struct {
		change       bridge.Change
		method, path string
		record       string
	}{
		"an update, of the fields that are named and visible": {
			bridge.Change{Target: bridge.ToContact, ID: known, Fields: bridge.FieldSet(0).With(bridge.Code).With(bridge.Points).With(bridge.Source).With(bridge.LastReferral),
				Values: filled(3)},
			http.MethodPatch, "/composite/sobjects",
			`{"attributes":{"type":"Contact"},"id":"` + string(known) + `","RH_CODE__c":"code3","RH_LAST_REF__c":"2026-11-03T10:15:30Z","RH_POINTS__c":3}`,
		},
		"an update to nothing": {
			bridge.Change{Target: bridge.ToContact, ID: known, Fields: bridge.FieldSet(0).With(bridge.Code).With(bridge.Points)},
			http.MethodPatch, "/composite/sobjects",
			`{"attributes":{"type":"Contact"},"id":"` + string(known) + `","RH_CODE__c":null,"RH_POINTS__c":null}`,
		},
		"a new contact, without an id": {
			bridge.Change{Target: bridge.ToContact, Values: filled(4), Person: &bridge.NewPerson{LastName: "O\"Neil\n", Email: "x+y@example.com"}},
			http.MethodPatch, "/composite/sobjects/Contact/RH_SUB_ID__c",
			`{"attributes":{"type":"Contact"},"LastName":"O\"Neil\u000a","Email":"x+y@example.com","RH_SUB_ID__c":"sub_000000000004"}`,
		},
		"a new lead": {
			bridge.Change{Target: bridge.ToLead, Values: filled(5), Person: &bridge.NewPerson{FirstName: "Bo", LastName: "Li", Company: "Acme", Phone: "+1 415"}},
			http.MethodPatch, "/composite/sobjects/Lead/RH_SUB_ID__c",
			`{"attributes":{"type":"Lead"},"FirstName":"Bo","LastName":"Li","Phone":"+1 415","Company":"Acme","RH_SUB_ID__c":"sub_000000000005"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.forget()
			succeed(t, s.Write(t.Context(), s.layouts, []bridge.Change{tc.change}))
			if len(s.seen) != 1 {
				t.Fatalf("%d calls", len(s.seen))
			}
			got := s.seen[0]
			if got.method != tc.method || got.path != "/services/data/v66.0"+tc.path || got.body != `{"allOrNone":false,"records":[`+tc.record+`]}` {
				t.Errorf("%s %s %s\nwant %s", got.method, got.path, got.body, tc.record)
			}
			if rule := got.header.Get("Sforce-Duplicate-Rule-Header"); rule != "allowSave=true; includeRecordDetails=false; runAsCurrentUser=false" {
				t.Errorf("duplicate rule header: %q", rule)
			}
			if assign := got.header.Get("Sforce-Auto-Assign"); (assign == "false") != (tc.change.ID != "") {
				t.Errorf("auto-assign: %q", assign)
			}
		})
	}
}

func TestDuplicateRuleThatWarnsStopsNothing(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: people(300)})
	changes := newContacts(250)
	for i := range changes {
		changes[i].Person.Email = fmt.Sprintf("ann%d@example.com", i)
	}
	succeed(t, s.Write(t.Context(), s.layouts, changes)) // as parts of one call
	s.control("switches", `{"duplicateAction":"block"}`)
	change := newContacts(251)[250:]
	change[0].Person.Email = "ann1@example.com"
	w := s.Write(t.Context(), s.layouts, change)[0]
	if bridge.KindOf(w.Err) != bridge.Conflict || bridge.CodeOf(w.Err) != "DUPLICATES_DETECTED" || w.ID != "" {
		t.Errorf("%q, %v, want a conflict", w.ID, w.Err)
	}
}

func TestUpdatesAreOrderedByAccount(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: people(6)})
	var changes []bridge.Change
	for i, parent := range []string{"0015g0000000002AAA", "", "0015g0000000001AAA", "0015g0000000002AAA", "0015g0000000001AAA"} {
		changes = append(changes, bridge.Change{Target: bridge.ToContact, ID: id(t, people(6)[4-i].ID), Parent: bridge.SalesforceID(parent),
			Fields: bridge.FieldSet(0).With(bridge.Code), Values: filled(i)})
	}
	s.forget()
	succeed(t, s.Write(t.Context(), s.layouts, changes))
	var sent struct {
		Records []struct {
			Code string `json:"RH_CODE__c"`
		}
	}
	if err := json.Unmarshal([]byte(s.seen[0].body), &sent); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range sent.Records {
		order = append(order, r.Code)
	}
	if diff := cmp.Diff([]string{"code1", "code4", "code2", "code3", "code0"}, order); diff != "" {
		t.Error(diff)
	}
}

func TestChangesThatAreNotSent(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: people(3)})
	one, two := id(t, people(3)[0].ID), id(t, people(3)[1].ID)
	code, key := bridge.FieldSet(0).With(bridge.Code), bridge.FieldSet(0).With(bridge.SubscriberKey)
	person := &bridge.NewPerson{LastName: "Lee"}
	odd := filled(1)
	odd[bridge.Points] = "1}"
	for name, tc := range map[string]struct {
		changes []bridge.Change
		want    []bridge.Kind
	}{
		"the same record twice, and another": {[]bridge.Change{
			{Target: bridge.ToContact, ID: one, Fields: code}, {Target: bridge.ToContact, ID: two, Fields: code}, {Target: bridge.ToContact, ID: one, Fields: code},
		}, []bridge.Kind{bridge.Internal, "", bridge.Internal}},
		"the same new subscriber twice": {[]bridge.Change{
			{Target: bridge.ToContact, Person: person, Values: filled(1)}, {Target: bridge.ToContact, Person: person, Values: filled(1)},
		}, []bridge.Kind{bridge.Internal, bridge.Internal}},
		"a subscriber for two contacts": {[]bridge.Change{
			{Target: bridge.ToContact, ID: one, Fields: key, Values: filled(1)}, {Target: bridge.ToContact, ID: two, Fields: key, Values: filled(1)},
		}, []bridge.Kind{bridge.Internal, bridge.Internal}},
		"a subscriber whose SUB_ID is not written": {[]bridge.Change{
			{Target: bridge.ToContact, ID: one, Fields: code, Values: filled(1)}, {Target: bridge.ToContact, ID: two, Fields: code, Values: filled(1)},
		}, []bridge.Kind{"", ""}},
		"a contact and a lead of one subscriber": {[]bridge.Change{
			{Target: bridge.ToContact, Person: person, Values: filled(2)}, {Target: bridge.ToLead, Person: &bridge.NewPerson{LastName: "Lee", Company: "x"}, Values: filled(2)},
		}, []bridge.Kind{"", ""}},
		"a number that would break the call": {[]bridge.Change{
			{Target: bridge.ToContact, ID: one, Fields: bridge.EveryField, Values: odd}, {Target: bridge.ToContact, ID: two, Fields: code, Values: odd},
		}, []bridge.Kind{bridge.Internal, ""}},
		"a new record of nobody":     {[]bridge.Change{{Target: bridge.ToContact, Values: filled(1)}}, []bridge.Kind{bridge.Internal}},
		"a new record without a key": {[]bridge.Change{{Target: bridge.ToContact, Person: person}}, []bridge.Kind{bridge.Internal}},
		"a kind of record that there is not": {[]bridge.Change{{Target: "Account", ID: one, Fields: code}},
			[]bridge.Kind{bridge.Internal}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []bridge.Kind
			for _, w := range s.Write(t.Context(), s.layouts, tc.changes) {
				got = append(got, bridge.KindOf(w.Err))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("nothing to write costs nothing", func(t *testing.T) {
		if calls := s.calls(func() {
			succeed(t, s.Write(t.Context(), s.layouts, []bridge.Change{{Target: bridge.ToContact, ID: one}}))
		}); calls != 0 {
			t.Errorf("%d calls", calls)
		}
	})
	t.Run("new records need SUB_ID", func(t *testing.T) {
		layout := s.layouts["Contact"]
		layout.Visible = layout.Visible.Without(bridge.SubscriberKey)
		w := s.Write(t.Context(), map[string]bridge.Layout{"Contact": layout}, newContacts(1))[0]
		if message, _ := bridge.MessageOf(w.Err); bridge.KindOf(w.Err) != bridge.Denied || !strings.Contains(message, "SUB_ID") {
			t.Errorf("%v, %q", w.Err, message)
		}
	})
}

func TestRefusedRecordsLeaveTheOthers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{150, 450} { // a direct call, and parts of one
		s := newStand(t, simulated.Options{Generated: -1})
		s.org.SetRules(simulated.Rule{Kind: simulated.KindRecord, Object: "Contact", Field: "LastName", Contains: "7",
			Fault: simulated.Fault{Message: "Nobody with a seven, please"}})
		written := s.Write(t.Context(), s.layouts, newContacts(n))
		for i, w := range written {
			refused := strings.Contains(fmt.Sprint(i), "7")
			message, _ := bridge.MessageOf(w.Err)
			switch {
			case refused != (w.Err != nil), refused != (w.ID == ""):
				t.Fatalf("of %d, change %d: %q, %v", n, i, w.ID, w.Err)
			case refused && (bridge.CodeOf(w.Err) != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || message != "Nobody with a seven, please" || strings.Contains(w.Err.Error(), "seven")):
				t.Fatalf("change %d: %v, message %q", i, w.Err, message)
			}
		}
		if got := len(s.records(bridge.ToContact, "sub_000000000006", "sub_000000000007", "sub_000000000008")); got != 2 {
			t.Errorf("%d contacts beside the refused one, want 2", got)
		}
	}
}

func TestWhatIsWrongWithARecord(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: people(3)})
	one := id(t, people(3)[0].ID)
	if err := s.org.SetVisible("admin@acme.example", "Contact", "RH_CODE__c", false); err != nil {
		t.Fatal(err)
	}
	long := filled(1)
	long[bridge.Source] = strings.Repeat("ä", 256)
	huge := filled(1)
	huge[bridge.Points] = "1000000000000000000"
	for name, tc := range map[string]struct {
		change      bridge.Change
		kind        bridge.Kind
		code, field string
	}{
		"a text too long":        {bridge.Change{ID: one, Fields: bridge.FieldSet(0).With(bridge.Source), Values: long}, bridge.Invalid, "STRING_TOO_LONG", "RH_SOURCE__c"},
		"a number too large":     {bridge.Change{ID: one, Fields: bridge.FieldSet(0).With(bridge.Points), Values: huge}, bridge.Invalid, "NUMBER_OUTSIDE_VALID_RANGE", "RH_POINTS__c"},
		"a field that is hidden": {bridge.Change{ID: one, Fields: bridge.FieldSet(0).With(bridge.Code), Values: huge}, bridge.Invalid, "INVALID_FIELD", ""},
		"no such contact":        {bridge.Change{ID: id(t, "0035g00000ZZZZZ"), Fields: bridge.FieldSet(0).With(bridge.Source)}, bridge.NotFound, "INVALID_CROSS_REFERENCE_KEY", ""},
		"no id":                  {bridge.Change{ID: "x", Fields: bridge.FieldSet(0).With(bridge.Source)}, bridge.Internal, "MALFORMED_ID", ""},
		"no name":                {bridge.Change{Person: &bridge.NewPerson{}, Values: filled(2)}, bridge.Invalid, "REQUIRED_FIELD_MISSING", "LastName"},
		"no address":             {bridge.Change{Person: &bridge.NewPerson{LastName: "x", Email: "secret@"}, Values: filled(2)}, bridge.Invalid, "INVALID_EMAIL_ADDRESS", "Email"},
		"no such account":        {bridge.Change{Parent: id(t, "0015g00000ZZZZZ"), Person: &bridge.NewPerson{LastName: "x"}, Values: filled(2)}, bridge.NotFound, "INVALID_CROSS_REFERENCE_KEY", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.change.Target = bridge.ToContact
			w := s.Write(t.Context(), s.layouts, []bridge.Change{tc.change})[0]
			_, field := bridge.MessageOf(w.Err)
			if bridge.KindOf(w.Err) != tc.kind || bridge.CodeOf(w.Err) != tc.code || field != tc.field || w.ID != tc.change.ID {
				t.Errorf("%q, %v, field %q, want %s %s, field %q", w.ID, w.Err, field, tc.kind, tc.code, tc.field)
			}
			if w.Err == nil || strings.Contains(w.Err.Error(), "secret") || strings.Contains(w.Err.Error(), "ä") {
				t.Errorf("the error's text quotes what was sent: %v", w.Err)
			}
		})
	}
}

// TestRecordCodes holds every code that Salesforce gives a record to its meaning.
func TestRecordCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		kind  bridge.Kind
		after time.Duration
	}{
		"UNABLE_TO_LOCK_ROW":                            {bridge.Throttled, 5 * time.Second},
		"DUPLICATES_DETECTED":                           {bridge.Conflict, 0},
		"DUPLICATE_VALUE":                               {bridge.Conflict, 0},
		"DUPLICATE_EXTERNAL_ID":                         {bridge.Conflict, 0},
		"ENTITY_IS_DELETED":                             {bridge.NotFound, 0},
		"INVALID_CROSS_REFERENCE_KEY":                   {bridge.NotFound, 0},
		"NOT_FOUND":                                     {bridge.NotFound, 0},
		"CANNOT_UPDATE_CONVERTED_LEAD":                  {bridge.NotFound, 0},
		"ENTITY_IS_LOCKED":                              {bridge.Unavailable, 0},
		"FIELD_CUSTOM_VALIDATION_EXCEPTION":             {bridge.Invalid, 0},
		"FIELD_INTEGRITY_EXCEPTION":                     {bridge.Invalid, 0},
		"REQUIRED_FIELD_MISSING":                        {bridge.Invalid, 0},
		"STRING_TOO_LONG":                               {bridge.Invalid, 0},
		"NUMBER_OUTSIDE_VALID_RANGE":                    {bridge.Invalid, 0},
		"JSON_PARSER_ERROR":                             {bridge.Invalid, 0},
		"INVALID_EMAIL_ADDRESS":                         {bridge.Invalid, 0},
		"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       {bridge.Invalid, 0},
		"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          {bridge.Invalid, 0},
		"CANNOT_EXECUTE_FLOW_TRIGGER":                   {bridge.Invalid, 0},
		"INVALID_FIELD":                                 {bridge.Invalid, 0},
		"INVALID_FIELD_FOR_INSERT_UPDATE":               {bridge.Denied, 0},
		"INSUFFICIENT_ACCESS":                           {bridge.Denied, 0},
		"INSUFFICIENT_ACCESS_OR_READONLY":               {bridge.Denied, 0},
		"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {bridge.Denied, 0},
		"STORAGE_LIMIT_EXCEEDED":                        {bridge.Denied, 0},
		"LIMIT_EXCEEDED":                                {bridge.Denied, 0},
		"UNKNOWN_EXCEPTION":                             {bridge.Invalid, 0},
		"SERVER_UNAVAILABLE":                            {bridge.Unavailable, 0},
		"REQUEST_RUNNING_TOO_LONG":                      {bridge.Unavailable, 0},
		"REQUEST_LIMIT_EXCEEDED":                        {bridge.Throttled, 15 * time.Minute},
		"SOMETHING_NEW":                                 {bridge.Invalid, 0},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, simulated.Options{Generated: -1})
			s.org.SetRules(simulated.Rule{Kind: simulated.KindRecord, Fault: simulated.Fault{Code: code, Message: "told about ann@example.com"}})
			err := s.Write(t.Context(), s.layouts, newContacts(1))[0].Err
			message, _ := bridge.MessageOf(err)
			if bridge.KindOf(err) != want.kind || bridge.CodeOf(err) != code || bridge.AfterOf(err, 0) != want.after || message != "told about ann@example.com" {
				t.Errorf("%v, after %v, message %q; want %s, %v", err, bridge.AfterOf(err, 0), message, want.kind, want.after)
			}
			if strings.Contains(err.Error(), "ann") {
				t.Errorf("the error's text quotes Salesforce: %v", err)
			}
		})
	}
	t.Run("a lock that a trigger met", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, simulated.Options{Generated: -1})
		s.org.SetRules(simulated.Rule{Kind: simulated.KindRecord, Fault: simulated.Fault{Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
			Message: "AccountTrigger: execution of AfterUpdate caused by: System.DmlException: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access"}})
		err := s.Write(t.Context(), s.layouts, newContacts(1))[0].Err
		if bridge.KindOf(err) != bridge.Throttled || bridge.AfterOf(err, 0) != 5*time.Second {
			t.Errorf("%v, after %v", err, bridge.AfterOf(err, 0))
		}
	})
}

func TestCallsThatFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault simulated.Fault
		first bridge.Kind // of the records of the call
		rest  bridge.Kind // of those of the next one, which is not made unless the kind is empty
	}{
		"the day's calls are used up":         {simulated.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, bridge.Throttled, bridge.Throttled},
		"Salesforce is too busy to begin":     {simulated.Fault{Status: 503, Code: "SERVER_UNAVAILABLE"}, bridge.Unavailable, bridge.Unavailable},
		"maintenance":                         {simulated.Fault{Status: 503, HTML: true}, bridge.Unavailable, bridge.Unavailable},
		"an error of theirs, after who knows": {simulated.Fault{Status: 500, Code: "UNKNOWN_EXCEPTION"}, bridge.UnknownOutcome, bridge.Unavailable},
		"a gateway that gave up waiting":      {simulated.Fault{Status: 504, HTML: true}, bridge.UnknownOutcome, bridge.Unavailable},
		"no answer":                           {simulated.Fault{Drop: true}, bridge.UnknownOutcome, bridge.Unavailable},
		"the API is off":                      {simulated.Fault{Status: 403, Code: "API_DISABLED_FOR_ORG"}, bridge.Denied, bridge.Denied},
		"a dead token":                        {simulated.Fault{Status: 401, Code: "INVALID_SESSION_ID"}, bridge.Revoked, bridge.Revoked},
		"a call that is wrong in itself":      {simulated.Fault{Status: 400, Code: "INVALID_FIELD", Message: "No such column 'X'"}, bridge.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, simulated.Options{Generated: -1})
			s.org.SetRules(simulated.Rule{Kind: simulated.KindOther, Path: "/composite", Times: 1 + boolInt(tc.fault.Status == 401), Fault: tc.fault})
			written := s.Write(t.Context(), s.layouts, newContacts(1001))
			for i, w := range written {
				want := []bridge.Kind{tc.first, tc.rest}[i/1000]
				if bridge.KindOf(w.Err) != want {
					t.Fatalf("change %d: %v, want %q", i, w.Err, want)
				}
			}
		})
	}
	t.Run("what was written before stays so", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, simulated.Options{Generated: -1})
		s.org.SetRules(simulated.Rule{Kind: simulated.KindOther, Path: "/composite", Skip: 1, Fault: simulated.Fault{Status: 503}})
		for i, w := range s.Write(t.Context(), s.layouts, newContacts(1001)) {
			if (w.Err != nil) != (i == 1000) {
				t.Fatalf("change %d: %v", i, w.Err)
			}
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, simulated.Options{Generated: -1})
		s.tokens.origin = "http://127.0.0.1:1"
		s.Hosts.Simulator = s.tokens.origin
		if err := s.Write(t.Context(), s.layouts, newContacts(1))[0].Err; bridge.KindOf(err) != bridge.Unavailable {
			t.Errorf("%v, want unavailable: nothing was sent", err)
		}
	})
	t.Run("the caller's time is over", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, simulated.Options{Generated: -1})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i, w := range s.Write(ctx, s.layouts, newContacts(1200)) {
			if kind := bridge.KindOf(w.Err); kind != bridge.Unavailable && (i >= 1000 || kind != bridge.UnknownOutcome) {
				t.Fatalf("change %d: %v", i, w.Err)
			}
		}
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestDeadTokenIsRenewedForWrites(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Generated: -1})
	succeed(t, s.Write(t.Context(), s.layouts, newContacts(1)))
	s.org.ExpireTokens()
	succeed(t, s.Write(t.Context(), s.layouts, newContacts(300)))
	if got := s.tokens.renewed.Load(); got != 2 {
		t.Errorf("%d tokens, want 2", got)
	}
}

// TestNothingRefersToOtherParts: what a subscriber writes about themselves must not be read as a reference between the
// parts of a call.
func TestNothingRefersToOtherParts(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Generated: -1})
	changes := newContacts(1000)
	changes[0].Values[bridge.Source] = "plain"
	changes[450].Values[bridge.ExtraField] = "@{part0[0].id}"
	var written []bridge.Written
	if calls := s.calls(func() { written = s.Write(t.Context(), s.layouts, changes) }); calls != 3 {
		t.Errorf("%d calls, want 3: what comes before, the collection alone, what comes after", calls)
	}
	succeed(t, written)
	key := changes[450].Values[bridge.SubscriberKey]
	if got := s.records(bridge.ToContact, key)[key].Values[bridge.ExtraField]; got != "@{part0[0].id}" {
		t.Errorf("the text became %q", got)
	}
}

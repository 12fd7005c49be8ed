package salesforce_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// withPersons is a stand with person accounts, and the record type of these.
func withPersons(t *testing.T, contacts ...simulated.Contact) (*stand, bridge.SalesforceID) {
	t.Helper()
	s := newStand(t, simulated.Options{Contacts: contacts, Generated: -1, PersonAccounts: true})
	layout := s.layouts["Contact"]
	layout.Persons = true
	s.layouts["Contact"] = layout
	types := s.rows("SELECT Id FROM RecordType WHERE SobjectType = 'Account' AND IsPersonType = true AND IsActive = true")
	if len(types) != 1 {
		t.Fatalf("record types: %v", types)
	}
	return s, id(t, types[0]["Id"].(string))
}

// newPersons are n changes that make a person account each.
func newPersons(n int, recordType bridge.SalesforceID) []bridge.Change {
	changes := newContacts(n)
	for i := range changes {
		changes[i].Target = bridge.ToPersonAccount
		changes[i].Person.RecordType = recordType
	}
	return changes
}

func TestPersonAccounts(t *testing.T) {
	t.Parallel()
	s, recordType := withPersons(t)
	s.forget()
	changes := newPersons(1, recordType)
	changes[0].Fields = bridge.FieldSet(0).With(bridge.Points).With(bridge.Source)
	changes[0].Values[bridge.Source] = ""
	written := s.Write(t.Context(), s.layouts, changes)
	succeed(t, written)
	account := written[0].ID
	want := `{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"FirstName":"Ann","LastName":"Lee 0","PersonEmail":"new0@example.com","RecordTypeId":"` +
		string(recordType) + `","RH_POINTS__pc":0,"RH_SOURCE__pc":null,"RH_SUB_ID__pc":"sub_000000000000"}]}`
	if got := s.seen[0]; got.method != "POST" || !strings.HasSuffix(got.path, "/composite/sobjects") || got.body != want {
		t.Errorf("%s %s %s\nwant %s", got.method, got.path, got.body, want)
	}
	if !written[0].Created || !strings.HasPrefix(string(account), "001") {
		t.Errorf("written: %+v", written[0])
	}
	update := bridge.Change{Target: bridge.ToPersonAccount, ID: account, Fields: bridge.EveryField, Values: filled(7)}
	succeed(t, s.Write(t.Context(), s.layouts, []bridge.Change{update}))

	var got []bridge.Record
	keep := func(r bridge.Record) { got = append(got, r) }
	if err := s.RecordsByID(t.Context(), s.layouts, bridge.ToPersonAccount, []bridge.SalesforceID{account}, keep); err != nil {
		t.Fatal(err)
	}
	for _, target := range []bridge.Target{bridge.ToContact, bridge.ToPersonAccount} {
		if err := s.RecordsByKey(t.Context(), s.layouts, target, nil, []string{"NEW0@example.com"}, keep); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 3 {
		t.Fatalf("%d records, want 3", len(got))
	}
	for _, r := range got {
		r.Modified = got[0].Modified
		if diff := cmp.Diff(bridge.Record{Target: bridge.ToPersonAccount, ID: account, Email: "new0@example.com", Modified: got[0].Modified, Values: filled(7)}, r); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("are not written by their contact", func(t *testing.T) {
		contact := id(t, s.rows("SELECT Id FROM Contact")[0]["Id"].(string))
		w := s.Write(t.Context(), s.layouts, []bridge.Change{{Target: bridge.ToContact, ID: contact, Fields: bridge.EveryField, Values: filled(8)}})[0]
		if bridge.CodeOf(w.Err) != "INVALID_FIELD_FOR_INSERT_UPDATE" {
			t.Errorf("%v", w.Err)
		}
	})
	t.Run("are not looked for in an org that has none", func(t *testing.T) {
		layouts := map[string]bridge.Layout{"Contact": {}}
		if err := s.RecordsByID(t.Context(), layouts, bridge.ToPersonAccount, []bridge.SalesforceID{account}, keep); bridge.KindOf(err) != bridge.Internal {
			t.Errorf("%v, want internal", err)
		}
	})
}

func TestAllKindsInOneCall(t *testing.T) {
	t.Parallel()
	s, recordType := withPersons(t, numbered(150)...)
	changes := newPersons(150, recordType)
	for i, c := range newContacts(450)[150:] {
		if i%2 == 0 {
			c.Target, c.Person.Company = bridge.ToLead, "Acme"
		}
		changes = append(changes, c)
	}
	for i := range 150 {
		changes = append(changes, bridge.Change{Target: bridge.ToContact, ID: id(t, fmt.Sprintf("0035g00000%05d", i)), Fields: bridge.EveryField, Values: filled(1000 + i)})
	}
	var written []bridge.Written
	if calls := s.calls(func() { written = s.Write(t.Context(), s.layouts, changes) }); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	succeed(t, written)
	for i, w := range written {
		prefix := map[bridge.Target]string{bridge.ToContact: "003", bridge.ToLead: "00Q", bridge.ToPersonAccount: "001"}[changes[i].Target]
		if !strings.HasPrefix(string(w.ID), prefix) || w.Created != (changes[i].ID == "") {
			t.Fatalf("change %d: %+v", i, w)
		}
	}
	counts := map[bridge.Target]int{}
	err := s.EveryRecord(t.Context(), s.layouts, bridge.ToContact, bridge.Ours, func(r bridge.Record) error { counts[r.Target]++; return nil })
	if diff := cmp.Diff(map[bridge.Target]int{bridge.ToContact: 300, bridge.ToPersonAccount: 150}, counts); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestFatesOfPersonAccounts(t *testing.T) {
	t.Parallel()
	s, recordType := withPersons(t)
	written := s.Write(t.Context(), s.layouts, newPersons(3, recordType))
	succeed(t, written)
	if err := s.org.Merge(string(written[0].ID), string(written[1].ID)); err != nil {
		t.Fatal(err)
	}
	s.remove("Account", written[2].ID)
	got, err := s.Fates(t.Context(), bridge.ToPersonAccount, []bridge.SalesforceID{written[0].ID, written[1].ID, written[2].ID})
	want := map[bridge.SalesforceID]bridge.Fate{
		written[1].ID: {Deleted: true, Target: bridge.ToPersonAccount, Next: written[0].ID},
		written[2].ID: {Deleted: true},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestLoadOfPersonAccounts(t *testing.T) {
	t.Parallel()
	s, recordType := withPersons(t)
	written := s.Write(t.Context(), s.layouts, newPersons(3, recordType))
	succeed(t, written)
	var changes []bridge.Change
	for i, w := range written {
		changes = append(changes, bridge.Change{Target: bridge.ToPersonAccount, ID: w.ID, Fields: bridge.EveryField, Values: filled(10 + i)})
	}
	job, err := s.BeginLoad(t.Context(), s.layouts, bridge.ToPersonAccount, bridge.EveryField, false, slices.Values(changes))
	if err != nil {
		t.Fatal(err)
	}
	if load, err := s.LoadState(t.Context(), job); err != nil || load != (bridge.Load{Ended: true, Processed: 3}) {
		t.Errorf("%v, %v: %v", load, err, s.failures(job))
	}
	if got := s.records(bridge.ToPersonAccount, "sub_00000000000b"); got["sub_00000000000b"].Values != filled(11) {
		t.Errorf("%v", got)
	}
}

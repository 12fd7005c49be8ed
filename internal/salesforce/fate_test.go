package salesforce_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// remove deletes a record as another app would.
func (s *stand) remove(object string, of bridge.SalesforceID) {
	s.t.Helper()
	s.do("DELETE", "/sobjects/"+object+"/"+string(of), "")
}

func TestFates(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: numbered(20)})
	at := func(n int) bridge.SalesforceID { return id(t, fmt.Sprintf("0035g00000%05d", n)) }
	merge := func(winner, loser int) {
		if err := s.org.Merge(string(at(winner)), string(at(loser))); err != nil {
			t.Fatal(err)
		}
	}
	s.remove("Contact", at(1))
	merge(3, 2)
	merge(5, 4)
	merge(6, 5) // 4 is in 5, which is in 6
	merge(8, 7)
	s.remove("Contact", at(8))
	for i := 10; i < 17; i++ { // a chain of six
		merge(i+1, i)
	}
	gone := id(t, "0035g00000ZZZZZ")
	ids := []bridge.SalesforceID{at(0), at(1), at(2), at(4), at(7), at(10), at(12), gone}
	got, err := s.Fates(t.Context(), bridge.ToContact, ids)
	want := map[bridge.SalesforceID]bridge.Fate{
		at(1):  {Deleted: true},
		at(2):  {Deleted: true, Target: bridge.ToContact, Next: at(3)},
		at(4):  {Deleted: true, Target: bridge.ToContact, Next: at(6)},
		at(7):  {Deleted: true},
		at(10): {Deleted: true}, // too far
		at(12): {Deleted: true, Target: bridge.ToContact, Next: at(17)},
		gone:   {Deleted: true},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	t.Run("of more than a statement holds", func(t *testing.T) {
		var ids []bridge.SalesforceID
		for i := range 1200 {
			ids = append(ids, id(t, fmt.Sprintf("0035g00000%05d", i)))
		}
		var got map[bridge.SalesforceID]bridge.Fate
		if calls := s.calls(func() { got, err = s.Fates(t.Context(), bridge.ToContact, ids) }); err != nil || calls > 3+mostMerges {
			t.Errorf("%d calls, %v", calls, err)
		}
		if n := len(got); n != 1180+13 {
			t.Errorf("%d fates, want %d", n, 1180+13)
		}
	})
	t.Run("of nothing", func(t *testing.T) {
		if calls := s.calls(func() { got, err = s.Fates(t.Context(), bridge.ToContact, nil) }); err != nil || calls != 0 || len(got) != 0 {
			t.Errorf("%v, %v, %d calls", got, err, calls)
		}
	})
}

const mostMerges = 6

func TestFatesOfLeads(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: numbered(1)})
	changes := newContacts(5)
	for i := range changes {
		changes[i].Target = bridge.ToLead
		changes[i].Person.Company = "Acme"
	}
	written := s.Write(t.Context(), s.layouts, changes)
	succeed(t, written)
	convert := func(n int) bridge.SalesforceID {
		contact, err := s.org.Convert(string(written[n].ID))
		if err != nil {
			t.Fatal(err)
		}
		return id(t, contact)
	}
	one, two, three := convert(1), convert(2), convert(3)
	if err := s.org.Merge("0035g0000000000", string(two)); err != nil {
		t.Fatal(err)
	}
	s.remove("Contact", three)
	s.remove("Lead", written[4].ID)
	got, err := s.Fates(t.Context(), bridge.ToLead, []bridge.SalesforceID{written[0].ID, written[1].ID, written[2].ID, written[3].ID, written[4].ID})
	want := map[bridge.SalesforceID]bridge.Fate{
		written[1].ID: {Target: bridge.ToContact, Next: one},
		written[2].ID: {Deleted: true, Target: bridge.ToContact, Next: id(t, "0035g0000000000")},
		written[3].ID: {Deleted: true},
		written[4].ID: {Deleted: true},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

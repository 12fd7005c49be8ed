package syncer_test

import (
	"fmt"
	"testing"

	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

func TestASignUpIsInSalesforceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: []simorg.Contact{{ID: "0035g0000000001", LastName: "Byron", Email: "Ada@Example.org"}}})
	ada, code := w.signUp("ada@example.org", "Ada Byron", "")
	w.tell(syncer.Hint{Subscriber: ada, Why: "registration", Once: true})
	w.work(fixed(1), immortal)
	w.agree(true)

	bob, _ := w.signUp("bob@example.org", "Bob Q. Frost", code)
	w.tell(syncer.Hint{Subscriber: bob, Why: "registration", Once: true}, syncer.Hint{Code: code, Why: "referral"})
	w.work(fixed(2), immortal)
	w.agree(true)
	if got := w.contact("bob@example.org"); got.text("LastName") != "Frost" || got.text("FirstName") != "Bob Q." {
		t.Errorf("the new contact is called %q %q", got.text("FirstName"), got.text("LastName"))
	}
}

func TestSwitchingOnFillsEverythingIn(t *testing.T) {
	t.Parallel()
	var contacts []simorg.Contact
	for i := range 150 {
		contacts = append(contacts, simorg.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "X", Title: "Owner", Email: fmt.Sprintf("p%d@example.com", i)})
	}
	w := newWorld(t, options{contacts: contacts, bare: true})
	var codes []string
	for i := range 260 {
		referrer := ""
		if i%3 == 2 {
			referrer = codes[i/2]
		}
		_, code := w.signUp(fmt.Sprintf("p%d@example.com", i), fmt.Sprintf("Person %d", i), referrer)
		codes = append(codes, code)
	}
	w.count()
	w.on(nil)
	w.agree(true)
	run, err := w.store.Run(t.Context(), account, campaign)
	w.must(err)
	if s := run.Statement; run.EndedAt.IsZero() || s.Subscribers != 260 || s.Repaired != 260 || s.Created != 110 || s.Equal+s.Refused+s.Skipped+s.Gone != 0 {
		t.Errorf("the statement is %+v", s)
	}
	w.must(w.service.Compare(t.Context(), account, campaign))
	w.work(fixed(3), immortal)
	run, err = w.store.Run(t.Context(), account, campaign)
	w.must(err)
	if s := run.Statement; s.Subscribers != 260 || s.Equal != 260 || s.Repaired != 0 {
		t.Errorf("the second statement is %+v", s)
	}
}

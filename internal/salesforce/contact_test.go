package salesforce_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// session is a connection's tokens without a broker: Renew opens another session in the simulated org.
type session struct {
	t       *testing.T
	org     *simulated.Org
	origin  string
	token   atomic.Pointer[string]
	renewed atomic.Int32
}

func (s *session) Token(ctx context.Context) (bridge.AccessToken, error) {
	if s.token.Load() == nil {
		return s.Renew(ctx, bridge.AccessToken{})
	}
	return bridge.AccessToken{Token: bridge.NewSecret(*s.token.Load()), Instance: s.origin}, nil
}

func (s *session) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	token, err := s.org.Token("admin@acme.example")
	if err != nil {
		s.t.Errorf("token: %v", err)
	}
	s.renewed.Add(1)
	s.token.Store(&token)
	return s.Token(ctx)
}

func newClient(t *testing.T, options simulated.Options) (*salesforce.Client, *simulated.Org, *session) {
	t.Helper()
	org := simulated.New(options)
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	hosts := salesforce.Hosts{Simulator: server.URL}
	tokens := &session{t: t, org: org, origin: server.URL}
	return &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: tokens}, org, tokens
}

// people are contacts whose ids are in order.
func people(n int) []simulated.Contact {
	var contacts []simulated.Contact
	for i := range n {
		contacts = append(contacts, simulated.Contact{
			ID: fmt.Sprintf("0035g00000%05d", i), FirstName: "Ann", LastName: fmt.Sprintf("O'Neill %d", i),
			Email: fmt.Sprintf("Ann%d@Example.com", i), Phone: fmt.Sprintf("+1 (415) 555-%04d", i),
			HasOptedOutOfEmail: i%10 == 3, Created: time.Date(2024, 1, 1, 0, 0, i, 0, time.UTC),
		})
	}
	return contacts
}

func id(t *testing.T, text string) bridge.SalesforceID {
	t.Helper()
	parsed, err := bridge.ParseSalesforceID(text)
	if err != nil {
		t.Fatalf("id %q: %v", text, err)
	}
	return parsed
}

func TestContactsPageByKey(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, simulated.Options{Contacts: people(4500)})
	var heard [2]int
	c.Used = func(used, most int) { heard = [2]int{used, most} }
	count, err := c.CountContacts(t.Context(), bridge.Selection{})
	if err != nil || count != 4500 {
		t.Fatalf("CountContacts = %d, %v, want 4500", count, err)
	}
	var all []bridge.SalesforceID
	var after bridge.SalesforceID
	for {
		ids, err := c.ContactIDs(t.Context(), bridge.Selection{}, after, 2000)
		if err != nil {
			t.Fatalf("ContactIDs: %v", err)
		}
		all = append(all, ids...)
		if len(ids) < 2000 {
			break
		}
		after = ids[len(ids)-1]
	}
	if len(all) != 4500 || !slices.IsSorted(all) {
		t.Errorf("%d ids, sorted %t", len(all), slices.IsSorted(all))
	}
	page, err := c.Contacts(t.Context(), bridge.Selection{}, bridge.ByEmail, all[2], all[4])
	want := []bridge.Contact{
		{ID: all[3], FirstName: "Ann", LastName: "O'Neill 3", Email: "Ann3@Example.com", OptedOut: true},
		{ID: all[4], FirstName: "Ann", LastName: "O'Neill 4", Email: "Ann4@Example.com"},
	}
	if diff := cmp.Diff(want, page); err != nil || diff != "" {
		t.Errorf("Contacts: %v\n%s", err, diff)
	}
	if used, most := c.Usage(); used < 4 || most != 115_000 || heard != [2]int{used, most} {
		t.Errorf("Usage = %d, %d, and told of %v", used, most, heard)
	}
}

func TestContactsAreSelected(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, simulated.Options{Contacts: people(30)})
	for name, tc := range map[string]struct {
		selection bridge.Selection
		want      int
	}{
		"all":                       {bridge.Selection{}, 30},
		"by a filter":               {bridge.Selection{Filter: "HasOptedOutOfEmail = true"}, 3},
		"by either of two":          {bridge.Selection{Filter: `LastName = 'O\'Neill 1' OR LastName = 'O\'Neill 2'`}, 2},
		"created until then":        {bridge.Selection{Bound: time.Date(2024, 1, 1, 0, 0, 9, 0, time.UTC)}, 10},
		"by a filter, until then":   {bridge.Selection{Filter: "HasOptedOutOfEmail = true", Bound: time.Date(2024, 1, 1, 0, 0, 13, 0, time.UTC)}, 2},
		"until then, elsewhere":     {bridge.Selection{Bound: time.Date(2024, 1, 1, 5, 30, 9, 0, time.FixedZone("", 19800))}, 10},
		"or, and nothing before it": {bridge.Selection{Filter: "LastName = 'x' OR LastName != 'x'", Bound: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count, err := c.CountContacts(t.Context(), tc.selection)
			if err != nil || count != tc.want {
				t.Errorf("CountContacts = %d, %v, want %d", count, err, tc.want)
			}
			ids, err := c.ContactIDs(t.Context(), tc.selection, "", 2000)
			if err != nil || len(ids) != tc.want {
				t.Errorf("ContactIDs = %d, %v, want %d", len(ids), err, tc.want)
			}
		})
	}
}

func TestFilterThatSalesforceDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, simulated.Options{Contacts: people(1)})
	for name, filter := range map[string]string{
		"a field that there is not": "Colour__c = 'secret-word'",
		"no condition at all":       "secret word",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.CountContacts(t.Context(), bridge.Selection{Filter: filter})
			message, field := bridge.MessageOf(err)
			if bridge.KindOf(err) != bridge.Invalid || field != "filter" || !strings.HasPrefix(message, "Salesforce does not understand the filter: ") {
				t.Errorf("kind, field, message = %q, %q, %q", bridge.KindOf(err), field, message)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "Colour") {
				t.Errorf("the error's text quotes the statement: %v", err)
			}
		})
	}
}

func TestHiddenOptOutIsLeftOut(t *testing.T) {
	t.Parallel()
	c, org, _ := newClient(t, simulated.Options{Contacts: people(10)})
	if err := org.SetVisible("admin@acme.example", "Contact", "HasOptedOutOfEmail", false); err != nil {
		t.Fatal(err)
	}
	last := id(t, "0035g0000000009")
	for range 2 {
		org.ResetCounts()
		contacts, err := c.Contacts(t.Context(), bridge.Selection{}, bridge.ByEmail, "", last)
		if err != nil || len(contacts) != 10 || contacts[3].OptedOut || contacts[3].Email == "" {
			t.Fatalf("Contacts = %d, %v", len(contacts), err)
		}
	}
	if queries := org.Counts().Query; queries != 1 {
		t.Errorf("%d queries the second time, want 1: what is hidden should be remembered", queries)
	}
}

func TestOnlyTheIdentifierIsRead(t *testing.T) {
	t.Parallel()
	last := id(t, "0035g0000000009")
	for by, hidden := range map[bridge.Identifier]string{bridge.ByEmail: "Phone", bridge.ByPhone: "Email"} {
		c, org, _ := newClient(t, simulated.Options{Contacts: people(10)})
		if err := org.SetVisible("admin@acme.example", "Contact", hidden, false); err != nil {
			t.Fatal(err)
		}
		contacts, err := c.Contacts(t.Context(), bridge.Selection{}, by, "", last)
		if err != nil || len(contacts) != 10 || (contacts[3].Email == "") == (by == bridge.ByEmail) || (contacts[3].Phone == "") == (by == bridge.ByPhone) {
			t.Errorf("by %s, with %s hidden: %d contacts, %v", by, hidden, len(contacts), err)
		}
	}
	c, _, _ := newClient(t, simulated.Options{Contacts: people(10)})
	if _, err := c.Contacts(t.Context(), bridge.Selection{}, bridge.ByWallet, "", last); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("by wallet: %v, want Invalid", err)
	}
}

func TestHiddenEmailIsExplained(t *testing.T) {
	t.Parallel()
	c, org, _ := newClient(t, simulated.Options{Contacts: people(10)})
	if err := org.SetVisible("admin@acme.example", "Contact", "Email", false); err != nil {
		t.Fatal(err)
	}
	_, err := c.Contacts(t.Context(), bridge.Selection{}, bridge.ByEmail, "", id(t, "0035g0000000009"))
	message, _ := bridge.MessageOf(err)
	if bridge.KindOf(err) != bridge.Invalid || !strings.Contains(message, "field Email") {
		t.Errorf("kind, message = %q, %q", bridge.KindOf(err), message)
	}
}

func TestEarliestContacts(t *testing.T) {
	t.Parallel()
	contacts := people(900)
	for i := range contacts { // 450 addresses and numbers, each of two contacts that write them differently
		if i >= 450 {
			contacts[i].Email = strings.ToUpper(contacts[i-450].Email)
			contacts[i].Phone = fmt.Sprintf("+1-415-555.%04d", i-450)
		}
	}
	c, org, _ := newClient(t, simulated.Options{Contacts: contacts})
	for name, tc := range map[string]struct {
		by     bridge.Identifier
		format string
	}{
		"by e-mail": {bridge.ByEmail, "ann%d@example.com"},
		"by phone":  {bridge.ByPhone, "+1415555%04d"},
	} {
		t.Run(name, func(t *testing.T) {
			org.ResetCounts()
			values := []string{"nobody@example.com"}
			want := map[string]bridge.SalesforceID{}
			for i := range 450 {
				value := fmt.Sprintf(tc.format, i)
				values = append(values, value)
				if i < 440 {
					want[value] = id(t, contacts[i].ID)
				}
			}
			got, err := c.EarliestContacts(t.Context(), bridge.Selection{}, tc.by, values, id(t, contacts[440].ID))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("EarliestContacts: %v\n%s", err, diff)
			}
			if queries := org.Counts().Query; queries > 5 {
				t.Errorf("%d queries", queries)
			}
		})
	}
	t.Run("within the selection", func(t *testing.T) {
		got, err := c.EarliestContacts(t.Context(), bridge.Selection{Filter: "LastName != 'O\\'Neill 1'"}, bridge.ByEmail,
			[]string{"ann1@example.com", "ann2@example.com"}, id(t, contacts[899].ID))
		want := map[string]bridge.SalesforceID{"ann1@example.com": id(t, contacts[451].ID), "ann2@example.com": id(t, contacts[2].ID)}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("EarliestContacts: %v\n%s", err, diff)
		}
	})
	t.Run("not among numbers that could not be sent", func(t *testing.T) {
		odd := people(4)
		odd[0].Phone, odd[1].Phone, odd[2].Phone = "+1 415 555 0009 home", "1 415 555 0009", "(+1) 415 555 0009"
		odd[3].Phone = "+1/415/555 00 09"
		c, _, _ := newClient(t, simulated.Options{Contacts: odd})
		got, err := c.EarliestContacts(t.Context(), bridge.Selection{}, bridge.ByPhone, []string{"+14155550009"}, id(t, contacts[899].ID))
		if diff := cmp.Diff(map[string]bridge.SalesforceID{"+14155550009": id(t, odd[3].ID)}, got); err != nil || diff != "" {
			t.Errorf("EarliestContacts: %v\n%s", err, diff)
		}
	})
	t.Run("by what no contact has", func(t *testing.T) {
		_, err := c.EarliestContacts(t.Context(), bridge.Selection{}, bridge.ByWallet, []string{"x"}, id(t, contacts[1].ID))
		if bridge.KindOf(err) != bridge.Invalid {
			t.Errorf("kind = %q, want invalid", bridge.KindOf(err))
		}
	})
}

func TestExpiredTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	c, org, tokens := newClient(t, simulated.Options{Contacts: people(10)})
	if _, err := c.CountContacts(t.Context(), bridge.Selection{}); err != nil {
		t.Fatal(err)
	}
	org.ExpireTokens()
	if n, err := c.CountContacts(t.Context(), bridge.Selection{}); err != nil || n != 10 {
		t.Errorf("CountContacts = %d, %v", n, err)
	}
	if got := tokens.renewed.Load(); got != 2 {
		t.Errorf("%d tokens, want 2", got)
	}
	t.Run("and not again if the new one is refused too", func(t *testing.T) {
		org.SetRules(simulated.Rule{Kind: simulated.KindQuery, Fault: simulated.Fault{Status: 401, Code: "INVALID_SESSION_ID", Message: "Session expired or invalid"}})
		org.ResetCounts()
		_, err := c.CountContacts(t.Context(), bridge.Selection{})
		if bridge.KindOf(err) != bridge.Revoked || org.Counts().Query != 2 {
			t.Errorf("kind = %q after %d calls, want revoked after 2", bridge.KindOf(err), org.Counts().Query)
		}
	})
}

func TestFailuresHaveAMeaning(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault simulated.Fault
		kind  bridge.Kind
		code  string
		after time.Duration
	}{
		"the day's calls are used up": {simulated.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, bridge.Throttled, "REQUEST_LIMIT_EXCEEDED", 15 * time.Minute},
		"too many calls at once":      {simulated.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}, bridge.Throttled, "REQUEST_LIMIT_EXCEEDED", 30 * time.Second},
		"no API in this edition":      {simulated.Fault{Status: 403, Code: "API_DISABLED_FOR_ORG"}, bridge.Denied, "API_DISABLED_FOR_ORG", 0},
		"an error of theirs":          {simulated.Fault{Status: 500, Code: "UNKNOWN_EXCEPTION"}, bridge.Unavailable, "UNKNOWN_EXCEPTION", 0},
		"a code that is new":          {simulated.Fault{Status: 400, Code: "SOMETHING_NEW"}, bridge.Invalid, "SOMETHING_NEW", 0},
		"a page of maintenance":       {simulated.Fault{Status: 503, HTML: true}, bridge.Unavailable, "", 0},
		"a page that forbids":         {simulated.Fault{Status: 403, HTML: true}, bridge.Denied, "", 0},
		"no answer":                   {simulated.Fault{Drop: true}, bridge.Unavailable, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, org, _ := newClient(t, simulated.Options{Contacts: people(1)})
			org.SetRules(simulated.Rule{Kind: simulated.KindQuery, Fault: tc.fault})
			_, err := c.EarliestContacts(t.Context(), bridge.Selection{}, bridge.ByEmail, []string{"someone@example.com"}, id(t, "0035g0000000009"))
			if bridge.KindOf(err) != tc.kind || bridge.CodeOf(err) != tc.code || bridge.AfterOf(err, 0) != tc.after {
				t.Errorf("kind, code, after = %q, %q, %v, want %q, %q, %v", bridge.KindOf(err), bridge.CodeOf(err), bridge.AfterOf(err, 0), tc.kind, tc.code, tc.after)
			}
			if err == nil || strings.Contains(err.Error(), "someone") {
				t.Errorf("the error's text quotes an address: %v", err)
			}
		})
	}
}

func TestAnswersThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no JSON":              "<html>",
		"cut off":              `{"totalSize":1,"done":true,"records":[{"Id":"0035g00000`,
		"a next page outside":  `{"done":false,"nextRecordsUrl":"//evil.example/services/data/v66.0/query/x","records":[]}`,
		"a next page with @":   `{"done":false,"nextRecordsUrl":"@evil.example/","records":[]}`,
		"a next page of ours":  `{"done":false,"nextRecordsUrl":"","records":[]}`,
		"another kind of JSON": `[1]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
			defer server.Close()
			hosts := salesforce.Hosts{Simulator: server.URL}
			token := "x"
			tokens := &session{t: t, origin: server.URL}
			tokens.token.Store(&token)
			c := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: tokens}
			_, err := c.ContactIDs(t.Context(), bridge.Selection{}, "", 10)
			if bridge.KindOf(err) != bridge.Unavailable {
				t.Errorf("kind = %q (%v), want unavailable", bridge.KindOf(err), err)
			}
		})
	}
}

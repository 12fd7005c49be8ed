package doctor

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// patient is an org that answers as told; nil answers are those of a healthy one.
type patient struct {
	edition        string
	hidden         map[string]error  // by object
	fields         map[string]string // of an object, with blanks between
	missing        string            // permissions
	rules          []string
	used, most     int
	err            error // of the first question
	permissionsErr error

	unwritten  bridge.FieldSet // of ReferralHero's fields
	existing   string          // of those
	unassigned bool
	lookErr    error // of the questions about them
	setupErr   error
}

func (p patient) Look(_ context.Context, l bridge.Layout) (bridge.Layout, error) {
	l.Visible = bridge.EveryField &^ p.unwritten
	return l, p.lookErr
}

func (p patient) Existing(context.Context, string, []string) ([]string, error) {
	return strings.Fields(p.existing), p.setupErr
}

func (p patient) Holds(context.Context, bridge.SalesforceID, string) (bool, error) {
	return !p.unassigned, p.setupErr
}

func (p patient) Edition(context.Context) (string, error) {
	if p.edition == "" {
		return "Enterprise Edition", p.err
	}
	return p.edition, p.err
}

func (p patient) Fields(_ context.Context, object string) ([]string, error) {
	fields := "Id FirstName LastName Email Phone HasOptedOutOfEmail"
	if p.fields[object] != "" {
		fields = p.fields[object]
	}
	return strings.Fields(fields), p.hidden[object]
}

func (p patient) Permissions(context.Context) (map[string]bool, error) {
	has := map[string]bool{"ModifyAllData": true}
	for _, r := range rights {
		has[r.name] = true
	}
	for name := range strings.FieldsSeq(p.missing) {
		has[name] = false
	}
	return has, p.permissionsErr
}

func (p patient) DuplicateRules(context.Context, string) ([]string, error) { return p.rules, nil }
func (p patient) Usage() (used, most int)                                  { return p.used, p.most }

func refusal(kind bridge.Kind, code string) error {
	return &bridge.Error{Op: "test", Kind: kind, Code: code}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		org  patient
		want []Finding
		err  bridge.Kind
	}{
		"a healthy org":                 {},
		"several things at once":        {org: patient{fields: map[string]string{"Contact": "Id LastName"}, rules: []string{"Standard"}}, want: []Finding{{FieldsHidden, []string{"FirstName", "Email"}}, {Check: PhoneHidden}, {Check: OptOutHidden}, {DuplicateRule, []string{"Standard"}}}},
		"may modify all data":           {org: patient{missing: "ModifyMetadata"}},
		"may modify nothing":            {org: patient{missing: "ModifyMetadata ModifyAllData"}, want: []Finding{{RightsMissing, []string{"Modify Metadata Through Metadata API Functions"}}}},
		"permissions that are secret":   {org: patient{permissionsErr: refusal(bridge.Invalid, "INVALID_TYPE")}},
		"permissions that are refused":  {org: patient{permissionsErr: refusal(bridge.Denied, "TXN_SECURITY_NO_ACCESS")}},
		"a service outage on the way":   {org: patient{permissionsErr: refusal(bridge.Unavailable, "SERVER_UNAVAILABLE")}, want: []Finding{{Unreachable, []string{"SERVER_UNAVAILABLE"}}}},
		"69 of 100 calls used":          {org: patient{used: 69, most: 100}},
		"70 of 100 calls used":          {org: patient{used: 70, most: 100}, want: []Finding{{Check: CallsLow}}},
		"all calls used":                {org: patient{used: 100, most: 100, err: refusal(bridge.Throttled, "REQUEST_LIMIT_EXCEEDED")}, want: []Finding{{Check: CallsUsedUp}}},
		"a refresh that is under way":   {org: patient{err: refusal(bridge.Throttled, "")}, want: []Finding{{Check: Unreachable}}},
		"a code that nobody knows":      {org: patient{err: refusal(bridge.Denied, "TXN_SECURITY_NO_ACCESS")}, want: []Finding{{AccessRefused, []string{"TXN_SECURITY_NO_ACCESS"}}}},
		"a token that is always dead":   {org: patient{err: refusal(bridge.Revoked, "INVALID_SESSION_ID")}, want: []Finding{{Check: SessionRefused}}},
		"a grant that has ended":        {org: patient{err: refusal(bridge.Revoked, "invalid_grant")}, want: []Finding{{Check: GrantEnded}}},
		"both objects of sales hidden":  {org: patient{hidden: map[string]error{"Opportunity": refusal(bridge.NotFound, "NOT_FOUND"), "OpportunityContactRole": refusal(bridge.NotFound, "NOT_FOUND")}}, want: []Finding{{SalesHidden, []string{"Opportunity", "OpportunityContactRole"}}}},
		"a fault of ours is no finding": {org: patient{err: errors.New("a bug")}, err: bridge.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := examine(t.Context(), tc.org, "005", nil)
			if bridge.KindOf(err) != tc.err {
				t.Fatalf("error: %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(report.Findings, tc.want); diff != "" {
				t.Errorf("findings differ (-got +want):\n%s", diff)
			}
		})
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	c := bridge.Connection{Instance: "https://acme.my.salesforce.com", Username: "ann@acme.example", Status: bridge.Active}
	sentence := regexp.MustCompile(`^\P{Ll}.*[.]$`)
	for check, w := range words {
		a := w.about(Finding{Check: check}, c)
		if a.Title == "" || strings.HasSuffix(a.Title, ".") || !sentence.MatchString(a.Effect) || !sentence.MatchString(a.Remedy) || a.Who == "" {
			t.Errorf("%s: the words are no sentences: %+v", check, a)
		}
		if (a.Link == "") != (a.Setup == "") || a.Link != "" && !strings.HasPrefix(a.Link, "https://acme.my.salesforce.com/lightning/setup/") {
			t.Errorf("%s: link %q to %q", check, a.Link, a.Setup)
		}
	}
	for code, check := range codes {
		if words[check].title == "" {
			t.Errorf("%s means %s, which has no words", code, check)
		}
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_793_613_600, 0)
	report := Report{At: at, Findings: []Finding{{Check: DuplicateRule}, {Check: "of_a_former_version"}, {Check: OptOutHidden}, {Check: FieldsHidden}}}
	for name, tc := range map[string]struct {
		c    bridge.Connection
		want []Check
	}{
		"the worst comes first":             {bridge.Connection{Status: bridge.Active, StatusAt: at}, []Check{FieldsHidden, OptOutHidden, DuplicateRule}},
		"connected again since":             {bridge.Connection{Status: bridge.Active, StatusAt: at.Add(time.Second)}, nil},
		"ended since":                       {bridge.Connection{Status: bridge.NeedsReconnect, Code: "invalid_grant", StatusAt: at.Add(time.Hour)}, []Check{GrantEnded}},
		"refused for a reason that we know": {bridge.Connection{Status: bridge.NeedsAdmin, Code: "ip_restricted"}, []Check{AddressRefused}},
		"refused for another reason":        {bridge.Connection{Status: bridge.NeedsAdmin, Code: "something_new"}, []Check{AccessRefused}},
		"a token that never worked":         {bridge.Connection{Status: bridge.NeedsAdmin, Code: "token_refused"}, []Check{SessionRefused}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []Check
			for _, a := range (Review{Connection: tc.c, Report: report}).Advice() {
				got = append(got, a.Check)
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Errorf("advice differs (-got +want):\n%s", diff)
			}
		})
	}
}

// ward keeps connections and reports.
type ward struct {
	mu          sync.Mutex
	connections map[bridge.ConnectionID]bridge.Connection
	reports     map[bridge.ConnectionID]Report
	due         map[bridge.ConnectionID]time.Time
}

func (w *ward) Connection(_ context.Context, _ bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, found := w.connections[id]; found {
		return c, nil
	}
	return bridge.Connection{}, refusal(bridge.NotFound, "")
}

func (w *ward) Report(_ context.Context, _ bridge.AccountID, id bridge.ConnectionID) (Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, found := w.reports[id]; found {
		return r, nil
	}
	return Report{}, refusal(bridge.NotFound, "")
}

func (w *ward) SaveReport(_ context.Context, _ bridge.AccountID, id bridge.ConnectionID, r Report, due time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports[id], w.due[id] = r, due
	return nil
}

func (w *ward) DueReports(_ context.Context, now time.Time, _ int) (found []Due, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, at := range w.due {
		if !at.After(now) {
			found = append(found, Due{"a_1", id, at})
		}
	}
	return found, nil
}

func (w *ward) PostponeReport(_ context.Context, d Due, until time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.due[d.Connection] != d.At {
		return refusal(bridge.Conflict, "")
	}
	w.due[d.Connection] = until
	return nil
}

func (w *ward) DeleteReport(_ context.Context, _ bridge.AccountID, id bridge.ConnectionID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.reports, id)
	delete(w.due, id)
	return nil
}

// TestInstalled holds that what was installed in an org is told beside what an examination has found, and as it is now.
func TestInstalled(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_793_613_600, 0)
	for name, tc := range map[string]struct {
		status bridge.ConnectionStatus
		fails  error
		want   []Check
		err    bridge.Kind
	}{
		"beside a finding":     {bridge.Active, nil, []Check{"flow_inactive", DuplicateRule}, ""},
		"of a dead connection": {bridge.NeedsReconnect, nil, []Check{GrantEnded}, ""},
		"not to be known":      {bridge.Active, refusal(bridge.Unavailable, ""), nil, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := bridge.Connection{ID: "c_1", Status: tc.status, StatusAt: now}
			w := &ward{
				connections: map[bridge.ConnectionID]bridge.Connection{"c_1": c},
				reports:     map[bridge.ConnectionID]Report{}, due: map[bridge.ConnectionID]time.Time{},
			}
			s := Service{
				Connections: w, Reports: w, Now: func() time.Time { return now },
				Org: func(bridge.Connection) Org { return patient{rules: []string{"Standard"}} },
				Installed: func(context.Context, bridge.Connection) ([]Advice, error) {
					return []Advice{{Check: "flow_inactive", Level: Limiting}}, tc.fails
				},
			}
			_, err := s.Examine(t.Context(), "a_1", "c_1")
			if bridge.KindOf(err) != tc.err {
				t.Fatalf("examined: %v, want %q", err, tc.err)
			}
			review, err := s.Review(t.Context(), c)
			if bridge.KindOf(err) != tc.err {
				t.Fatalf("reviewed: %v, want %q", err, tc.err)
			}
			if err != nil {
				return
			}
			var got []Check
			for _, a := range review.Advice() {
				got = append(got, a.Check)
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Errorf("advice differs (-got +want):\n%s", diff)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_793_613_600, 0)
	w := &ward{
		connections: map[bridge.ConnectionID]bridge.Connection{
			"c_well": {ID: "c_well", Status: bridge.Active}, "c_down": {ID: "c_down", Status: bridge.Active},
			"c_bug": {ID: "c_bug", Status: bridge.Active}, "c_ended": {ID: "c_ended", Status: bridge.Disconnected},
		},
		reports: map[bridge.ConnectionID]Report{"c_ended": {At: now}},
		due:     map[bridge.ConnectionID]time.Time{"c_well": now, "c_down": now, "c_bug": now, "c_ended": now, "c_erased": now, "c_later": now.Add(time.Second)},
	}
	answers := map[bridge.ConnectionID]patient{"c_down": {err: refusal(bridge.Unavailable, "")}, "c_bug": {err: errors.New("a bug")}}
	sweep := Sweep{Reports: w, Doctor: Service{
		Connections: w, Reports: w, Now: func() time.Time { return now },
		Org: func(c bridge.Connection) Org { return answers[c.ID] },
	}}
	if err := sweep.Run(t.Context()); bridge.KindOf(err) != bridge.Internal {
		t.Errorf("sweep: %v, want the fault of the one", err)
	}
	want := map[bridge.ConnectionID]time.Time{
		"c_well": now.Add(interval), "c_down": now.Add(soon), "c_bug": now.Add(retryAfter), "c_later": now.Add(time.Second),
	}
	if diff := cmp.Diff(w.due, want); diff != "" {
		t.Errorf("due afterwards (-got +want):\n%s", diff)
	}
	if len(w.reports) != 2 {
		t.Errorf("%d reports, want those of the two that were examined", len(w.reports))
	}
}

package plumbing_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// ours is the message as it was installed.
func (w *world) ours() plumbing.Message {
	w.t.Helper()
	m, err := w.client.OutboundMessage(w.t.Context(), w.get().Name)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// edit changes the message by hand.
func (w *world) edit(change func(*plumbing.Message)) {
	w.t.Helper()
	m := w.ours()
	change(&m)
	w.deploy(plumbing.Package{Message: &m})
}

// newVersion activates another version of the flow by hand.
func (w *world) newVersion(condition string) {
	w.t.Helper()
	w.deploy(plumbing.Package{Flow: &plumbing.FlowPlan{Name: flowName, Label: "RH Opportunity Stage", Message: flowName, Condition: condition}})
	f, err := w.client.Flow(w.t.Context(), flowName)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.org.Activate(flowName, f.Number); err != nil {
		w.t.Fatal(err)
	}
}

// dismantle takes flow and message away, as a person does.
func (w *world) dismantle(message bool) {
	w.t.Helper()
	if err := w.org.Activate(flowName, 0); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range w.records("/tooling", "SELECT Id FROM Flow") {
		w.api("DELETE", "/tooling/sobjects/Flow/"+r["Id"].(string), nil)
	}
	if message {
		w.api("DELETE", "/tooling/sobjects/WorkflowOutboundMessage/"+string(w.get().MessageID), nil)
	}
}

// TestDrift changes by hand what was installed. A day later it is shown, and left as it is; whoever asks has it mended.
func TestDrift(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*world)
		fault  plumbing.Fault
		detail string
	}{
		"nothing":              {func(*world) {}, "", ""},
		"the flow deactivated": {func(w *world) { _ = w.org.Activate(flowName, 0) }, plumbing.FlowInactive, ""},
		"the flow edited":      {func(w *world) { w.newVersion("OR(ISNEW(), ISCHANGED({!$Record.StageName}))") }, plumbing.FlowReplaced, ""},
		"the flow edited, and not activated": {func(w *world) {
			w.newVersion("OR(ISNEW(), ISCHANGED({!$Record.StageName}))")
			_ = w.org.Activate(flowName, 1)
		}, "", ""},
		"the flow deleted":         {func(w *world) { w.dismantle(false) }, plumbing.FlowMissing, ""},
		"flow and message deleted": {func(w *world) { w.dismantle(true) }, plumbing.MessageMissing, ""},
		"another address": {func(w *world) {
			w.edit(func(m *plumbing.Message) { m.Endpoint = bridge.NewSecret("https://theirs.example.com/x") })
		}, plumbing.EndpointChanged, ""},
		"a mistake in the address": {func(w *world) {
			w.edit(func(m *plumbing.Message) { m.Endpoint = bridge.NewSecret(m.Endpoint.Reveal() + "x") })
		}, plumbing.EndpointChanged, ""},
		"another user": {func(w *world) { w.edit(func(m *plumbing.Message) { m.Username = "marco.sales@acme.example" }) }, plumbing.UserChanged, "marco.sales@acme.example"},
		"another user, who leaves": {func(w *world) {
			w.edit(func(m *plumbing.Message) { m.Username = "marco.sales@acme.example" })
			w.leaver("marco.sales@acme.example")
		}, plumbing.UserInactive, "marco.sales@acme.example"},
		"a field taken out": {func(w *world) { w.edit(func(m *plumbing.Message) { m.Fields = []string{"Id", "StageName", "Amount"} }) }, plumbing.FieldsMissing, "LastModifiedDate"},
		"fields added":      {func(w *world) { w.edit(func(m *plumbing.Message) { m.Fields = append(m.Fields, "Name") }) }, "", ""},
		"a message of another name": {func(w *world) {
			w.deploy(plumbing.Package{Message: &plumbing.Message{Name: "RH_Opportunity_Stage_2", Label: "RH Opportunity Stage", Endpoint: bridge.NewSecret("https://theirs.example.com/"), Username: admin, Fields: []string{"Id"}}})
		}, "", ""},
		"the user's rights taken away": {func(w *world) {
			w.org.SetRules(simorg.Rule{Path: "/tooling/", Fault: simorg.Fault{Status: 403, Code: "INSUFFICIENT_ACCESS"}})
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			tc.change(w)
			if name == "nothing" {
				w.counted()
			}
			s := w.wait(24 * time.Hour)
			if name == "nothing" {
				if calls := w.counted(); len(calls) != 4 {
					t.Errorf("a check takes %d calls: %v", len(calls), calls)
				}
			}
			state := plumbing.Working
			if tc.fault != "" {
				state = plumbing.Broken
			}
			if s.State != state || faultOf(s) != tc.fault {
				t.Fatalf("a day later it is %s, %+v, want %s, %q", s.State, s.Trouble, state, tc.fault)
			}
			if tc.detail != "" && s.Trouble.Details[1] != tc.detail {
				t.Errorf("the details are %v, want %s", s.Trouble.Details, tc.detail)
			}
			if s := w.check(); s.State != state || faultOf(s) != tc.fault {
				t.Errorf("looked at once more it is %+v, %+v", s, s.Trouble)
			}
			w.org.SetRules()
			if tc.fault != "" && !s.Trouble.Mend {
				t.Errorf("nobody can have it mended: %+v", s.Trouble)
			}
			s = w.begin()
			if s.State != plumbing.Working {
				t.Fatalf("mended, it is %s, %+v", s.State, s.Trouble)
			}
			before := w.messages(w.get().Hook)
			w.opportunity()
			if n := w.messages(w.get().Hook) - before; n != 1 {
				t.Errorf("mended, it sends %d messages", n)
			}
			if m := w.ours(); m.User != w.user {
				t.Errorf("mended, the message is sent as %s", m.Username)
			}
		})
	}
}

// leaver makes an org say that a user is not active.
func (w *world) leaver(username string) {
	w.answer(func(r *http.Request, body string) string {
		if strings.Contains(r.URL.RawQuery, "FROM+User+") && strings.Contains(body, username) {
			return strings.Replace(body, `"IsActive":true`, `"IsActive":false`, 1)
		}
		return body
	})
}

// TestRotate replaces the address while opportunities change: no message is lost, and the address before ends two days
// after the org has the new one.
func TestRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	was := w.get().Hook
	w.switches(func(s *simorg.Switches) { s.DeployDelay = simorg.Duration(time.Minute) })
	w.opportunity()
	w.counted()
	if err := w.service.Rotate(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if m, ok := w.next(); ok {
		w.do(m.job, nil)
	}
	if s := w.state(); !s.Changing || s.State != plumbing.InLine || s.Mode != plumbing.MessagesAndPoll {
		t.Errorf("while the address is replaced it is %+v", s)
	}
	if err := w.service.Rotate(t.Context(), account, connection); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("replaced while it is replaced: %v", err)
	}
	w.opportunity() // the org has the old address still
	s := w.settle()
	now := w.get().Hook
	if s.State != plumbing.Working || s.Changing || now == was || !w.get().Former.Empty() {
		t.Fatalf("it is %+v, %+v", s, w.get())
	}
	if want := w.Now().Add(48 * time.Hour); s.FormerEnds.Before(want.Add(-time.Minute)) || s.FormerEnds.After(want) {
		t.Errorf("the address before ends at %v, want %v", s.FormerEnds, want)
	}
	w.opportunity()
	if old, new := w.messages(was), w.messages(now); old != 2 || new != 1 || w.refused != 0 {
		t.Errorf("%d messages to the address before, %d to the new one, %d refused", old, new, w.refused)
	}
	if found := w.records("/tooling", "SELECT VersionNumber FROM Flow"); len(found) != 1 {
		t.Errorf("the flow was touched: %v", found)
	}
	if err := w.service.Rotate(t.Context(), account, connection); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("replaced right after: %v", err)
	} else if message, _ := bridge.MessageOf(err); !strings.Contains(message, "5 November 2026, 10:1") {
		t.Errorf("it says %q", message)
	}
	if _, err := w.store.InstalledHook(t.Context(), was); err != nil {
		t.Errorf("the address before has ended too early: %v", err)
	}
	if s = w.wait(48 * time.Hour); !s.FormerEnds.IsZero() || s.State != plumbing.Working {
		t.Errorf("two days later it is %+v", s)
	}
	if _, err := w.store.InstalledHook(t.Context(), was); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("the address before lets messages in: %v", err)
	}
	if err := w.service.Rotate(t.Context(), account, connection); err != nil {
		t.Errorf("replaced two days later: %v", err)
	}
}

// TestRotateKilled kills the worker at every other call while the address is replaced.
func TestRotateKilled(t *testing.T) {
	t.Parallel()
	for steps := 0; steps < rotation; steps += 2 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			was := w.get().Hook
			if err := w.service.Rotate(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			w.killed(&mortal.Life{Steps: steps, After: true}, steps < rotation-1)
			w.whole(w.wait(5 * time.Minute))
			i := w.get()
			if i.Hook == was || !i.Former.Empty() || i.FormerEnds.IsZero() || w.refused != 0 {
				t.Errorf("it is %+v, %d messages refused", i, w.refused)
			}
		})
	}
}

// rotation is how many calls a worker makes to the outside to replace the address, and one more.
const rotation = 27

// TestOldAddressDeployed is a customer whose own pipeline puts the address before back.
func TestOldAddressDeployed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	old := w.ours()
	if err := w.service.Rotate(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.deploy(plumbing.Package{Message: &old})
	if s := w.wait(24 * time.Hour); s.State != plumbing.Broken || faultOf(s) != plumbing.EndpointChanged {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	w.whole(w.begin())
}

// TestOthersInOrg leaves alone what another account, or another of our connections, has in the same org.
func TestOthersInOrg(t *testing.T) {
	t.Parallel()
	other := bridge.NewSecret("theirs")
	theirs := func(w *world, endpoint string) {
		w.deploy(plumbing.Package{
			Message: &plumbing.Message{Name: flowName, Label: "RH Opportunity Stage", Endpoint: bridge.NewSecret(endpoint), Username: admin, Fields: []string{"Id"}},
			Flow:    &plumbing.FlowPlan{Name: flowName, Label: "RH Opportunity Stage", Message: flowName, Condition: plumbing.Condition},
		})
	}
	for name, tc := range map[string]struct {
		before func(*world)
		shared bool // the name is ours to use
	}{
		"a copy of production's, as in a sandbox": {func(w *world) { theirs(w, "https://bridge.example.com/salesforce/outbound/x") }, false},
		"another connection's": {func(w *world) {
			theirs(w, w.inbox+other.Reveal())
			if err := w.store.InstallHook(w.t.Context(), other, plumbing.Hook{Account: "a_2", Connection: "c_9"}, w.Now()); err != nil {
				w.t.Fatal(err)
			}
		}, false},
		"a flow alone": {func(w *world) {
			theirs(w, "https://theirs.example.com/")
			w.deploy(plumbing.Package{
				Message: &plumbing.Message{Name: "Other", Label: "Other", Endpoint: bridge.NewSecret("https://theirs.example.com/"), Username: admin, Fields: []string{"Id"}},
				Flow:    &plumbing.FlowPlan{Name: flowName, Label: "Theirs", Message: "Other", Condition: plumbing.Condition},
			})
			for _, r := range w.records("/tooling", "SELECT Id FROM WorkflowOutboundMessage WHERE Name = 'RH Opportunity Stage'") {
				w.api("DELETE", "/tooling/sobjects/WorkflowOutboundMessage/"+r["Id"].(string), nil)
			}
		}, false},
		"what an account has left that is gone": {func(w *world) { theirs(w, w.inbox+other.Reveal()) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.before(w)
			s := w.begin()
			if s.State != plumbing.Working {
				t.Fatalf("it is %+v, %+v", s, s.Trouble)
			}
			i := w.get()
			if (i.Name == flowName) != tc.shared || !strings.HasPrefix(i.Name, flowName) {
				t.Errorf("ours is called %s", i.Name)
			}
			w.opportunity()
			if n := w.messages(i.Hook); n != 1 {
				t.Errorf("%d messages came", n)
			}
			if err := w.service.Remove(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			if s := w.settle(); s.State != plumbing.Left || s.Trouble != nil {
				t.Errorf("removed, it is %+v, %+v", s, s.Trouble)
			}
			if found := w.records("/tooling", "SELECT Id FROM FlowDefinition"); (len(found) == 0) != tc.shared {
				t.Errorf("the org's flows are %v", found)
			}
		})
	}
}

// TestCurrencies names the currency in the message of an org that has several, also if it gets them later.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]bool{"from the beginning": false, "later": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !later {
				w.org.UseCurrencies()
			}
			w.begin()
			if has := slices.Contains(w.ours().Fields, "CurrencyIsoCode"); has == later {
				t.Errorf("the message has the currency: %t", has)
			}
			w.org.UseCurrencies()
			w.counted()
			w.whole(w.wait(24 * time.Hour))
			if !slices.Contains(w.ours().Fields, "CurrencyIsoCode") {
				t.Error("the message lacks the currency")
			}
			if deployed := slices.Contains(w.counted(), "POST /metadata/deployRequest"); deployed != later {
				t.Errorf("deployed anew: %t", deployed)
			}
		})
	}
}

// TestCopied is a sandbox that was copied from the org: its messages are ignored, and told of.
func TestCopied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.switches(func(s *simorg.Switches) { s.OutboundClonedOrgID = "00D5g000004Copy" })
	w.opportunity()
	s := w.state()
	if s.State != plumbing.Working || s.Copy == nil || s.Copy.Details[0][:15] != "00D5g000004Copy" || !s.SeenAt.IsZero() || len(s.Troubles()) != 1 {
		t.Errorf("it is %+v", s)
	}
}

// TestManyVersions makes room for a version of the flow when there are nearly as many as there can be.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	for n := range 48 {
		condition := "OR(ISNEW(), ISCHANGED({!$Record.StageName}))"
		if n%2 == 1 {
			condition = plumbing.Condition
		}
		w.newVersion(condition)
	}
	// Ours is deleted, so that it has to be deployed again.
	w.api("DELETE", "/tooling/sobjects/Flow/"+string(w.get().Version), nil)
	w.newVersion("OR(ISNEW(), ISCHANGED({!$Record.StageName}))")
	w.newVersion("OR(ISNEW(), ISCHANGED({!$Record.Amount}))")
	if s := w.begin(); s.State != plumbing.Working {
		t.Fatalf("it is %+v, %+v", s, s.Trouble)
	}
	if found := w.records("/tooling", "SELECT Id FROM Flow"); len(found) != 41 {
		t.Errorf("there are %d versions", len(found))
	}
	before := w.messages(w.get().Hook)
	w.opportunity()
	if n := w.messages(w.get().Hook) - before; n != 1 {
		t.Errorf("it sends %d messages", n)
	}
}

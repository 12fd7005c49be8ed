package plumbing_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestInstall installs in orgs of every sort. What it costs of their allowance is part of the promise.
func TestInstall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		org   func(*simorg.Switches)
		state plumbing.State
		fault plumbing.Fault
		calls int
		sends bool
	}{
		"a sandbox, where flows land active": {
			org: func(s *simorg.Switches) { s.Sandbox = true }, state: plumbing.Working, calls: 11, sends: true},
		"a production org, where they are activated afterwards": {
			org: func(*simorg.Switches) {}, state: plumbing.Working, calls: 13, sends: true},
		"a production org that lets them land active": {
			org: func(s *simorg.Switches) { s.FlowsDeployActive = true }, state: plumbing.Working, calls: 11, sends: true},
		"one that wants tests then: a draft needs none": {
			org: func(s *simorg.Switches) { s.FlowsDeployActive, s.FlowTestsMissing = true, true }, state: plumbing.Working, calls: 16, sends: true},
		"an org where only people activate flows": {
			org: func(s *simorg.Switches) { s.FlowActivationRefused = true }, state: plumbing.NeedsClick, fault: plumbing.ActivationRefused, calls: 13},
		"Professional edition": {
			org: func(s *simorg.Switches) { s.Edition = "Professional Edition" }, state: plumbing.Polling, calls: 1},
		"a user who lacks rights": {
			org: func(s *simorg.Switches) {
				s.MissingPermissions = simorg.Names{"ManageInteraction", "CustomizeApplication"}
			},
			state: plumbing.NeedsHands, fault: plumbing.RightsMissing, calls: 5},
		"a user who may modify all data": {
			org: func(s *simorg.Switches) { s.Sandbox, s.MissingPermissions = true, simorg.Names{"ModifyMetadata"} }, state: plumbing.Working, calls: 11, sends: true},
		"a user who may not read opportunities": {
			org: func(s *simorg.Switches) { s.HiddenObjects = simorg.Names{"Opportunity"} }, state: plumbing.Broken, fault: plumbing.StagesHidden, calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.switches(tc.org)
			s := w.begin()
			calls := w.counted()
			if s.State != tc.state || faultOf(s) != tc.fault {
				t.Errorf("it is %s, %+v, want %s, %q", s.State, s.Trouble, tc.state, tc.fault)
			}
			if len(calls) != tc.calls {
				t.Errorf("%d calls, want %d: %s", len(calls), tc.calls, strings.Join(calls, ", "))
			}
			if mode := s.Mode == plumbing.MessagesAndPoll; mode != (tc.state == plumbing.Working) {
				t.Errorf("the mode is %s when it is %s", s.Mode, s.State)
			}
			if tc.fault != "" && (s.Trouble.Title == "" || s.Trouble.Effect == "" || s.Trouble.Who == "" || s.Trouble.Remedy == "") {
				t.Errorf("who is to act is not told: %+v", s.Trouble)
			}
			if (s.State == plumbing.NeedsHands) != (s.Manual != nil) {
				t.Errorf("it is %s with instructions %v", s.State, s.Manual)
			}
			if !tc.sends {
				return
			}
			w.opportunity()
			if n := w.messages(w.get().Hook); n != 1 {
				t.Errorf("%d messages came, want 1", n)
			}
			if s := w.state(); !s.SeenAt.Equal(w.Now()) {
				t.Errorf("the last message is said to have come at %v", s.SeenAt)
			}
		})
	}
}

func faultOf(s plumbing.Status) plumbing.Fault {
	if s.Trouble == nil {
		return ""
	}
	return s.Trouble.Fault
}

// TestKilled kills the worker after each of its calls to the outside, before it reads the answer, and lets another one
// go on: the org ends up the same, with one flow of one version.
func TestKilled(t *testing.T) {
	t.Parallel()
	for steps := range outside {
		t.Run(fmt.Sprintf("call %d", steps), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.switches(func(s *simorg.Switches) { s.DeployDelay = simorg.Duration(20 * time.Second) })
			if err := w.service.Begin(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			w.killed(&mortal.Life{Steps: steps, After: true}, steps < outside-1)
			w.whole(w.wait(5 * time.Minute))
		})
	}
}

// outside is how many calls a worker makes to the outside, of the org, the table and the queue, to install flow and
// message, and one more.
const outside = 41

// killed works with one life, until that or the work is over, and fails unless it is the life, or is not.
func (w *world) killed(l *mortal.Life, dies bool) {
	w.t.Helper()
	for !l.Over() {
		m, ok := w.next()
		if !ok {
			break
		}
		w.do(m.job, l)
	}
	if l.Over() != dies {
		w.t.Errorf("a worker that lives for %d calls dies: %t", l.Steps, l.Over())
	}
}

// whole fails unless everything is installed, once, and works.
func (w *world) whole(s plumbing.Status) {
	w.t.Helper()
	if s.State != plumbing.Working || s.Trouble != nil {
		w.t.Fatalf("it is %s, %+v: %+v", s.State, s.Trouble, w.get())
	}
	if found := w.records("/tooling", "SELECT VersionNumber, Status FROM Flow"); len(found) != 1 || found[0]["Status"] != "Active" {
		w.t.Errorf("the versions of the flow are %v", found)
	}
	if found := w.records("/tooling", "SELECT Id FROM WorkflowOutboundMessage"); len(found) != 1 {
		w.t.Errorf("the messages are %v", found)
	}
	before := w.messages(w.get().Hook)
	w.opportunity()
	if n := w.messages(w.get().Hook) - before; n != 1 {
		w.t.Errorf("%d messages came, want 1", n)
	}
}

func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.service.Begin(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	job := plumbing.Job{Account: account, Connection: connection}
	var team sync.WaitGroup
	for range 4 {
		team.Go(func() { w.do(job, nil) })
	}
	team.Wait()
	w.whole(w.settle())
	deployments := slices.DeleteFunc(w.counted(), func(call string) bool { return call != "POST /metadata/deployRequest" })
	if len(deployments) != 1 {
		t.Errorf("%d deployments", len(deployments))
	}
}

// TestEnsure begins once, and leaves alone what was begun.
func TestEnsure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		if err := w.service.Ensure(t.Context(), account, connection); err != nil {
			t.Fatal(err)
		}
		w.whole(w.settle())
	}
	w.counted()
	if err := w.service.Ensure(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if w.settle(); len(w.counted()) != 0 {
		t.Error("the org was asked for nothing")
	}
}

func TestInstallTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	hook := w.get().Hook
	w.counted()
	s := w.begin()
	w.whole(s)
	if w.get().Hook != hook {
		t.Error("the address has changed without a need")
	}
	if calls := w.counted(); slices.Contains(calls, "POST /metadata/deployRequest") {
		t.Errorf("deployed again: %v", calls)
	}
}

// TestClick waits for somebody to activate the flow.
func TestClick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.FlowActivationRefused = true })
	s := w.begin()
	if s.State != plumbing.NeedsClick || s.Trouble.Link != "https://acme.my.salesforce.com/lightning/setup/Flows/home" ||
		!slices.Equal(s.Trouble.Details, []string{"RH Opportunity Stage", "insufficient access rights on object id"}) {
		t.Fatalf("it is %+v, %+v", s, s.Trouble)
	}
	if !s.Next.After(w.Now()) || s.Next.After(w.Now().Add(time.Hour)) {
		t.Errorf("it looks again at %v", s.Next)
	}
	since := s.Since
	if s = w.wait(time.Hour); s.State != plumbing.NeedsClick || !s.Since.Equal(since) {
		t.Errorf("an hour later: %+v", s)
	}
	if s = w.check(); s.State != plumbing.NeedsClick {
		t.Errorf("checked too early: %+v", s)
	}
	if err := w.org.Activate(flowName, 1); err != nil {
		t.Fatal(err)
	}
	w.whole(w.check())
}

// check is a person who looks again.
func (w *world) check() plumbing.Status {
	w.t.Helper()
	s, err := w.service.Check(w.t.Context(), account, connection)
	if err != nil {
		w.t.Fatalf("Check: %v", err)
	}
	return s
}

// TestClickUnasked finds the click by itself: it looks every hour on the first day, and every day after it.
func TestClickUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.FlowActivationRefused = true })
	w.begin()
	for range 24 {
		w.wait(time.Hour)
	}
	if s := w.state(); s.State != plumbing.NeedsClick || s.Next.Before(w.Now().Add(23*time.Hour)) {
		t.Errorf("a day later it is %+v", s)
	}
	if err := w.org.Activate(flowName, 1); err != nil {
		t.Fatal(err)
	}
	w.whole(w.wait(24 * time.Hour))
}

// TestInLine waits behind other people's deployments.
func TestInLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.DeployDelay = simorg.Duration(3 * time.Hour) })
	other := plumbing.Package{Message: &plumbing.Message{
		Name: "Theirs", Label: "Theirs", Endpoint: bridge.NewSecret("https://theirs.example.com/"), Username: admin, Fields: []string{"Id"},
	}}
	if _, err := w.client.Deploy(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.switches(func(s *simorg.Switches) { s.DeployDelay = simorg.Duration(time.Minute) })
	if err := w.service.Begin(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	began := w.Now()
	for w.Now().Before(began.Add(time.Hour)) {
		m, ok := w.next()
		if !ok {
			break
		}
		w.do(m.job, nil)
	}
	if s := w.state(); s.State != plumbing.InLine || !s.Sent.Equal(began) {
		t.Errorf("an hour later it is %+v, sent at %v", s, s.Sent)
	}
	s := w.settle()
	if s.State != plumbing.Working {
		t.Errorf("in the end it is %+v, %+v", s, s.Trouble)
	}
	if polls := len(w.counted()); polls > 100 {
		t.Errorf("%d calls in three hours", polls)
	}
}

// TestByHand is an administrator who follows the instructions, because the connected user may not.
func TestByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lacking := simorg.Names{"ManageInteraction", "CustomizeApplication", "ModifyMetadata", "ModifyAllData"}
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = lacking })
	s := w.begin()
	if want := []string{"Customize Application", "Modify Metadata Through Metadata API Functions", "Manage Flow"}; !slices.Equal(s.Trouble.Details, want) {
		t.Errorf("missing are %v, want %v", s.Trouble.Details, want)
	}
	paste := map[string]string{}
	var fields []string
	for _, screen := range s.Manual {
		if screen.Link == "" {
			t.Errorf("%s has no link", screen.Title)
		}
		for _, step := range screen.Steps {
			if paste[step.Do] = step.Paste; step.Do == "Add to Selected Fields" {
				fields = append(fields, step.Paste)
			}
		}
	}
	made := plumbing.Package{
		Message: &plumbing.Message{
			Name: paste["Unique Name"], Label: paste["Name"], Endpoint: bridge.NewSecret(paste["Endpoint URL"] + "/typo"),
			Username: paste["User to send as"], Fields: fields,
		},
		Flow: &plumbing.FlowPlan{
			Name: paste["Flow API name"], Label: paste["Click Save. Flow label"], Message: paste["Unique Name"],
			Condition: paste["Condition requirements: choose Formula Evaluates to True, and paste the formula."],
		},
	}
	w.deploy(made)
	if s = w.check(); s.State != plumbing.NeedsHands || faultOf(s) != plumbing.EndpointChanged {
		t.Errorf("with a wrong address it is %+v, %+v", s, s.Trouble)
	}
	made.Message.Endpoint = bridge.NewSecret(paste["Endpoint URL"])
	w.deploy(made)
	if s = w.check(); s.State != plumbing.NeedsHands || faultOf(s) != plumbing.FlowInactive {
		t.Errorf("with an inactive flow it is %+v, %+v", s, s.Trouble)
	}
	if err := w.org.Activate(flowName, 1); err != nil {
		t.Fatal(err)
	}
	w.whole(w.check())
}

// deploy is somebody else who changes the org: the same calls, with rights of their own.
func (w *world) deploy(p plumbing.Package) {
	w.t.Helper()
	was := w.org.Switches()
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = nil })
	defer w.org.SetSwitches(was)
	id, err := w.client.Deploy(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := w.client.Deployment(w.t.Context(), id)
	if err != nil || !d.Succeeded {
		w.t.Fatalf("%+v, %v", d, err)
	}
}

// TestByHandUnseen is a user who may not even look: a message that comes is the proof.
func TestByHandUnseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = simorg.Names{"ViewSetup", "CustomizeApplication"} })
	w.org.SetRules(simorg.Rule{Path: "/tooling/", Fault: simorg.Fault{Status: 403, Code: "INSUFFICIENT_ACCESS"}})
	if s := w.begin(); s.State != plumbing.NeedsHands || faultOf(s) != plumbing.RightsMissing {
		t.Fatalf("it is %+v, %+v", s, s.Trouble)
	}
	w.advance(time.Minute)
	hook := w.get().Hook
	w.org.SetRules()
	w.deploy(plumbing.Package{
		Message: &plumbing.Message{Name: "Any", Label: "Any", Endpoint: bridge.NewSecret(w.inbox + hook.Reveal()), Username: admin, Fields: []string{"Id"}},
		Flow:    &plumbing.FlowPlan{Name: "Any", Label: "Any", Message: "Any", Condition: plumbing.Condition},
	})
	if err := w.org.Activate("Any", 1); err != nil {
		t.Fatal(err)
	}
	w.org.SetRules(simorg.Rule{Path: "/tooling/", Fault: simorg.Fault{Status: 403, Code: "INSUFFICIENT_ACCESS"}})
	if s := w.check(); s.State != plumbing.NeedsHands {
		t.Errorf("before a message it is %+v", s)
	}
	w.opportunity()
	if s := w.check(); s.State != plumbing.Working || s.Trouble != nil {
		t.Errorf("after a message it is %+v, %+v", s, s.Trouble)
	}
}

// TestRightsGranted goes on by itself when the user is given the rights.
func TestRightsGranted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = simorg.Names{"ManageInteraction"} })
	w.begin()
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = nil })
	w.whole(w.wait(time.Hour))
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule  simorg.Rule
		state plumbing.State
		fault plumbing.Fault
	}{
		"an outage":         {simorg.Rule{Path: "/tooling/query", Times: 4, Fault: simorg.Fault{Status: 503, HTML: true}}, plumbing.Paused, plumbing.OrgSilent},
		"a lost deployment": {simorg.Rule{Path: "/metadata/deployRequest", Times: 1, Fault: simorg.Fault{Drop: true}}, "", ""},
		"calls used up":     {simorg.Rule{Path: "/metadata/deployRequest", Times: 1, Fault: simorg.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}}, plumbing.Paused, plumbing.CallsUsedUp},
		"what nobody knows": {simorg.Rule{Path: "/metadata/deployRequest", Times: 1, Fault: simorg.Fault{Status: 400, Code: "INVALID_OPERATION"}}, plumbing.Broken, plumbing.Refused},
		"no Metadata API":   {simorg.Rule{Path: "/metadata/deployRequest", Times: 1, Fault: simorg.Fault{Status: 403, Code: "API_DISABLED_FOR_ORG"}}, plumbing.NeedsHands, plumbing.RightsMissing},
		"a look that fails": {simorg.Rule{Path: "/metadata/deployRequest/", Times: 2, Fault: simorg.Fault{Status: 500, Code: "UNKNOWN_EXCEPTION"}}, "", ""},
		"a lost activation": {simorg.Rule{Path: "/FlowDefinition/", Times: 1, Fault: simorg.Fault{Drop: true}}, "", ""},
		"a deployment of which Salesforce knows nothing any more": {simorg.Rule{Path: "/metadata/deployRequest/", Times: 1, Fault: simorg.Fault{Status: 404, Code: "NOT_FOUND"}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.org.SetRules(tc.rule)
			if err := w.service.Begin(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			met := tc.state == ""
			for range 50 {
				m, ok := w.next()
				if !ok {
					break
				}
				w.do(m.job, nil)
				s := w.state()
				met = met || s.State == tc.state && faultOf(s) == tc.fault
			}
			if !met {
				t.Errorf("it never was %s with %s", tc.state, tc.fault)
			}
			w.org.SetRules()
			s := w.wait(time.Hour)
			if s.Trouble != nil && s.Trouble.Mend {
				s = w.begin()
			}
			if s.State == plumbing.NeedsHands {
				s = w.wait(time.Hour)
			}
			w.whole(s)
		})
	}
}

// TestDeploymentRefused tells in Salesforce's words why, and waits for somebody to ask again.
func TestDeploymentRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inbox := w.inbox
	w.service.Inbox = "http://127.0.0.1:81/salesforce/outbound/"
	s := w.begin()
	if s.State != plumbing.Broken || faultOf(s) != plumbing.DeploymentRefused || !s.Trouble.Mend || !s.Next.IsZero() {
		t.Fatalf("it is %+v, %+v", s, s.Trouble)
	}
	if said := strings.Join(s.Trouble.Details, "\n"); !strings.Contains(said, "RH_Opportunity_Stage: ") || !strings.Contains(said, "port that is not allowed") {
		t.Errorf("the details are %q", said)
	}
	if s := w.wait(48 * time.Hour); faultOf(s) != plumbing.DeploymentRefused {
		t.Errorf("two days later it is %+v", s.Trouble)
	}
	w.service.Inbox = inbox
	w.whole(w.begin())
}

// TestDeploymentCanceled is an administrator who cancels the deployment.
func TestDeploymentCanceled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.DeployDelay = simorg.Duration(time.Minute) })
	if err := w.service.Begin(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if m, ok := w.next(); ok {
		w.do(m.job, nil)
	}
	if err := w.client.CancelDeployment(t.Context(), w.get().Deployment); err != nil {
		t.Fatal(err)
	}
	if s := w.settle(); s.State != plumbing.Broken || faultOf(s) != plumbing.DeploymentCanceled {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	w.whole(w.begin())
}

// TestDeploymentUnseen does not deploy for ever what somebody else changes back.
func TestDeploymentUnseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answer(func(r *http.Request, body string) string {
		if strings.Contains(r.URL.Path, "sobjects/WorkflowOutboundMessage") {
			return strings.ReplaceAll(body, "LastModifiedDate", "Name")
		}
		return body
	})
	if s := w.begin(); s.State != plumbing.Broken || faultOf(s) != plumbing.DeploymentUnseen {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	calls := slices.DeleteFunc(w.counted(), func(call string) bool { return call != "POST /metadata/deployRequest" })
	if len(calls) != 2 {
		t.Errorf("%d deployments", len(calls))
	}
	w.answer(nil)
	w.whole(w.begin())
}

// answer makes the org answer otherwise.
func (w *world) answer(rewrite func(r *http.Request, body string) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rewrite = rewrite
}

// TestUserLeaves installs nothing that is sent as somebody who is not active.
func TestUserLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leaver(admin)
	if s := w.begin(); s.State != plumbing.Broken || faultOf(s) != plumbing.UserInactive {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	w.answer(nil)
	w.whole(w.wait(time.Hour))
}

// TestRefreshUnderWay waits while another worker renews the token: nothing is wrong.
func TestRefreshUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy = 2
	if err := w.service.Begin(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if m, ok := w.next(); ok {
		w.do(m.job, nil)
	}
	if s := w.state(); s.State != plumbing.Installing || s.Trouble != nil {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	w.whole(w.settle())
}

// TestConnectionDies waits for the connection, and goes on when it is back.
func TestConnectionDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.switches(func(s *simorg.Switches) { s.UserDeactivated = true })
	w.is(bridge.NeedsReconnect)
	if s := w.wait(25 * time.Hour); s.State != plumbing.Paused || faultOf(s) != plumbing.ConnectionDead {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	w.switches(func(s *simorg.Switches) { s.UserDeactivated = false })
	w.is(bridge.Active)
	if err := w.service.Work(t.Context(), plumbing.Job{Account: account, Connection: connection, Wake: true}); err != nil {
		t.Fatal(err)
	}
	w.whole(w.settle())
}

package salesforce

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

func TestFlow(t *testing.T) {
	t.Parallel()
	const definition, one, two = "3005g0000000001AAA", "3015g0000000001AAA", "3015g0000000002AAA"
	for name, tc := range map[string]struct {
		body string
		want plumbing.Flow
		err  bridge.Kind
	}{
		"active": {`{"totalSize":1,"done":true,"records":[{"Id":"` + definition + `","ActiveVersionId":"` + one + `","ActiveVersion":{"VersionNumber":1},"LatestVersionId":"` + two + `","LatestVersion":{"VersionNumber":2}}]}`,
			plumbing.Flow{Definition: definition, Active: one, ActiveNumber: 1, Latest: two, Number: 2}, ""},
		"inactive": {`{"totalSize":1,"done":true,"records":[{"Id":"` + definition + `","ActiveVersionId":null,"ActiveVersion":null,"LatestVersionId":"` + two + `","LatestVersion":{"VersionNumber":2}}]}`,
			plumbing.Flow{Definition: definition, Latest: two, Number: 2}, ""},
		"none":       {`{"totalSize":0,"done":true,"records":[]}`, plumbing.Flow{}, bridge.NotFound},
		"not an id":  {`{"totalSize":1,"done":true,"records":[{"Id":"300/../x"}]}`, plumbing.Flow{}, bridge.Unavailable},
		"not an API": {`[]`, plumbing.Flow{}, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, 200, tc.body).Flow(t.Context(), "RH_Opportunity_Stage")
			if bridge.KindOf(err) != tc.err {
				t.Fatalf("%v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlowVersions(t *testing.T) {
	t.Parallel()
	got, err := told(t, 200, `{"totalSize":2,"done":true,"records":[{"Id":"3015g0000000001AAA","VersionNumber":1,"Status":"Obsolete"},{"Id":"3015g0000000002AAA","VersionNumber":2,"Status":"Active"}]}`).
		FlowVersions(t.Context(), "3005g0000000001AAA")
	want := []plumbing.FlowVersion{{ID: "3015g0000000001AAA", Number: 1}, {ID: "3015g0000000002AAA", Number: 2, Active: true}}
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestRefusals says what it means that Salesforce does not let go of something, or of somebody's rights.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   bridge.Kind
	}{
		"deleted":         {204, "", ""},
		"gone":            {404, `[{"errorCode":"NOT_FOUND","message":"x"}]`, bridge.NotFound},
		"active":          {400, `[{"errorCode":"DELETE_FAILED","message":"x"}]`, bridge.Invalid},
		"sent by a flow":  {400, `[{"errorCode":"DEPENDENCY_EXISTS","message":"x"}]`, bridge.Invalid},
		"without a right": {403, `[{"errorCode":"INSUFFICIENT_ACCESS","message":"x"}]`, bridge.Denied},
		"no answer":       {500, ``, bridge.UnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := told(t, tc.status, tc.body)
			if err := c.DeleteFlowVersion(t.Context(), "3015g0000000001AAA"); bridge.KindOf(err) != tc.want {
				t.Errorf("a version: %v, want %q", err, tc.want)
			}
			if err := c.DeleteOutboundMessage(t.Context(), "04k5g0000000001AAA"); bridge.KindOf(err) != tc.want {
				t.Errorf("a message: %v, want %q", err, tc.want)
			}
			if err := c.ActivateFlow(t.Context(), "3005g0000000001AAA", 2); bridge.KindOf(err) != tc.want {
				t.Errorf("an activation: %v, want %q", err, tc.want)
			}
			if err := c.CancelDeployment(t.Context(), "0Af5g0000000001CAA"); bridge.KindOf(err) != tc.want {
				t.Errorf("a cancellation: %v, want %q", err, tc.want)
			}
		})
	}
}

package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

// plumbed is an org whose flow and messages are in some state.
type plumbed struct {
	status plumbing.Status
	watch  bridge.Watch
}

func (p plumbed) Status(context.Context, bridge.AccountID, bridge.ConnectionID) (plumbing.Status, error) {
	return p.status, nil
}

func (p plumbed) Watch(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Watch, error) {
	return p.watch, nil
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	trouble := func(f plumbing.Fault) *plumbing.Trouble { return &plumbing.Trouble{Fault: f, Title: "title"} }
	silent := bridge.Watch{SilentSince: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	for name, tc := range map[string]struct {
		org  plumbed
		want []doctor.Check
	}{
		"all is well":                      {plumbed{}, nil},
		"the flow is off":                  {plumbed{status: plumbing.Status{Trouble: trouble(plumbing.FlowInactive)}}, []doctor.Check{"messages_flow_inactive"}},
		"off, and silent for that reason":  {plumbed{plumbing.Status{Trouble: trouble(plumbing.FlowInactive)}, silent}, []doctor.Check{"messages_flow_inactive"}},
		"off, and copied into a sandbox":   {plumbed{status: plumbing.Status{Trouble: trouble(plumbing.FlowInactive), Copy: trouble(plumbing.OrgCopied)}}, []doctor.Check{"messages_flow_inactive", "messages_org_copied"}},
		"silent, and nobody knows why":     {plumbed{watch: silent}, []doctor.Check{"messages_silent"}},
		"something that passes by itself":  {plumbed{status: plumbing.Status{Trouble: trouble(plumbing.OrgSilent)}}, nil},
		"what an examination finds anyway": {plumbed{status: plumbing.Status{Trouble: trouble(plumbing.ConnectionDead)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			advice, err := installed(tc.org, tc.org)(t.Context(), bridge.Connection{Account: "a_1", ID: "c_1"})
			if err != nil {
				t.Fatal(err)
			}
			var got []doctor.Check
			for _, a := range advice {
				got = append(got, a.Check)
				if a.Level != doctor.Limiting || a.Title == "" {
					t.Errorf("advice %+v", a)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
}

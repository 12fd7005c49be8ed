package main

import (
	"context"
	"errors"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type sweepFunc func(context.Context) error

func (f sweepFunc) Run(ctx context.Context) error { return f(ctx) }

func TestHandle(t *testing.T) {
	t.Parallel()
	down := bridge.E("test", bridge.Unavailable, errors.New("down"))
	for name, tc := range map[string]struct {
		in    input
		fails error
		runs  int
		want  bridge.Kind
	}{
		"the sweep that the template names": {input{Sweep: "due"}, nil, 1, ""},
		"a sweep that fails is repeated":    {input{Sweep: "due"}, down, 1, bridge.Unavailable},
		"a sweep that nobody knows":         {input{Sweep: "dew"}, nil, 0, bridge.Invalid},
		"nothing":                           {input{}, nil, 0, bridge.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs := 0
			err := handle(map[string]sweeper{
				"due": sweepFunc(func(context.Context) error { runs++; return tc.fails }),
			})(t.Context(), tc.in)
			if runs != tc.runs || bridge.KindOf(err) != tc.want {
				t.Errorf("%d runs, %v, want %d, %q", runs, err, tc.runs, tc.want)
			}
		})
	}
}

package main

import (
	"context"
	"log/slog"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// input is what a schedule of template.yaml says to do.
type input struct {
	Sweep string `json:"sweep"`
}

type sweeper interface {
	Run(context.Context) error
}

// handle runs the sweep that the schedule names.
func handle(sweeps map[string]sweeper) func(context.Context, input) error {
	return func(ctx context.Context, in input) error {
		sweep := sweeps[in.Sweep]
		if sweep == nil {
			return bridge.Say("schedule.handle", bridge.Invalid, "sweep", "there is no sweep of that name")
		}
		err := sweep.Run(ctx)
		if err != nil {
			slog.ErrorContext(ctx, "sweep failed", "sweep", in.Sweep, "kind", bridge.KindOf(err), "err", err)
		}
		return err
	}
}

package local

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/template"
)

// scheduledTime is where EventBridge Scheduler puts the time in a schedule's input.
const scheduledTime = "<aws.scheduler.scheduled-time>"

// keep starts the function at a steady pace until ctx ends, whether it is done with the last time or not.
func (s *Stack) keep(ctx context.Context, function string, schedule template.Schedule, patience time.Duration) {
	tick := time.NewTicker(schedule.Every)
	defer tick.Stop()
	for {
		select {
		case at := <-tick.C:
			input := strings.ReplaceAll(schedule.Input, scheduledTime, at.UTC().Format(time.RFC3339))
			s.working.Go(func() { s.later(ctx, function, []byte(input), patience) })
		case <-ctx.Done():
			return
		}
	}
}

// attempts is how often Lambda runs an asynchronous invocation that fails.
const attempts = 3

// later invokes a function as Lambda does for one that nobody waits for: if it fails it is run again after a pause, and once
// more after a longer one. A schedule's dead-letter queue has no part in it: that is for what EventBridge could
// not hand to Lambda, which cannot happen here.
func (s *Stack) later(ctx context.Context, function string, input []byte, patience time.Duration) {
	for attempt := 1; ; attempt++ {
		result, functionError, err := s.Invoke(ctx, function, input)
		if ctx.Err() != nil || err == nil && functionError == "" {
			return
		}
		if attempt == attempts {
			why := string(result)
			if err != nil {
				why = err.Error()
			}
			s.runtime.Say(s.Model.Functions[function].Folder, fmt.Sprintf("gave up a scheduled invocation after %d attempts: %s", attempts, why))
			return
		}
		pause := time.NewTimer(time.Duration(attempt) * patience)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

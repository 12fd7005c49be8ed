package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/local/proof/conversion"
	"github.com/referralbridge/referralbridge/internal/salesforce/outbound"
)

// Conversions is what the experiments on conversions found.
type Conversions struct {
	Seeds           int     `json:"seeds"`            // histories of a day, each with an oracle
	SpendWrong      int     `json:"spend_wrong"`      // totals that are not what Salesforce says
	AdvancedTwice   int     `json:"advanced_twice"`   // steps of referrals that were taken twice
	Unaccounted     int     `json:"unaccounted"`      // messages and deals of which nothing came
	PlantedFound    int     `json:"planted_found"`    // bugs that were planted, and found out
	HostileRefused  int     `json:"hostile_refused"`  // envelopes
	GenuineAccepted int     `json:"genuine_accepted"` // envelopes
	ScannerAllocs   float64 `json:"scanner_allocs"`   // for an envelope of 100 notifications
	AckP99          float64 `json:"ack_p99_ms"`       // at 50 envelopes a second
}

// Err says which promise does not hold.
func (c Conversions) Err() error {
	return broken(map[string]bool{
		"at least 1,000 histories":                       c.Seeds >= 1000,
		"spend is right":                                 c.SpendWrong == 0,
		"no referral is advanced twice":                  c.AdvancedTwice == 0,
		"every message is accounted for":                 c.Unaccounted == 0,
		"every planted bug is found out":                 c.PlantedFound == len(conversion.Plants),
		"at least 40 hostile envelopes are refused":      c.HostileRefused >= 40,
		"at least 10 genuine envelopes are accepted":     c.GenuineAccepted >= 10,
		"at most 150 allocations for 100 notifications":  c.ScannerAllocs > 0 && c.ScannerAllocs <= 150,
		"99 of 100 envelopes are acknowledged in 150 ms": c.AckP99 > 0 && c.AckP99 <= 150,
	})
}

// ProveConversions runs the experiments on conversions, one after the other, and tells how far it is.
func ProveConversions(ctx context.Context, root string, tell func(format string, args ...any)) (Conversions, error) {
	var found Conversions
	ack, err := Outbound(ctx, root, tell) // first, while the machine is quiet
	if err != nil {
		return found, err
	}
	found.AckP99 = ack.Slowest
	for _, experiment := range []func(context.Context, string, func(string, ...any), *Conversions) error{envelopes, planted, lastingDays} {
		if err := experiment(ctx, root, tell, &found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// envelopes reads the package's own collection of envelopes, genuine and hostile.
func envelopes(_ context.Context, root string, tell func(string, ...any), found *Conversions) error {
	var hundred []byte
	for folder, count := range map[string]*int{"accepted": &found.GenuineAccepted, "refused": &found.HostileRefused} {
		files, err := filepath.Glob(filepath.Join(root, "internal/salesforce/outbound/testdata", folder, "*.xml"))
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			envelope, err := outbound.Parse(bytes.NewReader(text))
			if (err == nil) != (folder == "accepted") {
				return fmt.Errorf("%s is decided wrongly: %w", file, errors.Join(err, errors.New("see the folder it is in")))
			}
			*count++
			if len(envelope.Notifications) == 100 {
				hundred = text
			}
		}
	}
	if hundred == nil {
		return errors.New("there is no envelope of 100 notifications")
	}
	found.ScannerAllocs = testing.AllocsPerRun(100, func() {
		_, _ = outbound.Parse(bytes.NewReader(hundred))
	})
	tell("envelopes: %d hostile refused, %d genuine accepted, %.0f allocations for 100 notifications", found.HostileRefused, found.GenuineAccepted, found.ScannerAllocs)
	return nil
}

// planted lets days pass with each of the planted bugs until it is found out, or enough of them have passed.
func planted(ctx context.Context, _ string, tell func(string, ...any), found *Conversions) error {
	for _, plant := range conversion.Plants {
		for seed := range plant.Histories() {
			result, err := conversion.Run(ctx, seed, plant)
			if err != nil {
				return err
			}
			if result.Wrong() {
				found.PlantedFound++
				tell("planted: %s: found out in history %d", plant, seed)
				break
			}
		}
	}
	return nil
}

// lastingDays lets 1,000 days pass.
func lastingDays(ctx context.Context, _ string, tell func(string, ...any), found *Conversions) error {
	const days, abreast = 1000, 3
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // short-lived worlds, and memory enough
	results := make([]conversion.Result, days)
	var done atomic.Int64
	team, ctx := errgroup.WithContext(ctx)
	team.SetLimit(abreast)
	for seed := range results {
		team.Go(func() (err error) {
			if results[seed], err = conversion.Run(ctx, uint64(seed), conversion.Nothing); err != nil {
				return fmt.Errorf("history %d: %w", seed, err)
			}
			if n := done.Add(1); n%100 == 0 {
				tell("days: %d have passed", n)
			}
			return nil
		})
	}
	if err := team.Wait(); err != nil {
		return err
	}
	var sum conversion.Result
	for seed, r := range results {
		found.Seeds++
		found.SpendWrong += r.SpendWrong
		found.AdvancedTwice += r.AdvancedTwice
		found.Unaccounted += r.Unaccounted
		sum.Messages, sum.Duplicates, sum.Lost, sum.Killed = sum.Messages+r.Messages, sum.Duplicates+r.Duplicates, sum.Lost+r.Lost, sum.Killed+r.Killed
		for _, note := range r.Notes {
			tell("history %d: %s", seed, note)
		}
	}
	tell("days: %d histories, %d messages, %d of them twice, %d lost, %d workers killed", days, sum.Messages, sum.Duplicates, sum.Lost, sum.Killed)
	return nil
}

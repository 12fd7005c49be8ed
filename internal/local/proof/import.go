// Package proof runs experiments on the whole system, too long for a test, and measures what it promises.
package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Import is what the experiments on imports found.
type Import struct {
	Kills         int     `json:"kills"`          // of workers, by SIGKILL while they worked
	Contacts      int     `json:"contacts"`       // of the import meanwhile
	Lost          int     `json:"lost"`           // contacts without their outcome, or people who are no subscribers
	Doubled       int     `json:"doubled"`        // subscribers or outcomes too many
	Emails        int     `json:"emails"`         // about its end
	MemoryRatio   float64 `json:"memory_ratio"`   // of the worker's peak, 20,000 contacts against 1,000
	AllowanceUsed float64 `json:"allowance_used"` // of what ReferralHero's limit lets through, 25,000 contacts
	Answers429    int     `json:"answers_429"`    // in all experiments
	TimeOverBest  float64 `json:"time_over_best"` // 5,000 contacts with the hour unused
}

// Err says which promise does not hold.
func (i Import) Err() error {
	return broken(map[string]bool{
		"at least 50 kills":                      i.Kills >= 50,
		"nothing lost":                           i.Lost == 0,
		"nothing doubled":                        i.Doubled == 0,
		"one mail":                               i.Emails == 1,
		"a memory ratio of at most 1.2":          i.MemoryRatio > 0 && i.MemoryRatio <= 1.2,
		"at least 0.97 of the allowance used":    i.AllowanceUsed >= 0.97,
		"no answer of 429":                       i.Answers429 == 0,
		"at most 1.05 of the best possible time": i.TimeOverBest > 0 && i.TimeOverBest <= 1.05,
	})
}

// broken says which promises do not hold.
func broken(promises map[string]bool) error {
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(promises)) {
		if !promises[what] {
			errs = append(errs, errors.New("not so: "+what))
		}
	}
	return errors.Join(errs...)
}

const (
	worker   = "ImportPageFunction"
	campaign = "Spring Referral"
	hands    = 10 // calls to ReferralHero at a time: two workers with five each
)

// Imports runs the experiments on imports, one after the other, and tells how far it is.
func Imports(ctx context.Context, root string, tell func(format string, args ...any)) (Import, error) {
	var found Import
	for _, experiment := range []func(context.Context, string, func(string, ...any), *Import) error{kills, memory, allowance, burst} {
		if err := experiment(ctx, root, tell, &found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// trial is one import in a world of its own.
type trial struct {
	contacts  int
	allowance int
	options   world.Options
	meanwhile func(ctx context.Context, w *world.World) // goes on while the import runs; its context ends with it
}

// result is what came of a trial.
type result struct {
	progress person.Progress
	expected bridge.Counts
	people   int      // that ought to be subscribers
	members  []string // addresses of those who are
	mails    int      // about the end
	calls    referralhero.Counts
	took     time.Duration // from the first contact to the last, as ReferralHero saw it
	memory   int64         // most bytes that a worker had resident
}

func (t trial) run(ctx context.Context, root string) (r result, err error) {
	contacts := slices.Collect(salesforce.Generate(t.contacts, 7))
	r.expected, r.people = expect(contacts)
	t.options.Root, t.options.Salesforce.Contacts = root, contacts
	t.options.ReferralHero.Lists = []referralhero.List{{Name: campaign, URL: "https://www.example.com/join"}}
	w, err := world.Start(ctx, t.options)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	someone := person.New(w.Stack.URL)
	list, connection, err := someone.SetUp(ctx, person.Account{Token: w.Hero.Token(), Notify: "dana@example.com", Allowance: t.allowance, Campaign: campaign})
	if err != nil {
		return r, err
	}
	w.Hero.ResetCounts()
	id, _, err := someone.Import(ctx, list, connection, "https://www.example.com/join")
	if err != nil {
		return r, err
	}
	during, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if t.meanwhile != nil {
			t.meanwhile(during, w)
		}
	}()
	r.progress, err = someone.Watch(ctx, id, time.Second, func(person.Progress) {})
	end()
	<-ended
	if err != nil {
		return r, err
	}
	if r.progress.State != bridge.Done {
		return r, fmt.Errorf("the import ended as %s", r.progress.State)
	}
	r.calls, r.mails, r.memory = w.Hero.Counts(), len(w.AWS.SES.Mails()), w.Stack.Stats(worker).PeakMemory
	r.took = r.calls.LastCall.Sub(r.calls.FirstCall)
	for _, s := range w.Hero.Subscribers(string(list)) {
		r.members = append(r.members, s.Email)
	}
	return r, nil
}

// expect works out from the contacts alone what an import must find.
func expect(contacts []salesforce.Contact) (c bridge.Counts, people int) {
	seen := map[string]bool{}
	for _, contact := range contacts {
		switch email := bridge.NormalizeEmail(contact.Email); {
		case email == "":
			c.Skipped++
		case !bridge.ValidEmail(email):
			c.Invalid++
		case seen[email]:
			c.Existed++
		default:
			seen[email] = true
			c.Created++
		}
	}
	return c, len(seen)
}

// wrong counts what is missing and what is too many, in the outcomes and among the subscribers.
func (r result) wrong() (lost, doubled int) {
	differ := func(want, got int) {
		lost += max(0, want-got)
		doubled += max(0, got-want)
	}
	want, got := r.expected, r.progress.Counts
	differ(want.Created, got.Created)
	differ(want.Existed, got.Existed)
	differ(want.Invalid, got.Invalid)
	differ(want.Failed, got.Failed)
	differ(want.Skipped, got.Skipped)
	distinct := slices.Clone(r.members)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	differ(r.people, len(distinct))
	doubled += len(r.members) - len(distinct)
	return lost, doubled
}

// kills imports 2,000 contacts while workers are killed at random.
func kills(ctx context.Context, root string, tell func(string, ...any), found *Import) error {
	const wanted = 52
	killed := 0
	r, err := trial{
		contacts: 2000, allowance: bridge.DefaultAllowance,
		options: world.Options{
			ReferralHero: referralhero.Options{Latency: 20 * time.Millisecond},
			Stack: local.Options{
				Timeouts: map[string]time.Duration{worker: 2 * time.Second}, Visibilities: map[string]time.Duration{"Imports": 2 * time.Second},
				Schedules: map[string]time.Duration{"ScheduleFunction": time.Second},
			},
		},
		meanwhile: func(ctx context.Context, w *world.World) {
			random := rand.New(rand.NewPCG(1, 2))
			for killed < wanted {
				pause := time.NewTimer(time.Duration(20+random.IntN(300)) * time.Millisecond)
				select {
				case <-pause.C:
				case <-ctx.Done():
					pause.Stop()
					return
				}
				if w.Stack.Kill(worker) {
					killed++
				}
			}
		},
	}.run(ctx, root)
	if err != nil {
		return fmt.Errorf("kills: %w", err)
	}
	found.Kills, found.Contacts, found.Emails = killed, r.progress.Counts.Sum(), r.mails
	found.Lost, found.Doubled = r.wrong()
	found.Answers429 += r.calls.Answers429
	tell("kills: %d workers killed, %+v, %d subscribers, %d mails", killed, r.progress.Counts, len(r.members), r.mails)
	return nil
}

// memory compares the worker's peak for 20,000 contacts with that for 1,000, ReferralHero's limit lifted.
func memory(ctx context.Context, root string, tell func(string, ...any), found *Import) error {
	var peaks []float64
	for _, n := range []int{1000, 20_000} {
		r, err := trial{
			contacts: n, allowance: 60_000,
			options: world.Options{ReferralHero: referralhero.Options{Latency: 5 * time.Millisecond, WindowKind: referralhero.None}},
		}.run(ctx, root)
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		lost, doubled := r.wrong()
		found.Lost, found.Doubled = found.Lost+lost, found.Doubled+doubled
		peaks = append(peaks, float64(r.memory))
		tell("memory: %d contacts, %+v, worker's peak %.1f MB", n, r.progress.Counts, float64(r.memory)/1e6)
	}
	found.MemoryRatio = round(peaks[1] / peaks[0])
	return nil
}

// allowance imports 25,000 contacts through 5,000 calls in a window, on a clock that makes an hour two minutes:
// through a fixed window, and beside it through a sliding one.
func allowance(ctx context.Context, root string, tell func(string, ...any), found *Import) error {
	const window, latency = 2 * time.Minute, 10 * time.Millisecond
	kinds := []referralhero.WindowKind{referralhero.Fixed, referralhero.Sliding}
	results := make([]result, len(kinds))
	team, ctx := errgroup.WithContext(ctx)
	for n, kind := range kinds {
		team.Go(func() (err error) {
			results[n], err = trial{
				contacts: 25_000, allowance: bridge.DefaultAllowance,
				options: world.Options{
					ReferralHero: referralhero.Options{Latency: latency, WindowKind: kind, Window: window},
					Stack:        local.Options{Parameters: map[string]string{"ReferralHeroWindowSeconds": "120"}},
				},
			}.run(ctx, root)
			return err
		})
	}
	if err := team.Wait(); err != nil {
		return fmt.Errorf("allowance: %w", err)
	}
	found.AllowanceUsed = 1
	for n, r := range results {
		lost, doubled := r.wrong()
		found.Lost, found.Doubled, found.Answers429 = found.Lost+lost, found.Doubled+doubled, found.Answers429+r.calls.Answers429
		shortest := best(r.calls.Calls, window, latency)
		found.AllowanceUsed = min(found.AllowanceUsed, round(shortest.Seconds()/r.took.Seconds()))
		tell("allowance: %s window, %d calls in %s, best possible %s, %d answers of 429", kinds[n], r.calls.Calls, r.took.Round(time.Second),
			shortest.Round(time.Second), r.calls.Answers429)
	}
	return nil
}

// burst imports 5,000 contacts with an unused hour, on the real clock, at a usual latency.
func burst(ctx context.Context, root string, tell func(string, ...any), found *Import) error {
	const latency = 250 * time.Millisecond
	r, err := trial{
		contacts: 5000, allowance: bridge.DefaultAllowance,
		options: world.Options{ReferralHero: referralhero.Options{Latency: latency}},
	}.run(ctx, root)
	if err != nil {
		return fmt.Errorf("burst: %w", err)
	}
	lost, doubled := r.wrong()
	found.Lost, found.Doubled, found.Answers429 = found.Lost+lost, found.Doubled+doubled, found.Answers429+r.calls.Answers429
	found.TimeOverBest = round(r.took.Seconds() / best(r.calls.Calls, time.Hour, latency).Seconds())
	tell("burst: %d contacts, %d calls in %s, best possible %s", r.progress.Counts.Sum(), r.calls.Calls, r.took.Round(time.Second),
		best(r.calls.Calls, time.Hour, latency).Round(time.Second))
	return nil
}

// best is the shortest time in which so many calls can be made when 5,000 may be made in any window: whole
// windows for all but the last 5,000, and then as fast as the answers come.
func best(calls int, window, latency time.Duration) time.Duration {
	whole := (calls - 1) / bridge.DefaultAllowance
	rest := (calls-1)%bridge.DefaultAllowance + 1
	return time.Duration(whole)*window + time.Duration(rest)*latency/hands
}

func round(ratio float64) float64 { return float64(int(ratio*1000+0.5)) / 1000 }

package metric

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Batch gathers what is measured during an invocation, so that it takes one line and not one for each measurement. What
// is gathered when a process ends is lost: nothing depends on a metric.
type Batch struct {
	Log *Log

	mu  sync.Mutex
	all map[string]*series
}

type series struct {
	definition
	values []float64
}

// mostValues is how many values of a metric CloudWatch takes in a line.
const mostValues = 100

// Add adds a measurement to the others of that name.
func (b *Batch) Add(name string, unit Unit, value float64) {
	b.gather(name, unit, value, func(values []float64) []float64 { return append(values, value) })
}

// Least keeps a measurement if it is the smallest of its name so far.
func (b *Batch) Least(name string, unit Unit, value float64) {
	b.gather(name, unit, value, func(values []float64) []float64 { return []float64{slices.Min(append(values, value))} })
}

// Most keeps a measurement if it is the largest of its name so far.
func (b *Batch) Most(name string, unit Unit, value float64) {
	b.gather(name, unit, value, func(values []float64) []float64 { return []float64{slices.Max(append(values, value))} })
}

func (b *Batch) gather(name string, unit Unit, value float64, with func([]float64) []float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[string]*series{}
	}
	if b.all[name] == nil {
		b.all[name] = &series{definition: definition{name, unit}}
	}
	b.all[name].values = with(b.all[name].values)
}

// Write writes what was gathered, and begins anew: one line, or more of what was measured over a hundred times.
func (b *Batch) Write() {
	b.mu.Lock()
	all := slices.SortedFunc(maps.Values(b.all), func(x, y *series) int { return cmp.Compare(x.Name, y.Name) })
	b.all = nil
	b.mu.Unlock()
	for len(all) > 0 {
		var metrics []definition
		measured := map[string]any{}
		for _, s := range all {
			n := min(mostValues, len(s.values))
			metrics, measured[s.Name] = append(metrics, s.definition), s.values[:n]
			s.values = s.values[n:]
		}
		b.Log.write(metrics, measured)
		all = slices.DeleteFunc(all, func(s *series) bool { return len(s.values) == 0 })
	}
}

// CallsLeft keeps the fewest calls that an account had left in ReferralHero's hour.
func (b *Batch) CallsLeft(calls int) { b.Least("ReferralHeroCallsLeft", Count, float64(calls)) }

// OrgUsed keeps the largest share that was used of an org's API calls of the day, by everybody.
func (b *Batch) OrgUsed(used, most int) {
	b.Most("SalesforceUsedPercent", Percent, 100*float64(used)/float64(most))
}

// LiveWaits keeps the longest time that live work has waited for calls to ReferralHero.
func (b *Batch) LiveWaits(length time.Duration) { b.Most("LiveWaitSeconds", Seconds, seconds(length)) }

// Took adds how long something has taken.
func (b *Batch) Took(name string) func(time.Duration) {
	return func(length time.Duration) { b.Add(name, Seconds, seconds(length)) }
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

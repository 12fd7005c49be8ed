// Package cost works out what a month at AWS costs, by service, for README's table and for anybody who wants to know why.
// What the template has is counted in it; what work takes of AWS is measured and held by tests; prices and habits are
// said below. Free tiers are left out, so a bill is smaller.
package cost

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

// Units are what work takes of AWS.
type Units struct{ Reads, Writes, Messages float64 } // of DynamoDB, and requests of SQS

// What 1,000 of each take at most. Tests hold the work to these numbers; they name where they are measured.
var (
	Imported = Units{Reads: 80, Writes: 60, Messages: 15} // contacts; internal/importer, TestWhatAnImportCosts
	FilledIn = Units{Reads: 1300, Writes: 1300}           // subscribers whose fields are written; internal/syncer, TestWhatABackfillCosts
	Compared = Units{Reads: 150, Writes: 25}              // subscribers of whom nothing differs; internal/syncer, TestWhatAComparisonCosts
	Changed  = Units{Reads: 900, Writes: 550}             // changes that were told; internal/syncer, TestWhatSteadyChangesCost
)

// Told is what a webhook takes, and Won a deal: it moves through three stages, and with the last two events count. Both were
// looked at, and no test holds them.
var (
	Told = Units{Reads: 3, Writes: 1}
	Won  = Units{Reads: 60, Writes: 50}
)

// Prices in US dollars, us-east-1, as public pages gave them in November 2026.
const (
	perRequest    = 0.20 / 1e6 // Lambda
	perGBSecond   = 0.0000133334
	perWrite      = 0.625 / 1e6 // DynamoDB, on demand
	perRead       = 0.125 / 1e6
	perGBKept     = 0.25 + 0.20 // and its point-in-time recovery
	perMessage    = 0.40 / 1e6  // SQS
	perCall       = 1.00 / 1e6  // HTTP API
	perSchedule   = 1.00 / 1e6  // EventBridge Scheduler
	perTrace      = 5.00 / 1e6  // X-Ray
	perGBLogged   = 0.50
	perMetric     = 0.30
	perAlarm      = 0.10 // for each metric in it
	perComposite  = 0.50
	perDashboard  = 3.00
	perKey        = 1.00 // KMS
	perSecret     = 0.40
	perMail       = 0.10 / 1e3    // SES
	perNATHour    = 0.045 + 0.005 // with its address
	hours         = 730.0
	days          = 30.4
	pollsAnHour   = 5 * 180 // of a queue that is empty: five pollers, 20 seconds each
	metricsARoute = 6
)

// What people are taken to do, and how long it takes.
const (
	changesADay = 0.05 // of a subscriber
	dealsAMonth = 0.01 // of a subscriber
	stages      = 3    // that a deal goes through
	visits      = 20_000.0
	mails       = 100.0

	heroSeconds    = 0.25       // of a call to ReferralHero, which a worker of 1 GB waits for
	callGBSeconds  = 0.5 * 0.05 // of a webhook, a message or a page
	dealGBSeconds  = 0.25 * 2   // of what a message about a deal brings
	sweepGBSeconds = 0.25 * 0.1 // of a sweep
	sweepReads     = 10         // units
	batch          = 10         // changes that a worker takes at a time, at least
	page           = 50         // subscribers that a comparison reads by a call
	step           = 1000       // subscribers that it goes on with in an invocation, at least
	perJob         = 1.2        // requests of SQS: sent alone, taken and deleted by tens

	ourMetrics = 21  // that functions write
	loggedKB   = 2.0 // of an invocation
	keptKB     = 2.0 // of a subscriber
	receiptKB  = 1.0 // of a change, for a month
)

// Fleet is what a template has.
type Fleet struct {
	Alarms     int // metrics in alarms
	Composites int
	Dashboards int
	Filters    int // of logs, each of which makes a metric
	Routes     int
	Keys       int
	Secrets    int
	Queues     int     // that start a function
	Sweeps     float64 // an hour
}

// Line is one row of the bill.
type Line struct {
	What, Arithmetic string
	Cost             func(subscribers float64) float64
}

// amounts are what a month brings.
type amounts struct{ sweeps, changes, deals, comparisons, calls, invocations, seconds float64 }

func (f Fleet) amounts(subscribers float64) amounts {
	a := amounts{sweeps: f.Sweeps * hours, changes: subscribers * changesADay * days, deals: subscribers * dealsAMonth, comparisons: subscribers * days}
	a.calls = visits + a.changes + stages*a.deals
	a.invocations = a.sweeps + a.calls + a.changes/batch + stages*a.deals + a.comparisons/step
	a.seconds = a.sweeps*sweepGBSeconds + a.calls*callGBSeconds + a.changes*heroSeconds + stages*a.deals*dealGBSeconds + a.comparisons/page*heroSeconds
	return a
}

// Habits says in words what amounts computes.
func Habits(f Fleet) string {
	return fmt.Sprintf(`* *changes*: subscribers × %g a day × %g days; *deals*: subscribers × %g, each through %d stages; *comparisons*: subscribers × %g, one a day.
* *calls* of the API: changes + %d × deals + %s visits of the console.
* *invocations*: calls + changes ÷ %d + %d × deals + comparisons ÷ %s + %s sweeps.
* *GB-s*: calls × %g + changes × %g + deals × %g + comparisons ÷ %d × %g + sweeps × %g; ReferralHero takes %g s for a call, and calls wait for each other.
`, changesADay, days, dealsAMonth, stages, days, stages, thousands(visits), batch, stages, thousands(step), thousands(f.Sweeps*hours),
		callGBSeconds, heroSeconds, stages*dealGBSeconds, page, heroSeconds, sweepGBSeconds, heroSeconds)
}

// Month is the bill of a month.
func Month(f Fleet) []Line {
	sweeps := f.Sweeps * hours
	of := func(cost func(a amounts) float64) func(float64) float64 {
		return func(subscribers float64) float64 { return cost(f.amounts(subscribers)) }
	}
	return []Line{
		{"alarms, dashboard", fmt.Sprintf("%d metrics × $%.2f, %d composite × $%.2f, %d dashboard × $%.0f", f.Alarms, perAlarm, f.Composites, perComposite, f.Dashboards, perDashboard),
			same(float64(f.Alarms)*perAlarm + float64(f.Composites)*perComposite + float64(f.Dashboards)*perDashboard)},
		{"metrics", fmt.Sprintf("%d of functions, %d of logs, %d routes × %d, × $%.2f", ourMetrics, f.Filters, f.Routes, metricsARoute, perMetric),
			same(float64(ourMetrics+f.Filters+f.Routes*metricsARoute) * perMetric)},
		{"keys, secrets", fmt.Sprintf("%d × $%.0f, %d × $%.2f", f.Keys, perKey, f.Secrets, perSecret), same(float64(f.Keys)*perKey + float64(f.Secrets)*perSecret)},
		{"empty queues", fmt.Sprintf("%d queues × %d polls an hour × %.0f h × $%.2f a million", f.Queues, pollsAnHour, hours, perMessage*1e6),
			same(float64(f.Queues) * pollsAnHour * hours * perMessage)},
		{"schedules", fmt.Sprintf("%s sweeps × ($%.2f a million + %d read units)", thousands(sweeps), perSchedule*1e6, sweepReads), same(sweeps * (perSchedule + sweepReads*perRead))},
		{"Lambda", fmt.Sprintf("invocations × $%.2f a million + GB-s × $%.10f", perRequest*1e6, perGBSecond),
			of(func(a amounts) float64 { return a.invocations*perRequest + a.seconds*perGBSecond })},
		{"DynamoDB, writes", fmt.Sprintf("(changes × %.2f + deals × %.0f + comparisons × %.3f) × $%.3f a million", Told.Writes+Changed.Writes/1000, Won.Writes, Compared.Writes/1000, perWrite*1e6),
			of(func(a amounts) float64 {
				return perWrite * (a.changes*(Told.Writes+Changed.Writes/1000) + a.deals*Won.Writes + a.comparisons*Compared.Writes/1000)
			})},
		{"DynamoDB, reads", fmt.Sprintf("(changes × %.2f + deals × %.0f + comparisons × %.3f) × $%.3f a million", Told.Reads+Changed.Reads/1000, Won.Reads, Compared.Reads/1000, perRead*1e6),
			of(func(a amounts) float64 {
				return perRead * (a.changes*(Told.Reads+Changed.Reads/1000) + a.deals*Won.Reads + a.comparisons*Compared.Reads/1000)
			})},
		{"DynamoDB, storage", fmt.Sprintf("(subscribers × %.0f KB + changes × %.0f KB) × $%.2f a GB", keptKB, receiptKB, perGBKept),
			func(s float64) float64 { return perGBKept * (s*keptKB + f.amounts(s).changes*receiptKB) / 1e6 }},
		{"SQS", fmt.Sprintf("(changes + %d × deals) × %.1f × $%.2f a million", stages, perJob, perMessage*1e6),
			of(func(a amounts) float64 { return perMessage * perJob * (a.changes + stages*a.deals) })},
		{"API Gateway", fmt.Sprintf("calls × $%.2f a million", perCall*1e6), of(func(a amounts) float64 { return perCall * a.calls })},
		{"logs, traces", fmt.Sprintf("invocations × (%.0f KB × $%.2f a GB + $%.2f a million)", loggedKB, perGBLogged, perTrace*1e6),
			of(func(a amounts) float64 { return a.invocations * (loggedKB*perGBLogged/1e6 + perTrace) })},
		{"mails, sign-in", fmt.Sprintf("%.0f mails × $%.4f; Cognito: nothing up to 10,000 people", mails, perMail), same(mails * perMail)},
	}
}

// Once is what an import of all subscribers costs, the first writing of their fields included.
var Once = Line{"an import of all, once", fmt.Sprintf("(%.0f + %.0f write and %.0f + %.0f read units, %.0f messages, %.2f GB-s) for each 1,000",
	Imported.Writes, FilledIn.Writes, Imported.Reads, FilledIn.Reads, Imported.Messages, importGBSeconds),
	func(s float64) float64 {
		return s / 1000 * (perWrite*(Imported.Writes+FilledIn.Writes) + perRead*(Imported.Reads+FilledIn.Reads) + perMessage*Imported.Messages + perGBSecond*importGBSeconds)
	}}

// importGBSeconds is for 1,000 calls of ReferralHero, ten at a time, with 256 MB.
const importGBSeconds = 1000 * heroSeconds / 10 * 0.25

// Fixed is what two fixed addresses for the broker cost.
var Fixed = Line{"`BrokerEgress=nat`", fmt.Sprintf("2 gateways × %.0f h × $%.3f", hours, perNATHour), same(2 * hours * perNATHour)}

func same(dollars float64) func(float64) float64 { return func(float64) float64 { return dollars } }

// sizes are the columns.
var sizes = []float64{1_000, 100_000, 1_000_000}

// Table writes the bills as Markdown.
func Table(f Fleet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| each month, US$ | arithmetic | %s |\n|---|---|--:|--:|--:|\n", columns(thousands))
	sum := Line{What: "**together**", Cost: func(s float64) (sum float64) {
		for _, l := range Month(f) {
			sum += l.Cost(s)
		}
		return sum
	}}
	for _, l := range append(Month(f), sum, Fixed, Once) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.What, l.Arithmetic, columns(func(s float64) string { return dollars(l.Cost(s)) }))
	}
	return b.String()
}

func columns(cell func(float64) string) string {
	var cells []string
	for _, s := range sizes {
		cells = append(cells, cell(s))
	}
	return strings.Join(cells, " | ")
}

func dollars(n float64) string {
	if n >= 100 {
		return thousands(n)
	}
	return fmt.Sprintf("%.2f", n)
}

// thousands writes a whole number with commas.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", math.Round(n))
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return cmp.Or(digits, "0")
}

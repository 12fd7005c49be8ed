package main

import (
	"time"

	"github.com/referralbridge/referralbridge/internal/syncer"
)

// chart is a number by day, as bars on a scale of its own.
type chart struct {
	Name, Title string
	Most, Sum   int
	Days        []chartDay
}

type chartDay struct {
	Day             time.Time
	Count           int
	X, Y, W, Height int
}

// The measures of a chart, in units of its own.
const (
	chartWidth  = 280
	chartHeight = 60
)

// charts draw what each of the last days has seen. The last one is about our calls to the org.
func charts(seen []syncer.Day, now time.Time, days int) []chart {
	byDay := map[time.Time]syncer.Tally{}
	for _, d := range seen {
		byDay[d.Day.UTC()] = d.Tally
	}
	today := now.UTC().Truncate(24 * time.Hour)
	all := []chart{{Name: "written", Title: "Records written"}, {Name: "equal", Title: "Found equal"}, {Name: "refused", Title: "Refused"}, {Name: "calls", Title: "Our calls to the org"}}
	counts := []func(syncer.Tally) int{
		func(t syncer.Tally) int { return t.Written }, func(t syncer.Tally) int { return t.Equal },
		func(t syncer.Tally) int { return t.Refused }, func(t syncer.Tally) int { return t.OrgCalls },
	}
	for i := range all {
		for n := range days {
			day := today.AddDate(0, 0, n+1-days)
			count := counts[i](byDay[day])
			all[i].Days = append(all[i].Days, chartDay{Day: day, Count: count})
			all[i].Most = max(all[i].Most, count)
			all[i].Sum += count
		}
		all[i].draw()
	}
	return all
}

// draw lays the bars out. A day with something has at least a line.
func (c *chart) draw() {
	step := chartWidth / len(c.Days)
	for i := range c.Days {
		d := &c.Days[i]
		if d.Count > 0 {
			d.Height = max(2, chartHeight*d.Count/c.Most)
		}
		d.X, d.Y, d.W = i*step+1, chartHeight-d.Height, step-2
	}
}

package doctor

import (
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Finding is something that is wrong, or will be. Its words are in its Advice, so that they can become better
// without a new examination.
type Finding struct {
	Check   Check
	Details []string // names of fields, permissions or rules, or Salesforce's code
}

// Report is what an examination found.
type Report struct {
	At         time.Time
	Edition    string // such as "Enterprise Edition"; empty if the org did not say
	Used, Most int    // API calls of the last 24 hours, by everybody; zeros if the org did not say
	Findings   []Finding
}

// Level says how bad a finding is.
type Level string

// The levels, from the worst.
const (
	Blocking Level = "blocking" // nothing works
	Limiting Level = "limiting" // it works, with something left out
	Later    Level = "later"    // nothing today; features that are to come will need it
)

var levels = []Level{Blocking, Limiting, Later}

// Review is what is known about a connection: its state now, and its last examination.
type Review struct {
	Connection bridge.Connection
	Report     Report   // zero if there was none
	Installed  []Advice // what is wrong with what we have installed in the org
}

// Checked reports whether the connection was examined since it is in its present state.
func (r Review) Checked() bool {
	return !r.Report.At.IsZero() && !r.Report.At.Before(r.Connection.StatusAt)
}

// Advice returns what to do, the worst first. For a connection that Salesforce does not let in it is what its state
// tells; what an earlier examination found, and what is installed, does not matter then.
func (r Review) Advice() []Advice {
	findings := r.Report.Findings
	if c := r.Connection; c.Status != bridge.Active {
		findings = []Finding{ofState(c)}
	} else if !r.Checked() {
		findings = nil
	}
	var all []Advice
	if r.Connection.Status == bridge.Active {
		all = slices.Clone(r.Installed)
	}
	for _, f := range findings {
		if w, known := words[f.Check]; known { // a check that is gone had its words taken too
			all = append(all, w.about(f, r.Connection))
		}
	}
	slices.SortStableFunc(all, func(a, b Advice) int {
		return slices.Index(levels, a.Level) - slices.Index(levels, b.Level)
	})
	return all
}

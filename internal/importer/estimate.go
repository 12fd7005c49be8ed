package importer

import (
	"time"

	"github.com/referralbridge/referralbridge/internal/budget"
)

// pace is how many contacts a second an import adds while it has calls to spend: two workers with five
// hands, and ReferralHero answering within half a second.
const pace = 20

// estimate says how long the given number of calls will take: at once what is left in the window, the rest in
// bursts, one for each window.
func estimate(calls, allowance int, length time.Duration, s budget.State, now time.Time) time.Duration {
	if calls <= 0 || allowance <= 0 {
		return 0
	}
	burst := func(n int) time.Duration { return time.Duration(n) * time.Second / pace }
	if calls <= s.Left {
		return burst(calls)
	}
	calls -= s.Left
	wait := length // until calls that are spent now come back
	if s.Left == 0 {
		wait = max(0, s.NextAt.Sub(now))
	} else if s.Used > 0 {
		wait = length / 2 // somewhere within the window
	}
	windows := (calls - 1) / allowance
	return wait + time.Duration(windows)*length + burst(calls-windows*allowance)
}

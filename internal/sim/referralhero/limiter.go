package referralhero

import "time"

// limiter counts calls against an allowance. Only calls that it lets through count.
type limiter struct {
	kind   WindowKind
	limit  int
	window time.Duration

	Latest time.Time   `json:"latest"` // of the clock: it never runs backwards here
	Start  time.Time   `json:"start"`  // fixed: of the window that Used counts
	Used   int         `json:"used"`
	Times  []time.Time `json:"times"`  // sliding: of the calls in the last window, oldest first
	Tokens float64     `json:"tokens"` // bucket: calls left, at Latest
}

// take counts a call at now, if there is one left, and returns how many are left after it.
func (l *limiter) take(now time.Time) (left int, ok bool) {
	left = l.left(now)
	if left < 1 {
		return 0, false
	}
	switch l.kind {
	case Fixed:
		l.Used++
	case Sliding:
		l.Times = append(l.Times, l.Latest)
	case Bucket:
		l.Tokens--
	case None:
		return left, true
	}
	return left - 1, true
}

// left returns how many calls may be made at now.
func (l *limiter) left(now time.Time) int {
	before := l.Latest
	if now.After(before) {
		l.Latest = now
	}
	switch l.kind {
	case Fixed:
		if start := l.Latest.Truncate(l.window); start.After(l.Start) {
			l.Start, l.Used = start, 0
		}
		return max(l.limit-l.Used, 0)
	case Sliding:
		gone := 0
		for gone < len(l.Times) && l.Latest.Sub(l.Times[gone]) >= l.window {
			gone++
		}
		l.Times = l.Times[gone:]
		return max(l.limit-len(l.Times), 0)
	case Bucket:
		if before.IsZero() {
			l.Tokens = float64(l.limit)
		} else {
			l.Tokens += float64(l.limit) * float64(l.Latest.Sub(before)) / float64(l.window)
		}
		l.Tokens = min(l.Tokens, float64(l.limit))
		return int(l.Tokens)
	default:
		return l.limit
	}
}

package referralhero

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLimiterNeverLetsTooManyThrough makes calls at random times. Whatever the times, no window holds more
// calls than the limit, and no call is refused while a window has room.
func TestLimiterNeverLetsTooManyThrough(t *testing.T) {
	t.Parallel()
	const window = time.Hour
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]WindowKind{Fixed, Sliding, Bucket, None}).Draw(t, "kind")
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		l := limiter{kind: kind, limit: limit, window: window}
		now := time.Date(2026, 3, 2, 11, 59, 0, 0, time.UTC)
		var let []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, int(20*time.Minute)).Draw(t, "pause")))
			within := 0 // calls that count against this one
			for _, at := range let {
				switch {
				case kind == Fixed && at.Truncate(window).Equal(now.Truncate(window)),
					kind == Sliding && now.Sub(at) < window:
					within++
				}
			}
			left, ok := l.take(now)
			if ok {
				let = append(let, now)
			}
			switch kind {
			case Fixed, Sliding:
				if ok != (within < limit) || left != max(limit-within-1, 0) {
					t.Fatalf("%d of %d calls made: let through %t, %d left", within, limit, ok, left)
				}
			case None:
				if !ok {
					t.Fatal("refused without a limit")
				}
			case Bucket:
				// Over any span no more than a full bucket and what flowed in meanwhile.
				for i, from := range let {
					flowed := float64(limit) * float64(now.Sub(from)) / float64(window)
					if got := len(let) - i; float64(got) > float64(limit)+flowed+1e-6 {
						t.Fatalf("%d calls in %s", got, now.Sub(from))
					}
				}
			}
		}
	})
}

func TestLimiterOpensAgain(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		kind   WindowKind
		closed time.Duration // still closed then
		open   time.Duration // open from then on
	}{
		"fixed opens with the hour":            {Fixed, 30*time.Minute - 1, 30 * time.Minute},
		"sliding opens when the first is gone": {Sliding, time.Hour - 1, time.Hour},
		"a bucket opens when one has flowed":   {Bucket, 12*time.Minute - time.Second, 12*time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := limiter{kind: tc.kind, limit: 5, window: time.Hour}
			for i := range 5 {
				if left, ok := l.take(start); !ok || left != 4-i {
					t.Fatalf("call %d: let through %t, %d left", i, ok, left)
				}
			}
			if _, ok := l.take(start.Add(tc.closed)); ok {
				t.Errorf("open after %s", tc.closed)
			}
			if _, ok := l.take(start.Add(tc.open)); !ok {
				t.Errorf("closed after %s", tc.open)
			}
			if _, ok := l.take(start); ok && tc.kind != Sliding && tc.kind != Fixed {
				t.Error("a clock that runs backwards opened the window")
			}
		})
	}
}

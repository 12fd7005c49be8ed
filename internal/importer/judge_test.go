package importer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// TestJudgingInPartsIsJudgingAtOnce cuts contacts anywhere: the part behind the cut, with the owners before it, comes to
// the same verdicts as the whole.
func TestJudgingInPartsIsJudgingAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := bridge.ImportOptions{Identifier: bridge.ByEmail, Welcome: rapid.Bool().Draw(t, "welcome")}
		contacts := make([]bridge.Contact, rapid.IntRange(1, 30).Draw(t, "contacts"))
		for i := range contacts {
			contacts[i] = bridge.Contact{
				ID:       bridge.SalesforceID(fmt.Sprintf("0035g00000%05dAAA", i)),
				Email:    rapid.SampledFrom([]string{"", "a@x.io", "A@x.io ", "b@x.io", "c@x.io", "broken"}).Draw(t, "email"),
				OptedOut: rapid.Bool().Draw(t, "opted out"),
			}
		}
		whole := judge(contacts, o, nil)
		cut := rapid.IntRange(0, len(contacts)).Draw(t, "cut")
		earlier := map[string]bridge.SalesforceID{}
		for _, c := range contacts[:cut] {
			if value, valid := identify(c, o.Identifier); valid && !leftOut(c, o) {
				if _, taken := earlier[value]; !taken {
					earlier[value] = c.ID
				}
			}
		}
		if d := cmp.Diff(judge(contacts[cut:], o, earlier), whole[cut:], cmp.AllowUnexported(verdict{})); d != "" {
			t.Fatalf("cut at %d (-part +whole):\n%s", cut, d)
		}
	})
}

func TestEveryCodeHasAMeaning(t *testing.T) {
	t.Parallel()
	for code, m := range meanings {
		if (m.outcome == "") != (code == pending) || (m.reason == "") != (code == pending) {
			t.Errorf("%q: %+v", code, m)
		}
		if want := min(1, len(m.outcome)); count(string(code)).Sum() != want {
			t.Errorf("%q counts as %+v", code, count(string(code)))
		}
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		calls int
		state budget.State
		want  time.Duration
	}{
		"nothing to do":                {0, budget.State{Left: 5000}, 0},
		"an unused hour":               {5000, budget.State{Left: 5000}, 250 * time.Second},
		"one more than an hour's":      {5001, budget.State{Left: 5000}, time.Hour + 50*time.Millisecond},
		"five hours' worth":            {25000, budget.State{Left: 5000}, 4*time.Hour + 250*time.Second},
		"nothing left for ten minutes": {1000, budget.State{NextAt: now.Add(10 * time.Minute)}, 10*time.Minute + 50*time.Second},
		"half an hour's left":          {5000, budget.State{Left: 2500, Used: 2500}, 30*time.Minute + 125*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := estimate(tc.calls, 5000, time.Hour, tc.state, now); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestOutagesWaitLongerEachTime(t *testing.T) {
	t.Parallel()
	stuck, waits := time.Duration(0), []time.Duration{}
	for range 6 {
		wait := outageWait(stuck)
		waits = append(waits, wait/time.Minute)
		stuck += wait + 30*time.Second
	}
	if d := cmp.Diff(waits, []time.Duration{1, 1, 2, 5, 5, 15}); d != "" {
		t.Errorf("minutes (-got +want):\n%s", d)
	}
}

func TestCompletionMailEscapes(t *testing.T) {
	t.Parallel()
	i := bridge.Import{ID: "i_1", Counts: bridge.Counts{Created: 1234567, Failed: 1}}
	m := completion(i, bridge.Account{Name: `<b>"Acme" & Co</b>`, Notify: "dana@example.com"}, "https://bridge.example.com")
	for text, want := range map[string]bool{
		"&lt;b&gt;&#34;Acme&#34; &amp; Co": true, "<b>": false, "1,234,567": true, "tries the failed ones again": true, "were left out": false,
	} {
		if got := strings.Contains(m.HTML, text); got != want {
			t.Errorf("HTML has %q: %t, want %t", text, got, want)
		}
	}
}

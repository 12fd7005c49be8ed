package syncer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// TestStatementsSayWhatDoesNotFit has a campaign with values that the org's fields cannot hold. They are equal as far as that is
// possible, and the statement says where it is not.
func TestStatementsSayWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	text := bridge.Fields[bridge.ExtraField].Length
	for name, tc := range map[string]struct {
		base   int // characters of a referral link
		bulk   int
		hidden []int
		extra  func(w *world, id bridge.SubscriberID)
		want   map[string]syncer.Misfit
	}{
		"everything fits": {base: 100},
		"the marked links are too long": {base: 250, want: map[string]syncer.Misfit{
			"EM_LINK": {Left: 3, Room: 255}, "FB_LINK": {Left: 3, Room: 255}, "TW_LINK": {Left: 3, Room: 255},
		}},
		"the same in bulk": {base: 250, bulk: -1, want: map[string]syncer.Misfit{
			"EM_LINK": {Left: 3, Room: 255}, "FB_LINK": {Left: 3, Room: 255}, "TW_LINK": {Left: 3, Room: 255},
		}},
		"one of them is not visible": {base: 250, hidden: []int{bridge.FacebookLink}, want: map[string]syncer.Misfit{
			"EM_LINK": {Left: 3, Room: 255}, "TW_LINK": {Left: 3, Room: 255},
		}},
		"a long text": {base: 100, extra: func(w *world, id bridge.SubscriberID) {
			w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": strings.Repeat("é", text+1)}, nil)
		}, want: map[string]syncer.Misfit{"EX_FIELD": {Cut: 1, Room: text}}},
		"a text that just fits": {base: 100, extra: func(w *world, id bridge.SubscriberID) {
			w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": strings.Repeat("é", text) + "  "}, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := simhero.List{URL: "https://www.example.com/" + strings.Repeat("j", tc.base-len("https://www.example.com/?mwr=01234567"))}
			w := newWorld(t, options{bare: true, bulk: tc.bulk, hidden: tc.hidden, list: list})
			for i := range 3 {
				id, _ := w.signUp(fmt.Sprintf("p%d@example.com", i), "Some Body", "")
				if i == 0 && tc.extra != nil {
					tc.extra(w, id)
				}
			}
			w.count()
			w.on(nil)
			for round := range 2 { // it is as true when nothing has to be written
				if round == 1 {
					w.must(w.service.Compare(t.Context(), account, campaign))
					w.work(fixed(3), immortal)
				}
				s := w.ran().Statement
				if diff := cmp.Diff(s.Misfits, tc.want); diff != "" || round == 1 && s.Equal != 3 {
					t.Errorf("round %d, %d equal; got - want +\n%s", round, s.Equal, diff)
				}
			}
		})
	}
}

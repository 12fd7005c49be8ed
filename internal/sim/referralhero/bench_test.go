package referralhero_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// BenchmarkAdd adds subscribers to a campaign that has many: the time of a call must not follow their number.
func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := referralhero.New(referralhero.Options{WindowKind: referralhero.None, Subscribers: n})
			target := "/api/v2/lists/" + s.Lists()[0].UUID + "/subscribers"
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				r := httptest.NewRequest("POST", target, strings.NewReader(fmt.Sprintf(`{"email":"new%d@example.org","name":"New","double_optin":false}`, i)))
				r.Header.Set("Authorization", "Bearer "+s.Token())
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

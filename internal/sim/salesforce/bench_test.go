package salesforce

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sync"
	"testing"
)

// million is an org of a million contacts, made once for all benchmarks.
var million = sync.OnceValue(func() *Org {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	o := New(Options{Generated: 1_000_000, DailyRequests: 1 << 40})
	runtime.GC()
	runtime.ReadMemStats(&after)
	fmt.Printf("1,000,000 contacts take %d MB\n", (after.HeapAlloc-before.HeapAlloc)>>20)
	return o
})

// BenchmarkQuery measures what an import asks of a large org, without the network.
func BenchmarkQuery(b *testing.B) {
	middle := makeID("003", 500_000)
	for name, statement := range map[string]string{
		"keyset page":       "SELECT Id, FirstName, LastName, Email, HasOptedOutOfEmail FROM Contact WHERE Email != null AND Id > '" + string(middle) + "' ORDER BY Id LIMIT 2000",
		"range of ids":      "SELECT Id, FirstName, LastName, Email FROM Contact WHERE Id >= '" + string(middle) + "' AND Id <= '" + string(makeID("003", 500_100)) + "'",
		"by e-mail":         "SELECT Id FROM Contact WHERE Email IN ('nobody@example.com', 'chen.scott.1@example.com')",
		"count":             "SELECT COUNT() FROM Contact",
		"count with e-mail": "SELECT COUNT() FROM Contact WHERE Email != null",
		"all, first page":   "SELECT Id, Email FROM Contact",
	} {
		b.Run(name, func(b *testing.B) {
			o := million()
			token, err := o.Token("admin@acme.example")
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				r := httptest.NewRequest("GET", "/services/data/v66.0/query?q="+url.QueryEscape(statement), nil)
				r.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				o.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// BenchmarkSnapshot measures how long a large org takes to save.
func BenchmarkSnapshot(b *testing.B) {
	o := million()
	for b.Loop() {
		saved, err := o.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(saved)>>20), "MB")
	}
}

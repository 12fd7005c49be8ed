package salesforce

import (
	"encoding/json"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// FuzzDeal reads rows that no org should give: whatever can be read is a deal whose amount is exactly what was written.
func FuzzDeal(f *testing.F) {
	for _, row := range []string{
		`{"Id":"0065g0000000001AAA","StageName":"Closed Won","Amount":1.2345678901234E13,"IsWon":true,"SystemModstamp":"2026-11-03T10:15:30.000+0000"}`,
		`{"Id":"0065g0000000001AAA","Amount":null,"ContactId":null,"Account":null,"CreatedDate":"2026-11-03T10:15:30.000Z"}`,
		`{"Account":{"PersonContactId":"0035g0000000001AAA"},"Amount":-0.01,"CurrencyIsoCode":"EUR"}`,
		`{"Amount":1e999999999}`, `{"Amount":1e-999999999}`, `{"Amount":"12"}`, `{"CreatedDate":"yesterday"}`, `[]`, `null`,
	} {
		f.Add([]byte(row))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		var o opportunity
		if json.Unmarshal(row, &o) != nil {
			return
		}
		d, err := o.deal(bridge.DealColumns{})
		if err != nil || d.NoAmount {
			return
		}
		want, err := decimal.NewFromString(string(o.Amount))
		if err != nil || !d.Amount.Amount.Equal(want) || d.Entered == nil {
			t.Errorf("amount %s of %q", d.Amount.Amount, o.Amount)
		}
	})
}

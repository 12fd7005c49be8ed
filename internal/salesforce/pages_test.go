package salesforce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// FuzzRow compares the reading of rows with that of encoding/json.
func FuzzRow(f *testing.F) {
	f.Add([]byte(`{"attributes":{"type":"Contact","url":"/x\"}"},"Id":"0035g00000QwErTAAV","Email":null,"RH_CODE__c":"a\"\\b\u00e9","RH_POINTS__c":1.2345678E7,"IsPersonAccount":true}`))
	f.Add([]byte(`{ "Account" : [ { "a" : [1,2] } , null ] , "SystemModstamp" : "2026-11-03T10:15:30.000+0000" , "Email":"" }`))
	f.Add([]byte(`{"\u0049d":"a"}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`[1]`))
	columns := newSource(known()["Contact"], bridge.ToContact, true).columns
	f.Fuzz(func(t *testing.T, b []byte) {
		r := row{columns: columns}
		err := json.Unmarshal(b, &r)
		var want map[string]any
		if json.Unmarshal(b, &want) != nil || want == nil || !utf8.Valid(b) || repeats(b) {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		for name, got := range map[string]string{"Id": r.id, "Email": r.email, "SystemModstamp": r.modified, "RH_CODE__c": r.values[bridge.Code]} {
			if text, is := want[name].(string); is && got != text || want[name] == nil && got != "" {
				t.Errorf("%q: %s = %q, want %v", b, name, got, want[name])
			}
		}
		_, _ = r.record(bridge.ToContact)
	})
}

// repeats reports whether an object has a name more than once.
func repeats(b []byte) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	seen, again := map[string]bool{}, false
	_ = object(d, func(name string) error {
		again = again || seen[name]
		seen[name] = true
		return skip(d)
	})
	return again
}

func FuzzPages(f *testing.F) {
	const one = `{"attributes":{},"Id":"0035g00000QwErTAAV","SystemModstamp":"2026-11-03T10:15:30.000+0000"}`
	f.Add([]byte(`{"compositeResponse":[{"body":{"totalSize":1,"done":true,"records":[`+one+`]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"part0"},`+
		`{"body":[{"errorCode":"PROCESSING_HALTED","message":"x"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"part1"}]}`), 2)
	f.Add([]byte(`{"totalSize":1,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/x-1","records":[`+one+`,`+one+`]}`), 1)
	f.Add([]byte(`{"compositeResponse":[{"referenceId":"part0","httpStatusCode":200,"body":null}]}`), 1)
	f.Add([]byte(`[{"errorCode":"INVALID_FIELD","message":"x"}]`), 1)
	columns := newSource(known()["Contact"], bridge.ToContact, true).columns
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		for name, decode := range map[string]func(string, io.Reader, int, map[string]int, func(int, *row) error) ([]page, error){"one": decodePage, "several": decodePages} {
			rows := map[int]int{}
			pages, err := decode("op", bytes.NewReader(b), n, columns, func(query int, _ *row) error { rows[query]++; return nil })
			for i, p := range pages {
				if p.rows != rows[i] {
					t.Errorf("%s: page %d has %d rows, %d were given", name, i, p.rows, rows[i])
				}
			}
			if err == nil && name == "several" && len(pages) != n {
				t.Errorf("%d pages, want %d", len(pages), n)
			}
		}
	})
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind        bridge.FieldType
		value, want string
	}{
		{bridge.NumberField, "12", "12"},
		{bridge.NumberField, "12.0", "12"},
		{bridge.NumberField, "-3.0", "-3"},
		{bridge.NumberField, "0.0", "0"},
		{bridge.NumberField, "12.50", "12.5"},
		{bridge.NumberField, "1.2345678E7", "12345678"},
		{bridge.NumberField, "9.99999999999999E14", "999999999999999"},
		{bridge.NumberField, "many", "many"},
		{bridge.NumberField, "", ""},
		{bridge.DateTimeField, "2026-11-03T10:15:30.000+0000", "2026-11-03T10:15:30Z"},
		{bridge.DateTimeField, "2026-11-03T11:15:30.000+0100", "2026-11-03T10:15:30Z"},
		{bridge.DateTimeField, "2026-11-03T10:15:30.000Z", "2026-11-03T10:15:30Z"},
		{bridge.DateTimeField, "2026-11-03", "2026-11-03"},
		{bridge.TextField, " 12.0 ", " 12.0 "},
	} {
		if got := canonical(tc.kind, tc.value); got != tc.want {
			t.Errorf("%s %q: %q, want %q", tc.kind, tc.value, got, tc.want)
		}
	}
}

func BenchmarkDecodePage(b *testing.B) {
	s := newSource(known()["Contact"], bridge.ToContact, true)
	var page strings.Builder
	page.WriteString(`{"totalSize":2000,"done":true,"records":[`)
	for i := range mostRows {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/0035g00000QwErTAAV"},"Id":"0035g00000QwErTAAV","Email":"ann%d@example.com",`+
			`"SystemModstamp":"2026-11-03T10:15:30.000+0000","AccountId":"0015g00000QwErTAAV","IsPersonAccount":false,"RH_CODE__c":"code","RH_EX_FIELD__c":null,"RH_EX_FIELD_2__c":null,`+
			`"RH_LAST_REF__c":"2026-11-03T10:15:30.000+0000","RH_POINTS__c":%d.0,"RH_POSITION__c":7.0,"RH_REF_LINK__c":"https://acme.example/?r=code","RH_REFERRER__c":"Ann","RH_SOURCE__c":"None",`+
			`"RH_SUB_ID__c":"sub_0123456789ab","RH_TOT_REF__c":3.0,"RH_EM_LINK__c":null,"RH_FB_LINK__c":null,"RH_TW_LINK__c":null}`, i, i)
	}
	page.WriteString("]}")
	b.SetBytes(int64(page.Len()))
	b.ReportAllocs()
	for b.Loop() {
		_, err := decodePage("", strings.NewReader(page.String()), 1, s.columns, func(_ int, r *row) error {
			_, err := r.record(bridge.ToContact)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

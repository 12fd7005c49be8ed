package salesforce

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzMetadata sends anything at all to the Metadata API: an answer is an envelope, and the org can be saved and
// restored afterwards.
func FuzzMetadata(f *testing.F) {
	const open = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:met="http://soap.sforce.com/2006/04/metadata">` +
		`<soapenv:Header><met:SessionHeader><met:sessionId>TOKEN</met:sessionId></met:SessionHeader></soapenv:Header><soapenv:Body>`
	const end = `</soapenv:Body></soapenv:Envelope>`
	for _, seed := range []string{
		open + `<met:createMetadata>` + fieldXML("Contact.A__c", subIDBody) + fieldXML("Contact.a__c", pointsBody) + `</met:createMetadata>` + end,
		open + `<met:upsertMetadata><met:metadata xsi:type="met:PermissionSet"><met:fullName>A</met:fullName><met:label>A</met:label></met:metadata></met:upsertMetadata>` + end,
		open + `<met:deleteMetadata><met:type>CustomField</met:type><met:fullNames>.</met:fullNames></met:deleteMetadata>` + end,
		open + `<met:readMetadata><met:type>PermissionSet</met:type><met:fullNames></met:fullNames></met:readMetadata>` + end,
		open + `<met:updateMetadata><met:metadata xsi:type="CustomField"/></met:updateMetadata>` + end,
		open + end, "<", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		o := New(Options{Generated: 2})
		token, err := o.Token(administrator)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		o.ServeHTTP(w, httptest.NewRequest("POST", "/services/Soap/m/66.0", strings.NewReader(strings.ReplaceAll(body, "TOKEN", token))))
		if fault := strings.Contains(w.Body.String(), "<soapenv:Fault>"); fault != (w.Code == http.StatusInternalServerError) || !fault && w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		kept, err := o.Snapshot()
		if err == nil {
			err = o.Restore(kept)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzUpload loads any file: whatever becomes of it, every line of it is in one of the results.
func FuzzUpload(f *testing.F) {
	for _, seed := range []string{"LastName,Email\nA,a@example.com\nB,\n", "LastName\r\nA\r\n", "LastName,LastName\n\"a\nb\",c\n", "\xef\xbb\xbfLastName\n#N/A\n", "Id\n\n", "\"", ""} {
		f.Add("insert", seed)
		f.Add("update", seed)
	}
	f.Fuzz(func(t *testing.T, operation, file string) {
		o := New(Options{Generated: 2})
		j := &job{user: o.admin, in: jobInput{Operation: operation, Object: "Contact", Ending: "LF", Delimiter: "COMMA"}, upload: []byte(file)}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.work(call{}, j)
		lines, err := (&job{in: j.in, upload: []byte(file)}).read()
		if err != nil || len(lines) == 0 {
			return
		}
		if got := len(j.succeeded) + len(j.refused) + len(j.left); got != len(lines)-1 {
			t.Errorf("%d results for %d lines", got, len(lines)-1)
		}
	})
}

// FuzzReference resolves any reference in a composite call against any answer.
func FuzzReference(f *testing.F) {
	f.Add("/sobjects/Contact/@{a.id}", `{"AccountId":"@{a.records[0].Id}"}`)
	f.Add("@{b.id}", "@{a.records[99999999999999999999].Id}@{a.}@{a[0]}")
	f.Fuzz(func(t *testing.T, url, body string) {
		part := subrequest{URL: url, Body: []byte(body)}
		done := map[string]json.RawMessage{"a": json.RawMessage(`{"id":"0\"","records":[{"Id":"003"}]}`)}
		if part.resolve(done, map[string]bool{"b": true}) == nil && reference.MatchString(part.URL) {
			t.Errorf("left unresolved: %s", part.URL)
		}
	})
}

package syncer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestValuesThatSalesforceKeepsItsOwnWay writes what is long, blank or strange. However Salesforce keeps it, the next run
// finds it equal.
func TestValuesThatSalesforceKeepsItsOwnWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "A", Email: "p0@example.com"}},
		list: simhero.List{URL: "https://www.example.com/" + strings.Repeat("long/", 42)}})
	var ids []bridge.SubscriberID
	for i, extra := range []string{"  blanks around  ", "\u00a0\u3000blanks of other kinds\u2003", strings.Repeat("é", 300), strings.Repeat("👋", 255), "tab\tand\nline", "   ",
		`"quotes", commas and \ and #N/A`, "#N/A", "null", "=1+1", "\u0001", "@{part0.id}"} {
		email := fmt.Sprintf("p%d@example.com", i)
		id, _ := w.signUp(email, "Person "+extra, "")
		w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": extra, "extra_field_2": extra, "points": 1000 + i}, nil)
		ids = append(ids, id)
	}
	w.told("registration", ids...)
	if s := w.compare().Statement; s.Equal != len(ids) {
		t.Errorf("the statement is %+v; needs %v; log:\n%s", s, w.causes(), w.logs)
	}
	if got := w.contact("p2@example.com").text("RH_EX_FIELD__c"); got != strings.Repeat("é", 255) {
		t.Errorf("a long text is kept as %q", got)
	}
	if got := w.contact("p0@example.com"); got.text("RH_EM_LINK__c") != "" || got.text("RH_REF_LINK__c") == "" {
		t.Errorf("a link that is too long is kept as %q, and one that is not as %q", got.text("RH_EM_LINK__c"), got.text("RH_REF_LINK__c"))
	}
	for _, id := range ids { // back to nothing
		w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": "", "points": 0}, nil)
	}
	w.told("update", ids...)
	for _, r := range w.records("Contact") {
		if r["RH_EX_FIELD__c"] != nil || r.text("RH_POINTS__c") != "0" {
			t.Errorf("%s shows %v and %v", r.text("Email"), r["RH_EX_FIELD__c"], r["RH_POINTS__c"])
		}
	}
	// And in bulk, which writes them in another way.
	w.worker.Bulk = 3
	for i, id := range ids {
		w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": []string{"#N/A", `"`, " x", "a,b", "'", "\r\n", "é", "👋", "0", "", "-", "x"}[i]}, nil)
	}
	if s := w.compare().Statement; s.Repaired < 10 {
		t.Errorf("the statement is %+v", s)
	}
	w.worker.Bulk = 0
	if s := w.compare().Statement; s.Equal != len(ids) {
		t.Errorf("after a bulk load the statement is %+v", s)
	}
}

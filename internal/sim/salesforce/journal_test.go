package salesforce

import (
	"bytes"
	"strings"
	"testing"
)

func TestWhatIsTakenBackLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.withFields(token)
	if got := outcomes(t, s.api(token, "PATCH", upsertPath, batchOf(`"RH_SUB_ID__c":"kept","LastName":"Kept","Email":"kept@example.com"`))); got != "created" {
		t.Fatal(got)
	}
	before, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Replace(batchOf(
		`"RH_SUB_ID__c":"kept","RH_CODE__c":"c","Email":"moved@example.com"`,
		`"RH_SUB_ID__c":"new","LastName":"New","Email":"kept@example.com"`,
		`"RH_SUB_ID__c":"nameless"`), "false", "true", 1)
	if got := outcomes(t, s.api(token, "PATCH", upsertPath, all)); got != "ALL_OR_NONE_OPERATION_ROLLED_BACK ALL_OR_NONE_OPERATION_ROLLED_BACK REQUIRED_FIELD_MISSING" {
		t.Fatal(got)
	}
	after, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the org is another one")
	}
	for field, value := range map[string]string{"Email": "kept@example.com", "RH_SUB_ID__c": "kept"} { // by the indexes
		if a := s.query(token, "SELECT LastName FROM Contact WHERE "+field+" = '"+value+"'"); !strings.Contains(a.body, `"totalSize":1`) || !strings.Contains(a.body, "Kept") {
			t.Errorf("by %s: %s", field, a.body)
		}
	}
	for _, gone := range []string{"Email = 'moved@example.com'", "RH_SUB_ID__c = 'new'"} {
		if a := s.query(token, "SELECT Id FROM Contact WHERE "+gone); !strings.Contains(a.body, `"totalSize":0`) {
			t.Errorf("%s: %s", gone, a.body)
		}
	}
	if got := outcomes(t, s.api(token, "PATCH", upsertPath, batchOf(`"RH_SUB_ID__c":"new","LastName":"New"`, `"RH_SUB_ID__c":"kept","LastName":"Kept"`))); got != "created updated" {
		t.Errorf("afterwards: %s", got)
	}
}

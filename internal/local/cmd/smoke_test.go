package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/local/smoke"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestSmoke is about what the command takes from its environment, and how it ends.
func TestSmoke(t *testing.T) {
	org := salesforce.New(salesforce.Options{Generated: 300})
	t.Cleanup(org.Close)
	hero := referralhero.New(referralhero.Options{})
	t.Cleanup(hero.Close)
	here, there := httptest.NewServer(org), httptest.NewServer(hero)
	t.Cleanup(here.Close)
	t.Cleanup(there.Close)
	token, err := org.Token("admin@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	ofOrg := map[string]string{"SALESFORCE_INSTANCE_URL": here.URL, "SALESFORCE_ACCESS_TOKEN": token}
	ofHero := map[string]string{"REFERRALHERO_TOKEN": hero.Token(), "REFERRALHERO_CAMPAIGN": hero.Lists()[0].UUID}
	for name, tc := range map[string]struct {
		environment []map[string]string
		args        []string
		code        int
		says        string // on standard error
		found       bool   // it ends with what was found
	}{
		"nothing":                      {code: 1, says: "smoke: there is nothing to try"},
		"an org without a way in":      {environment: []map[string]string{{"SALESFORCE_INSTANCE_URL": here.URL}}, code: 1, says: "needs SALESFORCE_ACCESS_TOKEN"},
		"an app without its secret":    {environment: []map[string]string{{"SALESFORCE_INSTANCE_URL": here.URL, "SALESFORCE_CLIENT_ID": "key"}}, code: 1, says: "SALESFORCE_CLIENT_SECRET"},
		"an org in production":         {environment: []map[string]string{ofOrg}, code: 1, says: "smoke: this org is in production"},
		"one that may be read":         {environment: []map[string]string{ofOrg}, args: []string{"-production"}, found: true},
		"a campaign":                   {environment: []map[string]string{ofHero}, found: true},
		"both, with a subscriber":      {environment: []map[string]string{ofOrg, ofHero}, args: []string{"-production", "-write", "-address", "me+smoke@example.com"}, found: true},
		"a campaign that is not there": {environment: []map[string]string{ofHero, {"REFERRALHERO_CAMPAIGN": "MF1"}}, code: 1, says: "of our assumptions do not hold", found: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"SALESFORCE_INSTANCE_URL", "SALESFORCE_ACCESS_TOKEN", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "REFERRALHERO_TOKEN", "REFERRALHERO_CAMPAIGN"} {
				t.Setenv(variable, "")
			}
			for _, some := range tc.environment {
				for variable, value := range some {
					t.Setenv(variable, value)
				}
			}
			before := len(hero.Subscribers(hero.Lists()[0].UUID))
			var stdout, stderr bytes.Buffer
			code := dispatch(t.Context(), append([]string{"smoke", "-referralhero", there.URL + "/api/v2"}, tc.args...), &stdout, &stderr)
			if code != tc.code || !strings.Contains(stderr.String(), tc.says) {
				t.Errorf("exit code %d with %q, want %d with %q in it:\n%s", code, stderr.String(), tc.code, tc.says, &stdout)
			}
			lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
			var found smoke.Report
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &found); (err == nil) != tc.found || tc.found && found.OK == 0 && tc.code == 0 {
				t.Errorf("the last line is %q", lines[len(lines)-1])
			}
			if said := stdout.String() + stderr.String(); strings.Contains(said, token) || strings.Contains(said, hero.Token()) || strings.Contains(said, "me+smoke") {
				t.Errorf("it tells a credential or an address:\n%s", said)
			}
			if after := len(hero.Subscribers(hero.Lists()[0].UUID)); after != before {
				t.Errorf("%d subscribers, and %d before", after, before)
			}
		})
	}
}

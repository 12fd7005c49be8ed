package smoke

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestTheDoorLetsOutOnlyWhatIsHarmless is about calls that no client of ours makes here, or not with these contents.
func TestTheDoorLetsOutOnlyWhatIsHarmless(t *testing.T) {
	t.Parallel()
	const (
		org       = "https://acme--test.sandbox.my.salesforce.com"
		hero      = "https://app.referralhero.com"
		composite = "/services/data/v66.0/composite"
		mine      = "003000000000001AAA"
	)
	soap := func(operation string) string {
		return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:met="m"><e:Body>` + operation + `</e:Body></e:Envelope>`
	}
	for name, tc := range map[string]struct {
		method, url, body string
		passes            bool
		writes            bool // only with -write
	}{
		"a query":                             {"GET", org + "/services/data/v66.0/query?q=SELECT+Id+FROM+Contact", "", true, false},
		"a query that locks":                  {"GET", org + "/services/data/v66.0/query?q=SELECT+Id+FROM+Contact+FOR+UPDATE", "", false, false},
		"a query that marks what was viewed":  {"GET", org + "/services/data/v66.0/query?q=SELECT+Id+FROM+Contact+LIMIT+1+for+view", "", false, false},
		"something that is no query":          {"GET", org + "/services/data/v66.0/query?q=DELETE+FROM+Contact", "", false, false},
		"a query of another host":             {"GET", "https://evil.my.salesforce.com/services/data/v66.0/query?q=SELECT+Id+FROM+Contact", "", false, false},
		"a query without TLS":                 {"GET", strings.Replace(org, "https", "http", 1) + "/services/data/v66.0/query?q=SELECT+Id+FROM+Contact", "", false, false},
		"a customer's own service":            {"GET", org + "/services/apexrest/anything", "", false, false},
		"a path that leads elsewhere":         {"GET", org + "/services/data/v66.0/query/..%2f..%2fapexrest", "", false, false},
		"a record":                            {"GET", org + "/services/data/v66.0/sobjects/Contact/" + mine, "", false, false},
		"a new record":                        {"POST", org + "/services/data/v66.0/sobjects/Contact", `{"LastName":"X"}`, false, false},
		"a job of the Bulk API":               {"POST", org + "/services/data/v66.0/jobs/ingest", `{}`, false, false},
		"a deployment":                        {"POST", org + "/services/data/v66.0/metadata/deployRequest", `{}`, false, false},
		"queries in a composite call":         {"POST", org + composite, `{"compositeRequest":[{"method":"GET","url":"/services/data/v66.0/query?q=SELECT+Id+FROM+Contact"}]}`, true, false},
		"a write among them":                  {"POST", org + composite, `{"compositeRequest":[{"method":"GET","url":"/services/data/v66.0/query?q=SELECT+Id+FROM+Contact"},{"method":"PATCH","url":"/services/data/v66.0/composite/sobjects","body":{"records":[]}}]}`, false, false},
		"a read of something else among them": {"POST", org + composite, `{"compositeRequest":[{"method":"GET","url":"/services/apexrest/x"}]}`, false, false},
		"an empty composite call":             {"POST", org + composite, `{}`, false, false},
		"reading metadata":                    {"POST", org + "/services/Soap/m/66.0", soap(`<met:readMetadata/>`), true, false},
		"making metadata":                     {"POST", org + "/services/Soap/m/66.0", soap(`<met:createMetadata/>`), false, false},
		"reading and making metadata":         {"POST", org + "/services/Soap/m/66.0", soap(`<met:readMetadata/><met:deleteMetadata/>`), false, false},
		"an app's own token":                  {"POST", org + "/services/oauth2/token", "grant_type=client_credentials&client_id=k", true, false},
		"a refresh":                           {"POST", org + "/services/oauth2/token", "grant_type=refresh_token&refresh_token=r", false, false},
		"both":                                {"POST", org + "/services/oauth2/token", "grant_type=client_credentials&grant_type=refresh_token", false, false},
		"ending a grant":                      {"POST", org + "/services/oauth2/revoke", "token=t", false, false},

		"our contact":           {"PATCH", org + composite + "/sobjects/Contact/RH_SUB_ID__c", `{"records":[{"LastName":"` + lastName + `"}]}`, true, true},
		"somebody else's":       {"PATCH", org + composite + "/sobjects/Contact/RH_SUB_ID__c", `{"records":[{"LastName":"Lovelace"}]}`, false, false},
		"two of them":           {"PATCH", org + composite + "/sobjects/Contact/RH_SUB_ID__c", `{"records":[{"LastName":"` + lastName + `"},{"LastName":"` + lastName + `"}]}`, false, false},
		"a change of ours":      {"PATCH", org + composite + "/sobjects", `{"records":[{"id":"` + mine + `"}]}`, true, true},
		"a change of another":   {"PATCH", org + composite + "/sobjects", `{"records":[{"id":"003000000000002AAA"}]}`, false, false},
		"the end of ours":       {"DELETE", org + "/services/data/v66.0/sobjects/Contact/" + mine, "", true, true},
		"the end of another":    {"DELETE", org + "/services/data/v66.0/sobjects/Contact/003000000000002AAA", "", false, false},
		"the end of many":       {"DELETE", org + composite + "/sobjects?ids=" + mine, "", false, false},
		"the end of an account": {"DELETE", org + "/services/data/v66.0/sobjects/Account/" + mine, "", false, false},

		"campaigns":                           {"GET", hero + "/api/v2/lists?page=1", "", true, false},
		"subscribers":                         {"GET", hero + "/api/v2/lists/MF1/subscribers?page=1", "", true, false},
		"a new campaign":                      {"POST", hero + "/api/v2/lists", `{"name":"x"}`, false, false},
		"our subscriber":                      {"POST", hero + "/api/v2/lists/MF1/subscribers", `{"email":"` + address + `"}`, true, true},
		"ours as a referral":                  {"POST", hero + "/api/v2/lists/MF1/subscribers", `{"email":"` + address + `","referrer":"abc"}`, false, false},
		"another subscriber":                  {"POST", hero + "/api/v2/lists/MF1/subscribers", `{"email":"ada@example.com"}`, false, false},
		"a change of a subscriber":            {"POST", hero + "/api/v2/lists/MF1/subscribers/" + mine, `{"email":"` + address + `"}`, false, false},
		"a conversion":                        {"POST", hero + "/api/v2/lists/MF1/subscribers/confirm", `{"email":"` + address + `"}`, false, false},
		"the end of our subscriber":           {"DELETE", hero + "/api/v2/lists/MF1/subscribers/" + mine, "", true, true},
		"the end of another, who is not ours": {"DELETE", hero + "/api/v2/lists/MF1/subscribers/sub_2", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, writing := range []bool{false, true} {
				sent := 0
				d := &door{origin: org, most: 1, rules: orgReads, next: transport(func(*http.Request) { sent++ })}
				if strings.HasPrefix(tc.url, hero) {
					d.origin, d.rules = hero, heroReads
				}
				if writing {
					d.rules = slices.Concat(d.rules, orgWrites)
					if d.origin == hero {
						d.rules = slices.Concat(heroReads, heroWrites(address))
					}
				}
				d.own(mine)
				r, err := http.NewRequestWithContext(t.Context(), tc.method, tc.url, strings.NewReader(tc.body))
				if err != nil {
					t.Fatal(err)
				}
				response, err := d.RoundTrip(r)
				if err == nil {
					_ = response.Body.Close()
				}
				if want := tc.passes && (writing || !tc.writes); (err == nil) != want || (sent == 1) != want {
					t.Errorf("writing %t: sent %d with %v, want sent %t", writing, sent, err, want)
				}
			}
		})
	}
}

func TestTheDoorHoldsItToItsNumber(t *testing.T) {
	t.Parallel()
	d := &door{origin: "https://app.referralhero.com", most: 2, rules: heroReads, next: transport(func(*http.Request) {})}
	for call := range 3 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://app.referralhero.com/api/v2/lists", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := d.RoundTrip(r)
		if err == nil {
			_ = response.Body.Close()
		}
		if (err == nil) != (call < 2) {
			t.Errorf("call %d: %v", call, err)
		}
	}
}

// transport answers every call.
type transport func(*http.Request)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t(r)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

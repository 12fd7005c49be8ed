package salesforce

import (
	"net/url"
	"strings"
	"testing"
)

func TestSetup(t *testing.T) {
	t.Parallel()
	installed := func(change func(*Switches)) Switches {
		s := Switches{AppInstalled: true, DailyRequests: 100}
		change(&s)
		return s
	}
	for name, tc := range map[string]struct {
		switches       Switches
		api, token     string // codes
		consent, shown string // what the page of the consent says instead of leading back; what a record says
	}{
		"nothing in the way":             {switches: installed(func(*Switches) {}), shown: `"OrganizationType":"Enterprise Edition"`},
		"another edition":                {switches: installed(func(s *Switches) { s.Edition = "Professional Edition" }), shown: `"OrganizationType":"Professional Edition"`},
		"no API in the edition":          {switches: installed(func(s *Switches) { s.APIDisabledForOrg = true }), api: "API_DISABLED_FOR_ORG"},
		"no API for the user":            {switches: installed(func(s *Switches) { s.APIDisabledForUser = true }), api: "API_CURRENTLY_DISABLED"},
		"a locked org":                   {switches: installed(func(s *Switches) { s.Locked = true }), api: "INVALID_SESSION_ID", token: "inactive_org", consent: "inactive_org"},
		"a user who is not approved":     {switches: installed(func(s *Switches) { s.UserNotAllowed = true }), api: "INVALID_SESSION_ID", token: "invalid_app_access", consent: "not admin approved"},
		"a user who was deactivated":     {switches: installed(func(s *Switches) { s.UserDeactivated = true }), api: "INVALID_SESSION_ID", token: "inactive_user", consent: "no active user"},
		"an address that is not allowed": {switches: installed(func(s *Switches) { s.AddressRefused = true }), api: "INVALID_SESSION_ID", token: "ip restricted"},
		"an app that is not installed":   {switches: Switches{DailyRequests: 100}, api: "INVALID_SESSION_ID", token: "app must be installed", consent: "OAUTH_APPROVAL_ERROR_GENERIC"},
		"an object that is hidden":       {switches: installed(func(s *Switches) { s.HiddenObjects = Names{"Organization"} }), api: "INVALID_TYPE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: 3})
			grant := s.connect()
			s.SetSwitches(tc.switches)
			a := s.query(grant.AccessToken, "SELECT OrganizationType FROM Organization")
			if codeOf(a) != tc.api || !strings.Contains(a.body, tc.shown) {
				t.Errorf("API: %s, want %q %s", a.body, tc.api, tc.shown)
			}
			a = s.refresh(grant.RefreshToken)
			if !strings.Contains(a.body, tc.token) || (a.status == 200) != (tc.token == "") {
				t.Errorf("token endpoint: %d %s, want %q", a.status, a.body, tc.token)
			}
			a = s.form(authorizePath(), "decision", "allow")
			if (a.header.Get("Location") == "") != (tc.consent != "") || !strings.Contains(a.body, tc.consent) {
				t.Errorf("consent: to %q, %s, want %q", a.header.Get("Location"), a.body, tc.consent)
			}
			s.SetSwitches(installed(func(*Switches) {}))
			if a := s.refresh(grant.RefreshToken); tc.token != "" && a.status != 200 {
				t.Errorf("put right again: %d %s: the refusal has used up the token", a.status, a.body)
			}
		})
	}
}

func TestSetupPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 3})
	token := s.token()
	form := []string{"do", "switches", "appInstalled", "on", "latency", "0s", "dailyRequests", "100", "edition", "Professional Edition",
		"missingPermissions", "ViewSetup, ", "hiddenObjects", "Opportunity", "hiddenFields", "contact.phone,Contact.Email", "duplicatesAllowed", "on"}
	if a := s.form("/faults", form...); a.status != 303 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	permissions := s.query(token, "SELECT FIELDS(ALL) FROM UserPermissionAccess LIMIT 1").body
	if !strings.Contains(permissions, `"PermissionsViewSetup":false`) || !strings.Contains(permissions, `"PermissionsApiEnabled":true`) {
		t.Errorf("permissions: %s", permissions)
	}
	if a := s.query(token, "SELECT FIELDS(ALL) FROM UserPermissionAccess"); codeOf(a) != "MALFORMED_QUERY" {
		t.Errorf("all fields without a limit: %s", a.body)
	}
	if rules := s.query(token, "SELECT MasterLabel FROM DuplicateRule WHERE IsActive = true").body; !strings.Contains(rules, `"totalSize":0`) {
		t.Errorf("duplicate rules: %s", rules)
	}
	if a := s.api(token, "GET", data+"/sobjects/Contact/describe", ""); strings.Contains(a.body, `"Phone"`) || strings.Contains(a.body, `"Email"`) || !strings.Contains(a.body, "HasOptedOutOfEmail") {
		t.Error("the description of contacts does not leave out just what is hidden")
	}
	if a := s.api(token, "GET", data+"/sobjects", ""); strings.Contains(a.body, `"Opportunity"`) || !strings.Contains(a.body, `"Contact"`) {
		t.Error("the list of objects does not leave out just what is hidden")
	}
	page := s.do(s.request("GET", "/faults", nil)).body
	for _, want := range []string{`value="Professional Edition"`, `value="ViewSetup"`, `value="contact.phone, Contact.Email"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has lost %s", want)
		}
	}
	if to := s.do(s.request("GET", "/lightning/setup/PermSets/home", nil)).header.Get("Location"); to != "/faults#setup" {
		t.Errorf("Setup leads to %q", to)
	}

	saved, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	fresh := newSite(t, Options{Generated: -1})
	if err := fresh.Restore(saved); err != nil {
		t.Fatal(err)
	}
	if a := fresh.api(fresh.token(), "GET", data+"/query?q="+url.QueryEscape("SELECT OrganizationType FROM Organization"), ""); !strings.Contains(a.body, "Enterprise") {
		t.Errorf("switches are not restored, and yet the edition is that of the snapshot: %s", a.body)
	}
}

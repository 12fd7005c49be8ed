package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
	org "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// diagnosis is what a program reads.
type diagnosis struct {
	Status   string
	Checked  bool
	Edition  string
	Calls    struct{ Used, Most int }
	Findings []doctor.Advice
}

func (v *visitor) diagnosis(id bridge.ConnectionID, headers ...string) diagnosis {
	v.Helper()
	path := "/connections/" + string(id) + "/doctor"
	if headers == nil {
		path += ".json"
	}
	a := v.do(http.MethodGet, path, nil, headers...)
	var d diagnosis
	if err := json.Unmarshal([]byte(a.text), &d); err != nil || a.StatusCode != http.StatusOK {
		v.Fatalf("%s: %v in %s", a.Status, err, a.text)
	}
	return d
}

// TestFindings turns every switch of the org, one after the other, and looks at what the console makes of it.
func TestFindings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	well := r.org.Switches()
	well.DuplicatesAllowed = true
	r.org.SetSwitches(well)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	id := v.connect()
	page := "/connections/" + string(id) + "/doctor"
	v.page("/connections?connected=" + string(id)) // examines
	healthy := func(v *visitor) {
		v.Helper()
		if d := v.diagnosis(id); !d.Checked || d.Status != string(bridge.Active) || len(d.Findings) != 0 || d.Edition != "Enterprise Edition" || d.Calls.Used == 0 {
			v.Errorf("a healthy org: %+v", d)
		}
		contains(v.T, v.page("/connections"), "everything that they need is there")
	}
	healthy(v)
	for name, tc := range map[string]struct {
		turn    func(*org.Switches)
		want    doctor.Check
		level   doctor.Level
		status  bridge.ConnectionStatus
		details string
	}{
		"an edition without fields for apps": {turn: func(s *org.Switches) { s.Edition = "Professional Edition" },
			want: doctor.EditionLimited, level: doctor.Later, details: "Professional Edition"},
		"no API in the org":   {turn: func(s *org.Switches) { s.APIDisabledForOrg = true }, want: doctor.NoAPI, level: doctor.Blocking},
		"no API for the user": {turn: func(s *org.Switches) { s.APIDisabledForUser = true }, want: doctor.NoAPIForUser, level: doctor.Blocking},
		"permissions to set up that are missing": {turn: func(s *org.Switches) { s.MissingPermissions = org.Names{"ViewSetup", "ModifyAllData"} },
			want: doctor.RightsMissing, level: doctor.Later, details: "View Setup and Configuration"},
		"a field that an import needs": {turn: func(s *org.Switches) { s.HiddenFields = org.Names{"Contact.Email"} },
			want: doctor.FieldsHidden, level: doctor.Blocking, details: "Email"},
		"the field of phone numbers": {turn: func(s *org.Switches) { s.HiddenFields = org.Names{"Contact.Phone"} },
			want: doctor.PhoneHidden, level: doctor.Limiting},
		"the field of those who opted out": {turn: func(s *org.Switches) { s.HiddenFields = org.Names{"Contact.HasOptedOutOfEmail"} },
			want: doctor.OptOutHidden, level: doctor.Limiting},
		"contacts":                              {turn: func(s *org.Switches) { s.HiddenObjects = org.Names{"Contact"} }, want: doctor.ContactsHidden, level: doctor.Blocking},
		"accounts":                              {turn: func(s *org.Switches) { s.HiddenObjects = org.Names{"Account"} }, want: doctor.CompaniesHidden, level: doctor.Limiting},
		"opportunities":                         {turn: func(s *org.Switches) { s.HiddenObjects = org.Names{"Opportunity"} }, want: doctor.SalesHidden, level: doctor.Later, details: "Opportunity"},
		"an org that tells nothing about Setup": {turn: func(s *org.Switches) { s.HiddenObjects = org.Names{"UserPermissionAccess", "DuplicateRule"} }},
		"a duplicate rule": {turn: func(s *org.Switches) { s.DuplicatesAllowed = false },
			want: doctor.DuplicateRule, level: doctor.Later, details: "Standard Contact Duplicate Rule"},
		"an app that is not installed": {turn: func(s *org.Switches) { s.AppInstalled = false },
			want: doctor.AppMissing, level: doctor.Blocking, status: bridge.NeedsAdmin},
		"a user who is not approved": {turn: func(s *org.Switches) { s.UserNotAllowed = true },
			want: doctor.AppForbidden, level: doctor.Blocking, status: bridge.NeedsAdmin},
		"a user who was deactivated": {turn: func(s *org.Switches) { s.UserDeactivated = true },
			want: doctor.UserInactive, level: doctor.Blocking, status: bridge.NeedsAdmin, details: "admin@acme.example"},
		"an address that is not on the list": {turn: func(s *org.Switches) { s.AddressRefused = true },
			want: doctor.AddressRefused, level: doctor.Blocking, status: bridge.NeedsAdmin},
		"an org that is locked": {turn: func(s *org.Switches) { s.Locked = true },
			want: doctor.OrgLocked, level: doctor.Blocking, status: bridge.NeedsAdmin},
		"calls that are used up":    {turn: func(s *org.Switches) { s.DailyRequests = 1 }, want: doctor.CallsUsedUp, level: doctor.Blocking},
		"calls that are nearly out": {turn: func(s *org.Switches) { s.DailyRequests = (r.org.Counts().API + 7) * 4 / 3 }, want: doctor.CallsLow, level: doctor.Limiting},
	} {
		t.Run(name, func(t *testing.T) {
			v := &visitor{T: t, rig: r, client: v.client}
			ill := well
			tc.turn(&ill)
			r.org.SetSwitches(ill)
			defer func() { // put right, it is found to be well at once
				r.org.SetSwitches(well)
				v.post(page, nil, page)
				healthy(v)
			}()
			v.post(page, nil, page+"?done=examined")
			d := v.diagnosis(id)
			if tc.want == "" {
				if len(d.Findings) != 0 {
					t.Errorf("findings: %+v, want none", d.Findings)
				}
				return
			}
			if len(d.Findings) != 1 || d.Findings[0].Check != tc.want || d.Findings[0].Level != tc.level {
				t.Fatalf("findings: %+v, want %s, %s", d.Findings, tc.want, tc.level)
			}
			found := d.Findings[0]
			if !strings.HasPrefix(found.Link, r.orgURL+"/lightning/setup/") || found.Who == "" || found.Remedy == "" || found.Effect == "" {
				t.Errorf("the finding leaves something open: %+v", found)
			}
			if !strings.Contains(strings.Join(found.Details, " "), tc.details) {
				t.Errorf("details: %q, want %q", found.Details, tc.details)
			}
			if tc.status != "" && d.Status != string(tc.status) {
				t.Errorf("status = %q, want %q", d.Status, tc.status)
			}
			contains(t, v.page(page+"?done=examined"), `data-finding="`+string(tc.want)+`"`, "Who can put it right", "Check again")
			card := v.page("/connections")
			if shown := strings.Contains(card.text, `data-finding="`+string(tc.want)+`"`); shown != (tc.level != doctor.Later) {
				t.Errorf("the card shows it: %t", shown)
			}
		})
	}
}

func TestDoctorPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	id := v.connect()
	page := "/connections/" + string(id) + "/doctor"
	if d := v.diagnosis(id, "Accept", "application/json"); !d.Checked {
		t.Errorf("asked by Accept: %+v, want a first examination", d)
	}
	calls := r.org.Counts().API
	v.page(page)
	v.page("/connections?connected=" + string(id))
	if now := r.org.Counts().API; now != calls {
		t.Errorf("looking again cost %d calls of the org, want none", now-calls)
	}
	r.org.RevokeGrants()
	v.post(page, nil, page)
	contains(t, v.page(page), "Salesforce has ended our access", `action="/oauth/start"`, "Reconnect")
	if d := v.diagnosis(id); len(d.Findings) != 1 || d.Findings[0].Check != doctor.GrantEnded || !d.Findings[0].Reconnect {
		t.Errorf("after the grant had ended: %+v", d)
	}

	other := r.visitor(t)
	other.signIn("Eve", "eve@example.com")
	for _, path := range []string{page, page + ".json"} {
		if a := other.get(path); a.StatusCode != http.StatusNotFound || strings.Contains(a.text, "Acme") {
			t.Errorf("%s of another account: %s", path, a.Status)
		}
	}
	if a := other.do(http.MethodPost, page, url.Values{}); a.StatusCode != http.StatusNotFound {
		t.Errorf("examining another account's connection: %s", a.Status)
	}

	v.post("/connections/"+string(id)+"/disconnect", nil, "/connections?disconnected=")
	if a := v.do(http.MethodPost, page, url.Values{}); a.StatusCode != http.StatusNotFound {
		t.Errorf("examining what was disconnected: %s", a.Status)
	}
}

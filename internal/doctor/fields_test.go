package doctor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func TestOurFields(t *testing.T) {
	t.Parallel()
	layout := bridge.Layout{Object: "Contact"}
	for i, f := range bridge.Fields {
		layout.Names[i] = "RH_" + f.Name + "__c"
	}
	two := bridge.FieldSet(0).With(bridge.Code).With(bridge.Points)
	both := []string{"Contact.RH_CODE__c", "Contact.RH_POINTS__c"}
	for name, tc := range map[string]struct {
		org  patient
		want []Finding
		err  bridge.Kind
	}{
		"all can be written":       {},
		"two are gone":             {org: patient{unwritten: two}, want: []Finding{{OurFieldsGone, both}}},
		"one is gone, one hidden":  {org: patient{unwritten: two, existing: "RH_POINTS__C"}, want: []Finding{{OurFieldsGone, both[:1]}, {OurFieldsHidden, both[1:]}}},
		"hidden by our own set":    {org: patient{unwritten: two, existing: "RH_CODE__c RH_POINTS__c", unassigned: true}, want: []Finding{{OurFieldsHidden, both}, {OurSetMissing, []string{"RH_Integration"}}}},
		"seen, and not as needed":  {org: patient{unwritten: two, fields: map[string]string{"Contact": "FirstName LastName Email Phone HasOptedOutOfEmail RH_CODE__c rh_points__c"}}, want: []Finding{{OurFieldsDiffer, both}}},
		"Setup does not tell":      {org: patient{unwritten: two, unassigned: true, setupErr: refusal(bridge.Denied, "INSUFFICIENT_ACCESS")}, want: []Finding{{OurFieldsHidden, both}}},
		"contacts are hidden":      {org: patient{unwritten: two, lookErr: refusal(bridge.NotFound, "NOT_FOUND")}},
		"an outage while looking":  {org: patient{lookErr: refusal(bridge.Unavailable, "SERVER_UNAVAILABLE")}, want: []Finding{{Unreachable, []string{"SERVER_UNAVAILABLE"}}}},
		"an outage while asking":   {org: patient{unwritten: two, setupErr: refusal(bridge.Unavailable, "SERVER_UNAVAILABLE")}, want: []Finding{{Unreachable, []string{"SERVER_UNAVAILABLE"}}}},
		"a fault of ours is ours":  {org: patient{lookErr: refusal(bridge.Internal, "")}, err: bridge.Internal},
		"a limited edition is too": {org: patient{edition: "Professional Edition", unwritten: two}, want: []Finding{{EditionLimited, []string{"Professional Edition"}}, {OurFieldsGone, both}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := examine(t.Context(), tc.org, "005", []bridge.Layout{layout})
			if bridge.KindOf(err) != tc.err {
				t.Fatalf("error: %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(report.Findings, tc.want); diff != "" {
				t.Errorf("findings differ (-got +want):\n%s", diff)
			}
		})
	}
}

func TestOurFieldsWithoutNames(t *testing.T) {
	t.Parallel()
	some := bridge.Layout{Object: "Contact", Names: [bridge.FieldCount]string{bridge.Code: "RH_CODE__c"}}
	for i, f := range bridge.Fields {
		if i > bridge.Points {
			some.Names[i] = "RH_" + f.Name + "__c"
		}
	}
	for name, tc := range map[string]struct {
		layout bridge.Layout
		want   []Finding
	}{
		"not made, or somebody else has the name": {some, []Finding{{OurFieldsGone, []string{"Contact.EX_FIELD", "Contact.EX_FIELD_2", "Contact.LAST_REF", "Contact.POINTS"}}}},
		"removed": {bridge.Layout{Object: "Contact"}, nil},
	} {
		report, err := examine(t.Context(), patient{}, "005", []bridge.Layout{tc.layout})
		if diff := cmp.Diff(report.Findings, tc.want); err != nil || diff != "" {
			t.Errorf("%s: %v, findings differ (-got +want):\n%s", name, err, diff)
		}
	}
}

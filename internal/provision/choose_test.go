package provision

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// TestChoose draws an org's custom fields, theirs and ours, and what we remember of ours: whatever there is, no field of
// theirs is taken, no two fields of ours get one name, and what was found keeps its name.
func TestChoose(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{Prefixed, Bare}).Draw(t, "prefix")
		setup := Setup{Prefix: prefix}
		setup.extend(Contact)
		seen := sight{told: true, byID: map[bridge.SalesforceID]CustomField{}, byName: map[string]CustomField{}, defined: map[string]Definition{}}
		theirs := map[string]bool{}
		for _, f := range bridge.Fields {
			for _, name := range names(rapid.SampledFrom([]string{Prefixed, Bare}).Draw(t, "their prefix"), f) {
				if _, taken := seen.named(name); taken || rapid.IntRange(0, 3).Draw(t, "exists") > 0 {
					continue
				}
				if rapid.Bool().Draw(t, "in other letters") {
					name = strings.ToLower(name[:len(name)-1]) + "c"
				}
				found := CustomField{ID: bridge.SalesforceID(fmt.Sprintf("00N%d", len(seen.byID))), Name: name}
				seen.byID[found.ID], seen.byName[strings.ToLower(name)] = found, found
				d := Definition{Shape: Shape{Name: name, Type: f.Type, Length: f.Length, Digits: bridge.Digits, Key: f.Key}}
				switch rapid.IntRange(0, 3).Draw(t, "whose") {
				case 0: // ours, and we know it, also if it was renamed to what another one might be called
					if own := &setup.Fields[rapid.IntRange(0, bridge.FieldCount-1).Draw(t, "which")]; own.ID == "" {
						own.ID, own.Name = found.ID, "RH_Old__c"
						continue
					}
				case 1: // ours, from another setup
					d.Description = "x " + Mark
				case 2: // it has our mark, and became something else
					d.Description, d.Type = Mark, "Email"
				}
				seen.defined[strings.ToLower(name)] = d
				theirs[strings.ToLower(name)] = d.Description == "" || d.Type != f.Type
			}
		}
		before := slices.Clone(setup.Fields)
		byHand := slices.Clone(setup.Fields)
		inOrder(t, setup.Fields, choose(setup.Fields, prefix, seen))
		for i, f := range setup.Fields {
			switch {
			case theirs[strings.ToLower(f.Name)]:
				t.Errorf("%s is theirs", f.Name)
			case before[i].ID != "" && (f.ID != before[i].ID || f.Name != seen.byID[f.ID].Name):
				t.Errorf("%+v became %+v", before[i], f)
			}
			if _, there := seen.named(f.Name); there != (f.ID != "") {
				t.Errorf("%+v: there is one: %t", f, there)
			}
		}
		// By hand, with all of them to be seen: a bare name that is taken is left to them.
		seen.Fields = map[string]Shape{}
		for name, d := range seen.defined {
			seen.Fields[name] = d.Shape
		}
		inOrder(t, byHand, chooseByHand(byHand, prefix, seen))
		for i, f := range byHand {
			if _, there := seen.named(f.Name); there && f.ID == "" && !strings.HasPrefix(strings.ToUpper(f.Name), Prefixed) {
				t.Errorf("%s is theirs", f.Name)
			}
			if shape, visible := seen.Field(f.Name); f.Hand && visible && misfit(bridge.Fields[i], shape) != "" {
				t.Errorf("%+v is taken for %s", shape, bridge.Fields[i].Name)
			}
		}
	})
}

// inOrder checks that no two fields have one name, and that those without one are told.
func inOrder(t *rapid.T, fields []Field, without []string) {
	used := map[string]bool{}
	for i, f := range fields {
		name := strings.ToLower(f.Name)
		if used[name] {
			t.Errorf("%s is used twice", f.Name)
		}
		used[name] = f.Name != ""
		if (f.Name == "") != slices.Contains(without, bridge.Fields[i].Name) {
			t.Errorf("%s is called %q, and without a name are %v", bridge.Fields[i].Name, f.Name, without)
		}
	}
}

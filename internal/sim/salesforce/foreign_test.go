//go:build foreign

package salesforce

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// strangers are clients that others wrote for the real Salesforce. Each runs an errand in a program of .ci/foreign, which
// .ci/foreign/run installs.
var strangers = map[string]struct {
	command     []string // as it is called at the top of the repository
	environment []string
	secure      bool // it speaks to https://….salesforce.com, and to nobody else
}{
	"jsforce": {command: []string{"node", ".ci/foreign/jsforce/client.js"},
		environment: []string{"NODE_PATH=.tools/foreign/jsforce/node_modules"}},
	"simple-salesforce": {command: []string{".tools/foreign/simple-salesforce/bin/python", ".ci/foreign/simple-salesforce/client.py"}, secure: true},
	"go-salesforce":     {command: []string{"go", "run", "-C", ".ci/foreign/go-salesforce", "."}},
}

// TestStrangersBelieveTheOrg is about clients that know nothing of each other and of us: each does the same errand in its own way. Then the
// org has to hold what the client was told to write, and the client has to know what the org holds, byte for byte.
func TestStrangersBelieveTheOrg(t *testing.T) {
	for name, client := range strangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWatched(t)
			errand := s.errand()
			environment := append(os.Environ(), "https_proxy=", "HTTPS_PROXY=")
			if client.secure {
				errand.Origin = "https://" + myDomain
				environment = append(environment, s.secured()...)
			}
			before := s.holds()
			said := errand.run(t, client.command, append(environment, client.environment...))
			t.Attr("client", said.Client)

			a := audit{T: t, table: s.table("Contact"), errand: errand, said: said, before: before, after: s.holds(), told: ledger{}}
			a.users()
			a.fields()
			a.same("all contacts", said.Contacts, before, "Id", "LastName", "Email")
			a.names()
			a.collection()
			a.singles()
			if got := fmt.Sprint(s.statuses("PATCH", "/sobjects/Contact/"+keyField+"/")); got != "[201 200 200]" {
				t.Errorf("upserts of one record were answered with %s", got)
			}
			a.refusals()
			a.job()
			a.contents()
			if d := said.Deployed; d != nil && (d.Status != "Succeeded" || d.NumberComponentsDeployed != 2 || s.flow(s.token()).LatestVersionID == nil) {
				t.Errorf("a flow and a message are deployed as %+v", d)
			}
		})
	}
}

// audit holds what a client said against what its org has, and that against what it was told.
type audit struct {
	*testing.T
	table         *table
	errand        errand
	said          findings
	before, after []map[string]string // contacts
	told          ledger
}

// ledger is what the org was told, as it should hold it, by key and field.
type ledger map[string]map[string]string

// tell enters a record. In that of a job no text changes nothing, and #N/A is null.
func (a audit) tell(record map[string]any, ofJob bool) map[string]string {
	key := record[keyField].(string)
	if a.told[key] == nil {
		a.told[key] = map[string]string{}
	}
	for name, v := range record {
		if ofJob && v == "" {
			continue
		}
		if ofJob && v == nullCell {
			v = nil
		}
		a.told[key][name] = strings.TrimSpace(canonical(a.table.field(name), v))
	}
	return maps.Clone(a.told[key])
}

// id is that of the contact with a key.
func (a audit) id(key any) string {
	for _, held := range a.after {
		if held[keyField] == key {
			return held["Id"]
		}
	}
	return ""
}

// same wants that a client knows of contacts what the org holds.
func (a audit) same(what string, got []map[string]any, want []map[string]string, names ...string) {
	a.Helper()
	if len(got) != len(want) {
		a.Errorf("%s: it knows %d, and the org %d", what, len(got), len(want))
		return
	}
	for i := range want {
		for _, name := range names {
			if known := canonical(a.table.field(name), got[i][name]); known != want[i][name] {
				a.Errorf("%s: it knows %q as %s of number %d, which is %q", what, known, name, i, want[i][name])
			}
		}
	}
}

func (a audit) users() {
	for _, user := range a.said.Users {
		if user != administrator {
			a.Errorf("it takes itself for %q, not %q", user, administrator)
		}
	}
}

// fields wants the fourteen as they were made, and not the one that is hidden.
func (a audit) fields() {
	types := map[bridge.FieldType]kind{bridge.TextField: kindString, bridge.URLField: kindURL, bridge.NumberField: kindDouble,
		bridge.DateTimeField: kindDatetime}
	found := 0
	for _, got := range a.said.Fields {
		if got.Name == unseenField {
			a.Errorf("it sees %s", got.Name)
		}
		for _, want := range bridge.Fields {
			if got.Name != fieldName(want) {
				continue
			}
			found++
			number := want.Type == bridge.NumberField
			if kind(got.Type) != types[want.Type] || got.Length != want.Length || (got.Precision == bridge.Digits) != number || got.ExternalID != want.Key ||
				got.Unique != want.Key || got.CaseSensitive != want.Key || !got.Nillable || !got.Custom || !got.Updateable {
				a.Errorf("it sees %+v, which was made as %+v", got, want)
			}
		}
	}
	for name, want := range a.errand.Field {
		if got := a.said.Made[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			a.Errorf("the field that it made has %v as %s, not %v", got, name, want)
		}
	}
	if found != bridge.FieldCount {
		a.Errorf("it sees %d of the %d fields", found, bridge.FieldCount)
	}
}

// names wants the contacts whose last names need quoting.
func (a audit) names() {
	for i, name := range a.errand.Names {
		var want []string
		for _, held := range a.before {
			if fold(held["LastName"]) == fold(name) {
				want = append(want, held["Id"])
			}
		}
		if got := slices.Sorted(slices.Values(a.said.Named[i])); len(want) == 0 || !slices.Equal(got, want) {
			a.Errorf("contacts named %s: %v, want %v", name, got, want)
		}
	}
}

// collection wants every record created but for the bad one, and each result in the place of its record.
func (a audit) collection() {
	for i, got := range a.said.Collection {
		record := a.errand.Collection[i]
		if i == badInCall {
			if got.Success || got.Code != "STRING_TOO_LONG" {
				a.Errorf("record %d, whose code is too long: %+v", i, got)
			}
			continue
		}
		a.tell(record, false)
		if want := a.id(record[keyField]); !got.Success || got.Code != "" || got.ID != want || got.Created != nil && !*got.Created {
			a.Errorf("record %d: %+v, and the org has it as %q", i, got, want)
		}
	}
}

// singles wants back what each upsert of one record left.
func (a audit) singles() {
	for i, record := range a.errand.Singles {
		told := a.tell(record, false)
		a.same("what it read back", a.said.Read[i:i+1], []map[string]string{told}, slices.Collect(maps.Keys(told))...)
	}
}

func (a audit) refusals() {
	want := map[string]string{
		"a field is made again":     "DUPLICATE_DEVELOPER_NAME",
		"a hidden field is read":    "INVALID_FIELD",
		"a hidden field is written": "INVALID_FIELD",
		"no last name":              "REQUIRED_FIELD_MISSING",
		"a known address":           "DUPLICATES_DETECTED",
	}
	if !maps.Equal(a.said.Refused, want) {
		a.Errorf("it was refused with %v, want %v", a.said.Refused, want)
	}
	if at := slices.IndexFunc(a.after, func(held map[string]string) bool { return held["Id"] == a.said.Duplicate }); at < 0 ||
		a.after[at]["LastName"] != a.errand.Duplicate["LastName"] {
		a.Errorf("the duplicate that was to be saved all the same is not there: %q", a.said.Duplicate)
	}
}

// job wants to have loaded every line but the bad one, and what the org has then.
func (a audit) job() {
	loaded := map[any]map[string]any{}
	for _, got := range a.said.Loaded {
		loaded[got[keyField]] = got
	}
	for i, record := range a.errand.Rows {
		got := loaded[record[keyField]]
		if i == badInJob {
			failed := map[string]any{}
			if len(a.said.Failed) == 1 {
				failed = a.said.Failed[0]
			}
			if failed[keyField] != record[keyField] || !strings.HasPrefix(fmt.Sprint(failed["sf__Error"]), "STRING_TOO_LONG:") || got != nil {
				a.Errorf("line %d, whose code is too long: %v", i, a.said.Failed)
			}
			continue
		}
		a.tell(record, true)
		want := a.id(record[keyField])
		created := strconv.FormatBool(i >= inCall || i == badInCall)
		if got["sf__Id"] != want || got["sf__Created"] != created {
			a.Errorf("line %d: %v, and the org has it as %q, created: %s", i, got, want, created)
		}
	}
}

// contents wants the org to hold what it was told, and nothing else, and the client to know it.
func (a audit) contents() {
	var keyed []map[string]string
	for _, held := range a.after {
		key := held[keyField]
		if key == "" {
			continue
		}
		keyed = append(keyed, held)
		for name := range subscriber(0) {
			if held[name] != a.told[key][name] {
				a.Errorf("of %s the org holds %q as %s, and was told %q", key, held[name], name, a.told[key][name])
			}
		}
	}
	if len(keyed) != len(a.told) || len(a.after) != len(a.before)+len(a.told)+1 { // and the duplicate
		a.Errorf("the org had %d contacts, was told of %d, and has %d, %d of them with a key", len(a.before), len(a.told), len(a.after), len(keyed))
	}
	slices.SortFunc(a.said.Rows, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["Id"]), fmt.Sprint(b["Id"])) })
	a.same("the rows of a job", a.said.Rows, keyed, "Id", keyField, "LastName", "RH_CODE__c", "RH_POINTS__c", "RH_LAST_REF__c")
}

//go:build foreign

package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// errand is what a client is told to do.
type errand struct {
	Origin       string           `json:"origin"`
	ClientID     string           `json:"clientID"`
	ClientSecret string           `json:"clientSecret"`
	RefreshToken string           `json:"refreshToken"`
	Field        map[string]any   `json:"field"`      // to make, to read back, and to make again
	Key          string           `json:"key"`        // the field to upsert by
	Unseen       string           `json:"unseen"`     // a field that is there, but not for the client
	Everybody    string           `json:"everybody"`  // a statement for all contacts
	Names        []string         `json:"names"`      // last names to look for
	Collection   []map[string]any `json:"collection"` // to upsert, 200 at a time
	Singles      []map[string]any `json:"singles"`    // to upsert one by one, and to read back
	Duplicate    map[string]any   `json:"duplicate"`  // to create: it is refused, then saved all the same
	Rows         []map[string]any `json:"rows"`       // to upsert with a job
	Keyed        string           `json:"keyed"`      // a statement for a job
	Package      []byte           `json:"package"`    // to deploy, a zip
}

// findings are what a client says that came of its errand.
type findings struct {
	Client string // with its version
	Fields []struct {
		Name, Type                                                      string
		Length, Precision                                               int
		ExternalID, Unique, CaseSensitive, Nillable, Custom, Updateable bool
	}
	Users      []string // of its sessions, if it can ask
	Made       map[string]any
	Contacts   []map[string]any
	Named      [][]string // ids
	Collection []struct {
		ID, Code string
		Success  bool
		Created  *bool // nil if the client does not say
	}
	Read           []map[string]any
	Refused        map[string]string // codes
	Duplicate      string            // its id
	Loaded, Failed []map[string]any
	Rows           []map[string]any
	Deployed       *struct { // nil if the client has no method for it
		Status                   string
		NumberComponentsDeployed int
	}
}

const (
	keyField    = "RH_SUB_ID__c"
	unseenField = "RH_UNSEEN__c"
	inCall      = 450 // records of the collection
	badInCall   = 321 // the one whose code is too long
	inJob       = 1_000
	badInJob    = 700
	nullCell    = "#N/A"
)

// awkward are texts that are lost or changed on the way by whoever quotes, encodes or guesses types wrongly.
var awkward = []string{`O'Neil "Bo", Jr.`, `back\slash \' \n`, "tab\tand;semicolon", "日本語 – ünïcödé", "👩‍👩‍👧 👍🏽", "مرحبا بالعالم",
	"100% _sure_", "<b>&amp;</b>", "=1+1", "null", "true", "0042", "1e3", "{curly} ${dollar} @{at.id}", "  blanks around  "}

// subscriber is a contact with all fourteen fields. Keys differ by case alone.
func subscriber(i int) map[string]any {
	moment := time.Date(2026, 1, 1, 23, 59, 59, 0, time.UTC).Add(time.Duration(i) * 7 * time.Hour)
	moments := []any{moment.Format(time.RFC3339), moment.In(time.FixedZone("", 5_400)).Format(time.RFC3339), moment.Format(wireTime), nil}
	return map[string]any{
		keyField:           fmt.Sprint([]string{"sub", "Sub", "SUB"}[i%3], "_", i/3),
		"LastName":         awkward[i%len(awkward)],
		"FirstName":        []any{"Ann", "Zoë", nil}[i%3],
		"Email":            fmt.Sprintf("subscriber+%d@people.example", i),
		"RH_CODE__c":       awkward[(i+1)%len(awkward)],
		"RH_EX_FIELD__c":   strings.Repeat("é", 255),
		"RH_EX_FIELD_2__c": nil,
		"RH_LAST_REF__c":   moments[i%len(moments)],
		"RH_POINTS__c":     i,
		"RH_POSITION__c":   1_000_000_007 * i,
		"RH_TOT_REF__c":    []any{0, -1, nil}[i%3],
		"RH_REFERRER__c":   awkward[(i+2)%len(awkward)],
		"RH_SOURCE__c":     "None",
		"RH_REF_LINK__c":   fmt.Sprintf("https://share.example/?a=%d&b=%%20'é'#part", i),
		"RH_EM_LINK__c":    "mailto:?subject=" + strings.Repeat("%C3%A9", 39),
		"RH_FB_LINK__c":    "",
		"RH_TW_LINK__c":    nil,
	}
}

// line is a subscriber as a job brings it: all text, of which nothing changes nothing, and #N/A is null.
func line(i int) map[string]any {
	return map[string]any{keyField: subscriber(i)[keyField], "LastName": awkward[(i+3)%len(awkward)], "RH_CODE__c": awkward[(i+4)%len(awkward)],
		"RH_POINTS__c": strconv.Itoa(i * 10), "RH_LAST_REF__c": "2026-11-03T10:15:30.000Z", "RH_REFERRER__c": "",
		"RH_REF_LINK__c": []any{"", nullCell, "https://share.example/new"}[i%3]}
}

// errand is one that reads and writes what is easy to get wrong.
func (s *watched) errand() errand {
	e := errand{Origin: s.URL, ClientID: DefaultClientID, ClientSecret: DefaultClientSecret, RefreshToken: s.connect().RefreshToken,
		Field: map[string]any{"fullName": "Contact.Made__c", "label": "Größe & Form", "type": "Text", "length": 40},
		Key:   keyField, Unseen: unseenField, Everybody: "SELECT Id, LastName, Email FROM Contact ORDER BY Id",
		Keyed:     "SELECT Id, RH_SUB_ID__c, LastName, RH_CODE__c, RH_POINTS__c, RH_LAST_REF__c FROM Contact WHERE RH_SUB_ID__c != null",
		Package:   zipped(s.t, files(hook)),
		Duplicate: map[string]any{"LastName": "Twin", "Email": strings.ToUpper(knownAddress)},
		Singles: []map[string]any{
			{keyField: "one", "LastName": awkward[0], "RH_CODE__c": awkward[3], "RH_POINTS__c": 12_345_678, "RH_LAST_REF__c": "2026-11-03T10:15:30Z",
				"RH_REF_LINK__c": "https://share.example/7"},
			{keyField: "one", "LastName": awkward[1], "RH_CODE__c": awkward[5], "RH_POINTS__c": 0},
			{keyField: "one", "RH_CODE__c": nil, "RH_POINTS__c": nil, "RH_LAST_REF__c": nil, "RH_REF_LINK__c": ""},
		}}
	for _, p := range people {
		e.Names = append(e.Names, p.last)
	}
	for _, text := range awkward {
		e.Names = append(e.Names, strings.TrimSpace(text))
	}
	for i := range inCall {
		e.Collection = append(e.Collection, subscriber(i))
	}
	for i := range inJob {
		e.Rows = append(e.Rows, line(i))
	}
	e.Collection[badInCall]["RH_CODE__c"], e.Rows[badInJob]["RH_CODE__c"] = strings.Repeat("x", 65), strings.Repeat("x", 65)
	return e
}

// run sends a program on the errand.
func (e errand) run(t *testing.T, command, environment []string) findings {
	t.Helper()
	in, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, problems bytes.Buffer
	program := exec.CommandContext(ctx, command[0], command[1:]...)
	program.Dir, program.Env = "../../..", environment
	program.Stdin, program.Stdout, program.Stderr = bytes.NewReader(in), &out, &problems
	if err := program.Run(); err != nil {
		t.Fatalf("%v; .ci/foreign/run installs it\n%s", err, &problems)
	}
	decoder := json.NewDecoder(&out)
	decoder.UseNumber()
	var said findings
	if err := decoder.Decode(&said); err != nil {
		t.Fatal(err)
	}
	if len(said.Named) != len(e.Names) || len(said.Read) != len(e.Singles) || len(said.Collection) != len(e.Collection) {
		t.Fatalf("it looked for %d names, read back %d records, and wrote %d of the collection", len(said.Named), len(said.Read), len(said.Collection))
	}
	return said
}

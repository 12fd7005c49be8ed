// Command client runs an errand, which it reads from standard input, with go-salesforce, and writes what came of it to standard
// output: the same as the programs next to it. internal/sim/salesforce/foreign_test.go sends them, and knows what the answers have to be.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime/debug"
	"strings"

	"github.com/k-capehart/go-salesforce/v3"
)

type record = map[string]any

type errand struct {
	Origin, ClientID, ClientSecret string
	Key, Everybody, Keyed, Unseen  string
	Names                          []string
	Collection, Singles, Rows      []record
	Field, Duplicate               record
}

type report struct {
	Client     string            `json:"client"`
	Fields     []any             `json:"fields"`
	Made       record            `json:"made"`
	Contacts   []record          `json:"contacts"`
	Named      [][]string        `json:"named"`
	Collection []saved           `json:"collection"`
	Read       []record          `json:"read"`
	Refused    map[string]string `json:"refused"`
	Duplicate  string            `json:"duplicate"`
	Loaded     []record          `json:"loaded"`
	Failed     []record          `json:"failed"`
	Rows       []row             `json:"rows"`
}

type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Code    string `json:"code"`
}

// row is what the errand's query for a job selects.
type row struct {
	ID       string `csv:"Id" json:"Id"`
	Key      string `csv:"RH_SUB_ID__c" json:"RH_SUB_ID__c"`
	LastName string `csv:"LastName" json:"LastName"`
	Code     string `csv:"RH_CODE__c" json:"RH_CODE__c"`
	Points   string `csv:"RH_POINTS__c" json:"RH_POINTS__c"`
	Last     string `csv:"RH_LAST_REF__c" json:"RH_LAST_REF__c"`
}

// byName is a statement as go-salesforce writes it for a struct.
type byName struct {
	Select struct {
		ID string `soql:"selectColumn,fieldName=Id"`
	} `soql:"selectClause,tableName=Contact"`
	Where struct {
		LastName string `soql:"equalsOperator,fieldName=LastName"`
	} `soql:"whereClause"`
}

func main() {
	var in errand
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&in); err != nil {
		log.Fatal(err)
	}
	out, err := run(in)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

func run(in errand) (report, error) {
	out := report{Client: "go-salesforce " + version(), Refused: map[string]string{}}
	org, err := salesforce.Init(salesforce.Creds{Domain: in.Origin, ConsumerKey: in.ClientID, ConsumerSecret: in.ClientSecret})
	if err != nil {
		return out, err
	}
	// the same with a token that somebody else got, which it tries first
	if org, err = salesforce.Init(salesforce.Creds{Domain: in.Origin, AccessToken: org.GetAccessToken()}); err != nil {
		return out, err
	}
	var description struct{ Fields []any }
	if err := call(org, http.MethodGet, "/sobjects/Contact/describe", nil, &description); err != nil {
		return out, err
	}
	out.Fields = description.Fields

	if out.Made, err = makeField(org, in.Field); err != nil {
		return out, err
	}
	_, again := makeField(org, in.Field)

	if err := org.Query(in.Everybody, &out.Contacts); err != nil {
		return out, err
	}
	for _, name := range in.Names {
		statement := byName{}
		statement.Where.LastName = name
		var found []struct{ Id string }
		if err := org.QueryStruct(statement, &found); err != nil {
			return out, err
		}
		ids := []string{}
		for _, contact := range found {
			ids = append(ids, contact.Id)
		}
		out.Named = append(out.Named, ids)
	}

	results, err := org.UpsertCollection("Contact", in.Key, in.Collection, 200)
	if err != nil {
		return out, err
	}
	for _, r := range results.Results {
		one := saved{ID: r.Id, Success: r.Success}
		if len(r.Errors) > 0 {
			one.Code = r.Errors[0].StatusCode
		}
		out.Collection = append(out.Collection, one)
	}
	for _, single := range in.Singles {
		key := single[in.Key].(string) // which an upsert takes out of the record
		if _, err := org.UpsertOne("Contact", in.Key, single); err != nil {
			return out, err
		}
		var read record
		if err := call(org, http.MethodGet, "/sobjects/Contact/"+in.Key+"/"+key, nil, &read); err != nil {
			return out, err
		}
		out.Read = append(out.Read, read)
	}

	_, noName := org.InsertOne("Contact", record{"FirstName": "Nobody"})
	_, hidden := org.InsertOne("Contact", record{"LastName": "Nobody", in.Unseen: "x"})
	_, known := org.InsertOne("Contact", in.Duplicate)
	for what, err := range map[string]error{
		"a field is made again":     again,
		"a hidden field is read":    org.Query("SELECT "+in.Unseen+" FROM Contact", &[]record{}),
		"a hidden field is written": hidden,
		"no last name":              noName,
		"a known address":           known,
	} {
		out.Refused[what] = code(err)
	}
	var created struct{ ID string }
	allow := salesforce.WithHeader("Sforce-Duplicate-Rule-Header", "allowSave=true")
	if err := call(org, http.MethodPost, "/sobjects/Contact", in.Duplicate, &created, allow); err != nil {
		return out, err
	}
	out.Duplicate = created.ID

	jobs, err := org.UpsertBulk("Contact", in.Key, in.Rows, 10_000, true)
	if err != nil {
		return out, err
	}
	for _, job := range jobs {
		results, err := org.GetJobResults(job)
		if err != nil {
			return out, err
		}
		out.Loaded, out.Failed = append(out.Loaded, results.SuccessfulRecords...), append(out.Failed, results.FailedRecords...)
	}
	pages, err := org.QueryBulkIterator(in.Keyed)
	if err != nil {
		return out, err
	}
	for pages.Next() {
		var rows []row
		if err := pages.Decode(&rows); err != nil {
			return out, err
		}
		out.Rows = append(out.Rows, rows...)
	}
	return out, pages.Error()
}

// makeField makes a field by the Tooling API, and reads it.
func makeField(org *salesforce.Salesforce, field record) (record, error) {
	const path = "/tooling/sobjects/CustomField"
	var created struct{ ID string }
	if err := call(org, http.MethodPost, path, record{"FullName": field["fullName"], "Metadata": field}, &created); err != nil {
		return nil, err
	}
	var made struct {
		FullName string
		Metadata record
	}
	if err := call(org, http.MethodGet, path+"/"+created.ID, nil, &made); err != nil {
		return nil, err
	}
	made.Metadata["fullName"] = made.FullName
	return made.Metadata, nil
}

// call makes a call that go-salesforce has no method for.
func call(org *salesforce.Salesforce, method, path string, body record, to any, options ...salesforce.RequestOption) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	response, err := org.DoRequest(method, path, text, options...)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(to)
}

// code is that of the error that a call ends with: its text is the body of the answer.
func code(err error) string {
	if err == nil {
		return ""
	}
	var list []struct{ ErrorCode string }
	if broken := json.Unmarshal([]byte(err.Error()), &list); broken != nil || len(list) == 0 {
		return fmt.Sprint(errors.Join(err, broken))
	}
	return list[0].ErrorCode
}

// version is that of go-salesforce in this program.
func version() string {
	info, _ := debug.ReadBuildInfo() // a program that was built from modules has it
	for _, dependency := range info.Deps {
		if strings.HasPrefix(dependency.Path, "github.com/k-capehart/go-salesforce") {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return ""
}

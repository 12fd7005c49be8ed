package salesforce

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// jobState is what a test reads of a job.
type jobState struct {
	ID               string
	State            string
	ContentURL       string `json:"contentUrl"`
	ErrorMessage     string
	RecordsProcessed int `json:"numberRecordsProcessed"`
	RecordsFailed    int `json:"numberRecordsFailed"`
}

const ingest = v66 + "/jobs/ingest"

// upload makes an ingest job of a CSV file and hands it over.
func (s *site) upload(token, job, file string) jobState {
	s.t.Helper()
	a := s.api(token, "POST", ingest, job)
	if a.status != http.StatusOK {
		s.t.Fatal(a.body)
	}
	j := decode[jobState](s.t, a.body)
	if want := "services/data/v66.0/jobs/ingest/" + j.ID + "/batches"; j.ContentURL != want || j.State != "Open" {
		s.t.Errorf("a new job: %+v, want contentUrl %s", j, want)
	}
	r := s.request("PUT", "/"+j.ContentURL, strings.NewReader(file))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "text/csv")
	if a := s.do(r); a.status != http.StatusCreated {
		s.t.Fatal(a.body)
	}
	return decode[jobState](s.t, s.api(token, "PATCH", ingest+"/"+j.ID, `{"state":"UploadComplete"}`).body)
}

func TestBulkIngest(t *testing.T) {
	t.Parallel()
	const upsert = `{"object":"Contact","operation":"upsert","externalIdFieldName":"RH_SUB_ID__c","lineEnding":"LF"}`
	for name, tc := range map[string]struct {
		job, file string
		state     string
		succeeded string // results without ids
		failed    string
		after     string // the known contact's points, code and first name, or why the whole job failed
	}{
		"new and known ones": {upsert, "RH_SUB_ID__c,LastName,RH_POINTS__c\nknown,,41\nnew,New,1\n", "JobComplete",
			"\"false\",\"known\",\"\",\"41\"\n\"true\",\"new\",\"New\",\"1\"\n", "", "41.0 code Ann"},
		"an empty cell changes nothing, the mark clears": {upsert, "RH_SUB_ID__c,RH_POINTS__c,RH_CODE__c\nknown,#N/A,\n", "JobComplete",
			"\"false\",\"known\",\"#N/A\",\"\"\n", "", "null code Ann"},
		"some are refused": {upsert, "RH_SUB_ID__c,LastName\nknown,#N/A\nnew,New\n", "JobComplete",
			"\"true\",\"new\",\"New\"\n", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --\",\"known\",\"#N/A\"\n", "40.0 code Ann"},
		"quotes, commas and lines within a cell": {upsert, "RH_SUB_ID__c,RH_CODE__c\nknown,\"a \"\"b\"\", \nc\"\n", "JobComplete",
			"\"false\",\"known\",\"a \"\"b\"\", \nc\"\n", "", "40.0 a \\\"b\\\", \\nc Ann"},
		"a key twice":     {upsert, "RH_SUB_ID__c,RH_POINTS__c\nknown,1\nknown,2\n", "JobComplete", "", "DUPLICATE_VALUE:Duplicate external id specified: known:RH_SUB_ID__c --", "40.0 code Ann"},
		"an unknown name": {upsert, "RH_SUB_ID__c,RH_NO__c\nknown,1\n", "Failed", "", "", "InvalidBatch : Field name not found : RH_NO__c"},
		"other line ends": {upsert, "RH_SUB_ID__c,RH_POINTS__c\r\nknown,1\r\n", "Failed", "", "", "LineEnding is invalid"},
		"a torn file":     {upsert, "RH_SUB_ID__c,RH_POINTS__c\nknown,1,2\n", "Failed", "", "", "InvalidBatch"},
		"by id":           {`{"object":"Contact","operation":"update"}`, "Id,RH_POINTS__c\n0035g00000000Aa,7\n0035g0000000zzz,7\n", "JobComplete", "\"false\",\"0035g00000000Aa\",\"7\"\n", "INVALID_CROSS_REFERENCE_KEY", "7.0 code Ann"},
		"insert":          {`{"object":"Contact","operation":"insert"}`, "LastName,Email\nNew,new@example.com\nLee,ann@example.com\n", "JobComplete", "\"true\",\"New\",\"new@example.com\"\n", "DUPLICATES_DETECTED", "40.0 code Ann"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := five(t)
			token := s.token()
			s.withFields(token)
			s.api(token, "PATCH", v66+"/sobjects/Contact/"+ann, `{"RH_SUB_ID__c":"known","RH_POINTS__c":40,"RH_CODE__c":"code"}`)
			j := s.upload(token, tc.job, tc.file)
			j = decode[jobState](t, s.api(token, "GET", ingest+"/"+j.ID, "").body)
			if j.State != tc.state {
				t.Fatalf("%+v, want %s", j, tc.state)
			}
			if j.State == "Failed" {
				if !strings.Contains(j.ErrorMessage, tc.after) {
					t.Errorf("%q, want %q", j.ErrorMessage, tc.after)
				}
				return
			}
			succeeded := s.api(token, "GET", ingest+"/"+j.ID+"/successfulResults/", "").body
			var plain string // the file without header and ids
			for _, line := range strings.SplitAfter(succeeded, "\n\"003")[1:] {
				_, rest, _ := strings.Cut(line, `",`)
				plain += strings.TrimSuffix(rest, "\"003")
			}
			if !strings.HasPrefix(succeeded, `"sf__Id","sf__Created",`) || plain != tc.succeeded {
				t.Errorf("succeeded:\n%s\nwithout ids:\n%q, want\n%q", succeeded, plain, tc.succeeded)
			}
			failed := s.api(token, "GET", ingest+"/"+j.ID+"/failedResults/", "").body
			if !strings.HasPrefix(failed, `"sf__Id","sf__Error",`) || !strings.Contains(failed, tc.failed) || (tc.failed == "") != (strings.Count(failed, "\n") == 1) {
				t.Errorf("failed:\n%s, want %s", failed, tc.failed)
			}
			read := s.query(token, "SELECT RH_POINTS__c, RH_CODE__c, FirstName FROM Contact WHERE Id = '"+ann+"'").body
			points, rest, _ := strings.Cut(tc.after, " ")
			code, first, _ := cutLast(rest, " ")
			if want := fmt.Sprintf(`"RH_POINTS__c":%s,"RH_CODE__c":"%s","FirstName":"%s"`, points, code, first); !strings.Contains(read, want) {
				t.Errorf("afterwards %s, want %s", read, want)
			}
		})
	}
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}

func TestBulkJobTakesItsTimeByTheClock(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.turn(func(w *Switches) { w.BulkDelay = Duration(time.Minute) })
	state := func(id string) string {
		return decode[jobState](t, s.api(token, "GET", ingest+"/"+id, "").body).State
	}
	j := s.upload(token, `{"object":"Contact","operation":"insert"}`, "LastName\nNew\n")
	aborted := s.upload(token, `{"object":"Contact","operation":"insert"}`, "LastName\nNever\n")
	var got []string
	for range 3 {
		got = append(got, state(j.ID))
		s.clock.forward(30 * time.Second)
		if len(got) == 1 {
			s.api(token, "PATCH", ingest+"/"+aborted.ID, `{"state":"Aborted"}`)
		}
	}
	if want := "UploadComplete InProgress JobComplete"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, name := range []string{"unprocessedrecords/", "unprocessedRecords"} {
		if left := s.api(token, "GET", ingest+"/"+aborted.ID+"/"+name, "").body; state(aborted.ID) != "Aborted" || left != "\"LastName\"\n\"Never\"\n" {
			t.Errorf("the other one is %s and left %q as %s", state(aborted.ID), left, name)
		}
	}
	if a := s.api(token, "PATCH", ingest+"/"+j.ID, `{"state":"Aborted"}`); codeOf(a) != "INVALIDJOBSTATE" {
		t.Errorf("aborted when it was over: %s", a.body)
	}
	if a := s.api(token, "DELETE", ingest+"/"+j.ID, ""); a.status != http.StatusNoContent {
		t.Errorf("delete: %s", a.body)
	}
	s.clock.forward(jobLife)
	token = s.token()
	if a := s.api(token, "GET", ingest+"/"+aborted.ID, ""); a.status != http.StatusNotFound {
		t.Errorf("after a week: %d %s", a.status, a.body)
	}
}

func TestBulkQuery(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	start := func(statement string) jobState {
		t.Helper()
		a := s.api(token, "POST", v66+"/jobs/query", `{"operation":"query","query":"`+statement+`"}`)
		if a.status != http.StatusOK {
			t.Fatal(a.body)
		}
		return decode[jobState](t, a.body)
	}
	j := start("SELECT LastName, Account.Name, HasOptedOutOfEmail, EmailBouncedDate, CreatedDate FROM Contact WHERE Email != null")
	results := "/jobs/query/" + j.ID + "/results?maxRecords=2"
	var pages []string
	locator := ""
	for range 5 {
		a := s.api(token, "GET", v66+results+locator, "")
		if a.status != http.StatusOK {
			t.Fatal(a.body)
		}
		pages = append(pages, a.header.Get("Sforce-NumberOfRecords"))
		if len(pages) == 1 && !strings.HasPrefix(a.body, "\"LastName\",\"Account.Name\",\"HasOptedOutOfEmail\",\"EmailBouncedDate\",\"CreatedDate\"\n") {
			t.Errorf("the first page: %s", a.body)
		}
		if next := a.header.Get("Sforce-Locator"); next != "null" {
			locator = "&locator=" + url.QueryEscape(next)
			continue
		}
		if !strings.HasSuffix(a.body, "\"O'Neil\",\"\",\"false\",\"\",\"2026-03-01T10:00:00.000Z\"\n") {
			t.Errorf("the last page: %s", a.body)
		}
		break
	}
	if got := strings.Join(pages, " "); got != "2 2" {
		t.Errorf("pages of %s", got)
	}
	a := s.api(token, "GET", v66+"/jobs/query/"+j.ID+"/resultPages?maxRecords=3", "")
	listed := decode[struct {
		ResultPages []struct{ ResultURL string }
		Done        bool
	}](t, a.body)
	if len(listed.ResultPages) != 2 || !listed.Done {
		t.Fatalf("the pages: %s", a.body)
	}
	if a := s.api(token, "GET", listed.ResultPages[1].ResultURL, ""); a.header.Get("Sforce-NumberOfRecords") != "1" || !strings.Contains(a.body, "O'Neil") {
		t.Errorf("the second of two pages: %s", a.body)
	}
	if a := s.api(token, "GET", "/services/data/v65.0"+results, ""); a.status != http.StatusConflict {
		t.Errorf("by another version: %d %s", a.status, a.body)
	}
	if a := s.api(token, "GET", v66+results+"&locator=MTAwMDA", ""); codeOf(a) != "INVALID_QUERY_LOCATOR" {
		t.Errorf("an invented locator: %s", a.body)
	}
	s.turn(func(w *Switches) { w.BulkDelay = Duration(time.Minute) })
	if a := s.api(token, "GET", v66+"/jobs/query/"+start("SELECT Id FROM Contact").ID+"/results", ""); a.status != http.StatusBadRequest {
		t.Errorf("before it is complete: %d %s", a.status, a.body)
	}
	if a := s.api(token, "POST", v66+"/jobs/query", `{"operation":"query","query":"SELECT Nothing FROM Contact"}`); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("a bad statement: %s", a.body)
	}
}

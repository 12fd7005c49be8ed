package provision_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

var plainClient = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}}

// rows asks the org as its administrator, over a wire of its own.
func (w *world) rows(path, statement string) []map[string]any {
	w.t.Helper()
	token, err := w.org.Token(administrator)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest("GET", w.url+"/services/data/v66.0/"+path+"?q="+url.QueryEscape(statement), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := plainClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	var answer struct{ Records []map[string]any }
	if err != nil || json.Unmarshal(body, &answer) != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", statement, body)
	}
	return answer.Records
}

func (w *world) ask(statement string) []bridge.SalesforceID {
	w.t.Helper()
	var ids []bridge.SalesforceID
	for _, r := range w.rows("query", statement) {
		ids = append(ids, bridge.SalesforceID(r["Id"].(string)))
	}
	return ids
}

// customFields are the org's custom fields, with what marks them.
func (w *world) customFields() []string {
	w.t.Helper()
	var list []string
	for _, r := range w.rows("tooling/query", "SELECT TableEnumOrId, DeveloperName, Length, Precision, Description FROM CustomField") {
		text := r["TableEnumOrId"].(string) + "." + r["DeveloperName"].(string)
		if description, _ := r["Description"].(string); strings.Contains(description, "Managed by Referral Bridge") {
			text += " ours"
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// sets are the org's permission sets with what they allow, and to whom.
func (w *world) sets() []string {
	w.t.Helper()
	var list []string
	for _, r := range w.rows("query", "SELECT Id, Name FROM PermissionSet") {
		id, name := r["Id"].(string), r["Name"].(string)
		list = append(list, name)
		for _, f := range w.rows("query", "SELECT Field, PermissionsEdit FROM FieldPermissions WHERE ParentId = '"+id+"'") {
			text := name + " " + f["Field"].(string)
			if f["PermissionsEdit"] == true {
				text += " edit"
			}
			list = append(list, text)
		}
		for _, o := range w.rows("query", "SELECT SobjectType, PermissionsEdit FROM ObjectPermissions WHERE ParentId = '"+id+"'") {
			text := name + " " + o["SobjectType"].(string)
			if o["PermissionsEdit"] == true {
				text += " edit"
			}
			list = append(list, text)
		}
		for _, a := range w.rows("query", "SELECT Assignee.Username FROM PermissionSetAssignment WHERE PermissionSetId = '"+id+"'") {
			list = append(list, name+" for "+a["Assignee"].(map[string]any)["Username"].(string))
		}
	}
	slices.Sort(list)
	return list
}

// has reports who of some people has a permission set.
func (w *world) has(set string) string {
	w.t.Helper()
	var list []string
	for _, line := range w.sets() {
		if who, is := strings.CutPrefix(line, set+" for "); is {
			list = append(list, strings.TrimSuffix(who, "@acme.example"))
		}
	}
	return strings.Join(list, " ")
}

// setup posts a form of the org's own pages, as its administrator does by hand.
func (w *world) setup(path string, pairs ...string) {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(w.url+path, form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		body, _ := io.ReadAll(response.Body)
		_, problem, _ := strings.Cut(string(body), `role="alert">`)
		problem, _, _ = strings.Cut(problem, "<")
		w.t.Fatalf("%s: %d %s", path, response.StatusCode, problem)
	}
}

// post makes a record in the org, as its administrator.
func (w *world) post(path, body string) {
	w.t.Helper()
	token, err := w.org.Token(administrator)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := plainClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(response.Body)
		w.t.Fatalf("%s: %s", path, text)
	}
}

// delete deletes a record that a condition selects, and patch changes it.
func (w *world) delete(object, where string) { w.change(object, where, "DELETE", "") }

func (w *world) patch(object, where, body string) { w.change(object, where, "PATCH", body) }

func (w *world) change(object, where, method, body string) {
	w.t.Helper()
	token, err := w.org.Token(administrator)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range w.ask("SELECT Id FROM " + object + " WHERE " + where) {
		r, err := http.NewRequest(method, w.url+"/services/data/v66.0/sobjects/"+object+"/"+string(id), strings.NewReader(body))
		if err != nil {
			w.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		response, err := plainClient.Do(r)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNoContent {
			w.t.Fatalf("%s %s: %d", method, object, response.StatusCode)
		}
	}
}

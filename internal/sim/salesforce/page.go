package salesforce

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"json": func(v any) (string, error) { b, err := json.MarshalIndent(v, "", "  "); return string(b), err },
}).Parse(pageSource + automationSource))

const rowsOnPage = 50

// recordPaths is where the objects that have pages have them.
var recordPaths = map[string]string{"Contact": "/contacts/", "Lead": "/leads/", "Account": "/accounts/", "Opportunity": "/opportunities/"}

func (o *Org) pageRoutes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection() // no other site's page may edit the org from a person's browser
	handle := func(pattern string, f http.HandlerFunc) { mux.Handle(pattern, guard.Handler(f)) }
	handle("GET /{$}", o.homePage)
	handle("GET /contacts", func(w http.ResponseWriter, r *http.Request) { o.listPage(w, r, "Contact") })
	handle("GET /contacts/{id}", func(w http.ResponseWriter, r *http.Request) { o.recordPage(w, r, "Contact") })
	handle("POST /contacts/{id}", func(w http.ResponseWriter, r *http.Request) { o.editRecord(w, r, "Contact") })
	handle("POST /contacts/{id}/merge", func(w http.ResponseWriter, r *http.Request) {
		o.edited(w, r, "Contact", o.Merge(r.PathValue("id"), strings.TrimSpace(r.PostFormValue("loser"))))
	})
	handle("GET /leads", func(w http.ResponseWriter, r *http.Request) { o.listPage(w, r, "Lead") })
	handle("GET /leads/{id}", func(w http.ResponseWriter, r *http.Request) { o.recordPage(w, r, "Lead") })
	handle("POST /leads/{id}", func(w http.ResponseWriter, r *http.Request) { o.editRecord(w, r, "Lead") })
	handle("POST /leads/{id}/convert", func(w http.ResponseWriter, r *http.Request) {
		_, err := o.Convert(r.PathValue("id"))
		o.edited(w, r, "Lead", err)
	})
	handle("GET /accounts", func(w http.ResponseWriter, r *http.Request) { o.listPage(w, r, "Account") })
	handle("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) { o.recordPage(w, r, "Account") })
	handle("POST /accounts/{id}", func(w http.ResponseWriter, r *http.Request) { o.editRecord(w, r, "Account") })
	handle("POST /accounts/{id}/merge", func(w http.ResponseWriter, r *http.Request) {
		o.edited(w, r, "Account", o.Merge(r.PathValue("id"), strings.TrimSpace(r.PostFormValue("loser"))))
	})
	handle("GET /lightning/r/{object}/{id}/view", func(w http.ResponseWriter, r *http.Request) {
		// Where the real org shows a record, so that links of others work here.
		list := map[string]string{"Contact": "contacts", "Lead": "leads", "Account": "accounts", "Opportunity": "opportunities"}[r.PathValue("object")]
		if list == "" {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, "/"+list+"/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
	})
	handle("GET /opportunities", func(w http.ResponseWriter, r *http.Request) { o.listPage(w, r, "Opportunity") })
	handle("GET /opportunities/{id}", func(w http.ResponseWriter, r *http.Request) { o.recordPage(w, r, "Opportunity") })
	handle("POST /opportunities/{id}", func(w http.ResponseWriter, r *http.Request) { o.editRecord(w, r, "Opportunity") })
	handle("POST /opportunities/{id}/roles", o.addRole)
	o.automationPages(handle)
	handle("GET /faults", o.faultsPage)
	handle("GET /lightning/setup/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/faults#setup", http.StatusSeeOther)
	})
	handle("POST /faults", o.setFaults)
	handle("GET /setup", func(w http.ResponseWriter, _ *http.Request) { o.showSetup(w, "") })
	handle("POST /setup/fields", o.addField)
	handle("POST /setup/fields/{field}/delete", o.dropField)
	handle("POST /setup/fields/{field}", o.changeField)
	handle("POST /setup/fields/{field}/visibility", o.revealField)
	handle("POST /setup/sets/{set}", o.changeAssignment)
}

// show writes a page. Content is made before anything is sent, so that a fault is no half page.
func (o *Org) show(w http.ResponseWriter, status int, name, title string, content any) {
	var page bytes.Buffer
	err := pages.ExecuteTemplate(&page, name, map[string]any{"Title": title, "Org": o.options.Name, "OrgID": o.orgID, "Content": content})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "same-origin") // the consent page's address has the state in it
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the client may have gone
}

func (o *Org) homePage(w http.ResponseWriter, _ *http.Request) {
	s := o.state()
	o.show(w, http.StatusOK, "home", o.options.Name, map[string]any{"State": s, "Objects": slices.Sorted(maps.Keys(s.Records))})
}

// consentPage asks a person whether the app may have what it asks for.
func (o *Org) consentPage(w http.ResponseWriter, in authorization, problem string) {
	var means []string
	for _, s := range scopes {
		if slices.Contains(strings.Fields(in.scope), s.name) {
			means = append(means, s.means+" ("+s.name+")")
		}
	}
	o.show(w, http.StatusOK, "consent", "Allow access?", map[string]any{"Scopes": means, "Users": o.state().Users, "Back": in.redirectURI, "Problem": problem})
}

// loginProblem shows what is wrong with an app. The app never learns of it.
func (o *Org) loginProblem(w http.ResponseWriter, code, description string) {
	o.show(w, http.StatusBadRequest, "problem", "We can't authorize you", map[string]string{"Code": code, "Description": description})
}

// notInstalled shows the page on which the consent ends if the app is not installed or is blocked.
func (o *Org) notInstalled(w http.ResponseWriter, _ *http.Request) {
	o.show(w, http.StatusOK, "problem", "We can't authorize you because of an OAuth error", map[string]string{
		"Code": "OAUTH_APPROVAL_ERROR_GENERIC", "Description": "invalid_client: app must be installed into org"})
}

// listed is a row of a list page.
type listed struct {
	ID      id
	Name    string
	Details []string
}

func (o *Org) listPage(w http.ResponseWriter, r *http.Request, object string) {
	wanted := fold(strings.TrimSpace(r.URL.Query().Get("q")))
	o.mu.RLock()
	t := o.table(object)
	at := 0
	if after, err := parseID(r.URL.Query().Get("after")); err == nil {
		at = t.from(after.next().short())
	}
	names := map[string][]string{"Contact": {"Email", "Title"}, "Lead": {"Email", "Company"}, "Account": {"Type", "Industry"}, "Opportunity": {"StageName", "Amount", "CloseDate"}}[object]
	if object == "Account" && o.switches.PersonAccounts {
		names = []string{"PersonEmail", "IsPersonAccount", "Type"}
	}
	var list []listed
	more := false
	for ; at < len(t.rows); at++ {
		r := t.rows[at]
		name := t.field("Name").value(r)
		if t.isDeleted(r) || wanted != "" && !strings.Contains(fold(name+"\n"+t.field(names[0]).value(r)+"\n"+string(r.id())), wanted) {
			continue
		}
		if more = len(list) == rowsOnPage; more {
			break
		}
		item := listed{ID: r.id(), Name: name}
		for _, n := range names {
			item.Details = append(item.Details, t.field(n).value(r))
		}
		list = append(list, item)
	}
	total, title := t.live, t.plural
	o.mu.RUnlock()
	content := map[string]any{"Rows": list, "Total": total, "Query": r.URL.Query().Get("q"), "Path": strings.TrimSuffix(recordPaths[object], "/"), "Headings": names}
	if more {
		content["After"] = list[len(list)-1].ID
	}
	o.show(w, http.StatusOK, "list", title, content)
}

// shown is a field on a record's page.
type shown struct {
	Name, Label, Value, Input string // Input is how the value is edited; empty if it is not
	Length                    int
	Options                   []string
	Link                      string
}

func (o *Org) recordPage(w http.ResponseWriter, r *http.Request, object string) {
	o.showRecord(w, r, object, "")
}

func (o *Org) showRecord(w http.ResponseWriter, r *http.Request, object, problem string) {
	o.mu.RLock()
	t := o.table(object)
	of, err := parseID(r.PathValue("id"))
	at := t.find(of)
	if err != nil || at < 0 {
		o.mu.RUnlock()
		http.NotFound(w, r)
		return
	}
	rec := t.rows[at]
	content := map[string]any{"Name": t.field("Name").value(rec), "Path": recordPaths[object] + string(of), "Problem": problem, "Deleted": t.isDeleted(rec)}
	var fields []shown
	for _, f := range t.everyField() {
		if o.rights(o.visitor(), t.object, f).read {
			fields = append(fields, o.showField(t, f, rec))
		}
	}
	content["Fields"] = fields
	person := o.isPerson(t, rec)
	content["Merge"] = object == "Contact" && !person || object == "Account" && person
	content["Person"] = object == "Contact" && person
	content["Lead"] = object == "Lead" && t.converted(at) == nil
	if object == "Opportunity" {
		content["Opportunity"], content["Roles"], content["History"] = true, o.shownRoles(of), o.history(of)
	}
	o.mu.RUnlock()
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	o.show(w, status, "record", t.label, content)
}

func (o *Org) showField(t *table, f *field, r row) shown {
	s := shown{Name: f.name, Label: f.label, Value: f.value(r), Length: f.length}
	switch {
	case f.kind == kindDatetime:
		s.Value = wireDatetime(s.Value)
	case f.kind == kindBoolean && s.Value == "":
		s.Value = "false"
	}
	if parent := o.table(f.to); f.to != "" && parent != nil {
		if of, ok := parent.parent(f.value(r)); ok {
			s.Label += ": " + parent.field("Name").value(of)
			if path := recordPaths[f.to]; path != "" {
				s.Link = path + f.value(r)
			}
		}
	}
	person := o.isPerson(t, r)
	switch {
	case f.readOnly, f.createOnly, t.isDeleted(r), t.name == "Contact" && person:
		return s
	case f.mirrors != nil && !person, f.mirrors == nil && f.derive != nil, t.name == "Account" && person && f.name == "Name":
		return s // of the other kind of account
	}
	switch {
	case f.kind == kindBoolean:
		s.Input = "checkbox"
	case f.kind == kindPicklist:
		s.Input = "select"
		for _, one := range o.choices(f) {
			if one.active || one.value == s.Value {
				s.Options = append(s.Options, one.value)
			}
		}
	case f.kind == kindDate:
		s.Input = "date"
	default:
		s.Input = "text"
	}
	return s
}

func (o *Org) history(opportunity id) []listed {
	t := o.table("OpportunityHistory")
	var list []listed
	for _, at := range o.children(t.name, "OpportunityId", string(opportunity)) {
		r := t.rows[at]
		list = append(list, listed{Name: wireDatetime(t.field("CreatedDate").value(r)),
			Details: []string{t.field("StageName").value(r), t.field("Amount").value(r), t.field("CloseDate").value(r)}})
	}
	return list
}

// editRecord makes the changes of a record's form, as the administrator, by the same way as the API.
func (o *Org) editRecord(w http.ResponseWriter, r *http.Request, object string) {
	of, err := parseID(r.PathValue("id"))
	if err == nil {
		err = r.ParseForm()
	}
	if err != nil {
		http.NotFound(w, r)
		return
	}
	o.mu.Lock()
	t := o.table(object)
	at := t.find(of)
	if at < 0 {
		o.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	changes := map[string]any{}
	for _, f := range t.everyField() {
		s := o.showField(t, f, t.rows[at])
		if value := strings.TrimSpace(r.PostForm.Get(f.name)); s.Input == "checkbox" {
			if on := value != ""; on != (s.Value == "true") {
				changes[f.name] = on
			}
		} else if s.Input != "" && r.PostForm.Has(f.name) && value != s.Value {
			changes[f.name] = formValue(f, value)
		}
	}
	err = nil
	if len(changes) > 0 {
		err = o.update(o.visitor(), t, at, changes)
	}
	o.mu.Unlock()
	o.edited(w, r, object, err)
}

// formValue is what a form's text is in JSON.
func formValue(f *field, text string) any {
	switch {
	case text == "":
		return nil
	case f.kind.number():
		return json.Number(text)
	}
	return text
}

// edited answers a form: back to the page, or the page again with the problem.
func (o *Org) edited(w http.ResponseWriter, r *http.Request, object string, err error) {
	if err != nil {
		o.showRecord(w, r, object, err.Error())
		return
	}
	http.Redirect(w, r, recordPaths[object]+r.PathValue("id"), http.StatusSeeOther)
}

// addRole gives an opportunity one more contact.
func (o *Org) addRole(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	_, err := o.create(o.visitor(), o.table("OpportunityContactRole"), map[string]any{"OpportunityId": r.PathValue("id"),
		"ContactId": r.PostFormValue("contact"), "Role": r.PostFormValue("role"), "IsPrimary": r.PostFormValue("primary") != ""})
	o.mu.Unlock()
	o.edited(w, r, "Opportunity", err)
}

// presets are the faults that the page offers, in its order.
var presets = []struct {
	Name, Label string
	Rule        Rule
}{
	{"token-503", "Token endpoint: one answer of 503", Rule{Kind: KindToken, Times: 1, Fault: Fault{Status: 503, Code: "server_error", Message: "temporarily unavailable"}}},
	{"token-html", "Token endpoint: one page of HTML", Rule{Kind: KindToken, Times: 1, Fault: Fault{Status: 503, HTML: true}}},
	{"token-drop", "Token endpoint: do it, then cut the connection, once", Rule{Kind: KindToken, Times: 1, Fault: Fault{Drop: true}}},
	{"token-slow", "Token endpoint: 20 seconds for the next answer", Rule{Kind: KindToken, Times: 1, Fault: Fault{Delay: Duration(20 * time.Second)}}},
	{"token-ip", "Token endpoint: our address is not allowed", Rule{Kind: KindToken, Fault: Fault{Status: 400, Code: "invalid_grant", Message: "ip restricted or invalid login hours"}}},
	{"api-503", "API: three answers of 503", Rule{Kind: KindAPI, Times: 3, Fault: Fault{Status: 503, Code: "SERVER_UNAVAILABLE", Message: "The requested resource is unavailable"}}},
	{"api-html", "API: one page of HTML", Rule{Kind: KindAPI, Times: 1, Fault: Fault{Status: 503, HTML: true}}},
	{"api-slow", "API: 5 seconds for each of the next 10 answers", Rule{Kind: KindAPI, Times: 10, Fault: Fault{Delay: Duration(5 * time.Second)}}},
	{"record-lock", "Contacts: three writes find the record locked", Rule{Kind: KindRecord, Object: "Contact", Times: 3, Fault: Fault{Code: "UNABLE_TO_LOCK_ROW"}}},
	{"record-rule", "Contacts: a validation rule refuses last names with “test”", Rule{Kind: KindRecord, Object: "Contact", Field: "LastName", Contains: "test",
		Fault: Fault{Message: "Please enter a real name"}}},
	{"metadata-503", "Metadata API: one answer of 503", Rule{Kind: KindMetadata, Times: 1, Fault: Fault{Status: 503, Code: "SERVER_UNAVAILABLE", Message: "Server unavailable"}}},
	{"api-quota", "API: the day's calls are used up", Rule{Kind: KindAPI, Fault: Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}}},
	{"api-disabled", "API: not enabled for the org", Rule{Kind: KindAPI, Fault: Fault{Status: 403, Code: "API_DISABLED_FOR_ORG", Message: "The REST API is not enabled for this Organization."}}},
}

func (o *Org) faultsPage(w http.ResponseWriter, _ *http.Request) {
	o.show(w, http.StatusOK, "faults", "Switches and faults", map[string]any{"State": o.state(), "Presets": presets})
}

// setFaults does what the pressed button says.
func (o *Org) setFaults(w http.ResponseWriter, r *http.Request) {
	switch does := r.PostFormValue("do"); does {
	case "expire-tokens":
		o.ExpireTokens()
	case "revoke-grants":
		o.RevokeGrants()
	case "reset-counts":
		o.ResetCounts()
	case "clear":
		o.SetRules()
	case "switches":
		s := o.Switches()
		s.Rotation = r.PostFormValue("rotation") != ""
		s.AppInstalled = r.PostFormValue("appInstalled") != ""
		s.ForgedSignature = r.PostFormValue("forgedSignature") != ""
		s.OtherOrganization = r.PostFormValue("otherOrganization") != ""
		s.Setup.setUp(r)
		s.InstanceURL = strings.TrimSpace(r.PostFormValue("instanceURL"))
		daily, err := strconv.Atoi(r.PostFormValue("dailyRequests"))
		if err != nil || daily < 0 || s.Latency.UnmarshalText([]byte(r.PostFormValue("latency"))) != nil ||
			s.BulkDelay.UnmarshalText([]byte(orElse(r.PostFormValue("bulkDelay"), "0s"))) != nil ||
			s.AccessDelay.UnmarshalText([]byte(orElse(r.PostFormValue("accessDelay"), "0s"))) != nil {
			http.Error(w, "latency and the time of a bulk job are durations such as 250ms, daily requests a whole number", http.StatusUnprocessableEntity)
			return
		}
		s.DailyRequests = daily
		if err := s.check(); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		o.SetSwitches(s)
	default:
		for _, p := range presets {
			if p.Name == does {
				o.SetRules(append(o.Rules(), p.Rule)...)
			}
		}
	}
	http.Redirect(w, r, "/faults", http.StatusSeeOther)
}

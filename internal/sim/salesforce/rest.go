package salesforce

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	oldestVersion  = 31 // 21 to 30 are retired
	newestVersion  = 66
	longestURI     = 16_384
	largestRequest = 6 << 20
)

func (o *Org) newRoutes() http.Handler {
	mux := http.NewServeMux()
	o.oauthRoutes(mux)
	mux.HandleFunc("GET /services/data/{$}", o.versions)
	mux.HandleFunc("GET /services/data", o.versions)
	for path, resource := range map[string]resource{
		"":                          {"GET": (*Org).resources},
		"/limits":                   {"GET": (*Org).limits},
		"/sobjects":                 {"GET": (*Org).describeGlobal},
		"/sobjects/{type}":          {"GET": (*Org).describeBriefly, "POST": (*Org).createRecord},
		"/sobjects/{type}/describe": {"GET": (*Org).describe},
		"/sobjects/{type}/{id}":     {"GET": (*Org).readRecord, "PATCH": (*Org).updateRecord, "DELETE": (*Org).deleteRecord},
		"/query":                    {"GET": (*Org).query},
		"/queryAll":                 {"GET": (*Org).queryAll},
		"/query/{locator}":          {"GET": (*Org).queryMore},

		"/sobjects/{type}/{field}/{value}": {"GET": (*Org).readByKey, "PATCH": (*Org).upsertByKey, "DELETE": (*Org).deleteByKey},

		"/composite":       {"POST": (*Org).composite},
		"/composite/batch": {"POST": (*Org).batch},
		"/composite/sobjects": {"POST": (*Org).createCollection, "PATCH": (*Org).updateCollection,
			"DELETE": (*Org).deleteCollection},
		"/composite/sobjects/{type}":         {"GET": (*Org).readCollectionByIDs, "POST": (*Org).readCollectionByIDs},
		"/composite/sobjects/{type}/{field}": {"PATCH": (*Org).upsertCollection},

		"/jobs/ingest":      {"POST": (*Org).createJob, "GET": (*Org).listJobs},
		"/jobs/query":       {"POST": (*Org).createJob, "GET": (*Org).listJobs},
		"/jobs/ingest/{id}": {"GET": (*Org).readJob, "PATCH": (*Org).changeJob, "DELETE": (*Org).deleteJob},
		"/jobs/query/{id}":  {"GET": (*Org).readJob, "PATCH": (*Org).changeJob, "DELETE": (*Org).deleteJob},

		"/jobs/ingest/{id}/batches":            {"PUT": (*Org).uploadJob},
		"/jobs/ingest/{id}/successfulResults":  {"GET": successfulResults},
		"/jobs/ingest/{id}/failedResults":      {"GET": failedResults},
		"/jobs/ingest/{id}/unprocessedrecords": {"GET": unprocessed},
		"/jobs/ingest/{id}/unprocessedRecords": {"GET": unprocessed}, // as clients in wide use write it
		"/jobs/query/{id}/results":             {"GET": (*Org).queryResults},
		"/jobs/query/{id}/resultPages":         {"GET": (*Org).queryPages},

		"/tooling/query":                     {"GET": (*Org).queryTooling},
		"/tooling/query/{locator}":           {"GET": (*Org).queryMore},
		"/tooling/sobjects/CustomField":      {"POST": (*Org).createCustomField},
		"/tooling/sobjects/CustomField/{id}": {"GET": (*Org).readCustomField, "PATCH": (*Org).updateCustomField, "DELETE": (*Org).deleteCustomField},

		"/queryAll/{locator}": {"GET": (*Org).queryMore},

		"/metadata/deployRequest":                        {"POST": (*Org).createDeployment},
		"/metadata/deployRequest/{id}":                   {"GET": (*Org).readDeploymentStatus, "PATCH": (*Org).cancelDeployment},
		"/tooling/sobjects/FlowDefinition/{id}":          {"GET": readTooling("FlowDefinition"), "PATCH": (*Org).updateFlowDefinition},
		"/tooling/sobjects/Flow/{id}":                    {"GET": readTooling("Flow"), "DELETE": (*Org).deleteFlow},
		"/tooling/sobjects/WorkflowOutboundMessage/{id}": {"GET": readTooling("WorkflowOutboundMessage"), "DELETE": (*Org).deleteOutboundMessage},
	} {
		path = "/services/data/{version}" + path
		mux.HandleFunc(path, o.data(resource))
		mux.HandleFunc(path+"/{$}", o.data(resource)) // some clients end every path so
	}
	mux.HandleFunc("POST "+metadataEndpoint+"{version}", o.metadata)
	mux.HandleFunc("POST "+metadataEndpoint+"{version}/{organization...}", o.metadata) // with its id, as the identity tells it, or without
	mux.HandleFunc("/services/", func(w http.ResponseWriter, r *http.Request) {
		answerError(w, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"))
	})
	mux.HandleFunc("/services/data/{version}/", o.data(nil))
	o.pageRoutes(mux)
	o.controlRoutes(mux)
	return mux
}

// delayKey is where a request's context keeps how long the token endpoint is to wait.
type delayKey struct{}

func delayOf(r *http.Request) time.Duration {
	d, _ := r.Context().Value(delayKey{}).(time.Duration)
	return d
}

// ServeHTTP answers OAuth, REST, the pages and the control routes.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.land()
	kind := kindOf(r)
	if kind == "" {
		o.routes.ServeHTTP(w, r)
		return
	}
	o.calls.begin(kind)
	defer o.calls.end()
	fault := o.fault(kind, r)
	delay := time.Duration(fault.Delay)
	if kind != KindLogin {
		delay += time.Duration(o.Switches().Latency)
	}
	if kind == KindToken && fault.Status == 0 {
		r = r.WithContext(context.WithValue(r.Context(), delayKey{}, delay))
	} else if !pause(r.Context(), delay) {
		return
	}
	switch {
	case fault.Status != 0:
		fault.answer(w, kind)
	case fault.Drop:
		o.routes.ServeHTTP(nowhere{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case kind == KindLogin || kind == KindToken:
		o.routes.ServeHTTP(w, r)
	default:
		out := compress(w, r)
		o.routes.ServeHTTP(out, r)
		out.close()
	}
}

// call is a REST request of a known user.
type call struct {
	*http.Request
	user    id
	version string // such as 66.0
	tooling bool   // of the Tooling API
	within  bool   // part of a composite call, which holds the lock and has paid
}

// hold takes the lock for writing, unless the call is part of one that has it. The result gives it back.
func (o *Org) hold(c call) (release func()) {
	if c.within {
		return func() {}
	}
	o.mu.Lock()
	return o.mu.Unlock
}

// share is hold for reading.
func (o *Org) share(c call) (release func()) {
	if c.within {
		return func() {}
	}
	o.mu.RLock()
	return o.mu.RUnlock
}

// resource is what a path of the API does, by method.
type resource map[string]func(*Org, http.ResponseWriter, call) error

var versionForm = regexp.MustCompile(`^v([0-9]{1,3})\.0$`)

// data does for every REST call what comes before its own work: version, session, allowance, method.
func (o *Org) data(does resource) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := call{Request: r}
		err := o.admit(w, &c)
		if err == nil {
			do := does[r.Method]
			switch {
			case does == nil:
				err = refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
			case do == nil && r.Method == http.MethodHead && does["GET"] != nil:
				err = does["GET"](o, w, c)
			case do == nil:
				var allowed []string
				for method := range does {
					allowed = append(allowed, method)
				}
				slices.Sort(allowed)
				w.Header().Set("Allow", strings.Join(allowed, ","))
				err = refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
					fmt.Sprintf("HTTP Method '%s' not allowed. Allowed are %s", r.Method, strings.Join(allowed, ",")))
			default:
				err = do(o, w, c)
			}
		}
		if err != nil {
			answerError(w, err)
		}
	}
}

// admit finds out who calls, and takes the call from the org's allowance.
func (o *Org) admit(w http.ResponseWriter, c *call) error {
	if len(c.RequestURI) > longestURI {
		return refuse(http.StatusRequestURITooLong, "URI_TOO_LONG", "the URI is longer than 16,384 bytes")
	}
	parts := versionForm.FindStringSubmatch(c.PathValue("version"))
	if parts == nil {
		return refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	switch n, _ := strconv.Atoi(parts[1]); {
	case 21 <= n && n < oldestVersion:
		return refuse(http.StatusGone, "GONE", "API version "+parts[1]+".0 is retired")
	case n < oldestVersion || n > newestVersion:
		return refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	c.version = parts[1] + ".0"
	if whole, ok := c.Context().Value(withinKey{}).(call); ok {
		c.user, c.within = whole.user, whole.within
		return nil
	}
	header := c.Header.Get("Authorization")
	if header != "" && bearer(c.Request) == "" {
		return refuse(http.StatusUnauthorized, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
	}
	s, ok := o.auth.session(bearer(c.Request), o.options.Now())
	if !ok {
		w.Header().Set("WWW-Authenticate", "Token")
		return refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
	}
	if err := o.Switches().apiRefusal(); err != nil {
		return err
	}
	c.user = s.User
	if !slices.Contains(strings.Fields(s.Scope), "api") {
		return refuse(http.StatusForbidden, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
	}
	allowance := o.Switches().DailyRequests
	used, ok := o.calls.spend(allowance)
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", used, allowance))
	if !ok {
		return refuse(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	return nil
}

// answerJSON writes v.
func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone; there is nobody to tell
}

// answerError writes a refusal as REST does: an array of one.
func answerError(w http.ResponseWriter, err error) {
	refusal := asRefusal(err)
	body := map[string]any{"message": refusal.message, "errorCode": refusal.code}
	if len(refusal.fields) > 0 {
		body["fields"] = refusal.fields
	}
	if refusal.duplicate != nil {
		body["duplicateResut"] = refusal.duplicate // which is how the API spells it
	}
	answerJSON(w, refusal.status, []any{body})
}

func (o *Org) versions(w http.ResponseWriter, r *http.Request) {
	seasons := []string{"Spring", "Winter", "Summer"} // backwards from v66, which is Spring '26
	var list []map[string]string
	for n := oldestVersion; n <= newestVersion; n++ {
		age := newestVersion - n
		list = append(list, map[string]string{
			"label":   fmt.Sprintf("%s '%02d", seasons[age%3], 26-(age+1)/3), // Winter is named for the year to come
			"url":     fmt.Sprintf("/services/data/v%d.0", n),
			"version": fmt.Sprintf("%d.0", n),
		})
	}
	answerJSON(w, http.StatusOK, list)
}

func (o *Org) resources(w http.ResponseWriter, c call) error {
	base := "/services/data/v" + c.version + "/"
	list := map[string]string{"identity": o.origin(c.Request) + "/id/" + string(o.orgID) + "/" + string(c.user)}
	for _, name := range []string{"composite", "jobs", "limits", "metadata", "query", "queryAll", "sobjects", "tooling"} {
		list[name] = base + name
	}
	answerJSON(w, http.StatusOK, list)
	return nil
}

func (o *Org) limits(w http.ResponseWriter, c call) error {
	allowance := o.Switches().DailyRequests
	answerJSON(w, http.StatusOK, map[string]any{
		"DailyApiRequests": map[string]int{"Max": allowance, "Remaining": max(0, allowance-o.calls.used())},
	})
	return nil
}

// object finds the object that a path names, as far as the API shows it.
func (o *Org) object(c call) (*table, error) {
	t := o.table(c.PathValue("type"))
	if t == nil || t.tooling || o.switches.concealed(t.object) {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	return t, nil
}

// record finds the record that a path names, deleted ones included.
func (o *Org) record(c call) (*table, int, error) {
	t, err := o.object(c)
	if err != nil {
		return nil, 0, err
	}
	of, err := parseID(c.PathValue("id"))
	if err != nil || string(of[:3]) != t.prefix {
		return nil, 0, refuse(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+c.PathValue("id"))
	}
	at := t.find(of)
	if at < 0 {
		return nil, 0, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	return t, at, nil
}

// input decodes the JSON object that a write sends.
func input(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(kind), "application/json") {
		return nil, refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported: "+kind)
	}
	body := io.Reader(http.MaxBytesReader(w, r.Body, largestRequest))
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "the body is not gzip")
		}
		body = io.LimitReader(unzipped, largestRequest)
	}
	decoder := json.NewDecoder(body)
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this one is no JSON object: "+err.Error())
	}
	if decoder.More() {
		return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "unexpected data after the JSON object")
	}
	return fields, nil
}

func (o *Org) createRecord(w http.ResponseWriter, c call) error {
	fields, err := input(w, c.Request)
	if err != nil {
		return err
	}
	t, created, err := o.createLocked(c, fields)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/services/data/v"+c.version+"/sobjects/"+t.name+"/"+string(created))
	answerJSON(w, http.StatusCreated, map[string]any{"id": string(created), "success": true, "errors": []any{}})
	return nil
}

// createLocked creates under the lock, which is given back before a client, maybe a slow one, is answered.
func (o *Org) createLocked(c call, fields map[string]any) (*table, id, error) {
	defer o.hold(c)()
	t, err := o.object(c)
	if err != nil {
		return nil, "", err
	}
	created, err := o.create(c.author(), t, fields)
	return t, created, err
}

func (o *Org) updateRecord(w http.ResponseWriter, c call) error {
	fields, err := input(w, c.Request)
	if err != nil {
		return err
	}
	defer o.hold(c)()
	t, at, err := o.record(c)
	if err != nil {
		return err
	}
	if err := o.update(c.author(), t, at, fields); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (o *Org) deleteRecord(w http.ResponseWriter, c call) error {
	defer o.hold(c)()
	t, at, err := o.record(c)
	if err != nil {
		return err
	}
	if err := o.remove(c.author(), t, at); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (o *Org) readRecord(w http.ResponseWriter, c call) error {
	body, err := o.writeRecord(c)
	if err != nil {
		return err
	}
	answerRaw(w, body)
	return nil
}

// writeRecord is the record that a path names, with the fields that the request names or all.
func (o *Org) writeRecord(c call) ([]byte, error) {
	defer o.share(c)()
	t, at, err := o.record(c)
	if err != nil {
		return nil, err
	}
	if t.isDeleted(t.rows[at]) {
		return nil, refuse(http.StatusNotFound, "ENTITY_IS_DELETED", "entity is deleted")
	}
	return o.writeRow(c, t, at)
}

// writeRow is the record at a position, with the fields that the request names or all. The caller holds the lock.
func (o *Org) writeRow(c call, t *table, at int) ([]byte, error) {
	var columns []*column
	if list := c.URL.Query().Get("fields"); list != "" {
		var err error
		if columns, err = o.columns(c, t, strings.Split(list, ",")); err != nil {
			return nil, err
		}
	} else {
		for _, f := range t.everyField() {
			if o.visible(c.user, t.object, f) {
				columns = append(columns, &column{name: f.name, field: f})
			}
		}
	}
	return appendRecord(nil, t, t.rows[at], columns, c.version), nil
}

func answerRaw(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = w.Write(body) // the client may have gone; there is nobody to tell
}

// compressed is an answer that is gzipped if the client wants it.
type compressed struct {
	http.ResponseWriter
	zip *gzip.Writer
	on  bool // the client wants it
}

func compress(w http.ResponseWriter, r *http.Request) *compressed {
	return &compressed{ResponseWriter: w, on: strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")}
}

func (c *compressed) WriteHeader(status int) {
	if c.on && status != http.StatusNoContent {
		c.Header().Set("Content-Encoding", "gzip")
		c.Header().Add("Vary", "Accept-Encoding")
		c.zip, _ = gzip.NewWriterLevel(c.ResponseWriter, gzip.BestSpeed) // the level is a valid one
	}
	c.on = false
	c.ResponseWriter.WriteHeader(status)
}

func (c *compressed) Write(b []byte) (int, error) {
	if c.on {
		c.WriteHeader(http.StatusOK)
	}
	if c.zip != nil {
		return c.zip.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

func (c *compressed) close() {
	if c.zip != nil {
		_ = c.zip.Close() // the client may have gone
	}
}

package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// mostRecords is how many records one call of sObject Collections may have.
const mostRecords = 200

// recordResult says what became of one record.
type recordResult struct {
	ID      id              `json:"id,omitempty"`
	Success bool            `json:"success"`
	Errors  []recordFailure `json:"errors"`
	Created *bool           `json:"created,omitempty"` // of upserts
}

// recordFailure is an error of a record, whose code has another name than that of a request.
type recordFailure struct {
	Code    string   `json:"statusCode"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

// failedRecord is the result of a record that was refused.
func failedRecord(of id, err error) recordResult {
	refusal := asRefusal(err)
	return recordResult{ID: of, Errors: []recordFailure{{refusal.code, refusal.message, append([]string{}, refusal.fields...)}}}
}

// collection is what the calls that write several records are sent.
type collection struct {
	allOrNone bool
	records   []map[string]any
}

func readCollection(w http.ResponseWriter, r *http.Request) (collection, error) {
	fields, err := input(w, r)
	if err != nil {
		return collection{}, err
	}
	malformed := refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "a collection has allOrNone, a boolean, and records, a list of objects")
	in := collection{}
	if v, ok := fields["allOrNone"]; ok {
		if in.allOrNone, ok = v.(bool); !ok {
			return collection{}, malformed
		}
	}
	list, ok := fields["records"].([]any)
	if !ok && fields["records"] != nil {
		return collection{}, malformed
	}
	for _, item := range list {
		one, ok := item.(map[string]any)
		if !ok {
			return collection{}, malformed
		}
		in.records = append(in.records, one)
	}
	return in, countRecords(len(in.records))
}

// countRecords refuses too few records for a call, and too many.
func countRecords(n int) error {
	switch {
	case n == 0:
		return refuse(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "At least 1 record is required")
	case n > mostRecords:
		return refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", fmt.Sprintf("record limit reached. cannot submit more than %d records into this call", mostRecords))
	}
	return nil
}

// typed finds the object that a record says it is of. The caller holds the lock.
func (o *Org) typed(record map[string]any) (*table, error) {
	attributes, _ := record["attributes"].(map[string]any)
	name, _ := attributes["type"].(string)
	if name == "" {
		return nil, refuse(400, "INVALID_INPUT", "A record has no attributes with a type")
	}
	t := o.table(name)
	if t == nil || t.tooling || o.switches.HiddenObjects.have(t.name) {
		return nil, refuse(404, "NOT_FOUND", "The requested resource does not exist: "+name)
	}
	return t, nil
}

// each writes records one after the other, each for itself or all or none. The caller holds the lock for writing.
func (o *Org) each(n int, allOrNone bool, do func(i int) (recordResult, error)) []recordResult {
	results := make([]recordResult, n)
	_ = o.attempt(func() error {
		var failed error
		for i := range results {
			err := o.attempt(func() (err error) {
				results[i], err = do(i)
				return err
			})
			if err != nil {
				failed = err
				results[i] = failedRecord(results[i].ID, err)
				continue
			}
			results[i].Success, results[i].Errors = true, []recordFailure{}
		}
		if !allOrNone || failed == nil {
			return nil
		}
		for i := range results {
			if results[i].Success {
				results[i] = failedRecord("", refuse(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid and the request was using AllOrNone header"))
			}
		}
		return failed
	})
	return results
}

// writeCollection creates or updates the records of a call, in its order. Setup and data do not go together.
func (o *Org) writeCollection(w http.ResponseWriter, c call, do func(t *table, record map[string]any) (recordResult, error)) error {
	in, err := readCollection(w, c.Request)
	if err != nil {
		return err
	}
	release := o.hold(c)
	var first *table
	results := o.each(len(in.records), in.allOrNone, func(i int) (recordResult, error) {
		t, err := o.typed(in.records[i])
		if err != nil {
			return recordResult{}, err
		}
		if first == nil {
			first = t
		}
		if t.setup != first.setup {
			return recordResult{}, refuse(400, "MIXED_DML_OPERATION", fmt.Sprintf("DML operation on setup object is not permitted after you have updated a non-setup object "+
				"(or vice versa): %s, original object: %s", t.name, first.name))
		}
		return do(t, in.records[i])
	})
	release()
	answerJSON(w, http.StatusOK, results)
	return nil
}

// createCollection is POST /composite/sobjects.
func (o *Org) createCollection(w http.ResponseWriter, c call) error {
	by := c.author()
	return o.writeCollection(w, c, func(t *table, record map[string]any) (recordResult, error) {
		created, err := o.create(by, t, record)
		if err != nil {
			created = ""
		}
		return recordResult{ID: created}, err
	})
}

// updateCollection is PATCH /composite/sobjects.
func (o *Org) updateCollection(w http.ResponseWriter, c call) error {
	by := c.author()
	return o.writeCollection(w, c, func(t *table, record map[string]any) (recordResult, error) {
		var text string
		fields := make(map[string]any, len(record))
		for name, v := range record {
			if strings.EqualFold(name, "Id") {
				text, _ = v.(string)
				continue
			}
			fields[name] = v
		}
		if text == "" {
			return recordResult{}, refuse(400, "MISSING_ARGUMENT", "Id not specified in an update call")
		}
		of, at, err := t.named(text)
		if err == nil {
			err = o.update(by, t, at, fields)
		}
		return recordResult{ID: of}, err
	})
}

// named finds a record by its id.
func (t *table) named(text string) (id, int, error) {
	of, err := parseID(text)
	if err != nil || string(of[:3]) != t.prefix {
		return "", 0, refuse(400, "MALFORMED_ID", "malformed id "+text)
	}
	at := t.find(of)
	if at < 0 {
		return of, 0, refuse(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return of, at, nil
}

// deleteCollection is DELETE /composite/sobjects?ids=...
func (o *Org) deleteCollection(w http.ResponseWriter, c call) error {
	values := c.URL.Query()
	var ids []string
	if list := values.Get("ids"); list != "" {
		ids = strings.Split(list, ",")
	}
	if err := countRecords(len(ids)); err != nil {
		return err
	}
	by := c.author()
	release := o.hold(c)
	results := o.each(len(ids), values.Get("allOrNone") == "true", func(i int) (recordResult, error) {
		of, err := parseID(ids[i])
		t := o.byPrefix(of)
		if err != nil || t == nil || t.tooling {
			return recordResult{}, refuse(400, "MALFORMED_ID", "malformed id "+ids[i])
		}
		_, at, err := t.named(ids[i])
		if err == nil {
			err = o.remove(by, t, at)
		}
		return recordResult{ID: of}, err
	})
	release()
	answerJSON(w, http.StatusOK, results)
	return nil
}

// byPrefix finds the object whose ids begin as one does.
func (o *Org) byPrefix(of id) *table {
	for _, t := range o.tables {
		if of != "" && t.prefix == string(of[:3]) {
			return t
		}
	}
	return nil
}

// externalID finds the field by which a path upserts, as far as the user sees it. The caller holds the lock.
func (o *Org) externalID(c call, t *table) (*field, error) {
	name := c.PathValue("field")
	f := t.field(name)
	if f == nil || !f.external || !o.visible(c.user, t.object, f) {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+name)
	}
	return f, nil
}

// upsert updates the record that has a value in an external-id field, or creates one. The caller holds the lock for writing.
func (o *Org) upsert(by author, t *table, f *field, value any, fields map[string]any) (recordResult, error) {
	key, err := o.convert(t, f, value)
	if err != nil {
		return recordResult{}, err
	}
	if key == "" {
		return recordResult{}, refuse(400, "MISSING_ARGUMENT", f.name+" not specified")
	}
	found := t.holding(f, key)
	if len(found) > 1 {
		return recordResult{}, refuse(400, "DUPLICATE_EXTERNAL_ID", fmt.Sprintf("%s: more than one record found for external id field: %s", f.name, t.idsAt(found)))
	}
	created := len(found) == 0
	result := recordResult{Created: &created}
	if created {
		all := map[string]any{}
		for name, v := range fields {
			if !strings.EqualFold(name, f.name) {
				all[name] = v
			}
		}
		all[f.name] = value
		result.ID, err = o.create(by, t, all)
		if err != nil {
			result.ID = ""
		}
		return result, err
	}
	result.ID = t.rows[found[0]].id()
	return result, o.update(by, t, found[0], fields)
}

func (t *table) idsAt(positions []int) []id {
	var list []id
	for _, at := range positions {
		list = append(list, t.rows[at].id())
	}
	return list
}

// upsertCollection is PATCH /composite/sobjects/{type}/{field}.
func (o *Org) upsertCollection(w http.ResponseWriter, c call) error {
	in, err := readCollection(w, c.Request)
	if err != nil {
		return err
	}
	results, err := o.upsertAll(c, in)
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, results)
	return nil
}

func (o *Org) upsertAll(c call, in collection) ([]recordResult, error) {
	defer o.hold(c)()
	t, err := o.object(c)
	if err != nil {
		return nil, err
	}
	f, err := o.externalID(c, t)
	if err != nil {
		return nil, err
	}
	keys := make([]any, len(in.records))
	times := map[string]int{}
	for i, record := range in.records {
		for name, v := range record {
			if strings.EqualFold(name, f.name) {
				keys[i] = v
			}
		}
		times[f.distinguished(keys[i])]++
	}
	by := c.author()
	return o.each(len(in.records), in.allOrNone, func(i int) (recordResult, error) {
		of, err := o.typed(in.records[i])
		if err != nil {
			return recordResult{}, err
		}
		if of != t {
			return recordResult{}, refuse(400, "INVALID_TYPE", "the type of the record is not that of the address: "+of.name)
		}
		if keys[i] != nil && times[f.distinguished(keys[i])] > 1 {
			return recordResult{}, refuse(400, "DUPLICATE_VALUE", fmt.Sprintf("Duplicate external id specified: %v", keys[i]), f.name)
		}
		return o.upsert(by, t, f, keys[i], in.records[i])
	}), nil
}

// distinguished is text that is equal for values which the field holds for equal.
func (f *field) distinguished(value any) string {
	text := strings.TrimSpace(fmt.Sprint(value))
	if f.caseSensitive {
		return text
	}
	return fold(text)
}

// readCollectionByIDs is GET (ids and fields in the query) and POST (in the body) of /composite/sobjects/{type}.
func (o *Org) readCollectionByIDs(w http.ResponseWriter, c call) error {
	in := struct{ IDs, Fields []string }{}
	if c.Method == http.MethodPost {
		fields, err := input(w, c.Request)
		if err != nil {
			return err
		}
		body, err := json.Marshal(fields)
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil {
			return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", err.Error())
		}
	} else {
		values := c.URL.Query()
		in.IDs, in.Fields = strings.Split(values.Get("ids"), ","), strings.Split(values.Get("fields"), ",")
	}
	body, err := o.writeRecords(c, in.IDs, in.Fields)
	if err != nil {
		return err
	}
	answerRaw(w, body)
	return nil
}

// writeRecords is a list of records in the order of their ids, with null for what is not there.
func (o *Org) writeRecords(c call, ids, fields []string) ([]byte, error) {
	defer o.share(c)()
	t, err := o.object(c)
	if err == nil && len(ids) > 2_000 {
		err = refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "record limit reached. cannot retrieve more than 2000 records")
	}
	if err != nil {
		return nil, err
	}
	columns, err := o.columns(c, t, fields)
	if err != nil {
		return nil, err
	}
	b := []byte{'['}
	for i, text := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		if _, at, err := t.named(text); err != nil || t.isDeleted(t.rows[at]) {
			b = append(b, "null"...)
		} else {
			b = appendRecord(b, t, t.rows[at], columns, c.version)
		}
	}
	return append(b, ']'), nil
}

// columns are the fields of these names, as far as the user sees them. The caller holds the lock.
func (o *Org) columns(c call, t *table, names []string) ([]*column, error) {
	var columns []*column
	for _, name := range names {
		f := t.field(strings.TrimSpace(name))
		if f == nil || !o.visible(c.user, t.object, f) {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", fmt.Sprintf("No such column '%s' on sobject of type %s", strings.TrimSpace(name), t.name))
		}
		if !slices.ContainsFunc(columns, func(c *column) bool { return c.name == f.name }) {
			columns = append(columns, &column{name: f.name, field: f})
		}
	}
	return columns, nil
}

// byKey finds the record that a path names by an external id. Of several it answers with their addresses, at 300;
// ok is false then. The caller holds the lock.
func (o *Org) byKey(w http.ResponseWriter, c call) (t *table, at int, ok bool, err error) {
	t, err = o.object(c)
	if err != nil {
		return nil, 0, false, err
	}
	f, err := o.externalID(c, t)
	if err != nil {
		return nil, 0, false, err
	}
	found := t.holding(f, c.PathValue("value"))
	switch len(found) {
	case 0:
		return nil, 0, false, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	case 1:
		return t, found[0], true, nil
	}
	answerJSON(w, http.StatusMultipleChoices, t.addresses(found, c.version))
	return nil, 0, false, nil
}

func (t *table) addresses(positions []int, version string) []string {
	var list []string
	for _, of := range t.idsAt(positions) {
		list = append(list, "/services/data/v"+version+"/sobjects/"+t.name+"/"+string(of))
	}
	return list
}

// readByKey is GET /sobjects/{type}/{field}/{value}.
func (o *Org) readByKey(w http.ResponseWriter, c call) error {
	defer o.share(c)()
	t, at, ok, err := o.byKey(w, c)
	if err != nil || !ok {
		return err
	}
	body, err := o.writeRow(c, t, at)
	if err != nil {
		return err
	}
	answerRaw(w, body)
	return nil
}

// deleteByKey is DELETE /sobjects/{type}/{field}/{value}.
func (o *Org) deleteByKey(w http.ResponseWriter, c call) error {
	defer o.hold(c)()
	t, at, ok, err := o.byKey(w, c)
	if err != nil || !ok {
		return err
	}
	if err := o.remove(c.author(), t, at); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// upsertByKey is PATCH /sobjects/{type}/{field}/{value}.
func (o *Org) upsertByKey(w http.ResponseWriter, c call) error {
	fields, err := input(w, c.Request)
	if err != nil {
		return err
	}
	defer o.hold(c)()
	t, err := o.object(c)
	if err != nil {
		return err
	}
	f, err := o.externalID(c, t)
	if err != nil {
		return err
	}
	key := c.PathValue("value")
	if found := t.holding(f, key); len(found) > 1 {
		answerJSON(w, http.StatusMultipleChoices, t.addresses(found, c.version))
		return nil
	}
	if fields == nil {
		fields = map[string]any{}
	}
	for name := range fields {
		if strings.EqualFold(name, f.name) {
			return refuse(http.StatusBadRequest, "INVALID_FIELD", fmt.Sprintf("The %s field should not be specified in the sobject data.", f.name))
		}
	}
	result, err := o.upsert(c.author(), t, f, keyValue(f, key), fields)
	if err != nil {
		return err
	}
	result.Success, result.Errors = true, []recordFailure{}
	status := http.StatusOK
	switch {
	case *result.Created:
		status = http.StatusCreated
		w.Header().Set("Location", "/services/data/v"+c.version+"/sobjects/"+t.name+"/"+url.PathEscape(string(result.ID)))
	case c.version < "46.0":
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	answerJSON(w, status, result)
	return nil
}

// keyValue is the text of a path in JSON's own types.
func keyValue(f *field, text string) any {
	if f.kind.number() {
		return json.Number(text)
	}
	return text
}

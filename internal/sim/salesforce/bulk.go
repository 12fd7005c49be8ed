package salesforce

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	jobLife       = 7 * 24 * time.Hour
	largestUpload = 150 << 20
	jobChunk      = 200 // records that are saved together
	setNull       = "#N/A"
)

// The states of a job of the Bulk API 2.0.
const (
	jobOpen       = "Open"
	jobUploaded   = "UploadComplete"
	jobInProgress = "InProgress"
	jobComplete   = "JobComplete"
	jobFailed     = "Failed"
	jobAborted    = "Aborted"
)

// job is one of the Bulk API 2.0: records to write, or a query. Jobs do not survive a restart.
type job struct {
	id      id
	user    id
	version string
	query   bool
	in      jobInput
	state   string
	created time.Time
	due     time.Time // when its work is done, once it has been handed over
	message string    // why it failed

	upload    []byte
	processed int
	succeeded [][]string // with the columns that results put before
	refused   [][]string
	left      [][]string // never looked at
	columns   []string   // of the upload or the query
	rows      [][]string // of the query
}

// jobInput is what a client says of a job.
type jobInput struct {
	Operation string `json:"operation"`
	Object    string `json:"object"`
	Key       string `json:"externalIdFieldName"`
	Type      string `json:"contentType"`
	Ending    string `json:"lineEnding"`
	Delimiter string `json:"columnDelimiter"`
	Query     string `json:"query"`
}

var columnDelimiters = map[string]rune{"COMMA": ',', "SEMICOLON": ';', "TAB": '\t', "PIPE": '|', "CARET": '^', "BACKQUOTE": '`'}

// createJob is POST /jobs/ingest and /jobs/query.
func (o *Org) createJob(w http.ResponseWriter, c call) error {
	j := &job{user: c.user, version: c.version, query: strings.Contains(c.URL.Path, "/jobs/query"), state: jobOpen}
	if err := readParts(w, c.Request, &j.in); err != nil {
		return err
	}
	setDefault(&j.in.Type, "CSV")
	setDefault(&j.in.Ending, "LF")
	setDefault(&j.in.Delimiter, "COMMA")
	invalid := func(message string) error {
		return refuse(http.StatusBadRequest, "INVALIDJOB", "InvalidJob : "+message)
	}
	switch {
	case j.in.Type != "CSV" || columnDelimiters[j.in.Delimiter] == 0 || j.in.Ending != "LF" && j.in.Ending != "CRLF":
		return invalid("contentType, columnDelimiter or lineEnding is none that there is")
	case j.query && j.in.Operation != "query" && j.in.Operation != "queryAll":
		return invalid("operation is none of query, queryAll")
	case !j.query && !slices.Contains([]string{"insert", "update", "upsert", "delete"}, j.in.Operation):
		return invalid("operation is none of insert, update, upsert, delete")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.options.Now()
	j.created = now
	if j.query {
		if err := o.checkQueryJob(c, j); err != nil {
			return err
		}
		j.state, j.due = jobUploaded, now.Add(time.Duration(o.switches.BulkDelay))
	} else if err := o.checkIngestJob(c, j); err != nil {
		return err
	}
	for name, old := range o.jobs.byID {
		if now.Sub(old.created) > jobLife {
			delete(o.jobs.byID, name)
		}
	}
	o.jobs.last++
	j.id = makeID("750", o.jobs.last)
	if o.jobs.byID == nil {
		o.jobs.byID = map[id]*job{}
	}
	o.jobs.byID[j.id] = j
	answerJSON(w, http.StatusOK, j.describe())
	return nil
}

// jobs are those that the org keeps, for seven days.
type jobs struct {
	byID map[id]*job
	last uint64
}

func (o *Org) checkIngestJob(c call, j *job) error {
	t := o.table(j.in.Object)
	if t == nil || t.tooling || t.setup || t.readOnly || o.switches.HiddenObjects.have(t.name) {
		return refuse(http.StatusBadRequest, "INVALIDENTITY", "InvalidEntity : Entity '"+j.in.Object+"' is not supported by the Bulk API.")
	}
	j.in.Object = t.name
	if j.in.Operation == "upsert" {
		f := t.field(j.in.Key)
		if f == nil || !f.external || !o.visible(c.user, t.object, f) {
			return refuse(http.StatusBadRequest, "INVALIDJOB", "InvalidJob : Field name not found : "+j.in.Key)
		}
		j.in.Key = f.name
	}
	return nil
}

func (o *Org) checkQueryJob(c call, j *job) error {
	q, err := parseSOQL(j.in.Query)
	if err != nil {
		return err
	}
	if q.count || q.everyField || q.offset > 0 {
		return refuse(http.StatusBadRequest, "API_ERROR", "COUNT(), FIELDS() and OFFSET are not supported by the Bulk API")
	}
	s, err := o.plan(q, c, j.in.Operation == "queryAll")
	if err == nil {
		j.in.Object = s.table.name
	}
	return err
}

// describe is a job as the API shows it.
func (j *job) describe() map[string]any {
	version, _ := strconv.ParseFloat(j.version, 64) // it has the form of one
	kind, jobType := "ingest", "V2Ingest"
	if j.query {
		kind, jobType = "query", "V2Query"
	}
	about := map[string]any{"id": j.id, "operation": j.in.Operation, "object": j.in.Object, "createdById": j.user, "createdDate": j.created.UTC().Format(wireTime),
		"systemModstamp": j.created.UTC().Format(wireTime), "state": j.state, "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": version,
		"lineEnding": j.in.Ending, "columnDelimiter": j.in.Delimiter, "jobType": jobType, "numberRecordsProcessed": j.processed, "retries": 0, "totalProcessingTime": 0}
	if !j.query {
		about["contentUrl"] = "services/data/v" + j.version + "/jobs/" + kind + "/" + string(j.id) + "/batches"
		about["numberRecordsFailed"] = len(j.refused)
		if j.in.Key != "" {
			about["externalIdFieldName"] = j.in.Key
		}
	}
	if j.message != "" {
		about["errorMessage"] = j.message
	}
	return about
}

// job finds the job that a path names, and does its work if it is due. The caller holds the lock for writing.
func (o *Org) job(c call) (*job, error) {
	of, err := parseID(c.PathValue("id"))
	j := o.jobs.byID[of]
	now := o.options.Now()
	if err != nil || j == nil || j.user != c.user || j.query != strings.Contains(c.URL.Path, "/jobs/query/") || now.Sub(j.created) > jobLife {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	o.proceed(c, j)
	return j, nil
}

// proceed does the work of a job if it is due. The caller holds the lock for writing.
func (o *Org) proceed(c call, j *job) {
	if j.state != jobUploaded && j.state != jobInProgress {
		return
	}
	switch left, delay := j.due.Sub(o.options.Now()), time.Duration(o.switches.BulkDelay); {
	case left <= 0:
		o.work(c, j)
	case left <= delay/2:
		j.state = jobInProgress
	}
}

// work does what a job is for.
func (o *Org) work(c call, j *job) {
	j.state = jobComplete
	var err error
	if j.query {
		err = o.runJobQuery(c, j)
	} else {
		err = o.load(j)
	}
	if err != nil {
		j.state, j.message = jobFailed, err.Error()
		j.leave()
	}
	j.upload = nil
}

// leave keeps the records of an upload as those that nobody looked at, as far as they can be read.
func (j *job) leave() {
	if lines, err := j.read(); err == nil && len(lines) > 0 {
		j.columns, j.left = lines[0], lines[1:]
	}
}

// read parses the upload.
func (j *job) read() ([][]string, error) {
	first, _, _ := bytes.Cut(j.upload, []byte("\n"))
	if len(j.upload) > 0 && bytes.HasSuffix(first, []byte("\r")) != (j.in.Ending == "CRLF") {
		return nil, fmt.Errorf("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is %s", j.in.Ending)
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(j.upload, []byte("\xef\xbb\xbf"))))
	reader.Comma = columnDelimiters[j.in.Delimiter]
	lines, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("InvalidBatch : %w", err)
	}
	return lines, nil
}

// readJob is GET of a job.
func (o *Org) readJob(w http.ResponseWriter, c call) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	j, err := o.job(c)
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, j.describe())
	return nil
}

// listJobs is GET /jobs/ingest and /jobs/query.
func (o *Org) listJobs(w http.ResponseWriter, c call) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	query := strings.Contains(c.URL.Path, "/jobs/query")
	list := []map[string]any{}
	for _, j := range o.jobs.byID {
		if j.query == query && j.user == c.user {
			o.proceed(c, j)
			list = append(list, j.describe())
		}
	}
	slices.SortFunc(list, func(a, b map[string]any) int { return strings.Compare(string(b["id"].(id)), string(a["id"].(id))) })
	answerJSON(w, http.StatusOK, map[string]any{"done": true, "nextRecordsUrl": nil, "records": list})
	return nil
}

// uploadJob is PUT /jobs/ingest/{id}/batches.
func (o *Org) uploadJob(w http.ResponseWriter, c call) error {
	if kind := c.Header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(kind), "text/csv") {
		return refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported: "+kind)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, c.Body, largestUpload))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "EXCEEDED_MAX_SIZE", err.Error())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	j, err := o.job(c)
	if err != nil {
		return err
	}
	if j.state != jobOpen || j.upload != nil {
		return refuse(http.StatusBadRequest, "INVALIDJOBSTATE", "InvalidJobState : a job takes one upload, while it is open")
	}
	j.upload = data
	w.WriteHeader(http.StatusCreated)
	return nil
}

// changeJob is PATCH of a job: its upload is complete, or it is to end.
func (o *Org) changeJob(w http.ResponseWriter, c call) error {
	fields, err := input(w, c.Request)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	j, err := o.job(c)
	if err != nil {
		return err
	}
	over := j.state == jobComplete || j.state == jobFailed || j.state == jobAborted
	switch state, _ := fields["state"].(string); {
	case state == jobUploaded && !j.query && j.state == jobOpen:
		j.state, j.due = jobUploaded, o.options.Now().Add(time.Duration(o.switches.BulkDelay))
	case state == jobAborted && !over:
		j.state = jobAborted
		j.leave()
	default:
		return refuse(http.StatusBadRequest, "INVALIDJOBSTATE", fmt.Sprintf("InvalidJobState : a job that is %s cannot become %q", j.state, state))
	}
	answerJSON(w, http.StatusOK, j.describe())
	return nil
}

// deleteJob is DELETE of a job that is over.
func (o *Org) deleteJob(w http.ResponseWriter, c call) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	j, err := o.job(c)
	if err != nil {
		return err
	}
	if j.state == jobUploaded || j.state == jobInProgress || j.state == jobOpen {
		return refuse(http.StatusBadRequest, "INVALIDJOBSTATE", "InvalidJobState : the job is "+j.state)
	}
	delete(o.jobs.byID, j.id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// load writes the records of an upload. An error is one of the whole job, of which nothing was written.
func (o *Org) load(j *job) error {
	lines, err := j.read()
	if err != nil || len(lines) == 0 {
		return err
	}
	t := o.table(j.in.Object)
	by := author{user: j.user}
	columns := make([]*field, len(lines[0]))
	key := -1
	for i, name := range lines[0] {
		f := t.field(strings.TrimSpace(name))
		if f == nil || !o.visible(j.user, t.object, f) {
			return fmt.Errorf("InvalidBatch : Field name not found : %s", name)
		}
		columns[i] = f
		if f.kind == kindID && j.in.Operation != "upsert" || j.in.Operation == "upsert" && f.name == j.in.Key {
			key = i
		}
	}
	if key < 0 && j.in.Operation != "insert" {
		return fmt.Errorf("InvalidBatch : Field name not found : %s", orElse(j.in.Key, "Id"))
	}
	j.columns, lines = lines[0], lines[1:]
	for chunk := range slices.Chunk(lines, jobChunk) {
		times := map[string]int{}
		for _, line := range chunk {
			if key >= 0 {
				times[columns[key].distinguished(line[key])]++
			}
		}
		for _, line := range chunk {
			of, created, err := id(""), false, error(nil)
			if key >= 0 && line[key] != "" && times[columns[key].distinguished(line[key])] > 1 {
				err = refuse(400, "DUPLICATE_VALUE", "Duplicate external id specified: "+line[key], columns[key].name)
			} else {
				of, created, err = o.loadLine(by, t, j, columns, key, line)
			}
			j.processed++
			if err == nil {
				j.succeeded = append(j.succeeded, append([]string{string(of), strconv.FormatBool(created)}, line...))
				continue
			}
			refusal := asRefusal(err)
			j.refused = append(j.refused, append([]string{string(of), fmt.Sprintf("%s:%s:%s --", refusal.code, refusal.message, strings.Join(refusal.fields, ","))}, line...))
		}
	}
	return nil
}

// loadLine writes one record.
func (o *Org) loadLine(by author, t *table, j *job, columns []*field, key int, line []string) (of id, created bool, err error) {
	fields := map[string]any{}
	for i, f := range columns {
		if i != key && line[i] != "" {
			fields[f.name] = cellValue(f, line[i])
		}
	}
	if j.in.Operation == "insert" {
		of, err = o.create(by, t, fields)
		return of, err == nil, err
	}
	if j.in.Operation == "upsert" {
		result, err := o.upsert(by, t, columns[key], cellValue(columns[key], line[key]), fields)
		return result.ID, err == nil && *result.Created, err
	}
	of, at, err := t.named(line[key])
	switch {
	case err != nil:
	case j.in.Operation == "delete":
		err = o.remove(by, t, at)
	default:
		err = o.update(by, t, at, fields)
	}
	return of, false, err
}

// cellValue is what a cell of CSV is in JSON. An empty one changes nothing; it is not asked for.
func cellValue(f *field, text string) any {
	switch {
	case text == setNull:
		return nil
	case f.kind == kindBoolean:
		return text == "1" || strings.EqualFold(text, "true")
	case f.kind.number():
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return json.Number(text)
		}
	}
	return text
}

// jobResults answers with one list of an ingest job.
func jobResults(before []string, list func(*job) [][]string) func(*Org, http.ResponseWriter, call) error {
	return func(o *Org, w http.ResponseWriter, c call) error {
		o.mu.Lock()
		j, err := o.job(c)
		var body []byte
		if err == nil {
			body = j.appendCSV(slices.Concat(before, j.columns), list(j))
		}
		o.mu.Unlock()
		if err != nil {
			return err
		}
		answerCSV(w, body)
		return nil
	}
}

var (
	successfulResults = jobResults([]string{"sf__Id", "sf__Created"}, func(j *job) [][]string { return j.succeeded })
	failedResults     = jobResults([]string{"sf__Id", "sf__Error"}, func(j *job) [][]string { return j.refused })
	unprocessed       = jobResults(nil, func(j *job) [][]string { return j.left })
)

func answerCSV(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "text/csv;charset=UTF-8")
	_, _ = w.Write(body) // the client may have gone
}

// appendCSV writes lines as the Bulk API does: every value in quotes.
func (j *job) appendCSV(header []string, lines [][]string) []byte {
	ending, comma := "\n", string(columnDelimiters[j.in.Delimiter])
	if j.in.Ending == "CRLF" {
		ending = "\r\n"
	}
	var b []byte
	for _, line := range slices.Concat([][]string{header}, lines) {
		for i, v := range line {
			if i > 0 {
				b = append(b, comma...)
			}
			b = append(b, '"')
			b = append(b, strings.ReplaceAll(v, `"`, `""`)...)
			b = append(b, '"')
		}
		b = append(b, ending...)
	}
	return b
}

// runJobQuery finds the records of a query job and keeps them as they are now.
func (o *Org) runJobQuery(c call, j *job) error {
	q, err := parseSOQL(j.in.Query)
	if err != nil {
		return err
	}
	s, err := o.plan(q, c, j.in.Operation == "queryAll")
	if err != nil {
		return err
	}
	j.columns = appendNames(nil, "", s.columns)
	for _, at := range s.find() {
		j.rows = append(j.rows, appendCells(nil, s.table.rows[at], s.columns))
	}
	j.processed = len(j.rows)
	return nil
}

func appendNames(names []string, prefix string, columns []*column) []string {
	for _, c := range columns {
		if c.parent != nil {
			names = appendNames(names, prefix+c.name+".", c.children)
		} else {
			names = append(names, prefix+c.name)
		}
	}
	return names
}

// appendCells adds the values of a row's columns; of a parent that is not there, nothing for each.
func appendCells(cells []string, r row, columns []*column) []string {
	for _, c := range columns {
		if c.parent != nil {
			parent, _ := c.parent.parent(c.field.value(r))
			cells = appendCells(cells, parent, c.children)
			continue
		}
		cells = append(cells, c.field.cell(r))
	}
	return cells
}

// cell is a value as CSV has it. No row at all has no values.
func (f *field) cell(r row) string {
	if r == "" {
		return ""
	}
	switch v := f.value(r); {
	case f.kind == kindBoolean:
		return strconv.FormatBool(v == "true")
	case f.kind == kindDatetime && v != "":
		return strings.Replace(wireDatetime(v), "+0000", "Z", 1)
	default:
		return v
	}
}

// mostPages is how many addresses of pages one answer has.
const mostPages = 5

// queryPages is GET /jobs/query/{id}/resultPages: where the pages are, so that they can be read at the same time.
func (o *Org) queryPages(w http.ResponseWriter, c call) error {
	from, err := strconv.Atoi(strings.TrimPrefix(orElse(c.URL.Query().Get("locator"), "0"), "Mg"))
	if err != nil || from < 0 {
		return refuse(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	size, err := strconv.Atoi(orElse(c.URL.Query().Get("maxRecords"), "50000"))
	if err != nil || size < 1 {
		return refuse(http.StatusBadRequest, "INVALID_INPUT", "maxRecords is no number above 0")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	j, err := o.job(c)
	switch {
	case err != nil:
		return err
	case j.version != c.version:
		return j.otherVersion()
	case j.state != jobComplete:
		return refuse(http.StatusBadRequest, "API_ERROR", "the job is not complete: "+j.state)
	}
	base := "/services/data/v" + j.version + "/jobs/query/" + string(j.id)
	pages := []map[string]string{}
	at := from
	for ; (at < len(j.rows) || at == 0) && len(pages) < mostPages; at += size {
		pages = append(pages, map[string]string{"resultUrl": fmt.Sprintf("%s/results?locator=Mg%d&maxRecords=%d", base, at, size)})
	}
	answer := map[string]any{"resultPages": pages, "done": at >= len(j.rows)}
	if at < len(j.rows) {
		answer["nextRecordsUrl"] = fmt.Sprintf("%s/resultPages?locator=Mg%d&maxRecords=%d", base, at, size)
	}
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// otherVersion refuses results to a version that did not create the job.
func (j *job) otherVersion() error {
	return refuse(http.StatusConflict, "API_ERROR", "the results must be read with the version with which the job was created: "+j.version)
}

// queryResults is GET /jobs/query/{id}/results: a page of the records, and in its head how to get the next one.
func (o *Org) queryResults(w http.ResponseWriter, c call) error {
	values := c.URL.Query()
	from, locatorErr := 0, error(nil)
	if locator := values.Get("locator"); locator != "" {
		from, locatorErr = strconv.Atoi(strings.TrimPrefix(locator, "Mg"))
	}
	size := 1 << 30 // all, unless the client says how many
	if text := values.Get("maxRecords"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return refuse(http.StatusBadRequest, "INVALID_INPUT", "maxRecords is no number above 0")
		}
		size = n
	}
	o.mu.Lock()
	j, err := o.job(c)
	var body []byte
	rows := 0
	next := "null"
	switch {
	case err != nil:
	case j.version != c.version:
		err = j.otherVersion()
	case j.state != jobComplete:
		err = refuse(http.StatusBadRequest, "API_ERROR", "the job is not complete: "+j.state)
	case locatorErr != nil || from < 0 || from > 0 && from >= len(j.rows):
		err = refuse(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
	default:
		to := min(from+size, len(j.rows))
		if to < len(j.rows) {
			next = "Mg" + strconv.Itoa(to)
		}
		rows = to - from
		body = j.appendCSV(j.columns, j.rows[from:to])
	}
	o.mu.Unlock()
	if err != nil {
		return err
	}
	w.Header().Set("Sforce-Locator", next)
	w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(rows))
	answerCSV(w, body)
	return nil
}

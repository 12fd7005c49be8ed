package salesforce

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	largestPage  = 2_000
	smallestPage = 200
	cursorLife   = 48 * time.Hour
)

// cursor is the answer to a statement, of which a page at a time is fetched. The records are those
// that matched when it was opened; their fields are read when their page is.
type cursor struct {
	*search
	user   id
	found  []int32
	opened time.Time
}

// cursors are the open ones, by locator without its offset. They do not survive a restart.
type cursors struct {
	mu     sync.Mutex
	byName map[string]*cursor
	last   uint64
}

// keep opens a cursor, and forgets those whose time is over.
func (c *cursors) keep(of *cursor) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName == nil {
		c.byName = map[string]*cursor{}
	}
	for name, old := range c.byName {
		if of.opened.Sub(old.opened) > cursorLife {
			delete(c.byName, name)
		}
	}
	c.last++
	name := string(makeID("0r8", c.last))
	c.byName[name] = of
	return name
}

func (c *cursors) find(name string, user id, now time.Time) (*cursor, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.byName[name]
	if of == nil || of.user != user || now.Sub(of.opened) > cursorLife {
		return nil, false
	}
	return of, true
}

// query answers a statement with its first page.
func (o *Org) query(w http.ResponseWriter, c call) error { return o.runQuery(w, c, false) }

// queryAll is query with the deleted records.
func (o *Org) queryAll(w http.ResponseWriter, c call) error { return o.runQuery(w, c, true) }

// queryTooling is query by the Tooling API, which knows more objects.
func (o *Org) queryTooling(w http.ResponseWriter, c call) error {
	c.tooling = true
	return o.runQuery(w, c, false)
}

func (o *Org) runQuery(w http.ResponseWriter, c call, all bool) error {
	values, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil || !values.Has("q") {
		return refuse(http.StatusBadRequest, "MALFORMED_QUERY", "A query string has to be specified")
	}
	q, err := parseSOQL(values.Get("q"))
	if err != nil {
		return err
	}
	body, err := o.firstPage(c, q, all)
	if err != nil {
		return err
	}
	answerRaw(w, body)
	return nil
}

func (o *Org) firstPage(c call, q *soql, all bool) ([]byte, error) {
	defer o.share(c)()
	if q.aggregated() {
		return o.aggregate(c, q)
	}
	s, err := o.plan(q, c, all)
	if err != nil {
		return nil, err
	}
	if q.count {
		return []byte(`{"totalSize":` + strconv.Itoa(s.total()) + `,"done":true,"records":[]}`), nil
	}
	of := &cursor{search: s, user: c.user, found: s.find(), opened: o.options.Now()}
	if s.single() && len(of.found) > 1 {
		return nil, refuse(http.StatusBadRequest, "MALFORMED_QUERY", "When retrieving results with Metadata or FullName fields, the query qualifications "+
			"must specify no more than one row for retrieval. Result size: "+strconv.Itoa(len(of.found)))
	}
	size, name := s.pageSize(c.Request), ""
	if len(of.found) > size {
		name = o.cursors.keep(of)
	}
	return of.page(0, size, name, c), nil
}

// queryMore answers with the page that a locator stands for.
func (o *Org) queryMore(w http.ResponseWriter, c call) error {
	name, offset, _ := strings.Cut(c.PathValue("locator"), "-")
	from, err := strconv.Atoi(offset)
	of, ok := o.cursors.find(name, c.user, o.options.Now())
	if err != nil || !ok || from < 0 || from >= len(of.found) {
		return refuse(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	release := o.share(c)
	body := of.page(from, of.pageSize(c.Request), name, c)
	release()
	answerRaw(w, body)
	return nil
}

// page writes the records from an offset on. The org's lock is held.
func (of *cursor) page(from, size int, name string, c call) []byte {
	to := min(from+size, len(of.found))
	b := make([]byte, 0, 256*(to-from)+256)
	b = append(b, `{"totalSize":`...)
	b = strconv.AppendInt(b, int64(len(of.found)), 10)
	b = append(b, `,"done":`...)
	b = strconv.AppendBool(b, to == len(of.found))
	if to < len(of.found) {
		b = append(b, `,"nextRecordsUrl":"/services/data/v`+c.version+`/query/`+name+`-`...)
		b = strconv.AppendInt(b, int64(to), 10)
		b = append(b, '"')
	}
	b = append(b, `,"records":[`...)
	for i, at := range of.found[from:to] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRecord(b, of.table, of.table.rows[at], of.columns, c.version)
	}
	return append(b, "]}"...)
}

var batchForm = regexp.MustCompile(`(?i)\bbatchSize\s*=\s*([0-9]{1,9})`)

// batchSize is the page size that a client hints at, within what the org does.
func batchSize(r *http.Request) int {
	hint := batchForm.FindStringSubmatch(r.Header.Get("Sforce-Query-Options"))
	if hint == nil {
		return largestPage
	}
	n, _ := strconv.Atoi(hint[1])
	return min(max(n, smallestPage), largestPage)
}

// pageSize is how many rows are given at a time: few if several long texts are among the columns.
func (s *search) pageSize(r *http.Request) int {
	long := 0
	for _, c := range s.columns {
		long += boolInt(c.parent == nil && c.field.custom && c.field.kind == kindTextArea && c.field.length > 255)
	}
	if long > 1 {
		return smallestPage
	}
	return batchSize(r)
}

// forget closes all cursors.
func (c *cursors) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byName)
}

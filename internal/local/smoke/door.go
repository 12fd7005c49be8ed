package smoke

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// door is the only way out. It lets through what is on its list, which is all that this package needs, and refuses
// everything else before it is sent, whoever asks: a client of ours that changed its mind about how to read would not
// write by it.
type door struct {
	next   http.RoundTripper
	origin string // of the other side
	most   int    // calls
	rules  []rule

	mu    sync.Mutex
	calls int
	last  answer
	made  []string // ids of what was made, which alone may be changed or removed
	extra http.Header
}

// rule is a kind of call that is harmless.
type rule struct {
	method string
	path   *regexp.Regexp
	holds  func(d *door, r *http.Request, body []byte) bool // what else is asked of it; nil is nothing
}

// answer is what came back, for those who have to say what it was like.
type answer struct {
	path   string // that was asked for
	status int
	body   []byte
}

var (
	errNotListed = errors.New("this call is not on the list of harmless ones")
	errTooMany   = errors.New("more calls than were announced")
)

// RoundTrip makes a call that is on the list.
func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	d.last = answer{}
	d.mu.Unlock()
	body, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	if err := d.pass(r, body); err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Body, out.GetBody = http.NoBody, nil
	if body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	for name, values := range d.extra {
		out.Header[name] = values
	}
	response, err := d.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, largest))
	d.mu.Lock()
	d.last = answer{r.URL.Path, response.StatusCode, text}
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}

// largest is more than any answer to what is asked here: five pages of 2,000 contacts.
const largest = 32 << 20

func bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer r.Body.Close()
	return io.ReadAll(io.LimitReader(r.Body, 1<<20))
}

// pass counts a call that is on the list, and refuses others.
func (d *door) pass(r *http.Request, body []byte) error {
	if r.URL.Scheme+"://"+r.URL.Host != d.origin || !d.listed(r, body) {
		return errNotListed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls >= d.most {
		return errTooMany
	}
	d.calls++
	return nil
}

func (d *door) listed(r *http.Request, body []byte) bool {
	return slices.ContainsFunc(d.rules, func(k rule) bool {
		return k.method == r.Method && k.path.MatchString(r.URL.EscapedPath()) && (k.holds == nil || k.holds(d, r, body))
	})
}

// own lets something that was made here be changed and removed.
func (d *door) own(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id != "" && !slices.Contains(d.made, id) {
		d.made = append(d.made, id)
	}
}

// owned returns the ids of what was made here.
func (d *door) owned() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.made)
}

func (d *door) owns(id string) bool { return slices.Contains(d.owned(), id) }

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

func (d *door) answer() answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// ---- what is harmless at Salesforce --------------------------------------------------------------------------------

const api = `^/services/data/v\d\d\.0`

// orgReads change nothing.
var orgReads = []rule{
	{http.MethodGet, regexp.MustCompile(`^/services/data/$`), nil},
	{http.MethodGet, regexp.MustCompile(api + `/(tooling/)?(query|queryAll)$`), selects},
	{http.MethodGet, regexp.MustCompile(api + `/query/[0-9A-Za-z-]+$`), nil}, // a further page
	{http.MethodGet, regexp.MustCompile(api + `/sobjects/[0-9A-Za-z_]+/describe$`), nil},
	{http.MethodGet, regexp.MustCompile(api + `/tooling/sobjects/WorkflowOutboundMessage/[0-9A-Za-z]+$`), nil},
	{http.MethodPost, regexp.MustCompile(api + `/composite$`), composed},
	{http.MethodPost, regexp.MustCompile(`^/services/Soap/m/\d\d\.0$`), readsMetadata},
	{http.MethodPost, regexp.MustCompile(`^/services/oauth2/token$`), forItself},
}

// orgWrites make one contact, and change and remove that one.
var orgWrites = []rule{
	{http.MethodPatch, regexp.MustCompile(api + `/composite/sobjects/Contact/[0-9A-Za-z_]+__c$`), oneOfOurs},
	{http.MethodPatch, regexp.MustCompile(api + `/composite/sobjects$`), oneOfOurs},
	{http.MethodDelete, regexp.MustCompile(api + `/sobjects/Contact/[0-9A-Za-z]+$`), removesOurs},
}

// selects reports whether a statement only reads. SOQL knows nothing else; FOR UPDATE would lock, FOR VIEW and FOR
// REFERENCE mark records as looked at.
func selects(_ *door, r *http.Request, _ []byte) bool {
	statement := strings.ToUpper(r.URL.Query().Get("q"))
	return strings.HasPrefix(statement, "SELECT ") && !strings.Contains(statement, " FOR ")
}

// composed reports whether every part of a call is harmless by itself.
func composed(d *door, r *http.Request, body []byte) bool {
	var call struct {
		Parts []struct {
			Method string          `json:"method"`
			URL    string          `json:"url"`
			Body   json.RawMessage `json:"body"`
		} `json:"compositeRequest"`
	}
	if json.Unmarshal(body, &call) != nil || len(call.Parts) == 0 {
		return false
	}
	for _, part := range call.Parts {
		at, err := url.Parse(part.URL)
		if err != nil || part.Method != http.MethodGet || part.Body != nil || !d.listed(&http.Request{Method: part.Method, URL: at}, nil) {
			return false
		}
	}
	return true
}

// readsMetadata reports whether a call of the Metadata API is one that reads.
func readsMetadata(_ *door, _ *http.Request, body []byte) bool {
	var call struct {
		Body struct {
			Operations []struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"Body"`
	}
	return xml.Unmarshal(body, &call) == nil && len(call.Body.Operations) == 1 && call.Body.Operations[0].XMLName.Local == "readMetadata"
}

// forItself reports whether an app asks for a token by itself. A refresh would end the refresh token before it.
func forItself(_ *door, _ *http.Request, body []byte) bool {
	form, err := url.ParseQuery(string(body))
	return err == nil && slices.Equal(form["grant_type"], []string{"client_credentials"})
}

// oneOfOurs reports whether a write is about one record, which is a new one with our mark or one that we made.
func oneOfOurs(d *door, r *http.Request, body []byte) bool {
	var call struct {
		Records []struct {
			ID       string `json:"id"`
			LastName string
		} `json:"records"`
	}
	if json.Unmarshal(body, &call) != nil || len(call.Records) != 1 {
		return false
	}
	if strings.HasSuffix(r.URL.Path, "/composite/sobjects") {
		return d.owns(call.Records[0].ID)
	}
	return call.Records[0].ID == "" && call.Records[0].LastName == lastName
}

func removesOurs(d *door, r *http.Request, _ []byte) bool {
	return d.owns(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
}

// ---- what is harmless at ReferralHero ------------------------------------------------------------------------------

const list = `/lists/[0-9A-Za-z]+/subscribers`

// heroReads change nothing.
var heroReads = []rule{
	{http.MethodGet, regexp.MustCompile(`/lists$`), nil},
	{http.MethodGet, regexp.MustCompile(list + `$`), nil},
	{http.MethodGet, regexp.MustCompile(list + `/[0-9A-Za-z_-]+$`), nil}, // by id, code or address
	{http.MethodGet, regexp.MustCompile(list + `/[0-9A-Za-z_-]+/referred$`), nil},
}

// heroWrites add a subscriber with the operator's own address, and remove that one.
func heroWrites(address string) []rule {
	return []rule{
		{http.MethodPost, regexp.MustCompile(list + `$`), func(_ *door, _ *http.Request, body []byte) bool {
			var call struct {
				Email    string `json:"email"`
				Referrer string `json:"referrer"`
			}
			return json.Unmarshal(body, &call) == nil && call.Email == address && call.Referrer == ""
		}},
		{http.MethodDelete, regexp.MustCompile(list + `/[0-9A-Za-z_-]+$`), removesOurs},
	}
}

// ---- what an answer was like ---------------------------------------------------------------------------------------

// String tells an answer by its status and its shape: names and types, no values.
func (a answer) String() string {
	if a.status == 0 {
		return "no answer"
	}
	var value any
	if json.Unmarshal(a.body, &value) != nil {
		return fmt.Sprintf("HTTP %d, no JSON", a.status)
	}
	return fmt.Sprintf("HTTP %d %s", a.status, shape(value, 3))
}

// field returns what an answer has under a name at its top: the type, or "missing".
func (a answer) field(name string) string {
	var value map[string]any
	_ = json.Unmarshal(a.body, &value)
	if v, there := value[name]; there {
		return shape(v, 0)
	}
	return "missing"
}

// mostNames keeps the shape of an answer on a line.
const mostNames = 12

// plainName is what the name of an attribute is like. Others might be somebody's.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,40}$`)

// shape writes a value's types, and the names of attributes down to a depth.
func shape(value any, depth int) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		if len(value) == 0 || depth <= 0 {
			return "[]"
		}
		return fmt.Sprintf("[%d of %s]", len(value), shape(value[0], depth-1))
	case map[string]any:
		if depth <= 0 {
			return "{}"
		}
		var parts []string
		for name, v := range value {
			if !plainName.MatchString(name) {
				name = "?"
			}
			parts = append(parts, name+": "+shape(v, depth-1))
		}
		slices.Sort(parts)
		if len(parts) > mostNames {
			parts = append(parts[:mostNames], "…")
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "?"
}

// said returns the text under a name at an answer's top.
func (a answer) said(name string) string {
	var value map[string]any
	_ = json.Unmarshal(a.body, &value)
	text, _ := value[name].(string)
	return text
}

package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// What one composite call may have.
const (
	mostSubrequests = 25
	mostHeavy       = 5 // of these, queries and collections
)

// subrequest is a part of a composite call, or of a batch, which names it otherwise.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Headers     map[string]string `json:"httpHeaders"`
	Body        json.RawMessage   `json:"body"`
	RichInput   json.RawMessage   `json:"richInput"`
}

// subresponse answers it.
type subresponse struct {
	Body        json.RawMessage   `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

// withinKey is where the context of a subrequest keeps on behalf of whom it is made.
type withinKey struct{}

// readParts decodes the body of a composite call.
func readParts(w http.ResponseWriter, r *http.Request, v any) error {
	fields, err := input(w, r)
	if err != nil {
		return err
	}
	body, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", err.Error())
	}
	return nil
}

// countParts refuses a call without parts or with too many.
func countParts(n int) error {
	if n == 0 || n > mostSubrequests {
		return refuse(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("a call has between 1 and %d subrequests; this one has %d", mostSubrequests, n))
	}
	return nil
}

// heavyPath is that of a subrequest of which a call may have few.
var heavyPath = regexp.MustCompile(`^/services/data/v[0-9.]+/(query|queryAll|composite/sobjects)\b`)

// dataPath is what subrequests may address: the parts of the API that change or read records.
var dataPath = regexp.MustCompile(`^/services/data/v[0-9.]+/(sobjects|query|queryAll|tooling/query|tooling/sobjects|composite/sobjects)\b`)

// composite is POST /composite: requests one after the other, which may refer to what earlier ones answered.
func (o *Org) composite(w http.ResponseWriter, c call) error {
	var in struct {
		AllOrNone bool         `json:"allOrNone"`
		Parts     []subrequest `json:"compositeRequest"`
	}
	if err := readParts(w, c.Request, &in); err != nil {
		return err
	}
	if err := countParts(len(in.Parts)); err != nil {
		return err
	}
	heavy, known := 0, map[string]bool{}
	for _, part := range in.Parts {
		heavy += boolInt(heavyPath.MatchString(part.URL))
		if part.ReferenceID == "" || known[part.ReferenceID] {
			return refuse(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("each subrequest needs a referenceId of its own: %q", part.ReferenceID))
		}
		known[part.ReferenceID] = true
	}
	if heavy > mostHeavy {
		return refuse(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("a call has at most %d queries and collections; this one has %d", mostHeavy, heavy))
	}
	answers := o.runParts(c, in.Parts, in.AllOrNone)
	answerJSON(w, http.StatusOK, map[string]any{"compositeResponse": answers})
	return nil
}

// runParts answers the subrequests under one lock, so that all can be taken back.
func (o *Org) runParts(c call, parts []subrequest, allOrNone bool) []subresponse {
	defer o.hold(c)()
	answers := make([]subresponse, len(parts))
	_ = o.attempt(func() error {
		done := map[string]json.RawMessage{} // the bodies of those that succeeded, by reference
		failed := map[string]bool{}
		var halt error
		for i, part := range parts {
			answers[i] = subresponse{ReferenceID: part.ReferenceID, Headers: map[string]string{}}
			refusal := halt
			if refusal == nil {
				refusal = part.resolve(done, failed)
			}
			if refusal == nil && !dataPath.MatchString(part.URL) {
				refusal = refuse(400, "INVALID_INPUT", "this address cannot be part of a composite call: "+part.URL)
			}
			if refusal != nil {
				answers[i].Status, answers[i].Body = errorBody(refusal)
			} else {
				answers[i] = o.runPart(c, part, part.Body, true)
			}
			if answers[i].Status < 400 {
				done[part.ReferenceID] = answers[i].Body
				continue
			}
			failed[part.ReferenceID] = true
			if allOrNone && halt == nil {
				halt = refuse(400, "PROCESSING_HALTED", "The transaction was rolled back since another operation in the same transaction failed.")
				for j := range i {
					answers[j].Status, answers[j].Body = errorBody(halt)
				}
			}
		}
		return halt
	})
	return answers
}

// batch is POST /composite/batch: requests that have nothing to do with each other.
func (o *Org) batch(w http.ResponseWriter, c call) error {
	var in struct {
		HaltOnError bool         `json:"haltOnError"`
		Parts       []subrequest `json:"batchRequests"`
	}
	if err := readParts(w, c.Request, &in); err != nil {
		return err
	}
	if err := countParts(len(in.Parts)); err != nil {
		return err
	}
	type result struct {
		Status int             `json:"statusCode"`
		Result json.RawMessage `json:"result"`
	}
	var results []result
	failed := false
	for _, part := range in.Parts {
		part.URL = "/services/data/" + strings.TrimPrefix(strings.TrimPrefix(part.URL, "/services/data/"), "/")
		answer := subresponse{}
		switch {
		case failed && in.HaltOnError:
			answer.Status, answer.Body = errorBody(refuse(412, "BATCH_PROCESSING_HALTED", "Batch processing halted per request"))
		case !dataPath.MatchString(part.URL):
			answer.Status, answer.Body = errorBody(refuse(400, "INVALID_INPUT", "this address cannot be part of a batch: "+part.URL))
		default:
			answer = o.runPart(c, part, part.RichInput, false)
		}
		failed = failed || answer.Status >= 400
		results = append(results, result{answer.Status, answer.Body})
	}
	answerJSON(w, http.StatusOK, map[string]any{"hasErrors": failed, "results": results})
	return nil
}

// runPart makes a request on behalf of the user of the whole call. held says that the call has the lock.
func (o *Org) runPart(c call, part subrequest, body []byte, held bool) subresponse {
	answer := subresponse{ReferenceID: part.ReferenceID, Headers: map[string]string{}}
	within := call{user: c.user, within: held}
	r, err := http.NewRequestWithContext(context.WithValue(c.Context(), withinKey{}, within), part.Method, part.URL, bytes.NewReader(body))
	if err != nil {
		answer.Status, answer.Body = errorBody(refuse(400, "INVALID_INPUT", err.Error()))
		return answer
	}
	r.RequestURI = part.URL
	for _, name := range []string{"Sforce-Duplicate-Rule-Header", "Sforce-Query-Options"} {
		r.Header.Set(name, c.Header.Get(name))
	}
	for name, value := range part.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	kept := &recorder{header: http.Header{}, status: http.StatusOK}
	o.routes.ServeHTTP(kept, r)
	answer.Status, answer.Body = kept.status, kept.body.Bytes()
	if len(answer.Body) == 0 {
		answer.Body = json.RawMessage("null")
	}
	if location := kept.header.Get("Location"); location != "" {
		answer.Headers["Location"] = location
	}
	return answer
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(status int)      { r.status = status }

// errorBody is a refusal as the answer to a subrequest.
func errorBody(err error) (int, json.RawMessage) {
	kept := &recorder{header: http.Header{}}
	answerError(kept, err)
	body, _ := io.ReadAll(&kept.body) // of memory
	return kept.status, body
}

// reference is how a subrequest names something that an earlier one answered: @{ref.id}, @{ref.records[0].Id}.
var reference = regexp.MustCompile(`@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[[0-9]+\])+)\}`)

// step is one step of the path into an answer.
var step = regexp.MustCompile(`\.[A-Za-z0-9_]+|\[[0-9]+\]`)

// resolve puts in what the subrequest refers to.
func (p *subrequest) resolve(done map[string]json.RawMessage, failed map[string]bool) error {
	var refusal error
	replace := func(text string, write func(any) string) string {
		return reference.ReplaceAllStringFunc(text, func(found string) string {
			parts := reference.FindStringSubmatch(found)
			if failed[parts[1]] {
				refusal = refuse(400, "PROCESSING_HALTED", "Invalid reference specified. No value for "+found[2:len(found)-1]+" found in "+parts[1])
				return found
			}
			value, ok := follow(done[parts[1]], step.FindAllString(parts[2], -1))
			if !ok {
				refusal = refuse(400, "PROCESSING_HALTED", "Invalid reference specified. No value for "+found[2:len(found)-1]+" found in "+parts[1])
				return found
			}
			return write(value)
		})
	}
	p.URL = replace(p.URL, func(v any) string { return fmt.Sprint(v) })
	p.Body = json.RawMessage(replace(string(p.Body), func(v any) string {
		quoted, _ := json.Marshal(fmt.Sprint(v)) // a string always marshals
		return string(quoted[1 : len(quoted)-1])
	}))
	return refusal
}

// follow walks a path into a JSON value, to a text, a number or a boolean. It decodes only what is on the way.
func follow(value json.RawMessage, steps []string) (any, bool) {
	for _, one := range steps {
		if name, ok := strings.CutPrefix(one, "."); ok {
			var object map[string]json.RawMessage
			if json.Unmarshal(value, &object) != nil {
				return nil, false
			}
			value = object[name]
			continue
		}
		var list []json.RawMessage
		n, err := strconv.Atoi(strings.Trim(one, "[]"))
		if err != nil || json.Unmarshal(value, &list) != nil || n >= len(list) {
			return nil, false
		}
		value = list[n]
	}
	var found any
	if json.Unmarshal(value, &found) != nil {
		return nil, false
	}
	switch found.(type) {
	case string, float64, bool:
		return found, true
	}
	return nil, false
}

package salesforce

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// The Metadata API takes up to ten components of one type in a call, and answers for each.
// https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_calls_crud.htm
const (
	mostComponents   = 10
	metadataSpace    = "http://soap.sforce.com/2006/04/metadata"
	metadataPatience = time.Minute // ten fields take a large org some seconds each
)

var metadataPath = "/services/Soap/m/" + strings.TrimPrefix(version, "v")

// setupKinds says what the codes mean that only setting up an org can cause. What is not here is in kinds; what is in
// neither is Salesforce's refusal of that one component.
var setupKinds = map[string]bridge.Kind{
	"DUPLICATE_DEVELOPER_NAME":             bridge.Conflict,
	"LICENSE_LIMIT_EXCEEDED":               bridge.Denied,
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": bridge.Invalid,
	"UNSUPPORTED_API_VERSION":              bridge.Internal,
	"EXCEEDED_ID_LIMIT":                    bridge.Internal,
	"Client":                               bridge.Internal, // what we sent is no call of the API
	"INVALID_OPERATION":                    bridge.Denied,
}

// operation is a call of the Metadata API.
type operation struct {
	XMLName    xml.Name
	Components []any    `xml:"met:metadata"`
	Type       string   `xml:"met:type,omitempty"`
	FullNames  []string `xml:"met:fullNames"`
}

// envelope is what is sent. The access token is inside, so it is built for each attempt.
type envelope struct {
	XMLName   xml.Name  `xml:"soapenv:Envelope"`
	SOAP      string    `xml:"xmlns:soapenv,attr"`
	Instance  string    `xml:"xmlns:xsi,attr"`
	Metadata  string    `xml:"xmlns:met,attr"`
	Session   string    `xml:"soapenv:Header>met:SessionHeader>met:sessionId"`
	AllOrNone bool      `xml:"soapenv:Header>met:AllOrNoneHeader>met:allOrNone"`
	Operation operation `xml:"soapenv:Body>operation"`
}

func newEnvelope(token bridge.AccessToken, call operation) ([]byte, error) {
	body, err := xml.Marshal(envelope{
		SOAP: "http://schemas.xmlsoap.org/soap/envelope/", Instance: "http://www.w3.org/2001/XMLSchema-instance", Metadata: metadataSpace,
		Session: token.Token.Reveal(), Operation: call,
	})
	return append([]byte(xml.Header), body...), err
}

// reply is what comes back: a fault, or one element with results or records.
type reply[T any] struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Body    struct {
		Fault  *fault `xml:"http://schemas.xmlsoap.org/soap/envelope/ Fault"`
		Answer T      `xml:",any"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

type fault struct {
	Code string `xml:"faultcode"`
	Text string `xml:"faultstring"`
}

// result is what became of one component.
type result struct {
	FullName string `xml:"fullName"`
	Success  bool   `xml:"success"`
	Errors   []struct {
		Code string `xml:"statusCode"`
		Text string `xml:"message"`
	} `xml:"errors"`
}

func (r result) refusal(op string) error {
	if r.Success {
		return nil
	}
	if len(r.Errors) == 0 {
		return &bridge.Error{Op: op, Kind: bridge.Unavailable, Err: errUnreadable}
	}
	return setupRefusal(op, r.Errors[0].Code, r.Errors[0].Text)
}

// setupRefusal is Salesforce's refusal to change something of an org's setup. Its words are for the org's own people.
func setupRefusal(op, code, text string) error {
	e := &bridge.Error{Op: op, Kind: bridge.Invalid, Message: text, Err: words{text}}
	complaint{ErrorCode: code, Message: text}.about(e)
	if kind, known := setupKinds[code]; known {
		e.Kind, e.Code = kind, code
	}
	return e
}

// metadata makes a call of the Metadata API, with one renewal of the token like send.
func metadata[T any](ctx context.Context, c *Client, op string, call operation, writes bool) (T, error) {
	var answer T
	token, err := c.Tokens.Token(ctx)
	if err != nil {
		return answer, bridge.E(op, "", err)
	}
	once := func() error {
		return c.soap(ctx, op, token, call, writes, func(body io.Reader) (*fault, error) { return decodeReply(body, &answer) })
	}
	err = once()
	if code := bridge.CodeOf(err); code != sessionEnded && code != moved {
		return answer, err
	}
	if token, err = c.Tokens.Renew(ctx, token); err != nil {
		return answer, bridge.E(op, "", err)
	}
	err = once()
	return answer, err
}

// soap makes a call once, and gives its answer to decode.
func (c *Client) soap(
	ctx context.Context, op string, token bridge.AccessToken, call operation, writes bool, decode func(io.Reader) (*fault, error),
) error {
	origin, err := c.Hosts.Instance(token.Instance)
	if err != nil {
		return bridge.E(op, bridge.Denied, err)
	}
	body, err := newEnvelope(token, call)
	if err != nil {
		return bridge.E(op, bridge.Internal, errRequest)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, origin+metadataPath, bytes.NewReader(body))
	if err != nil {
		return bridge.E(op, bridge.Internal, errRequest)
	}
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	r.Header.Set("SOAPAction", `""`)
	c.calls.Add(1)
	unclear := request{writes: writes}.unclear()
	client := *c.HTTP
	client.Timeout = metadataPatience
	response, err := client.Do(r)
	if err != nil {
		return unanswered(op, unclear, err)
	}
	defer drain(response.Body)
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return &bridge.Error{Op: op, Kind: bridge.Unavailable, Code: moved}
	}
	told, err := decode(response.Body)
	switch {
	case err == nil && told != nil:
		_, code, _ := strings.Cut(told.Code, ":")
		return setupRefusal(op, code, strings.TrimPrefix(told.Text, code+": "))
	case response.StatusCode != http.StatusOK: // a page of HTML, when the org is down
		return undone(&bridge.Error{Op: op, Kind: kindOfStatus(response.StatusCode)}, writes, response.StatusCode)
	case err != nil:
		return bridge.E(op, unclear, err)
	}
	return nil
}

// What an answer of the Metadata API may be: a permission set that an administrator has filled may name thousands
// of fields.
const (
	largestXML = 4 << 20
	deepestXML = 24
)

var errXML = errors.New("answer is no XML that we read")

// decodeReply reads an answer into out, or returns the fault that it is.
func decodeReply[T any](body io.Reader, out *T) (*fault, error) {
	text, err := io.ReadAll(io.LimitReader(body, largestXML+1))
	if err != nil {
		return nil, errUnreadable
	}
	if err := plainXML(text); err != nil {
		return nil, err
	}
	var r reply[T]
	if err := xml.Unmarshal(text, &r); err != nil {
		return nil, errXML // the decoder's own words may quote the answer
	}
	*out = r.Body.Answer
	return r.Body.Fault, nil
}

// plainXML refuses what is too large or nested too deep, what is not one well-formed element, and document types.
func plainXML(text []byte) error {
	if len(text) > largestXML {
		return errTooLarge
	}
	decoder, depth, roots := xml.NewDecoder(bytes.NewReader(text)), 0, 0
	for {
		token, err := decoder.RawToken()
		if err == io.EOF && depth == 0 && roots == 1 {
			return nil
		}
		if err != nil {
			return errXML
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			if depth++; depth > deepestXML || roots > 1 {
				return errXML
			}
		case xml.EndElement:
			if depth--; depth < 0 {
				return errXML
			}
		case xml.Directive:
			return errXML
		case xml.ProcInst:
			if t.Target != "xml" {
				return errXML
			}
		}
	}
}

// results answers a list of components in its order.
func results(op string, n int, got []result) ([]error, error) {
	if len(got) != n {
		return nil, bridge.E(op, bridge.UnknownOutcome, errUnreadable)
	}
	list := make([]error, n)
	for i, r := range got {
		list[i] = r.refusal(op)
	}
	return list, nil
}

// batches does something with ten items at a time.
func batches[T any](items []T, do func([]T) ([]error, error)) ([]error, error) {
	var all []error
	for len(items) > 0 {
		n := min(mostComponents, len(items))
		list, err := do(items[:n])
		if err != nil {
			return nil, err
		}
		all, items = append(all, list...), items[n:]
	}
	return all, nil
}

type changed struct {
	Results []result `xml:"result"`
}

// write creates, replaces or deletes components of one type.
func (c *Client) write(ctx context.Context, op, name, kind string, components []any, fullNames []string) ([]error, error) {
	call := operation{XMLName: xml.Name{Local: "met:" + name}, Components: components, Type: kind, FullNames: fullNames}
	answer, err := metadata[changed](ctx, c, op, call, true)
	if err != nil {
		return nil, err
	}
	return results(op, len(components)+len(fullNames), answer.Results)
}

// customField is the definition of a custom field; the order of its elements is that of the API.
type customField struct {
	Component     string `xml:"xsi:type,attr"`
	FullName      string `xml:"met:fullName"`
	CaseSensitive bool   `xml:"met:caseSensitive,omitempty"`
	Description   string `xml:"met:description,omitempty"`
	ExternalID    bool   `xml:"met:externalId"`
	Help          string `xml:"met:inlineHelpText,omitempty"`
	Label         string `xml:"met:label"`
	Length        int    `xml:"met:length,omitempty"`
	Precision     int    `xml:"met:precision,omitempty"`
	Required      bool   `xml:"met:required"`
	Scale         *int   `xml:"met:scale"`
	Type          string `xml:"met:type"`
	Unique        bool   `xml:"met:unique,omitempty"`
}

func newCustomField(object string, f provision.NewField) customField {
	d := customField{
		Component: "met:CustomField", FullName: object + "." + f.Name, CaseSensitive: f.Of.Key, Description: f.Description, ExternalID: f.Of.Key,
		Help: f.Help, Label: f.Label, Type: string(f.Of.Type), Unique: f.Of.Key,
	}
	switch f.Of.Type {
	case bridge.TextField:
		d.Length = f.Of.Length
	case bridge.NumberField:
		d.Precision, d.Scale = bridge.Digits, new(int)
	}
	return d
}

// CreateFields makes custom fields of an object, ten in a call. The result answers for each; Conflict is one of a name
// that is taken, in whatever letters. Nobody sees a field that was made, until a permission says so.
func (c *Client) CreateFields(ctx context.Context, object string, made []provision.NewField) ([]error, error) {
	const op = "salesforce.CreateFields"
	return batches(made, func(some []provision.NewField) ([]error, error) {
		components := make([]any, len(some))
		for i, f := range some {
			components[i] = newCustomField(object, f)
		}
		return c.write(ctx, op, "createMetadata", "", components, nil)
	})
}

// DeleteFields deletes custom fields of an object with what they hold. NotFound: there is none of that name.
func (c *Client) DeleteFields(ctx context.Context, object string, names []string) ([]error, error) {
	const op = "salesforce.DeleteFields"
	return batches(names, func(some []string) ([]error, error) {
		return c.write(ctx, op, "deleteMetadata", "CustomField", nil, fullNames(object, some))
	})
}

func fullNames(object string, names []string) []string {
	full := make([]string, len(names))
	for i, name := range names {
		full[i] = object + "." + name
	}
	return full
}

// definition is a custom field as readMetadata tells it.
type definition struct {
	FullName    string `xml:"fullName"`
	Description string `xml:"description"`
	ExternalID  bool   `xml:"externalId"`
	Length      int    `xml:"length"`
	Precision   int    `xml:"precision"`
	Scale       int    `xml:"scale"`
	Type        string `xml:"type"`
	Unique      bool   `xml:"unique"`
}

// Definitions returns how custom fields of an object are defined, whoever may see them; those that do not exist are left
// out.
func (c *Client) Definitions(ctx context.Context, object string, names []string) ([]provision.Definition, error) {
	const op = "salesforce.Definitions"
	var found []provision.Definition
	_, err := batches(names, func(some []string) ([]error, error) {
		records, err := readMetadata[definition](ctx, c, op, "CustomField", fullNames(object, some))
		for _, d := range records {
			if name, is := strings.CutPrefix(d.FullName, object+"."); is {
				found = append(found, d.shape(name))
			}
		}
		return nil, err
	})
	return found, err
}

func (d definition) shape(name string) provision.Definition {
	shape := provision.Shape{Name: name, Word: d.Type, Length: d.Length, Digits: d.Precision - d.Scale, Key: d.ExternalID && d.Unique}
	switch kind := bridge.FieldType(d.Type); kind {
	case bridge.TextField, bridge.URLField, bridge.NumberField, bridge.DateTimeField:
		shape.Type = kind
	}
	return provision.Definition{Shape: shape, Description: d.Description}
}

// readMetadata reads up to ten components.
func readMetadata[T any](ctx context.Context, c *Client, op, kind string, fullNames []string) ([]T, error) {
	type records struct {
		Records []T `xml:"result>records"`
	}
	call := operation{XMLName: xml.Name{Local: "met:readMetadata"}, Type: kind, FullNames: fullNames}
	answer, err := metadata[records](ctx, c, op, call, false)
	return answer.Records, err
}

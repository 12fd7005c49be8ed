// Package ses is Amazon SES v2 as far as Referral Bridge uses it: SendEmail with a simple or a raw message, and a page for people
// who look at what was sent. Nothing leaves the machine. Every sender counts as verified.
package ses

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

// Options say how a Server behaves.
type Options struct {
	Now   func() time.Time // nil means time.Now
	NewID func() string    // makes message ids, each a new one; nil means random ones
}

// Server is an http.Handler that answers SendEmail and shows the mails. It is safe for concurrent use.
type Server struct {
	now   func() time.Time
	newID func() string
	mux   http.ServeMux

	mu       sync.Mutex
	mails    []Mail // in the order in which they were sent
	requests map[string]int
}

// Mail is one mail that was sent.
type Mail struct {
	ID      string            `json:"id"`       // the MessageId that SendEmail answered
	At      time.Time         `json:"at"`       // when it was accepted
	From    string            `json:"from"`     // as given; a display name may be part of it
	To      []string          `json:"to"`       // To, Cc and Bcc, as given
	ReplyTo []string          `json:"reply_to"` // as given
	Subject string            `json:"subject"`
	Text    string            `json:"text"`    // empty if there is no such part
	HTML    string            `json:"html"`    // empty if there is no such part
	Headers map[string]string `json:"headers"` // those that the sender added
	Tags    map[string]string `json:"tags"`    // EmailTags
}

// Protocol is how SES answers.
var Protocol = wire.Protocol{ContentType: "application/json", Message: "message", REST: true}

// Path is where SendEmail is.
const Path = "/v2/email/outbound-emails"

// New returns an SES that has sent nothing.
func New(o Options) *Server {
	s := &Server{now: o.Now, newID: o.NewID, requests: map[string]int{}}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = func() string { return fmt.Sprintf("%016x-%s-000000", s.now().UnixMilli(), uuid.NewString()) }
	}
	s.mux.HandleFunc("POST "+Path, s.serveSend)
	s.mux.HandleFunc("GET /mails", s.servePage)
	s.mux.HandleFunc("GET /mails.json", s.serveList)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		Protocol.Refuse(w, wire.UnknownOperation(r.Method+" "+r.URL.Path))
	})
	return s
}

// ServeHTTP answers SendEmail, GET /mails (a page) and GET /mails.json (a list of Mail, newest first).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Mails returns what was sent, newest first.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := slices.Clone(s.mails)
	slices.Reverse(newest)
	return newest
}

// Requests counts the requests so far by operation, refused ones included.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Permissions returns what a caller must be allowed to do for a request to run: the identity is the sender's address.
func Permissions(body []byte) []wire.Permission {
	var in email
	// A body that cannot be read sends nothing, and is refused later.
	_ = wire.Decode(body, &in)
	action, from := "ses:SendEmail", in.From
	if in.Content.Raw != nil {
		action = "ses:SendRawEmail"
		if m, err := readRaw(in.Content.Raw.Data); err == nil && from == "" {
			from = m.From
		}
	}
	if a, err := mail.ParseAddress(from); err == nil {
		from = a.Address
	}
	return []wire.Permission{{Action: action, Resource: "arn:aws:ses:us-east-1:000000000000:identity/" + from}}
}

type email struct {
	From        string `json:"FromEmailAddress"`
	Destination destination
	ReplyTo     []string `json:"ReplyToAddresses"`
	Content     struct {
		Simple *simple
		Raw    *raw
	}
	Tags []struct{ Name, Value string } `json:"EmailTags"`
}

type destination struct {
	To  []string `json:"ToAddresses"`
	Cc  []string `json:"CcAddresses"`
	Bcc []string `json:"BccAddresses"`
}

type content struct{ Data, Charset string }

type simple struct {
	Subject content
	Body    struct {
		Text *content
		HTML *content `json:"Html"`
	}
	Headers []struct{ Name, Value string }
}

type raw struct{ Data []byte }

// Limits of https://docs.aws.amazon.com/ses/latest/dg/quotas.html
const (
	mostRecipients = 50
	largest        = 40 << 20 // bytes of a message after encoding
)

func (s *Server) serveSend(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests["SendEmail"]++
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		Protocol.Refuse(w, wire.TooLarge(err))
		return
	}
	var in email
	if err := wire.Decode(body, &in); err != nil {
		Protocol.Refuse(w, err)
		return
	}
	m, err := in.mail()
	if err != nil {
		Protocol.Refuse(w, err)
		return
	}
	s.mu.Lock()
	m.ID, m.At = s.newID(), s.now()
	s.mails = append(s.mails, m)
	s.mu.Unlock()
	Protocol.Answer(w, struct{ MessageId string }{m.ID})
}

var tag = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// mail checks the request and makes of it what is kept.
func (in email) mail() (Mail, error) {
	var m Mail
	switch {
	case (in.Content.Simple == nil) == (in.Content.Raw == nil):
		return Mail{}, bad("The content must be exactly one of Simple and Raw.")
	case in.Content.Raw != nil:
		if len(in.Content.Raw.Data) > largest {
			return Mail{}, rejected("Message length is more than %d bytes long: '%d'.", largest, len(in.Content.Raw.Data))
		}
		read, err := readRaw(in.Content.Raw.Data)
		if err != nil {
			return Mail{}, bad("The raw message is malformed: " + err.Error())
		}
		m = read
	default:
		made, err := in.Content.Simple.mail()
		if err != nil {
			return Mail{}, err
		}
		m = made
	}
	if in.From != "" {
		m.From = in.From
	}
	if m.From == "" {
		return Mail{}, bad("Missing required field: FromEmailAddress")
	}
	if to := slices.Concat(in.Destination.To, in.Destination.Cc, in.Destination.Bcc); len(to) > 0 {
		m.To = to
	}
	switch {
	case len(m.To) == 0:
		return Mail{}, bad("The message has no recipient.")
	case len(m.To) > mostRecipients:
		return Mail{}, rejected("Recipient count exceeds %d.", mostRecipients)
	}
	m.ReplyTo = append(m.ReplyTo, in.ReplyTo...)
	for _, address := range slices.Concat([]string{m.From}, m.To, m.ReplyTo) {
		if err := checkAddress(address); err != nil {
			return Mail{}, err
		}
	}
	m.Tags = map[string]string{}
	for _, t := range in.Tags {
		if !tag.MatchString(t.Name) || !tag.MatchString(t.Value) {
			return Mail{}, bad("Invalid tag <" + t.Name + ", " + t.Value + ">: only alphanumeric ASCII characters, '_' and '-' are allowed, at most 256 of them.")
		}
		if _, twice := m.Tags[t.Name]; twice {
			return Mail{}, bad("Duplicate tag <" + t.Name + ">.")
		}
		m.Tags[t.Name] = t.Value
	}
	return m, nil
}

func (c simple) mail() (Mail, error) {
	if c.Subject.Data == "" {
		return Mail{}, bad("Missing required field: Subject")
	}
	if c.Body.Text == nil && c.Body.HTML == nil {
		return Mail{}, bad("Missing required field: Body")
	}
	m := Mail{Subject: c.Subject.Data, Headers: map[string]string{}}
	parts := []content{c.Subject}
	if c.Body.Text != nil {
		m.Text, parts = c.Body.Text.Data, append(parts, *c.Body.Text)
	}
	if c.Body.HTML != nil {
		m.HTML, parts = c.Body.HTML.Data, append(parts, *c.Body.HTML)
	}
	size := 0
	for _, part := range parts {
		size += len(part.Data)
		if err := checkCharset(part); err != nil {
			return Mail{}, err
		}
	}
	if size > largest {
		return Mail{}, rejected("Message length is more than %d bytes long: '%d'.", largest, size)
	}
	for _, h := range c.Headers {
		if strings.ContainsAny(h.Name+h.Value, "\r\n") || h.Name == "" {
			return Mail{}, bad("Invalid header <" + h.Name + ">.")
		}
		m.Headers[h.Name] = h.Value
	}
	return m, nil
}

// checkCharset refuses text that does not fit what it says of itself. Without a charset it must be 7-bit ASCII: SES replaces
// what is not, and people then read question marks.
func checkCharset(c content) error {
	switch strings.ToUpper(c.Charset) {
	case "UTF-8":
		return nil
	case "", "US-ASCII":
		for _, r := range c.Data {
			if r > 0x7F {
				return bad(fmt.Sprintf("The text has the character %q but no Charset that could encode it.", r))
			}
		}
		return nil
	}
	return bad("The charset " + c.Charset + " is not supported here.")
}

// checkAddress refuses what SES refuses: a local part or domain that is not ASCII, a name that is not encoded (RFC 2047).
func checkAddress(address string) error {
	for _, r := range address {
		switch {
		case r > 0x7F:
			return bad(fmt.Sprintf("The address contains the character %q, which is not ASCII: encode a name as in RFC 2047 and a domain in Punycode.", r))
		case r < 0x20 || r == 0x7F:
			return bad("Local address contains control or whitespace")
		}
	}
	a, err := mail.ParseAddress(address)
	if err != nil {
		if !strings.Contains(address, "@") {
			return bad("Missing final '@domain'")
		}
		return bad("Illegal address: " + err.Error())
	}
	local, domain, _ := strings.Cut(a.Address, "@")
	switch {
	case len(local) > 64 || len(a.Address) > 320:
		return bad("Illegal address: too long")
	case !strings.Contains(domain, ".") && domain != "localhost":
		return bad("Domain must contain '.'")
	}
	return nil
}

func bad(message string) *wire.Error {
	return &wire.Error{Code: "BadRequestException", Message: message}
}

func rejected(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "MessageRejected", Message: fmt.Sprintf(format, args...)}
}

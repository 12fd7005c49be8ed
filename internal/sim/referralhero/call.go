package referralhero

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// largestBody is more than any call of the API needs: 500 transactions take about 100 KB.
const largestBody = 1 << 20

// call is a call of the API while it is answered.
type call struct {
	*parameters
	*campaign           // of the path; nil if it names none
	member    *member   // of the path; nil if it names none
	now       int64     // Unix seconds
	changed   []*member // so far, by this call
}

// endpoint does what a call asks for and returns its data. The lock is held.
type endpoint func(*Service, *call) (data any, err error)

// api answers calls of one endpoint: faults, token, limit and latency first, then the work.
func (s *Service) api(pattern string, run endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.counts.begin()
		defer s.counts.end()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
		if err != nil {
			http.Error(w, "the body is too large, or did not come", http.StatusRequestEntityTooLarge)
			return
		}
		parameters, malformed := readParameters(r, body)
		fault := s.fault(r, body)

		s.mu.Lock()
		now := s.now()
		reply := s.before(r, parameters, fault, now)
		delay := s.latency()
		s.mu.Unlock()

		// A caller that gives up meanwhile does not undo its call, as with the real one.
		time.Sleep(fault.Delay + delay)
		if reply == nil {
			reply = s.work(r, run, parameters, malformed)
		}
		switch fault.Kind {
		case Silent, Cut:
			reply.status = 0
		case BrokenAfter:
			counted := reply.counted
			reply = page(http.StatusInternalServerError)
			reply.counted = counted
		case Truncated:
			reply.body = reply.body[:len(reply.body)/2]
		}
		s.counts.note(Call{At: now, Endpoint: pattern, Status: reply.status, Counted: reply.counted})
		if fault.Kind == Silent {
			<-r.Context().Done()
		}
		if reply.status == 0 {
			panic(http.ErrAbortHandler) // closes the connection without an answer
		}
		w.Header().Set("Content-Type", reply.kind)
		w.WriteHeader(reply.status)
		if _, err := w.Write(reply.body); err != nil {
			slog.DebugContext(r.Context(), "the caller did not take the answer", "err", err)
		}
	}
}

// reply is what a caller gets. Status 0 is no answer at all.
type reply struct {
	status  int
	kind    string
	body    []byte
	counted bool // against the limit
}

func page(status int) *reply {
	return &reply{status: status, kind: "text/html; charset=utf-8", body: []byte("<!DOCTYPE html>\n<html><head><title>" +
		strconv.Itoa(status) + " " + http.StatusText(status) + "</title></head><body><h1>We're sorry, but something went wrong.</h1></body></html>\n")}
}

// fault returns what goes wrong with a call; the zero Fault is nothing.
func (s *Service) fault(r *http.Request, body []byte) Fault {
	s.mu.Lock()
	byCode := s.options.Faults
	s.mu.Unlock()
	if byCode != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if fault := byCode(r); fault != nil {
			return *fault
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.options.FaultRules.next(r.URL.Path, s.tally); fault != nil {
		return *fault
	}
	return Fault{}
}

// before returns the reply to a call that is not worked on, or nil. The lock is held.
func (s *Service) before(r *http.Request, p *parameters, fault Fault, now time.Time) *reply {
	switch fault.Kind {
	case Throttle:
		return s.refusal(refuse("too_many_calls", "You have reached the limit of API calls"), 0, now)
	case Broken:
		return page(http.StatusInternalServerError)
	case Gateway:
		return page(http.StatusBadGateway)
	case CutBefore:
		return &reply{}
	}
	if err := s.authenticate(r, p); err != nil {
		return s.refusal(err, s.limiter.left(now), now)
	}
	left, ok := s.limiter.take(now)
	if !ok {
		return s.refusal(refuse("too_many_calls", "You have reached the limit of API calls"), 0, now)
	}
	if fault.Kind == Refuse || fault.Kind == ErrorIn200 {
		code := either(fault.Code, "internal_error")
		reply := s.refusal(refuse(code, "Something went wrong"), left, now)
		if fault.Kind == ErrorIn200 {
			reply.status = http.StatusOK
		}
		reply.counted = true
		return reply
	}
	return nil
}

// authenticate checks the token and the account.
func (s *Service) authenticate(r *http.Request, p *parameters) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		token = r.Header.Get("X-API-Key")
	}
	if p.has("api_token") {
		if !s.options.LegacyToken {
			return refuse("no_token", "Send the API token in a header, not as the parameter api_token")
		}
		token = p.text("api_token")
	}
	switch token = strings.TrimSpace(token); {
	case token == "":
		return refuse("no_token", "Missing API token")
	case subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1:
		return refuse("invalid_token", "The API token is not valid")
	case s.options.Inactive:
		return refuse("inactive_account", "The account is not active")
	}
	return nil
}

// work runs an endpoint and returns its reply.
func (s *Service) work(r *http.Request, run endpoint, p *parameters, malformed error) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	data, err := any(nil), malformed
	if err == nil {
		data, err = s.run(r, run, &call{parameters: p, now: now.Unix()})
	}
	left := s.limiter.left(now)
	var answered *reply
	if err != nil {
		answered = s.refusal(err, left, now)
	} else {
		answered = s.reply(http.StatusOK, envelope{Status: "ok", Data: data}, left, now)
	}
	answered.counted = true
	return answered
}

// run finds what the path names and runs an endpoint on it.
func (s *Service) run(r *http.Request, run endpoint, c *call) (any, error) {
	if uuid := r.PathValue("uuid"); uuid != "" {
		if c.campaign = s.campaign(uuid); c.campaign == nil {
			return nil, refuse("invalid_list", "The uuid is not one of this account's lists")
		}
	}
	if id := r.PathValue("subscriber"); id != "" {
		if c.member = seen(c.byID[id]); c.member == nil {
			return nil, errNoSubscriber
		}
	}
	data, err := run(s, c)
	s.tellUpdated(c.campaign, c.changed...)
	return data, err
}

var errNoSubscriber = refuse("subscriber_not_found", "There is no such verified subscriber")

// envelope is what every answer is wrapped in.
type envelope struct {
	Status    string          `json:"status"`
	Data      any             `json:"data,omitempty"`
	Message   string          `json:"message,omitempty"`
	Code      string          `json:"code,omitempty"`
	CallsLeft json.RawMessage `json:"calls_left,omitempty"`
	Timestamp int64           `json:"timestamp,omitempty"`
}

func (s *Service) refusal(err error, left int, now time.Time) *reply {
	refused, ok := err.(*refusal)
	if !ok {
		refused = &refusal{"internal_error", "Something went wrong"}
	}
	return s.reply(s.options.status(refused.code), envelope{Status: "error", Message: refused.message, Code: refused.code}, left, now)
}

// reply encodes e as the switches say. The lock is held, since data may point to what it protects.
func (s *Service) reply(status int, e envelope, left int, now time.Time) *reply {
	switch number := strconv.Itoa(left); {
	case s.options.CallsLeft == Missing:
	case s.options.CallsLeft == Null, s.options.WindowKind == None:
		e.CallsLeft = json.RawMessage("null")
	case s.options.CallsLeft == Text:
		e.CallsLeft = json.RawMessage(strconv.Quote(number))
	default:
		e.CallsLeft = json.RawMessage(number)
	}
	e.Timestamp = now.Unix()
	body, err := json.Marshal(e)
	if err == nil && s.options.Empty != Quotes {
		body, err = rewriteEmpty(body, s.options.Empty)
	}
	if err != nil {
		return page(http.StatusInternalServerError)
	}
	return &reply{status: status, kind: "application/json; charset=utf-8", body: body}
}

// rewriteEmpty writes the empty texts of a JSON object as null, or leaves them and all nulls out.
func rewriteEmpty(body []byte, empty Empty) ([]byte, error) {
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	return json.Marshal(withoutQuotes(object, empty))
}

func withoutQuotes(value any, empty Empty) any {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			switch {
			case inner != "" && inner != nil:
				value[name] = withoutQuotes(inner, empty)
			case empty == Absent:
				delete(value, name)
			default:
				value[name] = nil
			}
		}
	case []any:
		for i, inner := range value {
			value[i] = withoutQuotes(inner, empty)
		}
	}
	return value
}

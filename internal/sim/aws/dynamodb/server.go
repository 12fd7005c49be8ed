package dynamodb

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options are how the world comes in. The zero value is ready for use.
type Options struct {
	// Now is the clock of everything that depends on time: expiry, idempotency tokens, creation dates. It defaults to time.Now.
	Now func() time.Time
}

// Server is a region of DynamoDB with one account. It is safe for concurrent use, and every operation on it is atomic:
// transactions are serialisable and never conflict.
type Server struct {
	now func() time.Time

	mu     sync.RWMutex // of all below
	tables map[string]*table
	tokens map[string]remembered // by ClientRequestToken

	units meter
}

// New returns a server without tables.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{now: o.Now, tables: map[string]*table{}, tokens: map[string]remembered{}}
}

// answer is the body of a response.
type answer map[string]any

// operations are all that there are, by name.
var operations = map[string]func(*Server, []byte) (answer, error){
	"CreateTable":             handle((*Server).createTable),
	"DescribeTable":           handle((*Server).describeTable),
	"DeleteTable":             handle((*Server).deleteTable),
	"ListTables":              handle((*Server).listTables),
	"UpdateTimeToLive":        handle((*Server).updateTimeToLive),
	"DescribeTimeToLive":      handle((*Server).describeTimeToLive),
	"UpdateContinuousBackups": handle((*Server).updateContinuousBackups),
	"GetItem":                 handle((*Server).getItem),
	"PutItem":                 handle((*Server).putItem),
	"UpdateItem":              handle((*Server).updateItem),
	"DeleteItem":              handle((*Server).deleteItem),
	"Query":                   handle((*Server).query),
	"BatchGetItem":            handle((*Server).batchGetItem),
	"BatchWriteItem":          handle((*Server).batchWriteItem),
	"TransactGetItems":        handle((*Server).transactGetItems),
	"TransactWriteItems":      handle((*Server).transactWriteItems),
}

func handle[In any](operation func(*Server, In) (answer, error)) func(*Server, []byte) (answer, error) {
	return func(s *Server, body []byte) (answer, error) {
		var in In
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		return operation(s, in)
	}
}

const (
	targetPrefix = "DynamoDB_20120810."
	largestBody  = 16 << 20
)

// ServeHTTP answers a POST whose header X-Amz-Target names an operation of DynamoDB_20120810. Signatures are not looked at.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		respond(w, http.StatusRequestEntityTooLarge, answer{"__type": malformed, "message": err.Error()})
		return
	}
	name, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	run, known := operations[name]
	if !ours || !known || r.Method != http.MethodPost {
		respond(w, http.StatusBadRequest, answer{
			"__type":  "com.amazon.coral.service#UnknownOperationException",
			"message": fmt.Sprintf("this emulator of DynamoDB has no operation %s %q", r.Method, r.Header.Get("X-Amz-Target")),
		})
		return
	}
	s.units.request(name)
	result, err := run(s, body)
	if err != nil {
		f := asFailure(err)
		respond(w, f.status, f.body())
		return
	}
	respond(w, http.StatusOK, result)
}

func respond(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // answers are made of maps, strings and numbers
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(b)), 10))
	h.Set("X-Amzn-Requestid", uuid.NewString())
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
}

// table returns the table of a name. The caller holds the lock.
func (s *Server) table(name string) (*table, error) {
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, noTable()
}

// oneOf checks a parameter that has a fixed choice of values. Empty is the default.
func oneOf(parameter, value string, choices ...string) error {
	if value == "" || slices.Contains(choices, value) {
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
		value, parameter, strings.Join(choices, ", "))
}

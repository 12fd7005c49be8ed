// Package secretsmanager is AWS Secrets Manager as far as Referral Bridge uses it, over the AWS JSON 1.1 protocol: secrets and
// their versions, without rotation, replication, tags, policies and own keys for encryption.
package secretsmanager

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

const arnPrefix = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"

const largest = 65536 // bytes of a secret value

// Options say how a Server behaves.
type Options struct {
	Now       func() time.Time // nil means time.Now
	NewID     func() string    // makes version ids for callers that bring none; nil means random ones
	NewSuffix func() string    // makes the six characters at the end of a secret's ARN; nil means random ones
}

// Server is an http.Handler that answers the operations of Secrets Manager. It is safe for concurrent use.
type Server struct {
	options    Options
	operations map[string]wire.Operation

	mu       sync.Mutex
	secrets  map[string]*secret // by name
	requests map[string]int
}

// Protocol is how Secrets Manager answers.
var Protocol = wire.Protocol{ContentType: "application/x-amz-json-1.1", Message: "Message"}

// Target is what X-Amz-Target begins with.
const Target = "secretsmanager."

// New returns a Secrets Manager without secrets.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.NewSuffix == nil {
		o.NewSuffix = func() string { return rand.Text()[:6] }
	}
	s := &Server{options: o, secrets: map[string]*secret{}, requests: map[string]int{}}
	s.operations = map[string]wire.Operation{
		"CreateSecret":   wire.Do(s.createSecret),
		"DeleteSecret":   wire.Do(s.deleteSecret),
		"DescribeSecret": wire.Do(s.describeSecret),
		"GetSecretValue": wire.Do(s.getSecretValue),
		"PutSecretValue": wire.Do(s.putSecretValue),
	}
	return s
}

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wire.Serve(w, r, Protocol, Target, s.operations, func(operation string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[operation]++
	})
}

// Requests counts the requests so far by operation, refused ones included.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Permissions returns what a caller must be allowed to do for a request to run. The resource of a secret that exists is its ARN,
// however the request names it.
func (s *Server) Permissions(operation string, body []byte) []wire.Permission {
	var in struct {
		SecretID string `json:"SecretId"`
		Name     string
	}
	_ = json.Unmarshal(body, &in) // a body that cannot be read names no secret, and is refused later
	s.mu.Lock()
	defer s.mu.Unlock()
	resource := arnPrefix + in.SecretID + in.Name
	if found, err := s.find(in.SecretID); err == nil {
		resource = found.ARN
	} else if strings.HasPrefix(in.SecretID, arnPrefix) {
		resource = in.SecretID
	}
	return []wire.Permission{{Action: "secretsmanager:" + operation, Resource: resource}}
}

// secret is one secret with all its versions. What it exports is what a snapshot keeps.
type secret struct {
	Name, ARN, Description string
	Created, Changed       time.Time
	Deleted                time.Time           // when it will be gone; zero if it stays
	Versions               map[string]*version // by id
}

type version struct {
	Text    *string `json:",omitempty"`
	Bytes   []byte  `json:",omitempty"`
	Created time.Time
	Stages  []string
}

const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// find returns the secret of that name, ARN, or ARN without its random end.
func (s *Server) find(id string) (*secret, error) {
	now := s.options.Now()
	for name, each := range s.secrets {
		if id != name && id != each.ARN && id != arnPrefix+name {
			continue
		}
		if !each.Deleted.IsZero() && !now.Before(each.Deleted) {
			delete(s.secrets, name)
			break
		}
		return each, nil
	}
	return nil, notFound("Secrets Manager can't find the specified secret.")
}

// alive is find for what may be done only with a secret that is not about to go.
func (s *Server) alive(id string) (*secret, error) {
	found, err := s.find(id)
	if err == nil && !found.Deleted.IsZero() {
		return nil, badRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return found, err
}

func (x *secret) staged(stage string) (string, *version) {
	for id, v := range x.Versions {
		if slices.Contains(v.Stages, stage) {
			return id, v
		}
	}
	return "", nil
}

// value is what a caller wants to keep.
type value struct {
	Token string  `json:"ClientRequestToken"`
	Text  *string `json:"SecretString"`
	Bytes []byte  `json:"SecretBinary"`
}

func (v value) check() error {
	if v.Text != nil && v.Bytes != nil {
		return badParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if v.Text != nil && len(*v.Text) > largest || len(v.Bytes) > largest {
		return invalid(fmt.Sprintf("1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to %d", largest))
	}
	if v.Token != "" && (len(v.Token) < 32 || len(v.Token) > 64) {
		return badParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return nil
}

func (v value) same(old *version) bool {
	return slices.Equal(v.Bytes, old.Bytes) && (v.Text == nil) == (old.Text == nil) && (v.Text == nil || *v.Text == *old.Text)
}

// add makes a version of a value and moves the stages to it. The version that was current becomes the previous one.
func (s *Server) add(x *secret, v value, stages []string) string {
	id := v.Token
	if id == "" {
		id = s.options.NewID()
	}
	for _, stage := range stages {
		_, old := x.staged(stage)
		if old == nil {
			continue
		}
		if stage == current {
			if _, older := x.staged(previous); older != nil {
				older.drop(previous)
			}
			old.Stages = append(old.Stages, previous)
		}
		old.drop(stage)
	}
	x.Changed = s.options.Now()
	x.Versions[id] = &version{Text: v.Text, Bytes: v.Bytes, Created: x.Changed, Stages: slices.Clone(stages)}
	return id
}

func (v *version) drop(stage string) {
	v.Stages = slices.DeleteFunc(v.Stages, func(s string) bool { return s == stage })
}

type named struct {
	ARN, Name string
	VersionID string `json:"VersionId,omitempty"`
}

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)

func (s *Server) createSecret(_ *http.Request, in struct {
	Name, Description string
	value
}) (named, error) {
	if !secretName.MatchString(in.Name) {
		return named{}, invalid("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if err := in.check(); err != nil {
		return named{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, err := s.find(in.Name); err == nil {
		if !old.Deleted.IsZero() {
			return named{}, badRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
		}
		if v := old.Versions[in.Token]; v != nil && in.same(v) {
			return named{old.ARN, old.Name, in.Token}, nil
		}
		return named{}, exists("The operation failed because the secret " + in.Name + " already exists.")
	}
	now := s.options.Now()
	made := &secret{Name: in.Name, ARN: arnPrefix + in.Name + "-" + s.options.NewSuffix(), Description: in.Description,
		Created: now, Changed: now, Versions: map[string]*version{}}
	s.secrets[in.Name] = made
	answer := named{ARN: made.ARN, Name: made.Name}
	if in.Text != nil || in.Bytes != nil {
		answer.VersionID = s.add(made, in.value, []string{current})
	}
	return answer, nil
}

type secretValue struct {
	named
	Text    *string  `json:"SecretString,omitempty"`
	Bytes   []byte   `json:"SecretBinary,omitempty"`
	Stages  []string `json:"VersionStages"`
	Created float64  `json:"CreatedDate"`
}

func (s *Server) getSecretValue(_ *http.Request, in struct {
	SecretID     string `json:"SecretId"`
	VersionID    string `json:"VersionId"`
	VersionStage string
}) (secretValue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.alive(in.SecretID)
	if err != nil {
		return secretValue{}, err
	}
	var id string
	var v *version
	if in.VersionID != "" {
		if id, v = in.VersionID, x.Versions[in.VersionID]; v == nil {
			return secretValue{}, notFound("Secrets Manager can't find the specified secret value for VersionId: " + in.VersionID)
		}
		if in.VersionStage != "" && !slices.Contains(v.Stages, in.VersionStage) {
			return secretValue{}, badRequest("You provided a VersionStage that is not associated to the provided VersionId.")
		}
	} else {
		stage := in.VersionStage
		if stage == "" {
			stage = current
		}
		if id, v = x.staged(stage); v == nil {
			return secretValue{}, notFound("Secrets Manager can't find the specified secret value for staging label: " + stage)
		}
	}
	return secretValue{named{x.ARN, x.Name, id}, v.Text, v.Bytes, v.Stages, epoch(v.Created)}, nil
}

type stagedAnswer struct {
	named
	Stages []string `json:"VersionStages"`
}

func (s *Server) putSecretValue(_ *http.Request, in struct {
	SecretID string   `json:"SecretId"`
	Stages   []string `json:"VersionStages"`
	value
}) (stagedAnswer, error) {
	if err := in.check(); err != nil {
		return stagedAnswer{}, err
	}
	if in.Text == nil && in.Bytes == nil {
		return stagedAnswer{}, badRequest("You must provide either SecretString or SecretBinary.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.alive(in.SecretID)
	if err != nil {
		return stagedAnswer{}, err
	}
	if old := x.Versions[in.Token]; old != nil {
		if !in.same(old) {
			return stagedAnswer{}, exists(fmt.Sprintf("You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", in.Token, x.ARN))
		}
		return stagedAnswer{named{x.ARN, x.Name, in.Token}, old.Stages}, nil
	}
	stages := in.Stages
	if len(stages) == 0 {
		stages = []string{current}
	}
	id := s.add(x, in.value, stages)
	return stagedAnswer{named{x.ARN, x.Name, id}, stages}, nil
}

type description struct {
	ARN, Name   string
	Description string              `json:",omitempty"`
	Created     float64             `json:"CreatedDate"`
	Changed     float64             `json:"LastChangedDate"`
	Deleted     *float64            `json:"DeletedDate,omitempty"`
	Versions    map[string][]string `json:"VersionIdsToStages,omitempty"`
}

type secretID struct {
	ID string `json:"SecretId"`
}

func (s *Server) describeSecret(_ *http.Request, in secretID) (description, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(in.ID)
	if err != nil {
		return description{}, err
	}
	d := description{ARN: x.ARN, Name: x.Name, Description: x.Description, Created: epoch(x.Created), Changed: epoch(x.Changed), Versions: map[string][]string{}}
	if !x.Deleted.IsZero() {
		at := epoch(x.Deleted)
		d.Deleted = &at
	}
	for id, v := range x.Versions {
		if len(v.Stages) > 0 { // others are deprecated, and not told of
			d.Versions[id] = v.Stages
		}
	}
	return d, nil
}

type deletion struct {
	ARN, Name string
	At        float64 `json:"DeletionDate"`
}

func (s *Server) deleteSecret(_ *http.Request, in struct {
	secretID
	Force  bool `json:"ForceDeleteWithoutRecovery"`
	Window *int `json:"RecoveryWindowInDays"`
}) (deletion, error) {
	if in.Force && in.Window != nil {
		return deletion{}, badParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	}
	days := 30
	if in.Window != nil {
		if days = *in.Window; days < 7 || days > 30 {
			return deletion{}, badParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(in.ID)
	if err != nil {
		return deletion{}, err
	}
	at := s.options.Now()
	switch {
	case in.Force:
		delete(s.secrets, x.Name)
	case !x.Deleted.IsZero():
		return deletion{}, badRequest("You can't perform this operation on the secret because it was already scheduled for deletion.")
	default:
		at = at.AddDate(0, 0, days)
		x.Deleted = at
	}
	return deletion{x.ARN, x.Name, epoch(at)}, nil
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func notFound(message string) *wire.Error {
	return &wire.Error{Code: "ResourceNotFoundException", Message: message}
}

func badRequest(message string) *wire.Error {
	return &wire.Error{Code: "InvalidRequestException", Message: message}
}

func badParameter(message string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterException", Message: message}
}

func exists(message string) *wire.Error {
	return &wire.Error{Code: "ResourceExistsException", Message: message}
}

func invalid(message string) *wire.Error {
	return &wire.Error{Code: "ValidationException", Message: message}
}

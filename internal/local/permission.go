package local

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/referralbridge/referralbridge/internal/local/template"
)

// Permission is one action on one kind of resource.
type Permission struct {
	Function string // its logical id
	Action   string // as in a policy, in lower case: "dynamodb:getitem"
	Resource string // an ARN, or the pattern of a policy
}

// Grant is a permission that the policies of the template give, and who has needed it.
type Grant struct {
	Permission
	Calls int  // that the function has made
	AWS   bool // it is asked for by AWS, in the function's name
}

// Unused reports whether nobody has needed the permission.
func (g Grant) Unused() bool { return g.Calls == 0 && !g.AWS }

// ledger remembers what functions asked for.
type ledger struct {
	mu      sync.Mutex
	allowed map[Permission]int // by the ARN of the resource
	denied  map[Permission]int
}

func (l *ledger) note(into *map[Permission]int, p Permission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *into == nil {
		*into = map[Permission]int{}
	}
	(*into)[p]++
}

// errStranger is what somebody hears who is no function.
var errStranger = errors.New("it is no function of the template")

// Authorize asks the policies in the template whether the owner of an access key may do something, such as
// "dynamodb:GetItem", with the resource of an ARN. The stack's own Operator may do everything, and others nothing.
func (s *Stack) Authorize(accessKey, action, resource string) error {
	if accessKey == Operator {
		return nil
	}
	id := s.names[accessKey]
	f := s.Model.Functions[id]
	if f == nil {
		return errStranger
	}
	asked := Permission{id, strings.ToLower(action), resource}
	if !f.Allows(action, resource) {
		s.asked.note(&s.asked.denied, asked)
		return errors.New("no statement in the policies of " + id + " allows it")
	}
	s.asked.note(&s.asked.allowed, asked)
	return nil
}

// Denied returns what functions have asked for and were not allowed.
func (s *Stack) Denied() []Permission {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.asked.denied), inOrder)
}

// Grants returns every permission that the policies of the template give, each action and each resource by itself, and how
// often functions have used it since the start.
func (s *Stack) Grants() []Grant {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	var grants []Grant
	for id, f := range s.Model.Functions {
		for _, statement := range f.Statements {
			if !statement.Allow {
				continue
			}
			for _, action := range statement.Actions {
				for _, resource := range statement.Resources {
					g := Grant{Permission: Permission{id, action, resource}, AWS: s.asksItself(f, action, resource)}
					alone := template.Function{Statements: []template.Statement{{Allow: true, Actions: []string{action}, Resources: []string{resource}}}}
					for asked, calls := range s.asked.allowed {
						if asked.Function == id && alone.Allows(asked.Action, asked.Resource) {
							g.Calls += calls
						}
					}
					grants = append(grants, g)
				}
			}
		}
	}
	slices.SortFunc(grants, func(a, b Grant) int { return inOrder(a.Permission, b.Permission) })
	return grants
}

func inOrder(a, b Permission) int {
	return cmp.Or(strings.Compare(a.Function, b.Function), strings.Compare(a.Action, b.Action), strings.Compare(a.Resource, b.Resource))
}

// asksItself reports whether AWS needs a permission of the function, though its code never does: Lambda polls its queues, keeps its log
// and its traces, joins it to its network, and puts away what failed for good; DynamoDB and Secrets Manager open what they have sealed with our keys; and SES applies our
// settings. On one machine nobody asks for any of that.
func (s *Stack) asksItself(f *template.Function, action, resource string) bool {
	service, _, _ := strings.Cut(action, ":")
	switch {
	case slices.Contains([]string{"logs", "xray", "ec2", "kms"}, service):
		return true
	case action == "ses:sendemail":
		return strings.Contains(resource, ":configuration-set/")
	case action == "sqs:sendmessage":
		return slices.ContainsFunc(f.Schedules, func(v template.Schedule) bool { return s.physical[v.DeadLetter].Attributes["Arn"] == resource })
	case !slices.Contains([]string{"sqs:receivemessage", "sqs:deletemessage", "sqs:getqueueattributes"}, action):
		return false
	}
	return slices.ContainsFunc(f.Mappings, func(m template.Mapping) bool { return s.physical[m.Queue].Attributes["Arn"] == resource })
}

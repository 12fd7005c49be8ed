// Package template reads a SAM template and says what it means: functions with their environment, routes,
// queues and schedules, and the resources behind them.
//
// It reads as much as this product's template uses, and refuses the rest: a property, a resource type or an
// intrinsic function that it does not know is an error that names the file and the line. Of resources that have
// no counterpart on one machine, which are listed in absent, nothing but the name is read.
package template

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// Template is a template that was read and not evaluated.
type Template struct {
	file       string // as errors name it
	parameters map[string]*yaml.Node
	conditions map[string]*yaml.Node
	globals    *yaml.Node // of functions; may be nil
	resources  map[string]*resource
	outputs    map[string]*yaml.Node
}

type resource struct {
	id, kind   string
	node       *yaml.Node // the key, for its line
	properties *yaml.Node // may be nil
	condition  *yaml.Node // may be nil
}

// The resource types that are read.
const (
	functionType = "AWS::Serverless::Function"
	apiType      = "AWS::Serverless::HttpApi"
	tableType    = "AWS::DynamoDB::Table"
	queueType    = "AWS::SQS::Queue"
	secretType   = "AWS::SecretsManager::Secret"
	roleType     = "AWS::IAM::Role"
	policyType   = "AWS::IAM::ManagedPolicy"
)

var present = []string{functionType, apiType, tableType, queueType, secretType, roleType, policyType}

// Types that are not there on one machine, and have names all the same: policies speak of them.
const (
	logType      = "AWS::Logs::LogGroup"
	keyType      = "AWS::KMS::Key"
	identityType = "AWS::SES::EmailIdentity"
	settingsType = "AWS::SES::ConfigurationSet"
)

// absent are the types that have no counterpart on one machine. Referring to one is an error, unless it has a name.
var absent = []string{
	"AWS::ApiGatewayV2::ApiMapping",
	"AWS::ApiGatewayV2::DomainName",
	"AWS::CloudWatch::Alarm",
	"AWS::CloudWatch::CompositeAlarm",
	"AWS::CloudWatch::Dashboard",
	"AWS::Cognito::ManagedLoginBranding",
	"AWS::Cognito::UserPool",
	"AWS::Cognito::UserPoolClient",
	"AWS::Cognito::UserPoolDomain",
	"AWS::EC2::EIP",
	"AWS::EC2::InternetGateway",
	"AWS::EC2::NatGateway",
	"AWS::EC2::Route",
	"AWS::EC2::RouteTable",
	"AWS::EC2::SecurityGroup",
	"AWS::EC2::Subnet",
	"AWS::EC2::SubnetRouteTableAssociation",
	"AWS::EC2::VPC",
	"AWS::EC2::VPCEndpoint",
	"AWS::EC2::VPCGatewayAttachment",
	"AWS::KMS::Alias",
	"AWS::Logs::MetricFilter",
	"AWS::SES::ConfigurationSetEventDestination",
	"AWS::SQS::QueuePolicy",
	logType, keyType, identityType, settingsType,
}

// Problem is one thing that is wrong with a template.
type Problem struct {
	File string
	Line int
	Text string
}

// Error returns the problem as "template.yaml:87: Fn::Select is not supported".
func (p *Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Load reads the template at path. It fails on whatever can be seen to be wrong without evaluating anything.
func Load(path string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(filepath.Base(path), text)
}

// Parse reads a template from text; name is what errors call it.
func Parse(name string, text []byte) (*Template, error) {
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	root := &document
	if document.Kind == yaml.DocumentNode && len(document.Content) == 1 {
		root = document.Content[0]
	}
	t := &Template{
		file:       name,
		parameters: map[string]*yaml.Node{}, conditions: map[string]*yaml.Node{}, outputs: map[string]*yaml.Node{},
		resources: map[string]*resource{},
	}
	r := &reader{file: name}
	top := r.object(root, "template")
	top.skip("AWSTemplateFormatVersion", "Description", "Metadata")
	top.skip("Rules") // which are about deployments
	if transform := top.take("Transform"); transform != nil && transform.Value != "AWS::Serverless-2016-10-31" {
		r.problem(transform, "transform %s is not supported", transform.Value)
	}
	for section, into := range map[string]map[string]*yaml.Node{
		"Parameters": t.parameters, "Conditions": t.conditions, "Outputs": t.outputs,
	} {
		for _, f := range r.object(top.take(section), section).rest() {
			into[f.key.Value] = f.value
		}
	}
	globals := r.object(top.take("Globals"), "Globals")
	t.globals = globals.take("Function")
	globals.done()
	for _, f := range r.object(top.take("Resources"), "Resources").rest() {
		if res := r.resource(f); res != nil {
			t.resources[res.id] = res
		}
	}
	top.done()
	if len(t.resources) == 0 && len(r.problems) == 0 {
		r.problem(root, "there are no resources")
	}
	return t, r.err()
}

// resource reads what is around a resource's properties.
func (r *reader) resource(f field) *resource {
	o := r.object(f.value, f.key.Value)
	res := &resource{id: f.key.Value, node: f.key, properties: o.take("Properties"), condition: o.take("Condition")}
	o.skip("Metadata", "DeletionPolicy", "UpdateReplacePolicy", "DependsOn")
	kind := o.take("Type")
	o.done()
	if kind == nil {
		r.problem(f.key, "%s has no Type", res.id)
		return nil
	}
	res.kind = kind.Value
	if !slices.Contains(absent, res.kind) && !slices.Contains(present, res.kind) {
		r.problem(kind, "resource type %s is not supported", res.kind)
		return nil
	}
	return res
}

// values returns each parameter's value, given or by default, checked against what the template allows.
func (t *Template) values(given map[string]string) (map[string]string, error) {
	r := &reader{file: t.file}
	values := map[string]string{}
	for name, node := range t.parameters {
		o := r.object(node, "parameter "+name)
		o.skip("Description", "ConstraintDescription", "NoEcho")
		kind, fallback, pattern := o.take("Type"), o.take("Default"), o.take("AllowedPattern")
		allowed, least, most := o.take("AllowedValues"), o.take("MinValue"), o.take("MaxValue")
		o.done()
		value, ok := given[name]
		if !ok && fallback != nil {
			value, ok = fallback.Value, true
		}
		if !ok {
			r.problem(node, "parameter %s has no value", name)
			continue
		}
		values[name] = value

		number := kind != nil && kind.Value == "Number"
		if !number && (kind == nil || kind.Value != "String") {
			r.problem(node, "parameter %s: only the types String and Number are supported", name)
		}
		amount, err := strconv.ParseFloat(value, 64)
		if number && err != nil {
			r.problem(node, "parameter %s: %q is not a number", name, value)
			continue
		}
		if bound, ok := r.number(least); ok && amount < bound {
			r.problem(node, "parameter %s: %s is less than %s", name, value, least.Value)
		}
		if bound, ok := r.number(most); ok && amount > bound {
			r.problem(node, "parameter %s: %s is more than %s", name, value, most.Value)
		}
		if allowed != nil && !slices.ContainsFunc(allowed.Content, func(n *yaml.Node) bool { return n.Value == value }) {
			r.problem(node, "parameter %s: %q is not one of the allowed values", name, value)
		}
		if pattern != nil {
			re, err := regexp.Compile("^(?:" + pattern.Value + ")$")
			if err != nil {
				r.problem(pattern, "parameter %s: %v", name, err)
			} else if !re.MatchString(value) {
				r.problem(node, "parameter %s: %q does not match %s", name, value, pattern.Value)
			}
		}
	}
	for name := range given {
		if t.parameters[name] == nil {
			r.problems = append(r.problems, &Problem{t.file, 1, "there is no parameter " + name})
		}
	}
	return values, r.err()
}

// reader collects what is wrong, so that all of it can be said at once.
type reader struct {
	file     string
	problems []*Problem
}

func (r *reader) problem(at *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, &Problem{r.file, at.Line, fmt.Sprintf(format, args...)})
}

// err returns every problem in the order of the lines, or nil.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b *Problem) int { return a.Line - b.Line })
	var errs []error
	said := map[Problem]bool{} // what is read for each function is wrong for each
	for _, p := range r.problems {
		if !said[*p] {
			said[*p] = true
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}

// number reads a bound that may be absent.
func (r *reader) number(node *yaml.Node) (float64, bool) {
	if node == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(node.Value, 64)
	if err != nil {
		r.problem(node, "%q is not a number", node.Value)
	}
	return n, err == nil
}

// field is one entry of a mapping.
type field struct{ key, value *yaml.Node }

// object is a mapping of which every entry has to be taken, or is a problem.
type object struct {
	reader *reader
	what   string // as problems name it
	fields []field
	under  *object // looked into for what fields does not have; may be nil
}

// object reads a mapping. A nil node is an empty one.
func (r *reader) object(node *yaml.Node, what string) *object {
	o := &object{reader: r, what: what}
	if node == nil || node.Tag == "!!null" {
		return o
	}
	if node.Kind != yaml.MappingNode || node.Tag != "!!map" {
		r.problem(node, "%s: %s where a mapping is expected", what, describe(node))
		return o
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if slices.ContainsFunc(o.fields, func(f field) bool { return f.key.Value == key.Value }) {
			r.problem(key, "%s: %s occurs twice", what, key.Value)
			continue
		}
		if value.Kind == yaml.AliasNode || key.Tag == "!!merge" {
			r.problem(key, "aliases are not supported")
			continue
		}
		o.fields = append(o.fields, field{key, value})
	}
	return o
}

// describe names a node for a person.
func describe(node *yaml.Node) string {
	if len(node.Tag) > 1 && node.Tag[0] == '!' && node.Tag[1] != '!' {
		return node.Tag
	}
	switch node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	case yaml.AliasNode:
		return "an alias"
	default:
		return strconv.Quote(node.Value)
	}
}

// take removes an entry and returns its value; nil if there is none. An entry of the object hides the one under it.
func (o *object) take(name string) *yaml.Node {
	var found *yaml.Node
	if o.under != nil {
		found = o.under.take(name)
	}
	for i, f := range o.fields {
		if f.key.Value == name {
			o.fields = slices.Delete(o.fields, i, i+1)
			return f.value
		}
	}
	return found
}

// skip removes entries that mean nothing on one machine.
func (o *object) skip(names ...string) {
	for _, name := range names {
		o.take(name)
	}
}

// rest removes and returns the remaining entries of this object itself.
func (o *object) rest() []field {
	fields := o.fields
	o.fields = nil
	return fields
}

// done reports every entry that was not taken.
func (o *object) done() {
	for _, f := range o.rest() {
		o.reader.problem(f.key, "%s: %s is not supported", o.what, f.key.Value)
	}
	if o.under != nil {
		o.under.done()
	}
}

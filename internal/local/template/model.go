package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Input is what a template is evaluated with.
type Input struct {
	Parameters map[string]string // those without a value here have their defaults
	Region     string
	Account    string
	Physical   map[string]Physical // by logical id; see Template.Names
}

// Model is what a template means. Everything in it goes by logical ids.
type Model struct {
	Functions map[string]*Function
	Queues    map[string]*Queue
	Tables    map[string]*Table
	Secrets   []string
	Outputs   map[string]string // those that need nothing that is absent on one machine
}

// Function is a Lambda function and what starts it.
type Function struct {
	Line        int
	Folder      string // of its program below functions/: "token-broker" for TokenBrokerFunction
	Timeout     time.Duration
	Memory      int    // MB
	Reserved    int    // most instances at a time; 0 if there is no limit of its own
	Role        string // of the template; may be empty
	Environment map[string]string
	Statements  []Statement
	Routes      []Route
	Mappings    []Mapping
	Schedules   []Schedule
}

// Statement is one statement of a function's policies.
type Statement struct {
	Allow              bool
	Actions, Resources []string // may contain * and ?
}

// Route is a route of the HTTP API.
type Route struct {
	Line   int
	Method string // upper case, or "ANY"
	Path   string // "/imports/{id}", "/{proxy+}", or "$default"
}

// Mapping gives the messages of a queue to a function.
type Mapping struct {
	Line            int
	Queue           string
	BatchSize       int
	Window          time.Duration // how long a batch may be gathered
	Concurrency     int           // most invocations at a time; 0 if the mapping has no limit of its own
	PartialFailures bool          // the function names the messages that failed
}

// Schedule starts a function at a steady pace.
type Schedule struct {
	Line       int
	Every      time.Duration
	Input      string
	DeadLetter string // queue for what could not be handed to Lambda; may be empty
}

// Queue is an SQS queue.
type Queue struct {
	Line        int
	Visibility  time.Duration
	Retention   time.Duration
	Delay       time.Duration
	DeadLetter  string // queue for messages that were received too often; may be empty
	MaxReceives int
}

// Table is a DynamoDB table.
type Table struct {
	Line       int
	Attributes map[string]string // types of key attributes: S, N or B
	Key        Key
	Indexes    []Index
	Expires    string // attribute with the time to live; may be empty
}

// Key names the attributes of a key. Range may be empty.
type Key struct{ Hash, Range string }

// Index is a global secondary index.
type Index struct {
	Name       string
	Key        Key
	Projection string // ALL or KEYS_ONLY
}

// Allows reports whether the function's policies allow an action such as "dynamodb:GetItem" on a resource's ARN.
// Conditions of a statement are taken as met.
func (f *Function) Allows(action, resource string) bool {
	allowed := false
	for _, s := range f.Statements {
		if matches(s.Actions, strings.ToLower(action)) && matches(s.Resources, resource) {
			if !s.Allow {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

func matches(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return glob(pattern, text) })
}

// glob reports whether text is what pattern says, where * stands for any text and ? for any character.
func glob(pattern, text string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			for i := len(text); i >= 0; i-- {
				if glob(pattern[1:], text[i:]) {
					return true
				}
			}
			return false
		case text == "" || pattern[0] != '?' && pattern[0] != text[0]:
			return false
		}
		pattern, text = pattern[1:], text[1:]
	}
	return text == ""
}

// Model evaluates the template.
func (t *Template) Model(in Input) (*Model, error) {
	parameters, err := t.values(in.Parameters)
	if err != nil {
		return nil, err
	}
	e := &evaluator{
		reader: reader{file: t.file}, template: t, parameters: parameters, physical: in.Physical, pending: map[string]bool{},
		pseudo: map[string]string{
			"AWS::Region": in.Region, "AWS::AccountId": in.Account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		},
	}
	m := &Model{Functions: map[string]*Function{}, Queues: map[string]*Queue{}, Tables: map[string]*Table{}, Outputs: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(t.conditions)) {
		e.condition(t.conditions[name], name)
	}
	for _, id := range slices.Sorted(maps.Keys(t.resources)) {
		res := t.resources[id]
		if res.condition != nil && !e.condition(res.condition, res.condition.Value) {
			continue
		}
		switch res.kind {
		case functionType:
			m.Functions[id] = e.function(res)
		case queueType:
			m.Queues[id] = e.queue(res)
		case tableType:
			m.Tables[id] = e.table(res)
		case secretType:
			o := e.object(res.properties, res.kind)
			o.skip("Description", "KmsKeyId", "Tags")
			o.done()
			m.Secrets = append(m.Secrets, id)
		case apiType:
			e.api(res)
		}
	}
	for name, node := range t.outputs {
		o := e.object(node, "output "+name)
		o.skip("Description", "Export")
		value, condition := o.take("Value"), o.take("Condition")
		if value != nil && (condition == nil || e.condition(condition, condition.Value)) {
			m.Outputs[name] = e.text(value)
		}
		o.done()
	}
	return m, e.err()
}

func (e *evaluator) api(res *resource) {
	o := e.object(res.properties, res.kind)
	// Throttling, logs and warnings are AWS's to keep.
	o.skip("DefaultRouteSettings", "RouteSettings", "AccessLogSettings", "FailOnWarnings", "DisableExecuteApiEndpoint", "Domain", "Description", "Tags")
	if stage := o.take("StageName"); stage != nil && e.text(stage) != "$default" {
		e.problem(stage, "%s: a stage other than $default is not supported", res.kind)
	}
	o.done()
}

var folderName = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func (e *evaluator) function(res *resource) *Function {
	f := &Function{Line: res.node.Line, Environment: map[string]string{}}
	name, ok := strings.CutSuffix(res.id, "Function")
	if !ok {
		e.problem(res.node, "%s: the name of a function ends with Function", res.id)
	}
	f.Folder = strings.ToLower(folderName.ReplaceAllString(name, "$1-$2"))

	o := e.object(res.properties, res.kind)
	o.under = e.object(e.template.globals, "Globals of functions")
	// The network that a function is in is AWS's to keep.
	o.skip("CodeUri", "Architectures", "Tracing", "Description", "Tags", "LoggingConfig", "VpcConfig")
	// So are the way in which a new version takes over, and what becomes of events that fail for good.
	o.skip("AutoPublishAlias", "DeploymentPreference", "EventInvokeConfig")
	if runtime := o.take("Runtime"); runtime == nil || !strings.HasPrefix(e.text(runtime), "provided.") {
		e.problem(res.node, "%s: a runtime other than provided.* is not supported", res.id)
	}
	if handler := o.take("Handler"); handler == nil || e.text(handler) != "bootstrap" {
		e.problem(res.node, "%s: a handler other than bootstrap is not supported", res.id)
	}
	f.Timeout = time.Duration(e.whole(o.take("Timeout"), 3, 1, 900)) * time.Second
	f.Memory = e.whole(o.take("MemorySize"), 128, 128, 10240)
	f.Reserved = e.whole(o.take("ReservedConcurrentExecutions"), 0, 1, 1000)

	own, global := e.take(o, "Environment"), e.take(o.under, "Environment")
	for _, environment := range []*object{global, own} {
		for _, v := range e.object(environment.take("Variables"), "Variables").rest() {
			f.Environment[v.key.Value] = e.text(v.value)
		}
		environment.done()
	}
	for _, policy := range e.list(o.take("Policies")) {
		f.Statements = append(f.Statements, e.statements(policy)...)
	}
	if role := o.take("Role"); role != nil {
		f.Role = e.byARN(role, roleType)
		f.Statements = append(f.Statements, e.role(f.Role)...)
	}
	for _, event := range e.object(o.take("Events"), "Events").rest() {
		e.event(f, event)
	}
	o.done()
	return f
}

// take returns a mapping of the object itself, without what is under it.
func (e *evaluator) take(o *object, name string) *object {
	own := &object{reader: o.reader, what: o.what, fields: o.fields}
	taken := e.object(own.take(name), name)
	o.fields = own.fields
	return taken
}

func (e *evaluator) statements(policy *yaml.Node) []Statement {
	if policy.Kind != yaml.MappingNode {
		e.problem(policy, "Policies: %s is not supported: write the statement out", describe(policy))
		return nil
	}
	o := e.object(policy, "Policies")
	o.skip("Version")
	var statements []Statement
	for _, node := range e.list(o.take("Statement")) {
		if node = e.chosen(node); isNoValue(node) {
			continue
		}
		s := e.object(node, "Statement")
		s.skip("Sid", "Condition")
		effect := s.take("Effect")
		statement := Statement{Allow: true, Actions: e.texts(s.take("Action")), Resources: e.texts(s.take("Resource"))}
		switch {
		case effect != nil && effect.Value == "Deny":
			statement.Allow = false
		case effect == nil || effect.Value != "Allow":
			e.problem(node, "Statement: Effect is neither Allow nor Deny")
		}
		if len(statement.Actions) == 0 || len(statement.Resources) == 0 {
			e.problem(node, "Statement: Action and Resource are needed")
		}
		for i, action := range statement.Actions {
			statement.Actions[i] = strings.ToLower(action)
		}
		s.done()
		statements = append(statements, statement)
	}
	o.done()
	return statements
}

// isNoValue reports whether a node says that there is nothing where it stands.
func isNoValue(node *yaml.Node) bool {
	name, argument := intrinsic(node)
	return name == "Ref" && argument.Value == "AWS::NoValue"
}

// role returns what a role of the template allows and denies.
func (e *evaluator) role(id string) []Statement {
	res := e.template.resources[id]
	if res == nil {
		return nil // it was said why
	}
	o := e.object(res.properties, res.kind)
	o.skip("AssumeRolePolicyDocument", "Description", "Tags")
	var statements []Statement
	for _, node := range e.list(o.take("Policies")) {
		p := e.object(node, "Policies")
		p.skip("PolicyName")
		if document := p.take("PolicyDocument"); document != nil {
			statements = append(statements, e.statements(document)...)
		}
		p.done()
	}
	for _, node := range e.list(o.take("ManagedPolicyArns")) {
		if policy := e.template.resources[e.byARN(node, policyType)]; policy != nil {
			p := e.object(policy.properties, policy.kind)
			p.skip("Description")
			if document := p.take("PolicyDocument"); document != nil {
				statements = append(statements, e.statements(document)...)
			}
			p.done()
		}
	}
	o.done()
	return statements
}

func (e *evaluator) event(f *Function, entry field) {
	o := e.object(entry.value, entry.key.Value)
	kind := o.take("Type")
	if kind == nil {
		e.problem(entry.key, "event %s has no Type", entry.key.Value)
		return
	}
	p := e.object(o.take("Properties"), kind.Value)
	o.done()
	line := entry.key.Line
	switch kind.Value {
	case "HttpApi":
		route := Route{Line: line, Method: "ANY", Path: "$default"}
		if api := p.take("ApiId"); api != nil && e.kindOf(e.text(api)) != apiType {
			e.problem(api, "ApiId is no AWS::Serverless::HttpApi of this template")
		}
		if method := p.take("Method"); method != nil {
			route.Method = strings.ToUpper(e.text(method))
		}
		if path := p.take("Path"); path != nil {
			route.Path = e.text(path)
		}
		f.Routes = append(f.Routes, route)
	case "SQS":
		m := Mapping{Line: line, Queue: e.queueOf(p.take("Queue"), entry.key)}
		m.BatchSize = e.whole(p.take("BatchSize"), 10, 1, 10000)
		m.Window = time.Duration(e.whole(p.take("MaximumBatchingWindowInSeconds"), 0, 0, 300)) * time.Second
		if m.BatchSize > 10 && m.Window == 0 {
			e.problem(entry.key, "SQS: a BatchSize over 10 needs MaximumBatchingWindowInSeconds of at least 1")
		}
		for _, kind := range e.texts(p.take("FunctionResponseTypes")) {
			if kind != "ReportBatchItemFailures" {
				e.problem(entry.key, "FunctionResponseTypes: %s is not supported", kind)
			}
			m.PartialFailures = true
		}
		scaling := e.object(p.take("ScalingConfig"), "ScalingConfig")
		m.Concurrency = e.whole(scaling.take("MaximumConcurrency"), 0, 2, 1000)
		scaling.done()
		f.Mappings = append(f.Mappings, m)
	case "ScheduleV2":
		s := Schedule{Line: line, Input: "{}"}
		p.skip("Name", "OmitName", "Description", "RetryPolicy") // for what could not be handed to Lambda
		if expression := p.take("ScheduleExpression"); expression == nil {
			e.problem(entry.key, "ScheduleV2: ScheduleExpression is needed")
		} else {
			s.Every = e.rate(expression)
		}
		if input := p.take("Input"); input != nil {
			s.Input = e.text(input)
		}
		if config := p.take("DeadLetterConfig"); config != nil {
			d := e.object(config, "DeadLetterConfig")
			s.DeadLetter = e.queueOf(d.take("Arn"), config)
			d.done()
		}
		f.Schedules = append(f.Schedules, s)
	default:
		e.problem(kind, "event type %s is not supported", kind.Value)
		return
	}
	p.done()
}

var rate = regexp.MustCompile(`^rate\(([1-9][0-9]*) (minute|hour|day)(s?)\)$`)

// rate reads a schedule. AWS wants "1 minute" and "2 minutes".
func (e *evaluator) rate(node *yaml.Node) time.Duration {
	expression := e.text(node)
	match := rate.FindStringSubmatch(expression)
	if match == nil {
		e.problem(node, "schedule %s is not supported", expression)
		return 0
	}
	n, err := strconv.Atoi(match[1])
	if err != nil || (n == 1) != (match[3] == "") {
		e.problem(node, "schedule %s: wrong number", expression)
		return 0
	}
	return time.Duration(n) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[match[2]]
}

func (e *evaluator) queue(res *resource) *Queue {
	o := e.object(res.properties, res.kind)
	o.skip("SqsManagedSseEnabled", "Tags")
	q := &Queue{
		Line:       res.node.Line,
		Visibility: time.Duration(e.whole(o.take("VisibilityTimeout"), 30, 0, 43200)) * time.Second,
		Retention:  time.Duration(e.whole(o.take("MessageRetentionPeriod"), 345600, 60, 1209600)) * time.Second,
		Delay:      time.Duration(e.whole(o.take("DelaySeconds"), 0, 0, 900)) * time.Second,
	}
	if policy := o.take("RedrivePolicy"); policy != nil {
		p := e.object(policy, "RedrivePolicy")
		q.DeadLetter = e.queueOf(p.take("deadLetterTargetArn"), policy)
		q.MaxReceives = e.whole(p.take("maxReceiveCount"), 10, 1, 1000)
		p.done()
	}
	o.done()
	return q
}

func (e *evaluator) table(res *resource) *Table {
	t := &Table{Line: res.node.Line, Attributes: map[string]string{}}
	o := e.object(res.properties, res.kind)
	// Backups, encryption and protection are AWS's to keep.
	o.skip("PointInTimeRecoverySpecification", "SSESpecification", "DeletionProtectionEnabled", "Tags")
	if mode := o.take("BillingMode"); mode == nil || e.text(mode) != "PAY_PER_REQUEST" {
		e.problem(res.node, "%s: a BillingMode other than PAY_PER_REQUEST is not supported", res.id)
	}
	for _, node := range e.list(o.take("AttributeDefinitions")) {
		a := e.object(node, "AttributeDefinitions")
		name, kind := a.take("AttributeName"), a.take("AttributeType")
		if name == nil || kind == nil {
			e.problem(node, "AttributeDefinitions: AttributeName and AttributeType are needed")
			continue
		}
		t.Attributes[e.text(name)] = e.text(kind)
		a.done()
	}
	t.Key = e.key(o.take("KeySchema"), res.node)
	for _, node := range e.list(o.take("GlobalSecondaryIndexes")) {
		i := e.object(node, "GlobalSecondaryIndexes")
		index := Index{Key: e.key(i.take("KeySchema"), node)}
		if name := i.take("IndexName"); name != nil {
			index.Name = e.text(name)
		}
		projection := e.object(i.take("Projection"), "Projection")
		if kind := projection.take("ProjectionType"); kind != nil {
			index.Projection = e.text(kind)
		}
		if index.Projection != "ALL" && index.Projection != "KEYS_ONLY" {
			e.problem(node, "Projection: only ALL and KEYS_ONLY are supported")
		}
		projection.done()
		i.done()
		t.Indexes = append(t.Indexes, index)
	}
	if ttl := o.take("TimeToLiveSpecification"); ttl != nil {
		s := e.object(ttl, "TimeToLiveSpecification")
		name, enabled := s.take("AttributeName"), s.take("Enabled")
		if name == nil || enabled == nil || e.text(enabled) != "true" {
			e.problem(ttl, "TimeToLiveSpecification: AttributeName and Enabled: true are needed")
		} else {
			t.Expires = e.text(name)
		}
		s.done()
	}
	o.done()
	return t
}

func (e *evaluator) key(schema, at *yaml.Node) Key {
	var key Key
	for _, node := range e.list(schema) {
		k := e.object(node, "KeySchema")
		name, kind := k.take("AttributeName"), k.take("KeyType")
		k.done()
		switch {
		case name != nil && kind != nil && kind.Value == "HASH":
			key.Hash = e.text(name)
		case name != nil && kind != nil && kind.Value == "RANGE":
			key.Range = e.text(name)
		default:
			e.problem(node, "KeySchema: AttributeName and KeyType (HASH or RANGE) are needed")
		}
	}
	if key.Hash == "" {
		e.problem(at, "KeySchema: a HASH key is needed")
	}
	return key
}

// queueOf returns the logical id of the queue that has the ARN.
func (e *evaluator) queueOf(node, at *yaml.Node) string {
	if node == nil {
		e.problem(at, "the ARN of a queue is needed")
		return ""
	}
	return e.byARN(node, queueType)
}

// byARN returns the logical id of the resource of a type whose ARN, which may be what Ref gives, a node says.
func (e *evaluator) byARN(node *yaml.Node, kind string) string {
	arn := e.text(node)
	for id, physical := range e.physical {
		if res := e.template.resources[id]; res != nil && res.kind == kind && (physical.Attributes["Arn"] == arn || physical.Ref == arn) {
			return id
		}
	}
	if arn != "" { // else it was said why
		e.problem(node, "%s is no %s of this template", arn, kind)
	}
	return ""
}

// kindOf returns the type of the resource whose Ref gives the text.
func (e *evaluator) kindOf(ref string) string {
	for id, physical := range e.physical {
		if res := e.template.resources[id]; res != nil && physical.Ref == ref {
			return res.kind
		}
	}
	return ""
}

// whole reads a whole number between two bounds; fallback if there is none.
func (e *evaluator) whole(node *yaml.Node, fallback, least, most int) int {
	if node == nil {
		return fallback
	}
	text := e.text(node)
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		e.problem(node, "%s", fmt.Sprintf("%q is not a whole number between %d and %d", text, least, most))
		return fallback
	}
	return n
}

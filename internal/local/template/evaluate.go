package template

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Physical says what a resource is called outside of the template.
type Physical struct {
	Name       string            // by which it is made and called
	Ref        string            // what Ref gives: a table's, function's name, a queue's URL, a secret's ARN
	Attributes map[string]string // what Fn::GetAtt gives
}

// evaluator gives nodes their values.
type evaluator struct {
	reader
	template   *Template
	parameters map[string]string
	pseudo     map[string]string // "AWS::Region", ...
	physical   map[string]Physical
	pending    map[string]bool // conditions that are being evaluated
}

// intrinsic returns the name and the argument of an intrinsic function, in either spelling: "!Ref" is "Ref" and "!Sub"
// is "Fn::Sub". The name is empty if the node is none.
func intrinsic(node *yaml.Node) (name string, argument *yaml.Node) {
	if tag := node.Tag; len(tag) > 1 && tag[0] == '!' && tag[1] != '!' {
		if name = tag[1:]; name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		plain := *node
		plain.Tag = map[yaml.Kind]string{yaml.ScalarNode: "!!str", yaml.SequenceNode: "!!seq", yaml.MappingNode: "!!map"}[node.Kind]
		return name, &plain
	}
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 {
		if key := node.Content[0].Value; key == "Ref" || strings.HasPrefix(key, "Fn::") {
			return key, node.Content[1]
		}
	}
	return "", nil
}

// text returns the value of a node that stands for one text.
func (e *evaluator) text(node *yaml.Node) string {
	node = e.chosen(node)
	name, argument := intrinsic(node)
	switch name {
	case "":
		if node.Kind != yaml.ScalarNode {
			e.problem(node, "%s where a text is expected", describe(node))
			return ""
		}
		return node.Value
	case "Ref":
		return e.ref(argument, argument.Value)
	case "Fn::GetAtt":
		return e.attribute(argument)
	case "Fn::Sub":
		return e.sub(argument)
	case "Fn::Join":
		if argument.Kind != yaml.SequenceNode || len(argument.Content) != 2 {
			e.problem(node, "Fn::Join needs a separator and a list")
			return ""
		}
		var parts []string
		for _, item := range e.list(argument.Content[1]) {
			parts = append(parts, e.text(item))
		}
		return strings.Join(parts, e.text(argument.Content[0]))
	default:
		e.problem(node, "%s is not supported", name)
		return ""
	}
}

// chosen returns the branch that an Fn::If takes, and any other node as it is. The other branch is not looked at.
func (e *evaluator) chosen(node *yaml.Node) *yaml.Node {
	for {
		name, argument := intrinsic(node)
		if name != "Fn::If" {
			return node
		}
		if argument.Kind != yaml.SequenceNode || len(argument.Content) != 3 {
			e.problem(node, "Fn::If needs a condition and two values")
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Line: node.Line}
		}
		branch := 2
		if e.condition(argument.Content[0], argument.Content[0].Value) {
			branch = 1
		}
		node = argument.Content[branch]
	}
}

// list returns the items of a list.
func (e *evaluator) list(node *yaml.Node) []*yaml.Node {
	if node == nil {
		return nil
	}
	node = e.chosen(node)
	if name, _ := intrinsic(node); name != "" {
		e.problem(node, "%s is not supported", name)
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		e.problem(node, "%s where a list is expected", describe(node))
		return nil
	}
	return node.Content
}

// texts returns the values of a list of texts, or of a single text.
func (e *evaluator) texts(node *yaml.Node) []string {
	if node == nil {
		return nil
	}
	node = e.chosen(node)
	if name, _ := intrinsic(node); name != "" || node.Kind == yaml.ScalarNode {
		return []string{e.text(node)}
	}
	var texts []string
	for _, item := range e.list(node) {
		texts = append(texts, e.text(item))
	}
	return texts
}

func (e *evaluator) ref(at *yaml.Node, name string) string {
	if value, ok := e.parameters[name]; ok {
		return value
	}
	if strings.HasPrefix(name, "AWS::") {
		value, ok := e.pseudo[name]
		if !ok {
			e.problem(at, "%s is not supported", name)
		}
		return value
	}
	if function, is := strings.CutSuffix(name, ".Alias"); is {
		return e.alias(at, function)
	}
	return e.named(at, name, "").Ref
}

// alias is the ARN of what callers of a function are to call: SAM makes it of AutoPublishAlias.
func (e *evaluator) alias(at *yaml.Node, function string) string {
	name := e.object(e.template.globals, "Globals of functions").take("AutoPublishAlias")
	if name == nil {
		e.problem(at, "%s has no alias: Globals of functions need AutoPublishAlias", function)
		return ""
	}
	return e.attributeOf(at, function, "Arn") + ":" + e.text(name)
}

func (e *evaluator) attribute(argument *yaml.Node) string {
	name, attribute, _ := strings.Cut(argument.Value, ".")
	if argument.Kind == yaml.SequenceNode && len(argument.Content) == 2 {
		name, attribute = argument.Content[0].Value, argument.Content[1].Value
	}
	return e.attributeOf(argument, name, attribute)
}

func (e *evaluator) attributeOf(at *yaml.Node, name, attribute string) string {
	value, ok := e.named(at, name, "."+attribute).Attributes[attribute]
	if !ok && e.physical[name].Ref != "" {
		e.problem(at, "attribute %s of %s is not supported", attribute, name)
	}
	return value
}

// named returns a resource that exists.
func (e *evaluator) named(at *yaml.Node, name, suffix string) Physical {
	res := e.template.resources[name]
	if res == nil {
		e.problem(at, "there is no parameter or resource %s", name)
		return Physical{}
	}
	physical, ok := e.physical[name]
	if !ok {
		e.problem(at, "%s%s is not there on one machine: it is a %s", name, suffix, res.kind)
	}
	return physical
}

// sub replaces ${Name}, ${Name.Attribute} and the names that the call itself brings along.
func (e *evaluator) sub(argument *yaml.Node) string {
	format, own := argument, map[string]string{}
	if argument.Kind == yaml.SequenceNode {
		if len(argument.Content) != 2 || argument.Content[1].Kind != yaml.MappingNode {
			e.problem(argument, "Fn::Sub needs a text, or a text and a mapping")
			return ""
		}
		format = argument.Content[0]
		for _, f := range e.object(argument.Content[1], "Fn::Sub").rest() {
			own[f.key.Value] = e.text(f.value)
		}
	}
	if format.Kind != yaml.ScalarNode {
		e.problem(argument, "Fn::Sub needs a text")
		return ""
	}
	var out strings.Builder
	for rest := format.Value; ; {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, found := strings.Cut(after, "}")
		if !found {
			e.problem(argument, "Fn::Sub: ${ without }")
			return ""
		}
		rest = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
		} else if value, ok := own[name]; ok {
			out.WriteString(value)
		} else if resource, attribute, ok := strings.Cut(name, "."); ok {
			out.WriteString(e.attributeOf(format, resource, attribute))
		} else {
			out.WriteString(e.ref(format, name))
		}
	}
}

// condition evaluates a condition of the template by its name.
func (e *evaluator) condition(at *yaml.Node, name string) bool {
	node := e.template.conditions[name]
	switch {
	case node == nil:
		e.problem(at, "there is no condition %s", name)
		return false
	case e.pending[name]:
		e.problem(at, "condition %s depends on itself", name)
		return false
	}
	e.pending[name] = true
	defer delete(e.pending, name)
	return e.holds(node)
}

// holds evaluates an expression of conditions.
func (e *evaluator) holds(node *yaml.Node) bool {
	name, argument := intrinsic(node)
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "Condition" {
		name, argument = "Condition", node.Content[1]
	}
	var operands []*yaml.Node
	if argument != nil {
		operands = argument.Content
	}
	switch {
	case name == "Condition":
		return e.condition(argument, argument.Value)
	case name == "Fn::Equals" && len(operands) == 2:
		return e.text(operands[0]) == e.text(operands[1])
	case name == "Fn::Not" && len(operands) == 1:
		return !e.holds(operands[0])
	case (name == "Fn::And" || name == "Fn::Or") && len(operands) > 1:
		all, any := true, false
		for _, operand := range operands { // each of them, so that whatever is wrong is said
			holds := e.holds(operand)
			all, any = all && holds, any || holds
		}
		return name == "Fn::And" && all || name == "Fn::Or" && any
	case name == "Fn::Equals", name == "Fn::Not", name == "Fn::And", name == "Fn::Or":
		e.problem(node, "%s has the wrong number of operands", name)
	case name != "":
		e.problem(node, "%s is not supported in a condition", name)
	default:
		e.problem(node, "%s where a condition is expected", describe(node))
	}
	return false
}

// Names returns what each resource is called in a stack before it exists: as AWS would name it, but without
// the random part at the end, and with queues below endpoint. The ARN of a secret has no random part either, so it is not the true one.
func (t *Template) Names(stack, region, account, endpoint string) map[string]Physical {
	physical := map[string]Physical{}
	for id, res := range t.resources {
		name := stack + "-" + id
		arn := func(service, resource string) string {
			return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
		}
		switch res.kind {
		case functionType:
			physical[id] = Physical{Name: name, Ref: name, Attributes: map[string]string{"Arn": arn("lambda", "function:"+name)}}
		case apiType:
			physical[id] = Physical{Name: name, Ref: strings.ToLower(id)}
		case tableType:
			physical[id] = Physical{Name: name, Ref: name, Attributes: map[string]string{"Arn": arn("dynamodb", "table/"+name)}}
		case queueType:
			physical[id] = Physical{Name: name, Ref: endpoint + "/" + account + "/" + name, Attributes: map[string]string{"Arn": arn("sqs", name), "QueueName": name}}
		case secretType:
			physical[id] = Physical{Name: name, Ref: arn("secretsmanager", "secret:"+name)}
		case roleType:
			physical[id] = Physical{Name: name, Ref: name, Attributes: map[string]string{"Arn": "arn:aws:iam::" + account + ":role/" + name}}
		case policyType:
			physical[id] = Physical{Name: name, Ref: "arn:aws:iam::" + account + ":policy/" + name}
		case logType:
			physical[id] = Physical{Name: name, Ref: name, Attributes: map[string]string{"Arn": arn("logs", "log-group:"+name+":*")}}
		case keyType:
			physical[id] = Physical{Name: name, Ref: name, Attributes: map[string]string{"Arn": arn("kms", "key/"+name)}}
		case identityType, settingsType:
			physical[id] = Physical{Name: name, Ref: name}
		}
	}
	return physical
}

package dynamodb

import (
	"slices"
	"strings"
	"unicode/utf16"
)

// condition is a parsed ConditionExpression or FilterExpression.
type condition interface {
	holds(document) bool
}

// operand is a part of a condition or an update that has a value, or none: then it is nil.
type operand interface {
	of(document) value
}

type (
	conjunction struct{ left, right condition }
	disjunction struct{ left, right condition }
	negation    struct{ condition condition }
	comparison  struct {
		operator    string
		left, right operand
	}
	between struct{ operand, low, high operand }
	within  struct {
		operand operand
		list    []operand
	}
	call struct { // of a function that holds or does not
		function  string
		arguments []operand
	}
	sizeOf struct{ operand operand }
	group  struct{ inside any } // parentheses about a condition or an operand
)

func (c conjunction) holds(item document) bool { return c.left.holds(item) && c.right.holds(item) }
func (d disjunction) holds(item document) bool { return d.left.holds(item) || d.right.holds(item) }
func (n negation) holds(item document) bool    { return !n.condition.holds(item) }

func (c comparison) holds(item document) bool {
	left, right := c.left.of(item), c.right.of(item)
	switch same := left != nil && right != nil && equal(left, right); c.operator {
	case "=":
		return same
	case "<>":
		return !same
	}
	order, comparable := compare(left, right)
	switch c.operator {
	case "<":
		return comparable && order < 0
	case "<=":
		return comparable && order <= 0
	case ">":
		return comparable && order > 0
	}
	return comparable && order >= 0
}

// compare orders two values, if they are of the same kind and that has an order.
func compare(a, b value) (order int, comparable bool) {
	if a == nil || b == nil || a.kind() != b.kind() || !slices.Contains(ordered, a.kind()) {
		return 0, false
	}
	return strings.Compare(scalarOrder(a), scalarOrder(b)), true
}

// ordered are the kinds whose values can be less than each other.
var ordered = []string{"S", "N", "B"}

func (b between) holds(item document) bool {
	v := b.operand.of(item)
	low, above := compare(v, b.low.of(item))
	high, below := compare(v, b.high.of(item))
	return above && below && low >= 0 && high <= 0
}

func (w within) holds(item document) bool {
	v := w.operand.of(item)
	return v != nil && slices.ContainsFunc(w.list, func(o operand) bool {
		other := o.of(item)
		return other != nil && equal(v, other)
	})
}

func (c call) holds(item document) bool {
	v := c.arguments[0].of(item)
	switch c.function {
	case "attribute_exists":
		return v != nil
	case "attribute_not_exists":
		return v == nil
	}
	argument := c.arguments[1].of(item)
	if v == nil || argument == nil {
		return false
	}
	switch c.function {
	case "attribute_type":
		return text(v.kind()) == argument
	case "begins_with":
		return beginsWith(v, argument)
	}
	return contains(v, argument)
}

func beginsWith(v, prefix value) bool {
	switch v := v.(type) {
	case text:
		p, ok := prefix.(text)
		return ok && strings.HasPrefix(string(v), string(p))
	case binary:
		p, ok := prefix.(binary)
		return ok && strings.HasPrefix(string(v), string(p))
	}
	return false
}

func contains(v, part value) bool {
	switch v := v.(type) {
	case text:
		p, ok := part.(text)
		return ok && strings.Contains(string(v), string(p))
	case binary:
		p, ok := part.(binary)
		return ok && strings.Contains(string(v), string(p))
	case set:
		return v.of == part.kind() && v.has(part)
	case list:
		return slices.ContainsFunc(v, func(element value) bool { return equal(element, part) })
	}
	return false
}

func (s sizeOf) of(item document) value {
	n := 0
	switch v := s.operand.of(item).(type) {
	case text:
		n = len(utf16.Encode([]rune(string(v)))) // DynamoDB counts as Java does
	case binary:
		n = len(v)
	case list:
		n = len(v)
	case document:
		n = len(v)
	case set:
		n = len(v.members)
	default:
		return nil
	}
	return whole(n)
}

// functions are those of conditions, with how many operands they take.
var functions = map[string]int{"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1}

// updateFunctions are those of updates, which take two operands each.
var updateFunctions = []string{"if_not_exists", "list_append"}

// conditionRule reads a ConditionExpression or a FilterExpression.
func conditionRule(p *parser) (condition, error) {
	parsed, err := p.either()
	if err != nil {
		return nil, err
	}
	return p.asCondition(parsed)
}

// either reads terms with OR between them. Like the rules below it returns a condition or an operand: only what follows
// tells whether (a) is half of a comparison.
func (p *parser) either() (any, error) {
	return p.joined("OR", p.both, func(l, r condition) condition { return disjunction{l, r} })
}

func (p *parser) both() (any, error) {
	return p.joined("AND", p.denied, func(l, r condition) condition { return conjunction{l, r} })
}

func (p *parser) joined(keyword string, rule func() (any, error), join func(l, r condition) condition) (any, error) {
	result, err := rule()
	for err == nil && p.sees(keyword) {
		p.operator()
		var left, right condition
		if left, err = p.asCondition(result); err != nil {
			break
		}
		p.advance()
		if result, err = rule(); err != nil {
			break
		}
		if right, err = p.asCondition(result); err == nil {
			result = join(left, right)
		}
	}
	return result, err
}

func (p *parser) denied() (any, error) {
	if !p.accepts("NOT") {
		return p.relation()
	}
	p.operator()
	inner, err := p.denied()
	if err != nil {
		return nil, err
	}
	c, err := p.asCondition(inner)
	return negation{c}, err
}

var comparators = []string{"=", "<>", "<", "<=", ">", ">="}

// relation reads a comparison, BETWEEN or IN, or what may stand at their left.
func (p *parser) relation() (any, error) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	operator := strings.ToUpper(p.source(p.next()))
	if !slices.Contains(comparators, operator) && operator != "BETWEEN" && operator != "IN" {
		return first, nil
	}
	left, err := p.asOperand(first)
	if err != nil {
		return nil, err
	}
	p.advance()
	p.operator()
	switch operator {
	case "BETWEEN":
		return p.between(left)
	case "IN":
		if err := p.expect("("); err != nil {
			return nil, err
		}
		list, err := several(p, p.operand)
		if err != nil {
			return nil, err
		}
		if len(list) > mostInList {
			p.wrongMeaning("The IN operator is provided with too many operands; number of operands: %d", len(list))
		}
		p.distinct(operator, left, list)
		return within{left, list}, p.expect(")")
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	if operator != "=" && operator != "<>" {
		p.typed(operator, ordered, left, right)
	}
	p.distinct(operator, left, []operand{right})
	return comparison{operator, left, right}, nil
}

func (p *parser) between(v operand) (any, error) {
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.typed("BETWEEN", ordered, v, low, high)
	p.distinct("BETWEEN", v, []operand{low, high})
	l, lowGiven := low.(literal)
	h, highGiven := high.(literal)
	if p.meaning == nil && lowGiven && highGiven {
		bounds := "lower bound operand: AttributeValue: " + shown(l.value) + ", upper bound operand: AttributeValue: " + shown(h.value)
		if l.value.kind() != h.value.kind() {
			p.wrongMeaning("The BETWEEN operator requires same data type for lower and upper bounds; %s", bounds)
		} else if order, _ := compare(l.value, h.value); order > 0 {
			p.wrongMeaning("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; %s", bounds)
		}
	}
	return between{v, low, high}, nil
}

// shown is a scalar as AWS's messages show it.
func shown(v value) string {
	if n, ok := v.(number); ok {
		return "{N:" + n.String() + "}"
	}
	return "{" + v.kind() + ":" + scalarOrder(v) + "}"
}

// term reads a path, a literal, a function or something in parentheses.
func (p *parser) term() (any, error) {
	t := p.next()
	switch {
	case p.accepts("("):
		inside, err := p.either()
		if err != nil {
			return nil, err
		}
		if _, again := inside.(group); again {
			p.wrongWord("The expression has redundant parentheses;")
		}
		return group{inside}, p.expect(")")
	case t.kind == literalName:
		return p.literal()
	case t.kind == word && p.at+1 < len(p.tokens) && p.source(p.tokens[p.at+1]) == "(" && !keywords[strings.ToUpper(p.source(t))]:
		return p.call()
	}
	return p.path()
}

func (p *parser) call() (any, error) {
	function := p.source(p.advance())
	p.operator()
	operands, known := functions[function]
	switch {
	case slices.Contains(updateFunctions, function):
		p.wrongWord("The function is not allowed in a condition expression; function: %s", function)
	case !known:
		p.wrongWord("Invalid function name; function: %s", function)
	}
	p.advance() // the parenthesis that made it a call
	arguments, err := several(p, p.operand)
	if err == nil {
		err = p.expect(")")
	}
	if err != nil {
		return nil, err
	}
	if known && len(arguments) != operands {
		p.wrongMeaning("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", function, len(arguments))
		return call{function, arguments}, nil
	}
	switch function {
	case "size":
		p.typed(function, sized, arguments...)
		return sizeOf{arguments[0]}, nil
	case "attribute_exists", "attribute_not_exists":
		if _, ok := arguments[0].(path); !ok {
			p.wrongMeaning("Operator or function requires a document path; operator or function: %s", function)
		}
	case "begins_with":
		p.typed(function, []string{"S", "B"}, arguments...)
	case "attribute_type":
		p.typeName(arguments[1])
	}
	p.distinct(function, arguments[0], arguments[1:])
	return call{function, arguments}, nil
}

// sized are the kinds that have a size.
var sized = []string{"S", "B", "SS", "NS", "BS", "L", "M"}

var kinds = []string{"B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"}

// typeName checks the second operand of attribute_type.
func (p *parser) typeName(o operand) {
	l, ok := o.(literal)
	if !ok {
		p.wrongMeaning("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {%s}", strings.Join(kinds, ","))
		return
	}
	p.typed("attribute_type", []string{"S"}, l)
	if name, ok := l.value.(text); ok && !slices.Contains(kinds, string(name)) {
		p.wrongMeaning("Invalid attribute type name found; type: %s, valid types: {%s}", name, strings.Join(kinds, ","))
	}
}

// typed checks the kinds of those operands that are known before there is an item.
func (p *parser) typed(operator string, allowed []string, operands ...operand) {
	for _, o := range operands {
		kind := ""
		switch o := o.(type) {
		case literal:
			if o.value != nil {
				kind = o.value.kind()
			}
		case sizeOf:
			kind = "N"
		}
		if kind != "" && !slices.Contains(allowed, kind) {
			p.wrongMeaning("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", operator, kind)
		}
	}
}

// distinct checks that an attribute is not compared to itself.
func (p *parser) distinct(operator string, first operand, others []operand) {
	one, ok := first.(path)
	if !ok {
		return
	}
	for _, o := range others {
		if other, ok := o.(path); ok && slices.Equal(one, other) {
			p.wrongMeaning("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", operator, one)
		}
	}
}

func (p *parser) operand() (operand, error) {
	parsed, err := p.term()
	if err != nil {
		return nil, err
	}
	return p.asOperand(parsed)
}

func (p *parser) asOperand(parsed any) (operand, error) {
	switch parsed := parsed.(type) {
	case group:
		return p.asOperand(parsed.inside)
	case operand:
		return parsed, nil
	case call:
		p.wrongWord("The function is not allowed to be used this way in an expression; function: %s", parsed.function)
		return literal{null{}}, nil
	}
	return nil, p.syntax()
}

func (p *parser) asCondition(parsed any) (condition, error) {
	switch parsed := parsed.(type) {
	case group:
		return p.asCondition(parsed.inside)
	case condition:
		return parsed, nil
	case sizeOf:
		p.wrongWord("The function is not allowed to be used this way in an expression; function: size")
		return call{}, nil
	}
	return nil, p.syntax()
}

package dynamodb

import "slices"

// keyCondition is a parsed KeyConditionExpression: what it says of each attribute, in the order of their appearance.
type keyCondition []bound

// bound is a condition on one key attribute. Operator is a comparator, BETWEEN or begins_with.
type bound struct {
	attribute string
	operator  string
	operands  []value // two for BETWEEN, else one
}

// newKeyCondition makes a key condition of a parsed expression, which has the grammar of conditions but may say much less.
func newKeyCondition(c condition) (keyCondition, error) { return keyBounds(c, nil) }

func keyBounds(c condition, before keyCondition) (keyCondition, error) {
	notKey := func(operator string) (keyCondition, error) {
		return nil, invalid("Invalid operator used in KeyConditionExpression: %s", operator)
	}
	switch c := c.(type) {
	case conjunction:
		left, err := keyBounds(c.left, before)
		if err != nil {
			return nil, err
		}
		return keyBounds(c.right, left)
	case disjunction:
		return notKey("OR")
	case negation:
		return notKey("NOT")
	case within:
		return notKey("IN")
	case between:
		return before.and("BETWEEN", c.operand, c.low, c.high)
	case comparison:
		if c.operator == "<>" {
			return notKey("<>")
		}
		if _, ok := c.left.(literal); ok {
			return before.and(mirrored[c.operator], c.right, c.left)
		}
		return before.and(c.operator, c.left, c.right)
	case call:
		if c.function != "begins_with" {
			return notKey(c.function)
		}
		return before.and(c.function, c.arguments[0], c.arguments[1])
	}
	panic("an unknown kind of condition")
}

// mirrored are the comparators for operands that have changed sides.
var mirrored = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func (k keyCondition) and(operator string, attribute operand, operands ...operand) (keyCondition, error) {
	b := bound{operator: operator}
	at, ok := attribute.(path)
	for _, o := range append(operands, attribute) {
		if _, nested := o.(sizeOf); nested {
			return nil, invalid("KeyConditionExpressions cannot contain nested operations")
		}
	}
	if !ok {
		return nil, invalid("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	if len(at) > 1 {
		return nil, invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", at[0].name)
	}
	b.attribute = at[0].name
	for _, o := range operands {
		l, ok := o.(literal)
		if !ok {
			return nil, invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
		b.operands = append(b.operands, l.value)
	}
	if slices.ContainsFunc(k, func(other bound) bool { return other.attribute == b.attribute }) {
		return nil, invalid("KeyConditionExpressions must only contain one condition per key")
	}
	return append(k, b), nil
}

package dynamodb

import (
	"maps"
	"slices"
)

type queryInput struct {
	expressions
	TableName              string
	IndexName              *string
	KeyConditionExpression *string
	FilterExpression       *string
	ProjectionExpression   *string
	Select                 string
	Limit                  *int
	ExclusiveStartKey      document
	ScanIndexForward       *bool
	ConsistentRead         bool
	ReturnConsumedCapacity string
}

// largestPage is how many bytes of items a query looks at before it answers with what it has.
const largestPage = 1 << 20

// search is a query that was parsed.
type search struct {
	queryInput
	key    keyCondition
	filter condition
	paths  []path // of the projection
	looked []path // those of the filter
}

func (in queryInput) search() (search, error) {
	q := search{queryInput: in}
	if err := checkTableName(in.TableName); err != nil {
		return q, err
	}
	if err := checkReturnConsumedCapacity(in.ReturnConsumedCapacity); err != nil {
		return q, err
	}
	if err := oneOf("select", in.Select, "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"); err != nil {
		return q, err
	}
	if in.Limit != nil && *in.Limit < 1 {
		return q, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *in.Limit)
	}
	with, err := in.substitutions("FilterExpression and KeyConditionExpression are null", in.KeyConditionExpression, in.FilterExpression, in.ProjectionExpression)
	if err != nil {
		return q, err
	}
	if in.KeyConditionExpression == nil {
		return q, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if err := in.checkSelect(); err != nil {
		return q, err
	}
	if q.paths, err = parse("ProjectionExpression", in.ProjectionExpression, with, projection); err != nil {
		return q, err
	}
	filter := func(p *parser) (condition, error) {
		c, err := conditionRule(p)
		q.looked = p.paths
		return c, err
	}
	if q.filter, err = parse("FilterExpression", in.FilterExpression, with, filter); err != nil {
		return q, err
	}
	condition, err := parse("KeyConditionExpression", in.KeyConditionExpression, with, conditionRule)
	if err != nil {
		return q, err
	}
	if err := with.allUsed(); err != nil {
		return q, err
	}
	q.key, err = newKeyCondition(condition)
	return q, err
}

func (in queryInput) checkSelect() error {
	switch {
	case in.Select == "COUNT" && in.ProjectionExpression != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get only the Count")
	case in.Select == "SPECIFIC_ATTRIBUTES" && in.ProjectionExpression == nil:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case in.Select == "ALL_PROJECTED_ATTRIBUTES" && in.IndexName == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case (in.Select == "ALL_ATTRIBUTES" || in.Select == "ALL_PROJECTED_ATTRIBUTES") && in.ProjectionExpression != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", in.Select)
	}
	return nil
}

func (s *Server) query(in queryInput) (answer, error) {
	q, err := in.search()
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.table(q.TableName)
	if err != nil {
		return nil, err
	}
	from, x := &t.items, (*index)(nil)
	if q.IndexName != nil {
		if x = t.index(*q.IndexName); x == nil {
			return nil, invalid("The table does not have the specified index: %s", *q.IndexName)
		}
		if err := q.checkIndex(t, x); err != nil {
			return nil, err
		}
		from = &x.entries
	}
	where, err := q.key.bounds(from.key)
	if err != nil {
		return nil, err
	}
	for _, p := range q.looked {
		if from.key.has(p[0].name) {
			return nil, invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", p[0].name)
		}
	}
	forward := q.ScanIndexForward == nil || *q.ScanIndexForward
	if err := q.startAfter(t, x, &where, forward); err != nil {
		return nil, err
	}
	return s.page(q, t, x, where, forward), nil
}

// page reads what there is between two bounds until a limit is reached, and answers.
func (s *Server) page(q search, t *table, x *index, where interval, forward bool) answer {
	partitions := t.items.partitions
	if x != nil {
		partitions = x.entries.partitions
	}
	items := []document{}
	scanned, bytes := 0, 0
	var last document
	if shelf := partitions[where.partition]; shelf != nil {
		for e := range shelf.between(where.low, where.high, forward) {
			item := e.item
			if x != nil {
				item = x.shown(t, item)
			}
			scanned++
			bytes += item.itemSize()
			if q.filter == nil || q.filter.holds(item) {
				items = append(items, item)
			}
			if q.Limit != nil && scanned == *q.Limit || bytes >= largestPage {
				last = keyOf(t, x, item)
				break
			}
		}
	}
	out := answer{"Count": len(items), "ScannedCount": scanned}
	if q.Select != "COUNT" {
		for i := range items {
			if q.paths != nil {
				items[i] = items[i].project(q.paths)
			}
		}
		out["Items"] = items
	}
	if last != nil {
		out["LastEvaluatedKey"] = last
	}
	units := consumption{table: readUnits(bytes, q.ConsistentRead)}
	if x != nil {
		units = consumption{indexes: map[string]float64{x.definition.IndexName: units.table}}
	}
	s.units.add(units.total(), 0)
	if report := units.report(q.ReturnConsumedCapacity, q.TableName); report != nil {
		out["ConsumedCapacity"] = report
	}
	return out
}

// keyOf returns the key by which a query goes on after an item: that of the table and, if one is queried, of the index.
func keyOf(t *table, x *index, item document) document {
	key := t.items.key.of(item)
	if x != nil {
		maps.Copy(key, x.entries.key.of(item))
	}
	return key
}

// checkIndex refuses what an index cannot answer.
func (q search) checkIndex(t *table, x *index) error {
	if q.ConsistentRead {
		return invalid("Consistent reads are not supported on global secondary indexes")
	}
	if q.Select == "ALL_ATTRIBUTES" && x.definition.Projection.ProjectionType != "ALL" {
		return invalidValue("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", *q.IndexName)
	}
	hidden := func(paths []path) string {
		for _, p := range paths {
			if !x.projects(t, p[0].name) {
				return p[0].name
			}
		}
		return ""
	}
	if name := hidden(q.paths); name != "" {
		return invalidValue("Global secondary index %s does not project [%s]", *q.IndexName, name)
	}
	if name := hidden(q.looked); name != "" {
		return invalidValue("Secondary index %s does not project one or more filter attributes: [%s]", *q.IndexName, name)
	}
	return nil
}

// interval is a part of a partition, from low up to, but without, high. An empty high is beyond all.
type interval struct {
	partition string
	low, high string
}

// bounds finds the interval that a key condition means in a collection with the given key.
func (k keyCondition) bounds(key keySchema) (interval, error) {
	if len(k) > 2 {
		return interval{}, invalid("Conditions can be of length 1 or 2 only")
	}
	for _, a := range key.attributes() {
		for _, b := range k.on(a.name) {
			for _, v := range b.operands {
				if v.kind() != a.kind {
					return interval{}, invalidValue("Condition parameter type does not match schema type")
				}
				if err := a.checkValue(v); err != nil {
					return interval{}, err
				}
			}
		}
	}
	hash, sort := k.on(key.hash.name), k.on(key.sort.name)
	if len(hash) == 0 || len(hash)+len(sort) < len(k) {
		lacking := key.hash.name
		if len(hash) > 0 {
			lacking = key.sort.name
		}
		return interval{}, invalid("Query condition missed key schema element: %s", lacking)
	}
	if hash[0].operator != "=" {
		return interval{}, invalid("Query key condition not supported")
	}
	where := interval{partition: scalarOrder(hash[0].operands[0])}
	if len(sort) > 0 {
		where.low, where.high = sort[0].interval()
	}
	return where, nil
}

// on returns the conditions on an attribute.
func (k keyCondition) on(attribute string) []bound {
	return slices.DeleteFunc(slices.Clone(k), func(b bound) bool { return b.attribute != attribute })
}

// interval returns from where to where the orders of sort keys go that meet the condition.
func (b bound) interval() (low, high string) {
	at := component(b.operands[0])
	switch b.operator {
	case "=":
		return at, following(at)
	case "<":
		return "", at
	case "<=":
		return "", following(at)
	case ">":
		return following(at), ""
	case ">=":
		return at, ""
	case "BETWEEN":
		return at, following(component(b.operands[1]))
	}
	start := prefix(b.operands[0])
	return start, following(start)
}

// startAfter narrows an interval to what follows the ExclusiveStartKey, if there is one.
func (q search) startAfter(t *table, x *index, where *interval, forward bool) error {
	key := q.ExclusiveStartKey
	if key == nil {
		return nil
	}
	attributes := map[string]string{}
	for _, a := range t.items.key.attributes() {
		attributes[a.name] = a.kind
	}
	at := t.items.key.address
	if x != nil {
		for _, a := range x.entries.key.attributes() {
			attributes[a.name] = a.kind
		}
		at = func(key document) address {
			a, _ := x.address(t, key)
			return a
		}
	}
	if len(key) != len(attributes) {
		return wrongStart()
	}
	for name, kind := range attributes {
		if v := key[name]; v == nil || v.kind() != kind || empty(v) {
			return wrongStart()
		}
	}
	a := at(key)
	if a.partition != where.partition {
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	}
	if a.order < where.low || where.high != "" && a.order >= where.high {
		return invalid("The provided starting key does not match the range key predicate")
	}
	if forward {
		where.low = a.order + "\x00"
	} else {
		where.high = a.order
	}
	return nil
}

func wrongStart() error { return invalid("The provided starting key is invalid") }

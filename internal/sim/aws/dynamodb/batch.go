package dynamodb

import (
	"maps"
	"slices"
)

// What one batch may hold, from
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-api
const (
	mostBatchReads   = 100
	mostBatchWrites  = 25
	largestBatchRead = 16 << 20 // bytes of items; the rest is left unprocessed
)

type batchGetInput struct {
	RequestItems           map[string]batchKeys
	ReturnConsumedCapacity string
}

type batchKeys struct {
	Keys                     []document
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
	ConsistentRead           bool
}

func (s *Server) batchGetItem(in batchGetInput) (answer, error) {
	if err := checkReturnConsumedCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if len(in.RequestItems) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	names := slices.Sorted(maps.Keys(in.RequestItems))
	reads := map[string][]read{}
	count := 0
	for _, name := range names {
		keys := in.RequestItems[name]
		if err := checkTableName(name); err != nil {
			return nil, err
		}
		if len(keys.Keys) == 0 {
			return nil, invalid("1 validation error detected: Value '[]' at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", name)
		}
		if count += len(keys.Keys); count > mostBatchReads {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		paths, err := onlyProjection(keys.ProjectionExpression, keys.ExpressionAttributeNames)
		if err != nil {
			return nil, err
		}
		for _, key := range keys.Keys {
			reads[name] = append(reads[name], read{name, key, paths})
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.checkBatchKeys(reads); err != nil {
		return nil, err
	}
	responses, unprocessed, reports := answer{}, answer{}, []answer{}
	bytes := 0
	for _, name := range names {
		items := []document{}
		var left []document
		units := consumption{}
		for _, r := range reads[name] {
			item, err := s.get(r)
			if err != nil {
				return nil, err
			}
			if bytes+item.itemSize() > largestBatchRead {
				left = append(left, r.key)
				continue
			}
			bytes += item.itemSize()
			units.table += readUnits(item.itemSize(), in.RequestItems[name].ConsistentRead)
			if item != nil {
				items = append(items, r.shown(item))
			}
		}
		responses[name] = items
		if left != nil {
			unprocessed[name] = in.RequestItems[name].rest(left)
		}
		s.units.add(units.total(), 0)
		if report := units.report(in.ReturnConsumedCapacity, name); report != nil {
			reports = append(reports, report)
		}
	}
	out := answer{"Responses": responses, "UnprocessedKeys": unprocessed}
	if len(reports) > 0 {
		out["ConsumedCapacity"] = reports
	}
	return out, nil
}

// rest is the same request for fewer keys.
func (b batchKeys) rest(keys []document) answer {
	rest := answer{"Keys": keys, "ConsistentRead": b.ConsistentRead}
	if b.ProjectionExpression != nil {
		rest["ProjectionExpression"] = *b.ProjectionExpression
	}
	if b.ExpressionAttributeNames != nil {
		rest["ExpressionAttributeNames"] = b.ExpressionAttributeNames
	}
	return rest
}

// checkBatchKeys checks that tables and keys are good, and that none is asked for twice.
func (s *Server) checkBatchKeys(reads map[string][]read) error {
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		seen := map[address]bool{}
		for _, r := range reads[name] {
			t, err := s.table(name)
			if err != nil {
				return err
			}
			if err := t.checkKey(r.key); err != nil {
				return err
			}
			if seen[t.address(r.key)] {
				return invalid("Provided list of item keys contains duplicates")
			}
			seen[t.address(r.key)] = true
		}
	}
	return nil
}

type batchWriteInput struct {
	RequestItems           map[string][]batchRequest
	ReturnConsumedCapacity string
}

type batchRequest struct {
	PutRequest    *struct{ Item document }
	DeleteRequest *struct{ Key document }
}

func (b batchRequest) write(table string) (write, error) {
	switch {
	case b.PutRequest != nil && b.DeleteRequest != nil:
		return write{}, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case b.PutRequest != nil:
		return putAction{TableName: table, Item: b.PutRequest.Item}.write()
	case b.DeleteRequest != nil:
		return keyedAction{TableName: table, Key: b.DeleteRequest.Key}.write()
	}
	return write{}, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}

func (s *Server) batchWriteItem(in batchWriteInput) (answer, error) {
	if err := checkReturnConsumedCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if len(in.RequestItems) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	var writes []write
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		if len(in.RequestItems[name]) == 0 {
			return nil, invalid("1 validation error detected: Value '[]' at 'requestItems.%s.member' failed to satisfy constraint: Member must have length greater than or equal to 1", name)
		}
		for _, b := range in.RequestItems[name] {
			w, err := b.write(name)
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
	}
	if len(writes) > mostBatchWrites {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	effects := make([]effect, len(writes))
	for i, w := range writes {
		e, err := s.plan(w)
		if err != nil {
			return nil, err
		}
		effects[i] = e
	}
	if duplicates(effects) {
		return nil, invalid("Provided list of item keys contains duplicates")
	}
	units := map[string]consumption{}
	for _, e := range effects {
		e.commit()
		total := units[e.table.definition.TableName]
		total.add(e.units)
		units[e.table.definition.TableName] = total
	}
	out := answer{"UnprocessedItems": answer{}}
	if reports := s.consume(units, in.ReturnConsumedCapacity, 0, 1); len(reports) > 0 {
		out["ConsumedCapacity"] = reports
	}
	return out, nil
}

// duplicates reports whether two effects are on the same item.
func duplicates(effects []effect) bool {
	type place struct {
		table *table
		at    address
	}
	seen := map[place]bool{}
	for _, e := range effects {
		p := place{e.table, e.at}
		if seen[p] {
			return true
		}
		seen[p] = true
	}
	return false
}

// consume counts what was consumed by table, as so many reads and writes each, and reports it.
func (s *Server) consume(units map[string]consumption, wanted string, reads, writes float64) []answer {
	var reports []answer
	for _, name := range slices.Sorted(maps.Keys(units)) {
		total := units[name].total()
		s.units.add(total*reads, total*writes)
		if report := units[name].report(wanted, name); report != nil {
			reports = append(reports, report)
		}
	}
	return reports
}

package dynamodb

// getAction is a GetItem, alone or in a transaction.
type getAction struct {
	TableName                string
	Key                      document
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
}

// read is one item to be read, and what of it is wanted.
type read struct {
	table string
	key   document
	paths []path // all if nil
}

func (a getAction) read() (read, error) {
	if a.Key == nil {
		return read{}, missing("key")
	}
	if err := checkTableName(a.TableName); err != nil {
		return read{}, err
	}
	paths, err := onlyProjection(a.ProjectionExpression, a.ExpressionAttributeNames)
	return read{a.TableName, a.Key, paths}, err
}

// onlyProjection parses the one expression of a request that can have no other.
func onlyProjection(text *string, names map[string]string) ([]path, error) {
	with, err := expressions{ExpressionAttributeNames: names}.substitutions("ProjectionExpression is null", text)
	if err != nil {
		return nil, err
	}
	paths, err := parse("ProjectionExpression", text, with, projection)
	if err != nil {
		return nil, err
	}
	return paths, with.allUsed()
}

// get returns the whole item, or nil. The caller holds the lock.
func (s *Server) get(r read) (document, error) {
	t, err := s.table(r.table)
	if err != nil {
		return nil, err
	}
	if err := t.checkKey(r.key); err != nil {
		return nil, err
	}
	return t.items.get(t.address(r.key)), nil
}

// shown returns what is wanted of an item that is there.
func (r read) shown(item document) document {
	if r.paths == nil {
		return item
	}
	return item.project(r.paths)
}

type getItemInput struct {
	getAction
	ConsistentRead         bool
	ReturnConsumedCapacity string
}

func (s *Server) getItem(in getItemInput) (answer, error) {
	if err := checkReturnConsumedCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	r, err := in.read()
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	item, err := s.get(r)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	units := consumption{table: readUnits(item.itemSize(), in.ConsistentRead)}
	s.units.add(units.total(), 0)
	out := answer{}
	if item != nil {
		out["Item"] = r.shown(item)
	}
	if report := units.report(in.ReturnConsumedCapacity, r.table); report != nil {
		out["ConsumedCapacity"] = report
	}
	return out, nil
}

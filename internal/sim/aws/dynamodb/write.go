package dynamodb

import "slices"

// putAction is a PutItem, alone or in a transaction. So are those below.
type putAction struct {
	expressions
	TableName                           string
	Item                                document
	ConditionExpression                 *string
	ReturnValuesOnConditionCheckFailure string
}

type updateAction struct {
	expressions
	TableName                           string
	Key                                 document
	UpdateExpression                    *string
	ConditionExpression                 *string
	ReturnValuesOnConditionCheckFailure string
}

// keyedAction is a DeleteItem, or the ConditionCheck of a transaction.
type keyedAction struct {
	expressions
	TableName                           string
	Key                                 document
	ConditionExpression                 *string
	ReturnValuesOnConditionCheckFailure string
}

// write is what may be done to one item: all that can be known of it without the table.
type write struct {
	table     string
	put       document // the whole new item; or
	key       document // of the item that is
	update    *update  // updated, or deleted if this is nil, or
	check     bool     // only looked at
	condition condition
	showOld   bool // if the condition fails
}

func (a putAction) write() (w write, err error) {
	if a.Item == nil {
		return w, missing("item")
	}
	w = write{table: a.TableName, put: a.Item}
	return w, w.parse(a.expressions, a.ConditionExpression, nil, a.ReturnValuesOnConditionCheckFailure)
}

func (a updateAction) write() (w write, err error) {
	if a.Key == nil {
		return w, missing("key")
	}
	w = write{table: a.TableName, key: a.Key, update: &update{}}
	return w, w.parse(a.expressions, a.ConditionExpression, a.UpdateExpression, a.ReturnValuesOnConditionCheckFailure)
}

func (a keyedAction) write() (w write, err error) {
	if a.Key == nil {
		return w, missing("key")
	}
	w = write{table: a.TableName, key: a.Key}
	return w, w.parse(a.expressions, a.ConditionExpression, nil, a.ReturnValuesOnConditionCheckFailure)
}

func missing(parameter string) error {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", parameter)
}

// parse checks what all writes have, and reads the expressions into w.
func (w *write) parse(e expressions, conditionText, updateText *string, onFailure string) error {
	if err := checkTableName(w.table); err != nil {
		return err
	}
	if err := oneOf("returnValuesOnConditionCheckFailure", onFailure, "ALL_OLD", "NONE"); err != nil {
		return err
	}
	w.showOld = onFailure == "ALL_OLD"
	parameters := "ConditionExpression is null"
	if w.update != nil {
		parameters = "UpdateExpression and ConditionExpression are null"
	}
	with, err := e.substitutions(parameters, conditionText, updateText)
	if err != nil {
		return err
	}
	if updateText != nil {
		if w.update, err = parse("UpdateExpression", updateText, with, updateRule); err != nil {
			return err
		}
	}
	if w.condition, err = parse("ConditionExpression", conditionText, with, conditionRule); err != nil {
		return err
	}
	return with.allUsed()
}

// effect is what a write does to one item of a table.
type effect struct {
	table    *table
	at       address
	old, new document // nil if there is none
	units    consumption
}

// plan finds out what a write would do now, and what it costs even if it is refused. Where the write is refused, effect
// says only what is there.
func (s *Server) plan(w write) (effect, error) {
	t, err := s.table(w.table)
	if err != nil {
		return effect{}, err
	}
	key := w.key
	if w.put != nil {
		if err := t.checkItem(w.put); err != nil {
			return effect{}, err
		}
		key = w.put
	} else if err := t.checkKey(key); err != nil {
		return effect{}, err
	}
	e := effect{table: t, at: t.address(key)}
	if w.update != nil {
		for _, p := range w.update.paths {
			if t.items.key.has(p[0].name) {
				return effect{}, invalidValue("Cannot update attribute %s. This attribute is part of the key", p[0].name)
			}
		}
	}
	if w.put != nil && w.put.itemSize() > largestItem {
		return effect{}, invalid("Item size has exceeded the maximum allowed size")
	}
	e.old = t.items.get(e.at)
	e.units.table = writeUnits(e.old.itemSize())
	if w.condition != nil && !w.condition.holds(e.old) {
		if w.showOld {
			return e, conditionFailed(e.old)
		}
		return e, conditionFailed(nil)
	}
	e.new, err = w.result(t, e.old)
	if err != nil {
		return e, err
	}
	e.units.table = writeUnits(max(e.old.itemSize(), e.new.itemSize()))
	return e, nil
}

// largestItem is in bytes, names included.
const largestItem = 400 << 10

// result returns what becomes of the old item.
func (w write) result(t *table, old document) (document, error) {
	switch {
	case w.put != nil:
		return w.put, nil
	case w.check:
		return old, nil
	case w.update == nil:
		return nil, nil
	}
	if old == nil {
		old = w.key
	}
	item, err := w.update.apply(old)
	if err != nil {
		return nil, err
	}
	if err := t.checkUpdated(item); err != nil {
		return nil, err
	}
	if item.depth() > deepest+1 {
		return nil, tooDeep()
	}
	if item.itemSize() > largestItem {
		return nil, invalid("Item size to update has exceeded the maximum allowed size")
	}
	return item, nil
}

// commit makes an effect true.
func (e *effect) commit() {
	if indexes := e.table.set(e.at, e.new); len(indexes) > 0 {
		e.units.indexes = indexes
	}
}

// write does one write by itself.
func (s *Server) write(w write) (effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.plan(w)
	if err == nil {
		e.commit()
	}
	s.units.add(0, e.units.total())
	return e, err
}

type putItemInput struct {
	putAction
	ReturnValues           string
	ReturnConsumedCapacity string
}

func (s *Server) putItem(in putItemInput) (answer, error) {
	w, err := in.write()
	if err != nil {
		return nil, err
	}
	return s.writeItem(w, in.ReturnValues, in.ReturnConsumedCapacity, "ALL_OLD", "NONE")
}

type deleteItemInput struct {
	keyedAction
	ReturnValues           string
	ReturnConsumedCapacity string
}

func (s *Server) deleteItem(in deleteItemInput) (answer, error) {
	w, err := in.write()
	if err != nil {
		return nil, err
	}
	return s.writeItem(w, in.ReturnValues, in.ReturnConsumedCapacity, "ALL_OLD", "NONE")
}

type updateItemInput struct {
	updateAction
	ReturnValues           string
	ReturnConsumedCapacity string
}

func (s *Server) updateItem(in updateItemInput) (answer, error) {
	w, err := in.write()
	if err != nil {
		return nil, err
	}
	return s.writeItem(w, in.ReturnValues, in.ReturnConsumedCapacity, "ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
}

func (s *Server) writeItem(w write, values, capacity string, allowed ...string) (answer, error) {
	if values != "" && !slices.Contains(allowed, values) {
		return nil, invalid("Return values set to invalid value")
	}
	if err := checkReturnConsumedCapacity(capacity); err != nil {
		return nil, err
	}
	e, err := s.write(w)
	if err != nil {
		return nil, err
	}
	out := answer{}
	var attributes document
	switch values {
	case "ALL_OLD":
		attributes = e.old
	case "ALL_NEW":
		attributes = e.new
	case "UPDATED_OLD":
		attributes = e.old.project(w.update.paths)
	case "UPDATED_NEW":
		attributes = e.new.project(w.update.paths)
	}
	if len(attributes) > 0 {
		out["Attributes"] = attributes
	}
	if report := e.units.report(capacity, w.table); report != nil {
		out["ConsumedCapacity"] = report
	}
	return out, nil
}

package dynamodb

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"strings"
	"time"
)

const (
	mostActions       = 100
	largestActions    = 4 << 20 // bytes of items
	tokenLife         = 10 * time.Minute
	longestToken      = 36
	conditionalFailed = "ConditionalCheckFailed"
)

type transactWriteInput struct {
	TransactItems          []transactAction
	ClientRequestToken     *string
	ReturnConsumedCapacity string
}

type transactAction struct {
	Put            *putAction
	Update         *updateAction
	Delete         *keyedAction
	ConditionCheck *keyedAction
}

func (a transactAction) write() (write, error) {
	given := 0
	for _, one := range []bool{a.Put != nil, a.Update != nil, a.Delete != nil, a.ConditionCheck != nil} {
		if one {
			given++
		}
	}
	if given > 1 {
		return write{}, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	switch {
	case a.Put != nil:
		return a.Put.write()
	case a.Update != nil:
		if a.Update.UpdateExpression == nil {
			return write{}, missing("transactItems.member.update.updateExpression")
		}
		return a.Update.write()
	case a.Delete != nil:
		return a.Delete.write()
	case a.ConditionCheck != nil:
		if a.ConditionCheck.ConditionExpression == nil {
			return write{}, missing("transactItems.member.conditionCheck.conditionExpression")
		}
		w, err := a.ConditionCheck.write()
		w.check = true
		return w, err
	}
	return write{}, invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
}

// remembered is a transaction that was done, by its token.
type remembered struct {
	Digest []byte    // of the transaction
	Until  time.Time // when the token may be used for another one
	Reads  map[string]float64
}

func (s *Server) transactWriteItems(in transactWriteInput) (answer, error) {
	if err := checkReturnConsumedCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if err := checkActions(len(in.TransactItems)); err != nil {
		return nil, err
	}
	writes := make([]write, len(in.TransactItems))
	for i, a := range in.TransactItems {
		w, err := a.write()
		if err != nil {
			return nil, err
		}
		writes[i] = w
	}
	token, digest := "", []byte(nil)
	if in.ClientRequestToken != nil {
		if token = *in.ClientRequestToken; token == "" || len(token) > longestToken {
			return nil, invalid("1 validation error detected: Value '%s' at 'clientRequestToken' failed to satisfy constraint: Member must have length between 1 and 36", token)
		}
		digest = in.digest()
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.tokens, func(_ string, r remembered) bool { return !s.now().Before(r.Until) })
	if before, done := s.tokens[token]; done {
		if string(before.Digest) != string(digest) {
			return nil, exception("IdempotentParameterMismatchException", "The client request token was already used for a transaction with other parameters")
		}
		return s.transacted(before.reads(), in.ReturnConsumedCapacity, 1, 0), nil
	}
	units, reads, err := s.transact(writes)
	if err != nil {
		s.consume(units, "", 0, 1)
		return nil, err
	}
	if token != "" {
		s.tokens[token] = remembered{digest, s.now().Add(tokenLife), reads}
	}
	return s.transacted(units, in.ReturnConsumedCapacity, 0, 1), nil
}

func checkActions(n int) error {
	switch {
	case n == 0:
		return invalid("1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > mostActions:
		return invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100")
	}
	return nil
}

// digest tells transactions apart. What they report back is no part of them.
func (in transactWriteInput) digest() []byte {
	b, err := json.Marshal(in.TransactItems)
	if err != nil { // it was made from JSON
		panic(err)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

func (r remembered) reads() map[string]consumption {
	units := map[string]consumption{}
	for name, n := range r.Reads {
		units[name] = consumption{table: n}
	}
	return units
}

func (s *Server) transacted(units map[string]consumption, wanted string, reads, writes float64) answer {
	reports := s.consume(units, wanted, reads, writes)
	if len(reports) == 0 {
		return answer{}
	}
	for _, r := range reports {
		kind := "WriteCapacityUnits"
		if reads > 0 {
			kind = "ReadCapacityUnits"
		}
		r[kind] = r["CapacityUnits"]
	}
	return answer{"ConsumedCapacity": reports}
}

// transact does all of the writes or none. It returns what that costs by table, and what asking for it again would.
func (s *Server) transact(writes []write) (units map[string]consumption, reads map[string]float64, err error) {
	units, reads = map[string]consumption{}, map[string]float64{}
	effects := make([]effect, len(writes))
	reasons := make([]answer, len(writes))
	cancelled, bytes := false, 0
	for i, w := range writes {
		if _, err := s.table(w.table); err != nil {
			return nil, nil, err
		}
		e, err := s.plan(w)
		effects[i], reasons[i] = e, reason(err)
		cancelled = cancelled || err != nil
		bytes += max(e.old.itemSize(), e.new.itemSize())
		total := units[w.table]
		total.add(e.units.twice())
		units[w.table] = total
		reads[w.table] += 2 * readUnits(e.new.itemSize(), true)
	}
	if duplicates(placed(effects)) {
		return nil, nil, invalid("Transaction request cannot include multiple operations on one item")
	}
	if bytes > largestActions {
		return nil, nil, invalid("The aggregate size of the items in the transaction exceeds 4 MB")
	}
	if cancelled {
		return units, nil, cancellation(reasons)
	}
	for i, w := range writes {
		if w.check {
			continue
		}
		effects[i].commit()
		if indexes := (consumption{indexes: effects[i].units.indexes}); len(indexes.indexes) > 0 {
			total := units[w.table]
			total.add(indexes.twice())
			units[w.table] = total
		}
	}
	return units, reads, nil
}

// placed returns those effects that are on some item; the others were refused for their keys.
func placed(effects []effect) []effect {
	var on []effect
	for _, e := range effects {
		if e.table != nil {
			on = append(on, e)
		}
	}
	return on
}

// reason is the CancellationReason of one action.
func reason(err error) answer {
	if err == nil {
		return answer{"Code": "None"}
	}
	f := asFailure(err)
	r := answer{"Code": "ValidationError", "Message": f.message}
	if f.kind == modelled+"ConditionalCheckFailedException" {
		r["Code"] = conditionalFailed
		maps.Copy(r, f.extra)
	}
	return r
}

func cancellation(reasons []answer) error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r["Code"].(string)
	}
	f := exception("TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	f.extra = map[string]any{"CancellationReasons": reasons}
	return f
}

type transactGetInput struct {
	TransactItems          []transactGet
	ReturnConsumedCapacity string
}

type transactGet struct{ Get *getAction }

func (s *Server) transactGetItems(in transactGetInput) (answer, error) {
	if err := checkReturnConsumedCapacity(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if err := checkActions(len(in.TransactItems)); err != nil {
		return nil, err
	}
	reads := make([]read, len(in.TransactItems))
	for i, a := range in.TransactItems {
		if a.Get == nil {
			return nil, missing("transactItems.member.get")
		}
		r, err := a.Get.read()
		if err != nil {
			return nil, err
		}
		reads[i] = r
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	responses, reasons := make([]answer, len(reads)), make([]answer, len(reads))
	units := map[string]consumption{}
	var found []effect
	cancelled := false
	for i, r := range reads {
		t, err := s.table(r.table)
		if err != nil {
			return nil, err
		}
		item, err := s.get(r)
		reasons[i] = reason(err)
		if err != nil {
			cancelled = true
			continue
		}
		found = append(found, effect{table: t, at: t.address(r.key)})
		responses[i] = answer{}
		if item != nil {
			responses[i]["Item"] = r.shown(item)
		}
		total := units[r.table]
		total.table += 2 * readUnits(item.itemSize(), true)
		units[r.table] = total
	}
	if cancelled {
		return nil, cancellation(reasons)
	}
	if duplicates(found) {
		return nil, invalid("Transaction request cannot include multiple operations on one item")
	}
	out := s.transacted(units, in.ReturnConsumedCapacity, 1, 0)
	out["Responses"] = responses
	return out, nil
}

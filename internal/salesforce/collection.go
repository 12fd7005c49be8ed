package salesforce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	mostRecords = 200 // of a call of sObject Collections
	// writePatience is how long a write may take: the customer's own triggers and flows run in it, and Salesforce itself
	// gives up after ten minutes.
	writePatience = 2 * time.Minute
)

// allowDuplicates lets Salesforce save what a duplicate rule only warns of: whether there is such a contact already
// was looked at before.
var allowDuplicates = [2]string{"Sforce-Duplicate-Rule-Header", "allowSave=true; includeRecordDetails=false; runAsCurrentUser=false"}

// keepOwner keeps the customer's assignment rules, which Salesforce would run unasked, from giving a lead to somebody
// else because a count of ours has changed.
var keepOwner = [2]string{"Sforce-Auto-Assign", "false"}

// collection is a set of records that are written together, each for itself.
type collection struct {
	method, path string
	header       [][2]string
	of           []int // positions of its changes
}

// Write writes changes and says for each, by index, what became of it. It takes one call of the API for up to 200
// records of a kind, and one for up to 1,000 of several kinds. New contacts and leads go by their SUB_ID: where a
// record has it already, that one is written, so a change may be sent again. A new person account is not safe to send
// again: after an UnknownOutcome, look whether it is there.
//
// layouts are keyed by object, Contact or Lead. A field of a change that the connected user may not edit is left out.
// A call that failed leaves the results of those before it, and those after it are not made.
func (c *Client) Write(ctx context.Context, layouts map[string]bridge.Layout, changes []bridge.Change) []bridge.Written {
	const op = "salesforce.Write"
	results := make([]bridge.Written, len(changes))
	e := newEncoder(layouts)
	collections := collect(op, e, changes, results)
	for len(collections) > 0 {
		var bodies [][]byte
		for _, one := range collections[:min(len(collections), mostHeavy)] {
			body := e.appendCollection(make([]byte, 0, 512*len(one.of)), changes, one.of)
			// A composite call would take this for a reference to another of its parts, and has no escape for it.
			alone := bytes.Contains(body, []byte("@{"))
			if !alone || len(bodies) == 0 {
				bodies = append(bodies, body)
			}
			if alone {
				break
			}
		}
		now := collections[:len(bodies)]
		collections = collections[len(bodies):]
		if err := c.writeCollections(ctx, op, now, bodies, changes, results); stops(err) {
			fail(results, collections, notSent(op, err))
			break
		}
	}
	return results
}

// collect sorts changes into collections, and refuses those that must not be sent.
func collect(op string, e *encoder, changes []bridge.Change, results []bridge.Written) []collection {
	var updates, contacts, leads, persons []int
	times := map[string]int{}
	for _, change := range changes {
		for _, name := range identities(change) {
			times[name]++
		}
	}
	for i, change := range changes {
		results[i].ID = change.ID
		twice := slices.ContainsFunc(identities(change), func(name string) bool { return times[name] > 1 })
		switch err := e.check(op, change); {
		case err != nil:
			results[i].Err = err
		case twice: // and nobody knows which is the newer one
			results[i].Err = bridge.E(op, bridge.Internal, errTwice)
		case change.ID != "" && e.sent(change) == 0: // nothing to write
		case change.ID != "":
			updates = append(updates, i)
		case change.Target == bridge.ToLead:
			leads = append(leads, i)
		case change.Target == bridge.ToPersonAccount:
			persons = append(persons, i)
		default:
			contacts = append(contacts, i)
		}
	}
	// A write locks the record's account too, so those of one account go together, in one order.
	slices.SortStableFunc(updates, func(a, b int) int {
		x, y := changes[a], changes[b]
		return cmp.Or(cmp.Compare(x.Target, y.Target), cmp.Compare(x.Parent, y.Parent), cmp.Compare(x.ID, y.ID))
	})
	slices.SortStableFunc(contacts, func(a, b int) int { return cmp.Compare(changes[a].Parent, changes[b].Parent) })
	var collections []collection
	add := func(method, path string, of []int, header ...[2]string) {
		for part := range slices.Chunk(of, mostRecords) {
			collections = append(collections, collection{method, path, append(header, allowDuplicates), part})
		}
	}
	const path = data + "/composite/sobjects"
	add(http.MethodPatch, path, updates, keepOwner)
	add(http.MethodPatch, path+"/Contact/"+e.key(bridge.ToContact), contacts)
	add(http.MethodPatch, path+"/Lead/"+e.key(bridge.ToLead), leads)
	add(http.MethodPost, path, persons)
	return collections
}

// identities are what no other change of a call may have: the record's id, and the SUB_ID that it gets.
func identities(change bridge.Change) []string {
	var names []string
	if change.ID != "" {
		names = append(names, string(change.ID))
	}
	if key := change.Values[bridge.SubscriberKey]; key != "" && (change.ID == "" || change.Fields.Has(bridge.SubscriberKey)) {
		names = append(names, change.Target.Object()+" "+key)
	}
	return names
}

var (
	errTwice   = errors.New("the same record twice in one write")
	errResults = errors.New("the answer has not one result for each record")
)

// writeCollections writes up to five collections by one call.
func (c *Client) writeCollections(ctx context.Context, op string, collections []collection, bodies [][]byte, changes []bridge.Change, results []bridge.Written) error {
	answers := make([]partAnswer, len(collections)) // one that is missing has no results, which is a wrong count
	var err error
	if len(collections) == 1 {
		one := collections[0]
		answers[0].Status = http.StatusOK
		call := request{method: one.method, path: one.path, header: one.header, body: bodies[0], writes: true, patience: writePatience}
		err = c.send(ctx, op, call, into(&answers[0].Body))
	} else {
		parts := make([]part, len(collections))
		for i, one := range collections {
			parts[i] = part{method: one.method, path: one.path, header: one.header, body: bodies[i]}
		}
		err = c.compose(ctx, op, parts, answers)
	}
	if err != nil {
		fail(results, collections, spoken(err))
		return err
	}
	for i, one := range collections {
		one.take(op, answers[i], changes, results)
	}
	return nil
}

// outcome is what an answer says of a record, or a complaint about the whole collection.
type outcome struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Created bool   `json:"created"`
	Errors  []struct {
		StatusCode string   `json:"statusCode"`
		Message    string   `json:"message"`
		Fields     []string `json:"fields"`
	} `json:"errors"`
	complaint
}

// take reads the answer to a collection.
func (one collection) take(op string, answer partAnswer, changes []bridge.Change, results []bridge.Written) {
	var outcomes []outcome
	err := json.Unmarshal(answer.Body, &outcomes)
	switch {
	case err == nil && answer.Status >= 300 && len(outcomes) > 0:
		fail(results, []collection{one}, spoken(answer.refusal(op, outcomes[0].complaint, true)))
	case err != nil || answer.Status >= 300 || len(outcomes) != len(one.of):
		fail(results, []collection{one}, bridge.E(op, bridge.UnknownOutcome, errResults))
	default:
		for i, at := range one.of {
			results[at] = outcomes[i].written(op, changes[at].ID, one.method == http.MethodPost)
		}
	}
}

// written is what became of a record whose id was known or is empty.
func (o outcome) written(op string, id bridge.SalesforceID, creates bool) bridge.Written {
	w := bridge.Written{ID: id}
	switch told, err := bridge.ParseSalesforceID(o.ID); {
	case !o.Success:
		e := &bridge.Error{Op: op, Kind: bridge.Invalid}
		if len(o.Errors) > 0 {
			first := o.Errors[0]
			complaint{first.StatusCode, first.Message, first.Fields}.about(e)
			e.Message = first.Message
			if e.Code == unexplained {
				e.Kind = bridge.Invalid // of one record, while others pass: automation of the customer's fails, and may do so for ever
			}
			if len(first.Fields) > 0 {
				e.Field = first.Fields[0]
			}
		}
		w.Err = e
	case err != nil || id != "" && told != id: // of another record, or of none
		w.Err = bridge.E(op, bridge.UnknownOutcome, errResults)
	default:
		w.ID, w.Created = told, o.Created || creates
	}
	return w
}

// fail gives an error to all records of collections.
func fail(results []bridge.Written, collections []collection, err error) {
	for _, one := range collections {
		for _, at := range one.of {
			results[at].Err = err
		}
	}
}

// spoken lets a person read Salesforce's words about a call.
func spoken(err error) error {
	var e *bridge.Error
	var said words
	if errors.As(err, &e) && errors.As(err, &said) && e.Message == "" {
		e.Message = said.text
	}
	return err
}

// stops reports whether a call failed such that the next one need not be tried.
func stops(err error) bool {
	switch bridge.KindOf(err) {
	case "", bridge.Invalid, bridge.NotFound, bridge.Conflict:
		return false
	}
	return true
}

// notSent is the error of what was to be written after a call that failed with err.
func notSent(op string, err error) error {
	if bridge.KindOf(err) == bridge.UnknownOutcome {
		return bridge.E(op, bridge.Unavailable, err)
	}
	return err
}

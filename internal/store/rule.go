package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// moneyRecord keeps an amount as text: a decimal has fields that the SDK does not see.
type moneyRecord struct {
	Amount   string `dynamodbav:"amount"`
	Currency string `dynamodbav:"currency,omitempty"`
}

func newMoney(m bridge.Money) moneyRecord {
	return moneyRecord{Amount: m.Amount.String(), Currency: m.Currency}
}

func (r moneyRecord) noun() (bridge.Money, error) {
	amount, err := number(r.Amount)
	return bridge.Money{Amount: amount, Currency: r.Currency}, err
}

// number reads a decimal; the empty text is 0.
func number(text string) (decimal.Decimal, error) {
	if text == "" {
		return decimal.Zero, nil
	}
	return decimal.NewFromString(text)
}

type ruleRecord struct {
	ID         string      `dynamodbav:"id"`
	Name       string      `dynamodbav:"name"`
	Stage      string      `dynamodbav:"stage"`
	Trigger    string      `dynamodbav:"trigger"`
	On         bool        `dynamodbav:"active"`
	From       int64       `dynamodbav:"from"`
	RecordType string      `dynamodbav:"recordType,omitempty"`
	Minimum    moneyRecord `dynamodbav:"minimum"`
	WonOnly    bool        `dynamodbav:"wonOnly,omitempty"`
	Who        string      `dynamodbav:"who,omitempty"`
	Hold       int         `dynamodbav:"hold,omitempty"`
	Referrer   string      `dynamodbav:"referrer,omitempty"`
}

func newRuleRecord(r bridge.Rule) ruleRecord {
	return ruleRecord{
		ID: string(r.ID), Name: r.Name, Stage: r.Stage, Trigger: string(r.Trigger), On: r.On, From: millis(r.From), RecordType: string(r.RecordType),
		Minimum: newMoney(r.Minimum), WonOnly: r.WonOnly, Who: string(r.Who), Hold: r.Hold, Referrer: r.Referrer,
	}
}

func (r ruleRecord) noun() (bridge.Rule, error) {
	minimum, err := r.Minimum.noun()
	return bridge.Rule{
		ID: bridge.RuleID(r.ID), Name: r.Name, Stage: r.Stage, Trigger: bridge.Trigger(r.Trigger), On: r.On, From: fromMillis(r.From),
		RecordType: bridge.SalesforceID(r.RecordType), Minimum: minimum, WonOnly: r.WonOnly, Who: bridge.Who(r.Who), Hold: r.Hold, Referrer: r.Referrer,
	}, err
}

// ruleSetRecord keeps how far the campaign has caught up beside the rules. The index knows it as long as it has to.
type ruleSetRecord struct {
	Key        string       `dynamodbav:"sk"`
	Connection string       `dynamodbav:"connection"`
	Currency   string       `dynamodbav:"currency,omitempty"`
	Rules      []ruleRecord `dynamodbav:"rules"`
	catchUpRecord
	Version int `dynamodbav:"version"`
}

type catchUpRecord struct {
	Due    int64  `dynamodbav:"due,omitempty"`
	Rounds int    `dynamodbav:"rounds,omitempty"`
	Phase  int    `dynamodbav:"phase,omitempty"`
	Cursor string `dynamodbav:"cursor,omitempty"`
	Step   int    `dynamodbav:"step"`
	Shard  string `dynamodbav:"shard,omitempty"`
	DueAt  int64  `dynamodbav:"dueAt,omitempty"`
}

func (r ruleSetRecord) noun(account bridge.AccountID) (bridge.RuleSet, error) {
	s := bridge.RuleSet{
		Account: account, Campaign: bridge.CampaignID(strings.TrimPrefix(r.Key, ruleSets)), Connection: bridge.ConnectionID(r.Connection), Currency: r.Currency,
		CatchUp: bridge.CatchUp{Due: fromMillis(r.Due), Rounds: r.Rounds, Phase: r.Phase, Cursor: r.Cursor, Step: r.Step}, Version: r.Version,
	}
	for _, one := range r.Rules {
		rule, err := one.noun()
		if err != nil {
			return s, err
		}
		s.Rules = append(s.Rules, rule)
	}
	return s, nil
}

func newCatchUp(s bridge.RuleSet) catchUpRecord {
	c := s.CatchUp
	r := catchUpRecord{Due: millis(c.Due), Rounds: c.Rounds, Phase: c.Phase, Cursor: c.Cursor, Step: c.Step + 1, DueAt: millis(c.Due)}
	if r.DueAt != 0 {
		r.Shard = rulesLine.shard(s.Account)
	}
	return r
}

// RuleSets returns the rules of the account, campaign by campaign.
func (s *Store) RuleSets(ctx context.Context, account bridge.AccountID) ([]bridge.RuleSet, error) {
	var all []bridge.RuleSet
	err := s.query(ctx, "store.RuleSets", partition(account), ruleSets, "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
		var r ruleSetRecord
		if err := decode(attributes, &r); err != nil {
			return false, err
		}
		set, err := r.noun(account)
		all = append(all, set)
		return true, err
	})
	return all, err
}

// RuleSet returns the rules of a campaign; a set without rules, of version 0, if there never were any.
func (s *Store) RuleSet(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (bridge.RuleSet, error) {
	const op = "store.RuleSet"
	var r ruleSetRecord
	switch err := s.get(ctx, op, ruleSetKey(account, campaign), &r); bridge.KindOf(err) {
	case bridge.NotFound:
		return bridge.RuleSet{Account: account, Campaign: campaign}, nil
	case "":
	default:
		return bridge.RuleSet{}, err
	}
	set, err := r.noun(account)
	return set, bridge.E(op, bridge.Internal, err)
}

// SaveRuleSet writes the rules of a campaign, raises their version, and notes what somebody did to them. It is a Conflict
// unless the version is still the one that was read.
func (s *Store) SaveRuleSet(ctx context.Context, set bridge.RuleSet, edits ...bridge.RuleEdit) error {
	const op = "store.SaveRuleSet"
	r := ruleSetRecord{Key: ruleSets + string(set.Campaign), Connection: string(set.Connection), Currency: set.Currency, catchUpRecord: newCatchUp(set), Version: set.Version + 1}
	for _, rule := range set.Rules {
		r.Rules = append(r.Rules, newRuleRecord(rule))
	}
	b := batchOf{table: s.table}
	b.version(ruleSetKey(set.Account, set.Campaign), r, set.Version)
	for _, e := range edits {
		b.absent(ruleEditKey(e.Account, e.Campaign, e.ID), newEditRecord(e))
	}
	return b.write(ctx, op, s)
}

// SaveCatchUp writes how far a campaign has caught up with its rules, whose version stays. It is a Conflict if the rules
// have changed since they were read, or if somebody else has got further.
func (s *Store) SaveCatchUp(ctx context.Context, set bridge.RuleSet) error {
	const op = "store.SaveCatchUp"
	r := newCatchUp(set)
	update := "SET due = :due, rounds = :rounds, phase = :phase, #cursor = :cursor, step = :step"
	values := map[string]any{":due": r.Due, ":rounds": r.Rounds, ":phase": r.Phase, ":cursor": r.Cursor, ":step": r.Step, ":version": set.Version, ":was": set.CatchUp.Step}
	if r.Shard != "" {
		update += ", #shard = :shard, dueAt = :due"
		values[":shard"] = r.Shard
	} else {
		update += " REMOVE #shard, dueAt"
	}
	bound, err := bind(values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: ruleSetKey(set.Account, set.Campaign).attributes(), UpdateExpression: &update,
		ConditionExpression: pointer("version = :version AND step = :was"), ExpressionAttributeNames: map[string]string{"#cursor": "cursor", "#shard": "shard"},
		ExpressionAttributeValues: bound,
	})
	return meaning(op, err)
}

type editRecord struct {
	Key    string      `dynamodbav:"sk"`
	At     int64       `dynamodbav:"at"`
	Who    string      `dynamodbav:"who"`
	What   string      `dynamodbav:"what"`
	Before *ruleRecord `dynamodbav:"before,omitempty"`
	After  *ruleRecord `dynamodbav:"after,omitempty"`
}

func newEditRecord(e bridge.RuleEdit) editRecord {
	r := editRecord{Key: ruleEditsOf(e.Campaign) + e.ID, At: millis(e.At), Who: e.Who, What: e.What}
	if e.Before != nil {
		r.Before = pointer(newRuleRecord(*e.Before))
	}
	if e.After != nil {
		r.After = pointer(newRuleRecord(*e.After))
	}
	return r
}

func (r editRecord) noun(account bridge.AccountID, campaign bridge.CampaignID) (bridge.RuleEdit, error) {
	e := bridge.RuleEdit{Account: account, Campaign: campaign, ID: strings.TrimPrefix(r.Key, ruleEditsOf(campaign)), At: fromMillis(r.At), Who: r.Who, What: r.What}
	for _, side := range []struct {
		from *ruleRecord
		to   **bridge.Rule
	}{{r.Before, &e.Before}, {r.After, &e.After}} {
		if side.from == nil {
			continue
		}
		rule, err := side.from.noun()
		if err != nil {
			return e, err
		}
		*side.to = &rule
	}
	return e, nil
}

// RuleEdits returns up to limit changes of a campaign's rules, newest first: those before the one with an id, or the
// newest if it is empty.
func (s *Store) RuleEdits(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.RuleEdit, error) {
	var found []bridge.RuleEdit
	err := s.newest(ctx, "store.RuleEdits", partition(account), ruleEditsOf(campaign), before, limit, func(attributes map[string]types.AttributeValue) error {
		var r editRecord
		if err := decode(attributes, &r); err != nil {
			return err
		}
		e, err := r.noun(account, campaign)
		found = append(found, e)
		return err
	})
	return found, err
}

// newest gives up to limit items of a family to each, the last first: those before the one whose sort key ends in before,
// or the last of all.
func (s *Store) newest(ctx context.Context, op, pk, family, before string, limit int, each func(map[string]types.AttributeValue) error) error {
	values, err := bind(map[string]any{":pk": pk, ":family": family})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	query := &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true), ScanIndexForward: pointer(false), Limit: pointer(int32(limit)),
		KeyConditionExpression: pointer("pk = :pk AND begins_with(sk, :family)"), ExpressionAttributeValues: values,
	}
	if before != "" {
		query.ExclusiveStartKey = key{pk, family + before}.attributes()
	}
	for pages, n := dynamodb.NewQueryPaginator(s.db, query), 0; pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return reading(op, err)
		}
		for _, attributes := range page.Items {
			if n == limit {
				return nil
			}
			if s.expired(attributes) {
				continue
			}
			n++
			if err := each(attributes); err != nil {
				return bridge.E(op, "", err)
			}
		}
	}
	return nil
}

// batchOf collects the writes of a transaction.
type batchOf struct {
	table  string
	writes []types.TransactWriteItem
	err    error
}

func (b *batchOf) put(k key, v any, condition string, values map[string]any) {
	attributes, err := item(k, v)
	if err == nil {
		var bound map[string]types.AttributeValue
		if bound, err = bind(values); err == nil {
			b.writes = append(b.writes, types.TransactWriteItem{Put: &types.Put{
				TableName: &b.table, Item: attributes, ConditionExpression: &condition, ExpressionAttributeValues: bound,
			}})
		}
	}
	if b.err == nil {
		b.err = err
	}
}

// absent adds an item that must not be there.
func (b *batchOf) absent(k key, v any) { b.put(k, v, absent, nil) }

// version writes an item over the version that was read: 0 if there was none.
func (b *batchOf) version(k key, v any, was int) {
	if was == 0 {
		b.absent(k, v)
		return
	}
	b.put(k, v, versioned, map[string]any{":was": was})
}

// remove deletes an item of the version that was read.
func (b *batchOf) remove(k key, was int) {
	bound, err := bind(map[string]any{":was": was})
	if b.err == nil {
		b.err = err
	}
	b.writes = append(b.writes, types.TransactWriteItem{Delete: &types.Delete{
		TableName: &b.table, Key: k.attributes(), ConditionExpression: pointer(versioned), ExpressionAttributeValues: bound,
	}})
}

// write writes all or nothing. A single item needs no transaction.
func (b *batchOf) write(ctx context.Context, op string, s *Store) error {
	if b.err != nil {
		return bridge.E(op, bridge.Internal, b.err)
	}
	if len(b.writes) == 1 && b.writes[0].Put != nil {
		put := b.writes[0].Put
		_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression, ExpressionAttributeValues: put.ExpressionAttributeValues,
		})
		return meaning(op, err)
	}
	_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: b.writes})
	return meaning(op, err)
}

// yearAndABit is for how long lines for people are kept.
const yearAndABit = 400 * 24 * time.Hour

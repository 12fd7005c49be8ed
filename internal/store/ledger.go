package store

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

// entryRecord is in the index as long as its deal is to be looked at again. Due is what was decided, DueAt when the sweep
// looks, which it moves on by itself.
type entryRecord struct {
	Campaign  string        `dynamodbav:"campaign"`
	Rule      string        `dynamodbav:"rule"`
	Deal      string        `dynamodbav:"deal"`
	Trigger   string        `dynamodbav:"trigger"`
	Rules     int           `dynamodbav:"rules"`
	Modified  int64         `dynamodbav:"modified"`
	Facts     string        `dynamodbav:"facts"`
	Reason    string        `dynamodbav:"reason,omitempty"`
	Stage     string        `dynamodbav:"stage"`
	Amount    moneyRecord   `dynamodbav:"amount"`
	Shares    []shareRecord `dynamodbav:"shares,omitempty"`
	Count     moneyRecord   `dynamodbav:"count"`
	Looks     int           `dynamodbav:"looks,omitempty"`
	Due       int64         `dynamodbav:"due,omitempty"`
	Prompt    string        `dynamodbav:"prompt"`
	CreatedAt int64         `dynamodbav:"createdAt"`
	ChangedAt int64         `dynamodbav:"changedAt"`
	Version   int           `dynamodbav:"version"`
	Shard     string        `dynamodbav:"shard,omitempty"`
	DueAt     int64         `dynamodbav:"dueAt,omitempty"`
}

type shareRecord struct {
	Contact    string `dynamodbav:"contact"`
	Subscriber string `dynamodbav:"subscriber,omitempty"`
}

func newEntryRecord(e bridge.Entry) entryRecord {
	r := entryRecord{
		Campaign: string(e.Campaign), Rule: string(e.Rule), Deal: string(e.Deal), Trigger: string(e.Trigger), Rules: e.Rules, Modified: millis(e.Modified),
		Facts: e.Facts, Reason: e.Reason, Stage: e.Stage, Amount: newMoney(e.Amount), Count: newMoney(e.Count), Looks: e.Looks, Due: millis(e.Due),
		Prompt: string(e.Prompt), CreatedAt: millis(e.CreatedAt), ChangedAt: millis(e.ChangedAt), Version: e.Version + 1, DueAt: millis(e.Due),
	}
	for _, s := range e.Shares {
		r.Shares = append(r.Shares, shareRecord{string(s.Contact), string(s.Subscriber)})
	}
	if r.DueAt != 0 {
		r.Shard = lookLine.shard(e.Account)
	}
	return r
}

func (r entryRecord) noun(account bridge.AccountID) (bridge.Entry, error) {
	amount, err := r.Amount.noun()
	if err != nil {
		return bridge.Entry{}, err
	}
	count, err := r.Count.noun()
	e := bridge.Entry{
		Account: account, Campaign: bridge.CampaignID(r.Campaign), Rule: bridge.RuleID(r.Rule), Deal: bridge.SalesforceID(r.Deal),
		Trigger: bridge.Trigger(r.Trigger), Rules: r.Rules, Modified: fromMillis(r.Modified), Facts: r.Facts, Reason: r.Reason, Stage: r.Stage,
		Amount: amount, Count: count, Looks: r.Looks, Due: fromMillis(r.Due), Prompt: bridge.Prompt(r.Prompt),
		CreatedAt: fromMillis(r.CreatedAt), ChangedAt: fromMillis(r.ChangedAt), Version: r.Version,
	}
	for _, s := range r.Shares {
		e.Shares = append(e.Shares, bridge.Share{Contact: bridge.SalesforceID(s.Contact), Subscriber: bridge.SubscriberID(s.Subscriber)})
	}
	return e, err
}

// DealEntries returns the entries of a deal in a campaign.
func (s *Store) DealEntries(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal bridge.SalesforceID) ([]bridge.Entry, error) {
	var found []bridge.Entry
	err := s.query(ctx, "store.DealEntries", partition(account), entriesOf(campaign, deal), "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
		e, err := readEntry(account, attributes)
		found = append(found, e)
		return true, err
	})
	return found, err
}

// Entries returns up to limit entries of a campaign behind a place, those of a deal beside each other, and the place of
// the last one; "" if there are no more.
func (s *Store) Entries(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, after string, limit int) ([]bridge.Entry, string, error) {
	family := campaignEntries(campaign)
	if after != "" {
		after = family + after
	}
	var found []bridge.Entry
	more := false
	err := s.query(ctx, "store.Entries", partition(account), family, after, limit+1, func(attributes map[string]types.AttributeValue) (bool, error) {
		if more = len(found) == limit; more {
			return false, nil
		}
		e, err := readEntry(account, attributes)
		found = append(found, e)
		return true, err
	})
	if err != nil || !more {
		return found, "", err
	}
	last := found[len(found)-1]
	return found, strings.TrimPrefix(entryKey(account, campaign, last.Deal, last.Rule).sk, family), nil
}

func readEntry(account bridge.AccountID, attributes map[string]types.AttributeValue) (bridge.Entry, error) {
	var r entryRecord
	if err := decode(attributes, &r); err != nil {
		return bridge.Entry{}, err
	}
	return r.noun(account)
}

type effectRow struct {
	Deals    []claimRecord  `dynamodbav:"deals,omitempty"`
	Others   int            `dynamodbav:"others,omitempty"`
	Total    string         `dynamodbav:"total"`
	Asked    int            `dynamodbav:"asked"`
	State    string         `dynamodbav:"state"`
	Reason   string         `dynamodbav:"reason,omitempty"`
	Fence    int            `dynamodbav:"fence"`
	Until    int64          `dynamodbav:"until,omitempty"`
	Tries    int            `dynamodbav:"tries,omitempty"`
	Due      int64          `dynamodbav:"due,omitempty"`
	Request  *paymentRecord `dynamodbav:"request,omitempty"`
	Told     string         `dynamodbav:"told"`
	ToldAt   int64          `dynamodbav:"toldAt,omitempty"`
	Answered int            `dynamodbav:"answered"`
	Ours     bool           `dynamodbav:"ours,omitempty"`
	CalledAt int64          `dynamodbav:"calledAt,omitempty"`
	AskedAt  int64          `dynamodbav:"askedAt,omitempty"`
	Held     bool           `dynamodbav:"held,omitempty"`
	Version  int            `dynamodbav:"version"`
	Shard    string         `dynamodbav:"shard,omitempty"`
	DueAt    int64          `dynamodbav:"dueAt,omitempty"`
}

type claimRecord struct {
	Rule   string `dynamodbav:"rule"`
	Deal   string `dynamodbav:"deal"`
	Due    int64  `dynamodbav:"due,omitempty"`
	Amount string `dynamodbav:"amount"`
	Prompt string `dynamodbav:"prompt"`
}

type paymentRecord struct {
	ID       string `dynamodbav:"id"`
	Rule     string `dynamodbav:"rule"`
	Deal     string `dynamodbav:"deal"`
	Amount   string `dynamodbav:"amount"`
	Lifetime string `dynamodbav:"lifetime"`
	Counted  string `dynamodbav:"counted"`
	Asked    int    `dynamodbav:"asked"`
}

func newEffectRow(e bridge.Effect) effectRow {
	r := effectRow{
		Others: e.Others, Total: e.Total.String(), Asked: e.Asked, State: string(e.State), Reason: e.Reason, Fence: e.Fence, Until: millis(e.Until),
		Tries: e.Tries, Due: millis(e.Due), Told: e.Told.String(), ToldAt: millis(e.ToldAt), Answered: e.Answered, Ours: e.Ours,
		CalledAt: millis(e.CalledAt), AskedAt: millis(e.AskedAt), Held: e.Held, Version: e.Version + 1, DueAt: millis(e.Due),
	}
	for _, d := range e.Deals {
		r.Deals = append(r.Deals, claimRecord{string(d.Rule), string(d.Deal), millis(d.Due), d.Amount.String(), string(d.Prompt)})
	}
	if p := e.Request; p != nil {
		r.Request = &paymentRecord{p.ID, string(p.Rule), string(p.Deal), p.Amount.String(), p.Lifetime.String(), p.Counted.String(), p.Asked}
	}
	if r.DueAt != 0 {
		r.Shard = conversionLine.shard(e.Account)
	}
	return r
}

func (r effectRow) noun(id bridge.EffectID) (bridge.Effect, error) {
	var d decimals
	e := bridge.Effect{
		EffectID: id, Others: r.Others, Total: d.read(r.Total), Asked: r.Asked, State: bridge.EffectState(r.State), Reason: r.Reason, Fence: r.Fence,
		Until: fromMillis(r.Until), Tries: r.Tries, Due: fromMillis(r.Due), Told: d.read(r.Told), ToldAt: fromMillis(r.ToldAt), Answered: r.Answered,
		Ours: r.Ours, CalledAt: fromMillis(r.CalledAt), AskedAt: fromMillis(r.AskedAt), Held: r.Held, Version: r.Version,
	}
	for _, c := range r.Deals {
		e.Deals = append(e.Deals, bridge.Claim{
			Rule: bridge.RuleID(c.Rule), Deal: bridge.SalesforceID(c.Deal), Due: fromMillis(c.Due), Amount: d.read(c.Amount), Prompt: bridge.Prompt(c.Prompt),
		})
	}
	if p := r.Request; p != nil {
		e.Request = &bridge.Payment{
			ID: p.ID, Rule: bridge.RuleID(p.Rule), Deal: bridge.SalesforceID(p.Deal), Amount: d.read(p.Amount), Lifetime: d.read(p.Lifetime),
			Counted: d.read(p.Counted), Asked: p.Asked,
		}
	}
	return e, d.err
}

// decimals reads several numbers, and keeps the first thing that is wrong with them.
type decimals struct{ err error }

func (d *decimals) read(text string) decimal.Decimal {
	n, err := number(text)
	if d.err == nil {
		d.err = err
	}
	return n
}

// ConversionEffect returns an effect; one that nobody asks for, of version 0, if it was never asked for.
func (s *Store) ConversionEffect(ctx context.Context, id bridge.EffectID) (bridge.Effect, error) {
	const op = "store.ConversionEffect"
	var r effectRow
	if found, err := s.find(ctx, op, conversionKey(id), &r); !found {
		return bridge.Effect{EffectID: id}, err
	}
	e, err := r.noun(id)
	return e, bridge.E(op, bridge.Internal, err)
}

// find reads an item into out and reports whether there is one.
func (s *Store) find(ctx context.Context, op string, k key, out any) (bool, error) {
	err := s.get(ctx, op, k, out)
	if bridge.KindOf(err) == bridge.NotFound {
		return false, nil
	}
	return err == nil, err
}

type paidRecord struct {
	Amount   string `dynamodbav:"amount"`
	Payments int    `dynamodbav:"payments"`
	Subject  string `dynamodbav:"subject,omitempty"`
	Version  int    `dynamodbav:"version"`
}

// Paid returns what ReferralHero was told of a deal in a campaign; nothing, of version 0, if it was told nothing.
func (s *Store) Paid(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal bridge.SalesforceID) (bridge.Paid, error) {
	const op = "store.Paid"
	p := bridge.Paid{Account: account, Campaign: campaign, Deal: deal}
	var r paidRecord
	if found, err := s.find(ctx, op, paidKey(account, campaign, deal), &r); !found {
		return p, err
	}
	amount, err := number(r.Amount)
	p.Amount, p.Payments, p.Subject, p.Version = amount, r.Payments, bridge.SubscriberID(r.Subject), r.Version
	return p, bridge.E(op, bridge.Internal, err)
}

type reviewRecord struct {
	ID       string      `dynamodbav:"id"`
	Kind     string      `dynamodbav:"kind"`
	Effect   idRecord    `dynamodbav:"effect"`
	Rule     string      `dynamodbav:"rule,omitempty"`
	Deal     string      `dynamodbav:"deal,omitempty"`
	Reason   string      `dynamodbav:"reason,omitempty"`
	Amount   moneyRecord `dynamodbav:"amount"`
	OpenedAt int64       `dynamodbav:"openedAt"`
	ClosedAt int64       `dynamodbav:"closedAt,omitempty"`
	ClosedBy string      `dynamodbav:"closedBy,omitempty"`
	Decision string      `dynamodbav:"decision,omitempty"`
	Version  int         `dynamodbav:"version"`
}

// idRecord is an effect's id without what the key of its item says.
type idRecord struct {
	Kind     string `dynamodbav:"kind,omitempty"`
	Subject  string `dynamodbav:"subject,omitempty"`
	Currency string `dynamodbav:"currency,omitempty"`
}

func newID(id bridge.EffectID) idRecord { return idRecord{string(id.Kind), id.Subject, id.Currency} }

func (r idRecord) noun(account bridge.AccountID, campaign bridge.CampaignID) bridge.EffectID {
	if r.Kind == "" {
		return bridge.EffectID{}
	}
	return bridge.EffectID{Account: account, Campaign: campaign, Kind: bridge.EffectKind(r.Kind), Subject: r.Subject, Currency: r.Currency}
}

func newReviewRecord(v bridge.Review) reviewRecord {
	return reviewRecord{
		ID: v.ID, Kind: string(v.Kind), Effect: newID(v.Effect), Rule: string(v.Rule), Deal: string(v.Deal), Reason: v.Reason, Amount: newMoney(v.Amount),
		OpenedAt: millis(v.OpenedAt), ClosedAt: millis(v.ClosedAt), ClosedBy: v.ClosedBy, Decision: v.Decision, Version: v.Version + 1,
	}
}

func (r reviewRecord) noun(account bridge.AccountID, campaign bridge.CampaignID) (bridge.Review, error) {
	amount, err := r.Amount.noun()
	return bridge.Review{
		Account: account, Campaign: campaign, ID: r.ID, Kind: bridge.ReviewKind(r.Kind), Effect: r.Effect.noun(account, campaign), Rule: bridge.RuleID(r.Rule),
		Deal: bridge.SalesforceID(r.Deal), Reason: r.Reason, Amount: amount, OpenedAt: fromMillis(r.OpenedAt), ClosedAt: fromMillis(r.ClosedAt),
		ClosedBy: r.ClosedBy, Decision: r.Decision, Version: r.Version,
	}, err
}

// Review returns what people were told under an id; nothing, of version 0, if they were told nothing.
func (s *Store) Review(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id string) (bridge.Review, error) {
	const op = "store.Review"
	var r reviewRecord
	if found, err := s.find(ctx, op, reviewKey(account, campaign, id), &r); !found {
		return bridge.Review{Account: account, Campaign: campaign, ID: id}, err
	}
	v, err := r.noun(account, campaign)
	return v, bridge.E(op, bridge.Internal, err)
}

// OpenReviews returns up to limit reviews of a campaign that nobody has closed, and whether there are more.
func (s *Store) OpenReviews(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, limit int) ([]bridge.Review, bool, error) {
	var found []bridge.Review
	more := false
	err := s.query(ctx, "store.OpenReviews", partition(account), reviewsOf(campaign), "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
		var r reviewRecord
		if err := decode(attributes, &r); err != nil || r.ClosedAt != 0 {
			return true, err
		}
		if more = len(found) == limit; more {
			return false, nil
		}
		v, err := r.noun(account, campaign)
		found = append(found, v)
		return true, err
	})
	return found, more, err
}

type actionRecord struct {
	Key     string   `dynamodbav:"sk"`
	At      int64    `dynamodbav:"at"`
	Effect  idRecord `dynamodbav:"effect"`
	Rule    string   `dynamodbav:"rule,omitempty"`
	Deal    string   `dynamodbav:"deal,omitempty"`
	Prompt  string   `dynamodbav:"prompt,omitempty"`
	Sent    string   `dynamodbav:"sent,omitempty"`
	Answer  string   `dynamodbav:"answer,omitempty"`
	State   string   `dynamodbav:"state"`
	Who     string   `dynamodbav:"who,omitempty"`
	Expires int64    `dynamodbav:"expires"`
}

func newActionRecord(a bridge.Action) actionRecord {
	return actionRecord{
		Key: actionsOf(a.Campaign) + a.ID, At: millis(a.At), Effect: newID(a.Effect), Rule: string(a.Rule), Deal: string(a.Deal), Prompt: string(a.Prompt),
		Sent: a.Sent, Answer: a.Answer, State: string(a.State), Who: a.Who, Expires: a.At.Add(yearAndABit).Unix(),
	}
}

// Actions returns up to limit lines of a campaign's activity, newest first: those before the one with an id, or the
// newest if it is empty.
func (s *Store) Actions(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.Action, error) {
	var found []bridge.Action
	err := s.newest(ctx, "store.Actions", partition(account), actionsOf(campaign), before, limit, func(attributes map[string]types.AttributeValue) error {
		var r actionRecord
		if err := decode(attributes, &r); err != nil {
			return err
		}
		found = append(found, bridge.Action{
			Account: account, Campaign: campaign, ID: strings.TrimPrefix(r.Key, actionsOf(campaign)), At: fromMillis(r.At), Effect: r.Effect.noun(account, campaign),
			Rule: bridge.RuleID(r.Rule), Deal: bridge.SalesforceID(r.Deal), Prompt: bridge.Prompt(r.Prompt), Sent: r.Sent, Answer: r.Answer,
			State: bridge.EffectState(r.State), Who: r.Who,
		})
		return nil
	})
	return found, err
}

// CommitConversions writes everything that changes together, and raises the versions. It is a Conflict, and nothing is
// written, if any of it is not as it was read.
func (s *Store) CommitConversions(ctx context.Context, c conversion.Commit) error {
	b := batchOf{table: s.table}
	for _, e := range c.Entries {
		b.version(entryKey(e.Account, e.Campaign, e.Deal, e.Rule), newEntryRecord(e), e.Version)
	}
	for _, e := range c.Gone {
		b.remove(entryKey(e.Account, e.Campaign, e.Deal, e.Rule), e.Version)
	}
	for _, e := range c.Effects {
		b.version(conversionKey(e.EffectID), newEffectRow(e), e.Version)
	}
	for _, p := range c.Paid {
		r := paidRecord{Amount: p.Amount.String(), Payments: p.Payments, Subject: string(p.Subject), Version: p.Version + 1}
		b.version(paidKey(p.Account, p.Campaign, p.Deal), r, p.Version)
	}
	for _, v := range c.Reviews {
		b.version(reviewKey(v.Account, v.Campaign, v.ID), newReviewRecord(v), v.Version)
	}
	for _, a := range c.Actions {
		b.absent(actionKey(a.Account, a.Campaign, a.ID), newActionRecord(a))
	}
	return b.write(ctx, "store.CommitConversions", s)
}

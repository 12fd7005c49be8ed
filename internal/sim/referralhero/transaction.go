package referralhero

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Transaction is a purchase of a subscriber. The API takes them and never shows them again.
type Transaction struct {
	ID              int      `json:"id"`
	TransactionID   string   `json:"transaction_id"`
	TransactionTime string   `json:"transaction_time"` // RFC 3339 with milliseconds, unlike all other times
	Amount          float64  `json:"amount"`
	ProductID       *string  `json:"product_id"`
	Subscriber      string   `json:"subscriber_id"`
	LifetimeSpend   *float64 `json:"lifetime_spend,omitempty"` // the subscriber's total as told with it
	RewardValue     *float64 `json:"reward_value,omitempty"`
}

// mostTransactions is how many add_bulk_transactions takes.
const mostTransactions = 500

func addTransaction(s *Service, c *call) (any, error) {
	t, err := s.record(c)
	if err != nil {
		return nil, err
	}
	return struct {
		Response        string  `json:"response"`
		ID              int     `json:"id"`
		TransactionID   string  `json:"transaction_id"`
		TransactionTime string  `json:"transaction_time"`
		Amount          float64 `json:"amount"`
		ProductID       *string `json:"product_id"`
	}{"transaction_added", t.ID, t.TransactionID, t.TransactionTime, t.Amount, t.ProductID}, nil
}

// record stores a transaction, or finds the one that has its id: that is then unchanged.
func (s *Service) record(c *call) (Transaction, error) {
	m, err := c.identify()
	if err != nil {
		return Transaction{}, err
	}
	if !c.has("amount") {
		return Transaction{}, refuse("no_amount", "The amount is missing")
	}
	t := Transaction{
		TransactionID: c.text("transaction_id"), Amount: c.number("amount"), ProductID: given(c.text("product_id")),
		Subscriber: m.ID, TransactionTime: time.Unix(c.now, 0).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if c.has("lifetime_spend") {
		t.LifetimeSpend = new(c.number("lifetime_spend"))
	}
	if c.has("reward_value") {
		t.RewardValue = new(c.number("reward_value"))
	}
	if err := c.err(); err != nil {
		return Transaction{}, err
	}
	if t.Amount < 0 {
		return Transaction{}, refuse("invalid_amount", "The amount is negative")
	}
	if stored, ok := c.transactions[t.TransactionID]; ok {
		return stored, nil
	}
	s.entries++
	t.ID = s.entries
	t.TransactionID = either(t.TransactionID, "t"+strconv.Itoa(t.ID))
	c.transactions[t.TransactionID] = t
	if t.LifetimeSpend != nil {
		m.LifetimeSpend = *t.LifetimeSpend
	}
	c.touch(m)
	return t, nil
}

// addTransactions stores many. As with the real one, the answer does not tell what became of each: a mail to
// the account's owner does.
func addTransactions(s *Service, c *call) (any, error) {
	rows, ok := c.values["transactions"].([]any)
	if !ok {
		return nil, refuse("invalid_parameter", "The transactions are missing, or no array")
	}
	if len(rows) > mostTransactions {
		return nil, refuse("too_many_transactions", "There are more than "+strconv.Itoa(mostTransactions)+" transactions")
	}
	for _, row := range rows {
		values, _ := row.(map[string]any)
		one := &call{parameters: &parameters{values: values}, campaign: c.campaign, now: c.now}
		if _, err := s.record(one); err == nil {
			s.tellUpdated(one.campaign, one.changed...)
		}
	}
	s.mails.send(c.now, c.campaign, Subscriber{Name: "Owner of the account"}, "Bulk transactions")
	return struct {
		Response string `json:"response"`
	}{"bulk_transactions_added"}, nil
}

func (c *campaign) allTransactions() []Transaction {
	all := make([]Transaction, 0, len(c.transactions))
	for _, t := range c.transactions {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Transaction) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

package conversion

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// The oracle reads Salesforce as a person would, with plain queries, and says in the plainest way what each rule should
// have made of each deal. It shares no code with what it judges.

func query(statement string) string { return "/query?q=" + url.QueryEscape(statement) }

func queryAll(statement string) string { return "/queryAll?q=" + url.QueryEscape(statement) }

type truth struct {
	deals    map[string]*dealRow
	contacts map[string]contactRow
}

type dealRow struct {
	ID        string
	IsDeleted bool
	StageName string
	IsWon     bool
	Amount    *decimal.Decimal
	ContactID string `json:"ContactId"`
	roles     []roleRow
	entered   map[string]time.Time
}

type roleRow struct {
	ID            string
	OpportunityID string `json:"OpportunityId"`
	ContactID     string `json:"ContactId"`
	IsPrimary     bool
	CreatedDate   string
}

type contactRow struct {
	ID             string
	Email          string
	IsDeleted      bool
	MasterRecordID string `json:"MasterRecordId"`
}

func (w *world) truth(ctx context.Context) (*truth, error) {
	t := &truth{deals: map[string]*dealRow{}, contacts: map[string]contactRow{}}
	var deals struct{ Records []*dealRow }
	var roles struct{ Records []roleRow }
	var contacts struct{ Records []contactRow }
	var history struct {
		Records []struct {
			OpportunityID          string `json:"OpportunityId"`
			StageName, CreatedDate string
		}
	}
	for _, read := range []struct {
		path string
		out  any
	}{
		{queryAll("SELECT Id, IsDeleted, StageName, IsWon, Amount, ContactId FROM Opportunity"), &deals},
		{query("SELECT Id, OpportunityId, ContactId, IsPrimary, CreatedDate FROM OpportunityContactRole ORDER BY CreatedDate, Id"), &roles},
		{queryAll("SELECT Id, Email, IsDeleted, MasterRecordId FROM Contact"), &contacts},
		{query("SELECT OpportunityId, StageName, CreatedDate FROM OpportunityHistory ORDER BY CreatedDate, Id"), &history},
	} {
		if err := w.api(ctx, http.MethodGet, read.path, nil, read.out); err != nil {
			return nil, err
		}
	}
	for _, d := range deals.Records {
		d.entered = map[string]time.Time{}
		t.deals[d.ID] = d
	}
	for _, r := range roles.Records {
		if d := t.deals[r.OpportunityID]; d != nil {
			d.roles = append(d.roles, r)
		}
	}
	for _, c := range contacts.Records {
		t.contacts[c.ID] = c
	}
	last := map[string]string{}
	for _, h := range history.Records {
		if last[h.OpportunityID] != h.StageName {
			at, err := time.Parse("2006-01-02T15:04:05.000-0700", h.CreatedDate)
			if err != nil {
				return nil, err
			}
			t.deals[h.OpportunityID].entered[h.StageName] = at
		}
		last[h.OpportunityID] = h.StageName
	}
	return t, nil
}

// order is that of the stages in the simulated org.
var order = map[string]int{"Prospecting": 1, qualification: 2, "Needs Analysis": 3, "Value Proposition": 4, "Id. Decision Makers": 5, "Perception Analysis": 6,
	proposal: 7, negotiation: 8, closedWon: 9, closedLost: 10}

// fits says whether a deal fits a rule by itself.
func (d *dealRow) fits(r bridge.Rule) bool {
	entered, been := d.entered[r.Stage]
	switch {
	case d.IsDeleted, !been, entered.Before(r.From), !r.On:
		return false
	case d.StageName != r.Stage && (d.StageName == closedLost || order[d.StageName] < order[r.Stage] || r.Stage == closedWon):
		return false
	case r.WonOnly && !d.IsWon:
		return false
	case r.Minimum.Amount.IsPositive() && (d.Amount == nil || d.Amount.LessThan(r.Minimum.Amount)):
		return false
	case r.Trigger == bridge.TotalSpend && (d.Amount == nil || d.Amount.IsNegative()):
		return false
	}
	return true
}

// acts says whether a rule acts on a deal: the first that fits, of those with its trigger.
func (d *dealRow) acts(set bridge.RuleSet, at int) bool {
	for i, r := range set.Rules {
		if r.Trigger == set.Rules[at].Trigger && d.fits(r) {
			return i == at
		}
	}
	return false
}

// people are those whom a rule is about, by their addresses, and by their contacts.
func (t *truth) people(d *dealRow, who bridge.Who) (mails, contacts []string) {
	var ids []string
	for _, r := range d.roles {
		ids = append(ids, r.ContactID)
	}
	if who != bridge.Everybody || len(ids) == 0 {
		one := ""
		distinct := map[string]bool{}
		for _, id := range ids {
			distinct[id] = true
		}
		switch {
		case len(distinct) == 1:
			one = ids[0]
		default:
			one = d.ContactID
		}
		for _, r := range d.roles {
			if r.IsPrimary {
				one = r.ContactID
			}
		}
		ids = []string{one}
	}
	seen := map[string]bool{}
	for _, id := range ids {
		c := t.contacts[id]
		for c.IsDeleted && c.MasterRecordID != "" {
			c = t.contacts[c.MasterRecordID]
		}
		if c.ID == "" || c.IsDeleted || seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		contacts = append(contacts, c.ID)
		if c.Email != "" {
			mails = append(mails, strings.ToLower(c.Email))
		}
	}
	return mails, contacts
}

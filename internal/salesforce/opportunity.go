package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// inquiry is a query with what is to be done with its rows.
type inquiry struct {
	path string
	row  func(json.RawMessage) error
}

// inquire makes up to five queries by one call of the API, and one more for each five further pages that they have. Rows
// of a query come in their order.
func (c *Client) inquire(ctx context.Context, op string, queries ...inquiry) error {
	for len(queries) > 0 {
		now := queries[:min(len(queries), mostHeavy)]
		pages, err := c.answers(ctx, op, now)
		if err != nil {
			return err
		}
		var left []inquiry
		for i, page := range pages {
			for _, row := range page.Records {
				if err := now[i].row(row); err != nil {
					return bridge.E(op, bridge.Unavailable, errUnreadable)
				}
			}
			if page.Done {
				continue
			}
			if !isPath(page.NextRecordsURL) {
				return bridge.E(op, bridge.Unavailable, errUnreadable)
			}
			left = append(left, inquiry{page.NextRecordsURL, now[i].row})
		}
		queries = append(left, queries[len(now):]...)
	}
	return nil
}

// answers makes some queries by one call.
func (c *Client) answers(ctx context.Context, op string, queries []inquiry) ([]answer[json.RawMessage], error) {
	pages := make([]answer[json.RawMessage], len(queries))
	if len(queries) == 1 {
		return pages, c.get(ctx, op, queries[0].path, &pages[0])
	}
	parts := make([]part, len(queries))
	for i, q := range queries {
		parts[i] = part{method: http.MethodGet, path: q.path}
	}
	var told struct {
		Answers []partAnswer `json:"compositeResponse"`
	}
	call := composed(parts)
	call.most, call.patience = 4*largest, readPatience
	if err := c.send(ctx, op, call, func(body io.Reader) error { return json.NewDecoder(body).Decode(&told) }); err != nil {
		return nil, err
	}
	for i := range pages {
		at := slices.IndexFunc(told.Answers, func(a partAnswer) bool { return a.Reference == reference(i) })
		if at < 0 {
			return nil, bridge.E(op, bridge.Unavailable, errUnreadable)
		}
		a := told.Answers[at]
		if a.Status != http.StatusOK {
			var complaints []complaint
			if json.Unmarshal(a.Body, &complaints) != nil || len(complaints) == 0 {
				complaints = []complaint{{}}
			}
			return nil, a.refusal(op, complaints[0], false)
		}
		if json.Unmarshal(a.Body, &pages[i]) != nil {
			return nil, bridge.E(op, bridge.Unavailable, errUnreadable)
		}
	}
	return pages, nil
}

// ofAll is the path of a query that also finds what was deleted.
func ofAll(statement string) string { return data + "/queryAll?q=" + url.QueryEscape(statement) }

// of is the path of a query.
func of(statement string) string { return data + "/query?q=" + url.QueryEscape(statement) }

// rows decodes each row of a query.
func rows[T any](each func(T) error) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var row T
		if err := json.Unmarshal(raw, &row); err != nil {
			return err
		}
		return each(row)
	}
}

// wired is a time as the API writes it.
type wired time.Time

// UnmarshalJSON reads a time; null is the zero time.
func (t *wired) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil || text == "" {
		return err
	}
	at, ok := moment(text)
	if !ok {
		return errRow
	}
	*t = wired(at.UTC())
	return nil
}

func (t wired) time() time.Time { return time.Time(t) }

// opportunity is an Opportunity as the API has it. Null is the zero value.
type opportunity struct {
	ID              bridge.SalesforceID `json:"Id"`
	Name            string
	IsDeleted       bool
	StageName       string
	IsClosed        bool
	IsWon           bool
	Amount          json.Number
	CurrencyIsoCode string
	RecordTypeID    bridge.SalesforceID `json:"RecordTypeId"`
	ContactID       bridge.SalesforceID `json:"ContactId"`
	Account         *struct {
		PersonContactID bridge.SalesforceID `json:"PersonContactId"`
	}
	CreatedDate    wired
	SystemModstamp wired
}

func (o opportunity) deal(with bridge.DealColumns) (bridge.Deal, error) {
	d := bridge.Deal{
		ID: o.ID, Name: o.Name, Deleted: o.IsDeleted, Stage: o.StageName, Closed: o.IsClosed, Won: o.IsWon, RecordType: o.RecordTypeID, Contact: o.ContactID,
		Amount: bridge.Money{Currency: o.CurrencyIsoCode}, NoAmount: o.Amount == "", With: with,
		Entered: map[string]time.Time{}, CreatedAt: o.CreatedDate.time(), Modified: o.SystemModstamp.time(),
	}
	if o.Account != nil {
		d.Person = o.Account.PersonContactID
	}
	if o.Amount == "" {
		return d, nil
	}
	amount, err := decimal.NewFromString(string(o.Amount)) // also 1.0E7, as Salesforce writes large ones
	if err == nil && (amount.Exponent() > mostDigits || amount.Exponent() < -mostDigits) {
		err = errRow // no org has such an amount, and adding it to another one would take all memory
	}
	d.Amount.Amount = amount
	return d, err
}

// mostDigits is more than Salesforce keeps of a number.
const mostDigits = 40

func dealStatement(with bridge.DealColumns) string {
	fields := []string{"Id", "Name", "IsDeleted", "StageName", "IsClosed", "IsWon", "ContactId", "CreatedDate", "SystemModstamp"}
	for field, wanted := range map[string]bool{
		"Amount": !with.NoAmount, "CurrencyIsoCode": with.Currency, "RecordTypeId": with.RecordType, "Account.PersonContactId": with.Persons,
	} {
		if wanted {
			fields = append(fields, field)
		}
	}
	return "SELECT " + strings.Join(fields, ", ") + " FROM Opportunity WHERE Id IN "
}

// Deals returns opportunities by their ids, at most 200, deleted ones included, with their contact roles and when they
// came into the stages that the org's history says they were in; and the org's stages. It takes one call of the API, and
// more only if there are more than 2,000 rows of history. An opportunity that the connected user may not see is
// missing.
func (c *Client) Deals(ctx context.Context, ids []bridge.SalesforceID, with bridge.DealColumns) ([]bridge.Deal, []bridge.Stage, error) {
	const op = "salesforce.Deals"
	list := "(" + quoted(ids) + ")"
	deals := map[bridge.SalesforceID]*bridge.Deal{}
	var order []bridge.SalesforceID
	var roles []role
	was := map[bridge.SalesforceID]string{}
	history := map[bridge.SalesforceID]map[string]time.Time{}
	var stages []bridge.Stage
	err := c.inquire(ctx, op,
		inquiry{ofAll(dealStatement(with) + list), rows(func(o opportunity) error {
			d, err := o.deal(with)
			if deals[o.ID] == nil {
				order = append(order, o.ID)
			}
			deals[o.ID] = &d
			return err
		})},
		inquiry{ofAll("SELECT Id, OpportunityId, ContactId, IsPrimary, IsDeleted, CreatedDate, SystemModstamp FROM OpportunityContactRole WHERE OpportunityId IN " + list),
			rows(func(r role) error {
				roles = append(roles, r)
				return nil
			})},
		inquiry{of("SELECT Id, OpportunityId, StageName, CreatedDate FROM OpportunityHistory WHERE OpportunityId IN " + list + " ORDER BY CreatedDate, Id"),
			rows(func(h step) error {
				if history[h.OpportunityID] == nil {
					history[h.OpportunityID] = map[string]time.Time{}
				}
				// There is a row for each change of the amount, too.
				if was[h.OpportunityID] != h.StageName {
					history[h.OpportunityID][h.StageName] = h.CreatedDate.time()
				}
				was[h.OpportunityID] = h.StageName
				return nil
			})},
		inquiry{of(stageStatement), rows(func(s stage) error {
			stages = append(stages, s.noun())
			return nil
		})},
	)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range roles {
		if d := deals[r.OpportunityID]; d != nil {
			r.join(d)
		}
	}
	found := make([]bridge.Deal, 0, len(order))
	for _, id := range order {
		d := *deals[id]
		if entered := history[id]; entered != nil {
			d.Entered = entered
		}
		found = append(found, d)
	}
	return found, stages, nil
}

// role is an OpportunityContactRole as the API has it.
type role struct {
	ID             bridge.SalesforceID `json:"Id"`
	OpportunityID  bridge.SalesforceID `json:"OpportunityId"`
	ContactID      bridge.SalesforceID `json:"ContactId"`
	IsPrimary      bool
	IsDeleted      bool
	CreatedDate    wired
	SystemModstamp wired
}

// join adds the role to its deal. One that was deleted still tells when the deal's people changed.
func (r role) join(d *bridge.Deal) {
	if at := r.SystemModstamp.time(); at.After(d.Modified) {
		d.Modified = at
	}
	if r.IsDeleted && !d.Deleted {
		return
	}
	d.Roles = append(d.Roles, bridge.ContactRole{ID: r.ID, Contact: r.ContactID, Primary: r.IsPrimary, CreatedAt: r.CreatedDate.time()})
}

// step is an OpportunityHistory as the API has it.
type step struct {
	ID            bridge.SalesforceID `json:"Id"`
	OpportunityID bridge.SalesforceID `json:"OpportunityId"`
	StageName     string
	CreatedDate   wired
}

const stageStatement = "SELECT ApiName, MasterLabel, IsActive, IsClosed, IsWon, SortOrder FROM OpportunityStage ORDER BY SortOrder"

// stage is an OpportunityStage as the API has it.
type stage struct {
	APIName     string `json:"ApiName"`
	MasterLabel string
	IsActive    bool
	IsClosed    bool
	IsWon       bool
	SortOrder   int
}

func (s stage) noun() bridge.Stage {
	return bridge.Stage{Name: s.APIName, Label: s.MasterLabel, Order: s.SortOrder, Closed: s.IsClosed, Won: s.IsWon, Active: s.IsActive}
}

// Stages returns the stages of the org's opportunities, in their order. Those that are not active may still be what
// older opportunities have.
func (c *Client) Stages(ctx context.Context) ([]bridge.Stage, error) {
	var stages []bridge.Stage
	err := c.inquire(ctx, "salesforce.Stages", inquiry{of(stageStatement), rows(func(s stage) error {
		stages = append(stages, s.noun())
		return nil
	})})
	return stages, err
}

// party is a Contact as conversions read it.
type party struct {
	ID             bridge.SalesforceID `json:"Id"`
	IsDeleted      bool
	MasterRecordID bridge.SalesforceID `json:"MasterRecordId"`
	FirstName      string
	LastName       string
	Email          string
	Phone          string
}

// Parties returns contacts by the ids that were asked for, at most 200, deleted ones included. In place of one that was
// merged there is the one that it was merged into. referrer names one more field to read; none if it is empty. It takes
// one call of the API, and one more for each merge that is followed.
func (c *Client) Parties(ctx context.Context, ids []bridge.SalesforceID, with bridge.DealColumns, referrer string) (map[bridge.SalesforceID]bridge.Party, error) {
	const op = "salesforce.Parties"
	fields := []string{"Id", "IsDeleted", "MasterRecordId", "FirstName", "LastName", "Email", "Phone"}
	for _, more := range []string{with.Key, referrer} {
		if more != "" && !slices.Contains(fields, more) {
			fields = append(fields, more)
		}
	}
	found := map[bridge.SalesforceID]bridge.Party{}
	at := map[bridge.SalesforceID][]bridge.SalesforceID{} // those that were asked for, by where they were followed to
	for _, id := range ids {
		at[id] = append(at[id], id)
	}
	for hop := 0; len(at) > 0 && hop <= mostHops; hop++ {
		next := map[bridge.SalesforceID][]bridge.SalesforceID{}
		var now []bridge.SalesforceID
		for id := range at {
			now = append(now, id)
		}
		slices.Sort(now)
		err := c.inquire(ctx, op, inquiry{ofAll("SELECT " + strings.Join(fields, ", ") + " FROM Contact WHERE Id IN (" + quoted(now) + ")"), func(raw json.RawMessage) error {
			var p party
			if err := json.Unmarshal(raw, &p); err != nil {
				return err
			}
			for _, asked := range at[p.ID] {
				if p.IsDeleted && p.MasterRecordID != "" && hop < mostHops {
					next[p.MasterRecordID] = append(next[p.MasterRecordID], asked)
					continue
				}
				found[asked] = bridge.Party{
					ID: p.ID, FirstName: p.FirstName, LastName: p.LastName, Email: p.Email, Phone: p.Phone, Deleted: p.IsDeleted,
					Subscriber: bridge.SubscriberID(column(raw, with.Key)), Referrer: column(raw, referrer),
				}
			}
			return nil
		}})
		if err != nil {
			return nil, explain(err, bridge.Selection{}, "FirstName", "Email", "Phone", referrer)
		}
		at = next
	}
	return found, nil
}

// column is the text in a column whose name is known only now; empty if there is none.
func column(raw json.RawMessage, name string) string {
	var all map[string]json.RawMessage
	var text string
	if name == "" || json.Unmarshal(raw, &all) != nil || json.Unmarshal(all[name], &text) != nil {
		return ""
	}
	return text
}

// DealColumns finds which columns the org has, as far as the connected user may see. key is the contact's field with the
// SUB_ID, or empty.
func (c *Client) DealColumns(ctx context.Context, key string) (bridge.DealColumns, error) {
	columns := bridge.DealColumns{Key: key}
	deal, err := c.Fields(ctx, "Opportunity")
	if err != nil {
		return columns, err
	}
	account, err := c.Fields(ctx, "Account")
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return columns, err
	}
	columns.Currency = slices.Contains(deal, "CurrencyIsoCode")
	columns.RecordType = slices.Contains(deal, "RecordTypeId")
	columns.NoAmount = !slices.Contains(deal, "Amount")
	columns.Persons = slices.Contains(account, "PersonContactId")
	if key == "" {
		return columns, nil
	}
	contact, err := c.Fields(ctx, "Contact")
	if !slices.Contains(contact, key) {
		columns.Key = ""
	}
	return columns, err
}

// RecordTypes returns the names of the record types of opportunities, by id; none if the org has none.
func (c *Client) RecordTypes(ctx context.Context) (map[bridge.SalesforceID]string, error) {
	types := map[bridge.SalesforceID]string{}
	err := c.inquire(ctx, "salesforce.RecordTypes", inquiry{of("SELECT Id, Name FROM RecordType WHERE SobjectType = 'Opportunity' AND IsActive = true ORDER BY Name"),
		rows(func(r struct {
			ID   bridge.SalesforceID `json:"Id"`
			Name string
		}) error {
			types[r.ID] = r.Name
			return nil
		})})
	return types, err
}

// Currencies returns the codes of the currencies in which the org keeps amounts, the org's own first; none if it has one
// only.
func (c *Client) Currencies(ctx context.Context) ([]string, error) {
	var codes []string
	err := c.inquire(ctx, "salesforce.Currencies", inquiry{of("SELECT IsoCode, IsCorporate FROM CurrencyType WHERE IsActive = true ORDER BY IsoCode"),
		rows(func(r struct {
			IsoCode     string
			IsCorporate bool
		}) error {
			if r.IsCorporate {
				codes = slices.Insert(codes, 0, r.IsoCode)
				return nil
			}
			codes = append(codes, r.IsoCode)
			return nil
		})})
	return codes, err
}

// mostChanges is how many rows of each kind a page of changes has.
const mostChanges = 2000

// place is how far the rows of a kind were read.
type place struct {
	At   string `json:"at,omitempty"`
	ID   string `json:"id,omitempty"`
	Done bool   `json:"done,omitempty"`
}

// beyond is the condition for the rows behind the place, in the order of a column and of the ids.
func (p place) beyond(column string) string {
	if p.At == "" {
		return ""
	}
	return fmt.Sprintf(" AND (%s > %s OR (%s = %s AND Id > %s))", column, p.At, column, p.At, quote(p.ID))
}

// DealChanges returns the opportunities that have changed from one time and before another, page by page: those of which
// the org's history has a change of stage, amount, probability or close date, those whose contact roles have changed, and
// those that were deleted. A page takes one call of the API.
func (c *Client) DealChanges(ctx context.Context, from, to time.Time, page string) (bridge.DealPage, error) {
	const op = "salesforce.DealChanges"
	var found bridge.DealPage
	places := []place{{}, {}, {}}
	if page != "" {
		if err := json.Unmarshal([]byte(page), &places); err != nil || len(places) != 3 {
			return found, bridge.E(op, bridge.Internal, errUnreadable)
		}
	}
	seen := map[bridge.SalesforceID]bool{}
	counts := make([]int, len(places))
	var queries []inquiry
	for i, kind := range []struct {
		opening, column string
		deals           *[]bridge.SalesforceID
	}{
		{"SELECT Id, OpportunityId, CreatedDate FROM OpportunityHistory WHERE CreatedDate", "CreatedDate", &found.Moved},
		{"SELECT Id, OpportunityId, SystemModstamp FROM OpportunityContactRole WHERE SystemModstamp", "SystemModstamp", &found.Others},
		{"SELECT Id, SystemModstamp FROM Opportunity WHERE IsDeleted = true AND SystemModstamp", "SystemModstamp", &found.Others},
	} {
		if places[i].Done {
			continue
		}
		statement := fmt.Sprintf("%s >= %s AND %s < %s%s ORDER BY %s, Id LIMIT %d", kind.opening, literal(from), kind.column, literal(to),
			places[i].beyond(kind.column), kind.column, mostChanges)
		queries = append(queries, inquiry{ofAll(statement), rows(func(r change) error {
			counts[i]++
			places[i].At, places[i].ID = literal(r.at()), string(r.ID)
			if id := r.deal(); !seen[id] {
				seen[id] = true
				*kind.deals = append(*kind.deals, id)
			}
			return nil
		})})
	}
	if err := c.inquire(ctx, op, queries...); err != nil {
		return bridge.DealPage{}, err
	}
	more := false
	for i := range places {
		places[i].Done = places[i].Done || counts[i] < mostChanges
		more = more || !places[i].Done
	}
	found.Changes = counts[0]
	if !more {
		return found, nil
	}
	text, err := json.Marshal(places)
	found.Next = string(text)
	return found, bridge.E(op, bridge.Internal, err)
}

// change is a row of any of the three kinds.
type change struct {
	ID             bridge.SalesforceID `json:"Id"`
	OpportunityID  bridge.SalesforceID `json:"OpportunityId"`
	CreatedDate    wired
	SystemModstamp wired
}

func (r change) deal() bridge.SalesforceID {
	if r.OpportunityID != "" {
		return r.OpportunityID
	}
	return r.ID
}

func (r change) at() time.Time {
	if at := r.SystemModstamp.time(); !at.IsZero() {
		return at
	}
	return r.CreatedDate.time()
}

// literal is a time as SOQL wants it.
func literal(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// DealsThrough returns the opportunities that were seen in a stage since a time, page by page: next is where the next one
// begins; "" after the last. A page takes one call of the API.
func (c *Client) DealsThrough(ctx context.Context, stage string, since time.Time, page string) (deals []bridge.SalesforceID, next string, err error) {
	statement := fmt.Sprintf("SELECT Id, OpportunityId FROM OpportunityHistory WHERE StageName = %s AND CreatedDate >= %s", quote(stage), literal(since))
	if page != "" {
		statement += " AND Id > " + quote(page)
	}
	seen, count, last := map[bridge.SalesforceID]bool{}, 0, ""
	err = c.inquire(ctx, "salesforce.DealsThrough", inquiry{of(fmt.Sprintf("%s ORDER BY Id LIMIT %d", statement, mostChanges)), rows(func(h step) error {
		count++
		last = string(h.ID)
		if !seen[h.OpportunityID] {
			seen[h.OpportunityID] = true
			deals = append(deals, h.OpportunityID)
		}
		return nil
	})})
	if err != nil || count < mostChanges {
		return deals, "", err
	}
	return deals, last, nil
}

package syncer

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Service is what people do with the syncing of campaigns. Its fields are set once.
type Service struct {
	Rows        records
	Accounts    tokens
	Campaigns   campaigns
	Connections connections
	Layouts     layouts
	Org         func(bridge.Connection) Org
	Hero        oneReader
	Budget      budget.Budget
	Changes     func(ctx context.Context, delay time.Duration, hints ...Hint) error
	Jobs        func(ctx context.Context, delay time.Duration, jobs ...Job) error
	Now         func() time.Time
}

// records are the rows as people see them.
type records interface {
	syncs
	links
	attention
	owners
	history
	causes
}

type owners interface {
	// Owner returns the campaign that owns the fields of an object of an org, or NotFound.
	Owner(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, object string) (bridge.CampaignID, error)
	// SaveOwned writes s together with its ownership of the fields; Conflict if another campaign owns them, or if s was changed.
	// was is what s replaces: what that one owned and s does not is free.
	SaveOwned(ctx context.Context, s, was Sync) error
	// Syncs returns those of the account.
	Syncs(ctx context.Context, account bridge.AccountID) ([]Sync, error)
}

type history interface {
	Run(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Run, error)
	// Runs returns up to limit runs, newest first.
	Runs(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, limit int) ([]Run, error)
	// Days returns what was counted since a day, oldest first.
	Days(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, since time.Time) ([]Day, error)
}

type causes interface {
	// Causes counts the subscribers that were refused, by cause.
	Causes(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (map[string]int, error)
}

// Day is what a day has seen.
type Day struct {
	Day    time.Time // midnight, UTC
	LastAt time.Time // when something was last written or found to be equal
	Tally
}

// Get returns how a campaign is synced; one that is off if nobody has said anything yet.
func (s Service) Get(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Sync, error) {
	got, err := s.Rows.Sync(ctx, account, campaign)
	if bridge.KindOf(err) == bridge.NotFound {
		return Sync{Account: account, Campaign: campaign, Options: Options{Target: bridge.ToContact, Only: Everybody, Every: Daily}}, nil
	}
	return got, bridge.E("syncer.Get", "", err)
}

// check says what of the options cannot be, at its field: "connection", "target", "only", "parent", "record_type" or "every".
func (s Service) check(ctx context.Context, op string, account bridge.AccountID, o *Options) error {
	if o.Connection == "" {
		return bridge.Say(op, bridge.Invalid, "connection", "Choose the Salesforce account that subscribers go to.")
	}
	c, err := s.Connections.Connection(ctx, account, o.Connection)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && c.Status == bridge.Disconnected {
		return bridge.Say(op, bridge.Invalid, "connection", "This Salesforce account is not connected any more. Choose another one.")
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	if !slices.Contains([]bridge.Target{bridge.ToContact, bridge.ToLead, bridge.ToPersonAccount}, o.Target) {
		return bridge.Say(op, bridge.Invalid, "target", "Choose what subscribers are in Salesforce.")
	}
	if !slices.Contains([]Only{Everybody, OnlyReferrals, OnlyAdvocates}, o.Only) {
		return bridge.Say(op, bridge.Invalid, "only", "Choose which subscribers are synced.")
	}
	if !slices.Contains([]time.Duration{Hourly, SixHours, Daily}, o.Every) {
		return bridge.Say(op, bridge.Invalid, "every", "Choose how often everybody is compared.")
	}
	for field, id := range map[string]*bridge.SalesforceID{"parent": &o.Parent, "record_type": &o.RecordType} {
		prefix := map[string]string{"parent": "001", "record_type": "012"}[field]
		if *id == "" {
			continue
		}
		parsed, err := bridge.ParseSalesforceID(string(*id))
		if err != nil || string(parsed[:3]) != prefix {
			return bridge.Say(op, bridge.Invalid, field, "This is not the right kind of id: it has 15 or 18 characters and begins with %s. Copy it from the record's address in Salesforce.", prefix)
		}
		*id = parsed
	}
	if o.Target == bridge.ToPersonAccount && o.RecordType == "" && !o.LinkOnly {
		return bridge.Say(op, bridge.Invalid, "record_type", "New person accounts need a record type: give its id, or choose to make no records.")
	}
	if o.Target != bridge.ToContact {
		o.Parent = ""
	}
	if o.Target != bridge.ToPersonAccount {
		o.RecordType = ""
	}
	if o.Parent == "" {
		return nil
	}
	sees, err := s.Org(c).Sees(ctx, "Account", o.Parent)
	if kind := bridge.KindOf(err); !sees && (err == nil || kind == bridge.Denied || kind == bridge.Invalid) {
		return bridge.Say(op, bridge.Invalid, "parent", "The connected user sees no account with this id. Copy it from the account's address in Salesforce, or share the account with the user.")
	}
	return nil // an org that does not answer now is no reason not to save; what it refuses later needs attention
}

// Cost is what switching on would take.
type Cost struct {
	Subscribers int
	HeroCalls   int
	OrgCalls    int
	Bulk        bool // the Bulk API is used
	Duration    time.Duration
	Owner       bridge.CampaignID // that owns the fields already; then this campaign cannot
}

// Preview says what syncing with the options would take, before anything is done. The numbers are the most that is
// expected; fewer if records are there already.
func (s Service) Preview(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, o Options) (Cost, error) {
	const op = "syncer.Preview"
	if err := s.check(ctx, op, account, &o); err != nil {
		return Cost{}, err
	}
	c, err := s.Campaigns.Campaign(ctx, account, campaign)
	if err != nil {
		return Cost{}, bridge.E(op, "", err)
	}
	a, err := s.Accounts.Account(ctx, account)
	if err != nil {
		return Cost{}, bridge.E(op, "", err)
	}
	n := c.Subscribers
	cost := Cost{Subscribers: n, HeroCalls: max(1, (n+perPage-1)/perPage)}
	cost.OrgCalls = 2 + n/keysPerCall*2 + (n+mostWrites-1)/mostWrites
	if cost.Bulk = n > 20_000; cost.Bulk {
		cost.OrgCalls = 2 + n/recordsInCall + n/mostSlice + 12*(1+n/mostSlice)
	}
	state, err := s.Budget.State(ctx, account, budget.ReferralHero, a.Allowance)
	if err != nil {
		return Cost{}, bridge.E(op, "", err)
	}
	const answer, write = 250 * time.Millisecond, 2 * time.Millisecond // that a page, and a record in Salesforce, take
	cost.Duration = time.Duration(cost.HeroCalls)*answer/hands + time.Duration(n)*write
	for beyond := cost.HeroCalls - state.Left; beyond > 0 && a.Allowance > 0; beyond -= a.Allowance {
		cost.Duration += s.Budget.Length
	}
	owner, err := s.Rows.Owner(ctx, account, o.Connection, o.Target.Object())
	if err == nil && owner != campaign {
		cost.Owner = owner
	}
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return Cost{}, bridge.E(op, "", err)
	}
	if cost.Owner == "" {
		cost.Owner, err = s.elsewhere(ctx, account, campaign, o)
	}
	return cost, bridge.E(op, "", err)
}

// elsewhere names the campaign that keeps its values in the same fields by another connection, if there is one: two users of an org are two
// connections to it.
func (s Service) elsewhere(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, o Options) (bridge.CampaignID, error) {
	all, err := s.Rows.Syncs(ctx, account)
	if err != nil {
		return "", err
	}
	org := func(id bridge.ConnectionID) (bridge.SalesforceID, error) {
		c, err := s.Connections.Connection(ctx, account, id)
		if bridge.KindOf(err) == bridge.NotFound {
			return "", nil
		}
		return c.Org, err
	}
	for _, other := range all {
		if !other.On || other.Campaign == campaign || other.Connection == o.Connection || other.Target.Object() != o.Target.Object() {
			continue
		}
		mine, err := org(o.Connection)
		if err != nil {
			return "", err
		}
		if theirs, err := org(other.Connection); err != nil || theirs == mine && mine != "" {
			return other.Campaign, err
		}
	}
	return "", nil
}

// owned is the refusal of fields that another campaign has.
func owned(op string, err error) error {
	return &bridge.Error{Op: op, Kind: bridge.Conflict, Code: "owned", Field: "connection", Err: err,
		Message: "Another campaign keeps its values in these fields: a record has room for one. Switch that one off first. This campaign can import and track all the same."}
}

// Save switches syncing on, with these options, and has everything filled in; or changes the options of a campaign that is
// on. A bad option is Invalid, at its field. It is a Conflict if another campaign owns the fields, or
// is still writing them.
func (s Service) Save(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, by string, o Options) error {
	const op = "syncer.Save"
	if err := s.check(ctx, op, account, &o); err != nil {
		return err
	}
	if err := s.vacant(ctx, op, account, campaign, o); err != nil {
		return err
	}
	switch other, err := s.elsewhere(ctx, account, campaign, o); {
	case err != nil:
		return bridge.E(op, "", err)
	case other != "":
		return owned(op, nil)
	}
	return s.edit(ctx, op, account, campaign, func(sync *Sync) bool {
		if sync.On && sync.Options == o {
			return false
		}
		sync.Options, sync.On, sync.SetBy, sync.SetAt = o, true, by, s.Now()
		sync.Wanted, sync.Waits, sync.Until, sync.Since, sync.NextRun = "switched on", "", time.Time{}, time.Time{}, s.Now()
		sync.Due = s.Now().Add(grace)
		return true
	})
}

// vacant refuses fields into which a bulk load is still writing of a campaign that was switched off.
func (s Service) vacant(ctx context.Context, op string, account bridge.AccountID, campaign bridge.CampaignID, o Options) error {
	all, err := s.Rows.Syncs(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	home := Sync{Options: o}.home()
	for _, other := range all {
		if other.Campaign == campaign || other.On {
			continue
		}
		run, err := s.Rows.Run(ctx, account, other.Campaign)
		switch {
		case bridge.KindOf(err) == bridge.NotFound, err == nil && (run.Load == nil || run.Home != home):
			continue
		case err != nil:
			return bridge.E(op, "", err)
		}
		c, err := s.Connections.Connection(ctx, account, o.Connection)
		if err != nil {
			return bridge.E(op, "", err)
		}
		for _, job := range run.Load.Jobs {
			state, err := s.Org(c).LoadState(ctx, job)
			switch {
			case bridge.KindOf(err) == bridge.NotFound: // forgotten, so it is over
			case err != nil:
				return bridge.E(op, "", err)
			case !state.Ended:
				return bridge.Say(op, bridge.Conflict, "connection",
					"A bulk load of the campaign that kept these fields before is still writing. That takes some minutes: try again then.")
			}
		}
	}
	return nil
}

// Off ends syncing. What is in Salesforce stays.
func (s Service) Off(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, by string) error {
	return s.edit(ctx, "syncer.Off", account, campaign, func(sync *Sync) bool {
		if !sync.On {
			return false
		}
		sync.On, sync.SetBy, sync.SetAt = false, by, s.Now()
		sync.Wanted, sync.Waits, sync.Until, sync.Since, sync.Due = "", "", time.Time{}, time.Time{}, time.Time{}
		return true
	})
}

// Compare has everybody compared and repaired now.
func (s Service) Compare(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) error {
	const op = "syncer.Compare"
	return s.edit(ctx, op, account, campaign, func(sync *Sync) bool {
		if !sync.On || sync.Wanted != "" {
			return false
		}
		sync.Wanted, sync.Waits, sync.Until, sync.Due = "asked for", "", time.Time{}, s.Now().Add(grace)
		return true
	})
}

// edit changes a campaign's row, and has the worker look at it.
func (s Service) edit(ctx context.Context, op string, account bridge.AccountID, campaign bridge.CampaignID, change func(*Sync) bool) error {
	var err error
	for range attempts {
		var was Sync
		if was, err = s.Get(ctx, account, campaign); err != nil {
			return bridge.E(op, "", err)
		}
		now := was
		if !change(&now) {
			return nil
		}
		if err = s.Rows.SaveOwned(ctx, now, was); bridge.KindOf(err) != bridge.Conflict {
			if err == nil && now.On {
				_ = s.Jobs(ctx, 0, Job{account, campaign}) // the sweep sends it too
			}
			return bridge.E(op, "", err)
		}
		if now.On {
			owner, failed := s.Rows.Owner(ctx, account, now.Connection, now.Target.Object())
			if failed == nil && owner != campaign {
				return owned(op, err)
			}
		}
	}
	return bridge.Say(op, bridge.Conflict, "", "The settings are changing too quickly. Try again.")
}

// Fields has everything compared where fields have become visible, or are hidden now: what sees the layout changed calls it.
func (s Service) Fields(ctx context.Context, l bridge.Layout) error {
	return s.wake(ctx, l.Account, l.Connection, func(sync *Sync) bool {
		if sync.Target.Object() != l.Object && l.Object != bridge.ToContact.Object() {
			return false
		}
		if sync.Wanted == "" && sync.Waits != fieldsHidden { // the run that waits for them fills them in
			sync.Wanted = "fields"
		}
		return true
	})
}

// Wake sets going what waited for a connection that works again, and returns how many campaigns that are.
func (s Service) Wake(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (int, error) {
	woken := 0
	err := s.wake(ctx, account, connection, func(sync *Sync) bool {
		if sync.Waits == "" {
			return false
		}
		if sync.Wanted == "" {
			sync.Wanted = "reconnected"
		}
		woken++
		return true
	})
	return woken, bridge.E("syncer.Wake", "", err)
}

func (s Service) wake(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, change func(*Sync) bool) error {
	all, err := s.Rows.Syncs(ctx, account)
	if err != nil {
		return bridge.E("syncer.wake", "", err)
	}
	for _, one := range all {
		if !one.On || one.Connection != connection {
			continue
		}
		wanted := false
		err := edited(ctx, s.Rows, account, one.Campaign, func(sync *Sync) bool {
			if wanted = sync.On && change(sync); wanted {
				sync.Waits, sync.Until, sync.Due = "", time.Time{}, s.Now().Add(grace)
			}
			return wanted
		})
		if err == nil && wanted {
			err = s.Jobs(ctx, 0, Job{account, one.Campaign})
		}
		if err != nil {
			return bridge.E("syncer.wake", "", err)
		}
	}
	return nil
}

// Health is how a campaign's syncing is.
type Health struct {
	Sync   Sync
	Run    *Run  // the newest
	Past   []Run // those that have ended, newest first
	Days   []Day // oldest first
	LastAt time.Time
	Causes int // records that need somebody
}

// Backlog is what is not in Salesforce yet. Changes are not counted while they wait, since that would cost a write for each; all
// that it says stands in the table anyway.
type Backlog struct {
	Waits   bool      // work waits for something
	Since   time.Time // the oldest change that is not written because of that; zero if it is not known
	Part    bool      // some of what came since is written all the same
	Planned bool      // everybody is to be compared soon, or that waits in the middle
	Unread  int       // subscribers whom the comparison that has begun has yet to read
	Loading int       // records that Salesforce is writing in the background
	Refused int       // records that Salesforce has refused, and that are tried again
}

// Empty reports whether nothing waits but what came in the last minutes.
func (b Backlog) Empty() bool { return b == Backlog{} }

// Backlog says what is not in Salesforce yet.
func (h Health) Backlog() Backlog {
	if !h.Sync.On {
		return Backlog{}
	}
	b := Backlog{Planned: h.Sync.Wanted != "", Refused: h.Causes}
	if b.Waits = h.Sync.Waits != ""; b.Waits && !h.Sync.Since.IsZero() {
		b.Since, b.Part = h.Sync.Since, h.LastAt.After(h.Sync.Since)
	}
	if h.Run != nil && h.Run.EndedAt.IsZero() {
		b.Planned, b.Unread = true, max(0, h.Run.Total-h.Run.Statement.Subscribers)
		if h.Run.Load != nil {
			b.Loading = h.Run.Load.Rows
		}
	}
	return b
}

// Health tells how syncing is, with so many days of history.
func (s Service) Health(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, days int) (Health, error) {
	const op = "syncer.Health"
	var (
		h   Health
		err error
	)
	if h.Sync, err = s.Get(ctx, account, campaign); err != nil {
		return h, err
	}
	runs, err := s.Rows.Runs(ctx, account, campaign, 8)
	if err != nil {
		return h, bridge.E(op, "", err)
	}
	for i, run := range runs {
		if i == 0 {
			h.Run = &runs[0]
		}
		if !run.EndedAt.IsZero() {
			h.Past = append(h.Past, run)
		}
	}
	today := s.Now().UTC().Truncate(24 * time.Hour)
	if h.Days, err = s.Rows.Days(ctx, account, campaign, today.AddDate(0, 0, 1-days)); err != nil {
		return h, bridge.E(op, "", err)
	}
	for _, d := range h.Days {
		if d.LastAt.After(h.LastAt) {
			h.LastAt = d.LastAt
		}
	}
	causes, err := s.Rows.Causes(ctx, account, campaign)
	for _, n := range causes {
		h.Causes += n
	}
	return h, bridge.E(op, "", err)
}

// List returns how the account's campaigns are synced, those of which anybody has said so.
func (s Service) List(ctx context.Context, account bridge.AccountID) ([]Sync, error) {
	all, err := s.Rows.Syncs(ctx, account)
	return all, bridge.E("syncer.List", "", err)
}

// Progress returns how a campaign is synced and its newest run, nil if there was none. It may be asked every few seconds.
func (s Service) Progress(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Sync, *Run, error) {
	const op = "syncer.Progress"
	sync, err := s.Get(ctx, account, campaign)
	if err != nil {
		return Sync{}, nil, err
	}
	run, err := s.Rows.Run(ctx, account, campaign)
	if bridge.KindOf(err) == bridge.NotFound {
		return sync, nil, nil
	}
	return sync, &run, bridge.E(op, "", err)
}

// Needs counts the records that need somebody.
func (s Service) Needs(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (int, error) {
	causes, err := s.Rows.Causes(ctx, account, campaign)
	n := 0
	for _, some := range causes {
		n += some
	}
	return n, bridge.E("syncer.Needs", "", err)
}

// RefusedAfter returns up to limit records that were refused for a cause, in order of the subscribers' ids, those after
// one. next is where to go on; it is empty at the end.
func (s Service) RefusedAfter(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, after bridge.SubscriberID, limit int) (found []Refused, next bridge.SubscriberID, err error) {
	const op = "syncer.RefusedAfter"
	ids, err := s.Rows.Needing(ctx, account, campaign, cause, after, limit+1)
	if err != nil {
		return nil, "", bridge.E(op, "", err)
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next = ids[limit-1]
	}
	links, err := s.Rows.Links(ctx, account, campaign, ids)
	for _, id := range ids {
		if l := links[id]; l.Problem.Cause == cause {
			found = append(found, Refused{id, l.Record, l.Target, l.Problem})
		}
	}
	return found, next, bridge.E(op, "", err)
}

// Sample returns a subscriber whose record was written lately, and what Salesforce shows of it. It takes one call to the
// org. NotFound: nobody has a record yet.
func (s Service) Sample(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Link, bridge.Record, error) {
	const (
		op  = "syncer.Sample"
		few = 1000 // of which the newest is taken: their ids are in no order of time
	)
	sync, err := s.Get(ctx, account, campaign)
	if err != nil {
		return Link{}, bridge.Record{}, err
	}
	var newest Link
	n := 0
	for l, err := range s.Rows.EveryLink(ctx, account, campaign) {
		if err != nil {
			return Link{}, bridge.Record{}, bridge.E(op, "", err)
		}
		if l = l.in(sync); l.Record != "" && !l.Gone && l.Problem.Cause == "" && (newest.Record == "" || l.WrittenAt.After(newest.WrittenAt)) {
			newest = l
		}
		if n++; n == few {
			break
		}
	}
	var shown bridge.Record
	if newest.Record != "" {
		connection, err := s.Connections.Connection(ctx, account, sync.Connection)
		if err != nil {
			return Link{}, bridge.Record{}, bridge.E(op, "", err)
		}
		layout, err := s.Layouts.Layout(ctx, account, sync.Connection, newest.Target.Object())
		if err != nil {
			return Link{}, bridge.Record{}, bridge.E(op, "", err)
		}
		err = s.Org(connection).RecordsByID(ctx, Layouts{layout.Object: layout}, newest.Target, []bridge.SalesforceID{newest.Record}, func(r bridge.Record) { shown = r })
		if err != nil {
			return Link{}, bridge.Record{}, bridge.E(op, "", err)
		}
	}
	if shown.ID == "" {
		return Link{}, bridge.Record{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	return newest, shown, nil
}

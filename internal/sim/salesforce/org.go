package salesforce

import (
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe an org. The zero value is a usable one: 1,000 generated contacts, rotation on.
type Options struct {
	// Origin is the org's own public origin, such as "http://127.0.0.1:8002": what instance_url and id
	// begin with. Empty means whatever host a request was sent to.
	Origin string
	// Now is the org's clock; nil means time.Now.
	Now func() time.Time

	Name           string // the organization's name; default "Acme Outdoor"
	OrganizationID string // 15 or 18 characters; default DefaultOrganizationID
	Username       string // who administers the org; default "admin@acme.example"

	// The one app that may ask for a grant. Default: DefaultClientID, DefaultClientSecret, and any
	// redirect URI on this machine (localhost or 127.0.0.1).
	ClientID     string
	ClientSecret string
	RedirectURIs []string

	StaticRefreshTokens bool          // refresh-token rotation off; on is the default
	PKCEOptional        bool          // an authorize request without code_challenge is accepted
	SessionTimeout      time.Duration // how long an access token works after it was issued; default 2 h
	DailyRequests       int           // API calls per rolling 24 hours; default 115,000
	Latency             time.Duration // added to every answer of the token endpoint and the API

	// Speed is how many times faster than the world Now runs, so that what the org waits for in the background comes
	// when Now says; default 1.
	Speed float64

	MultiCurrency bool // as UseCurrencies makes it

	Transport http.RoundTripper // takes outbound messages; nil means a plain one

	// Contacts are the org's contacts; nil means that Generated contacts (0: 1,000; negative: none) are made
	// by Generate from Seed.
	Contacts []Contact
	// PersonAccounts switches them on. Then generated contacts without an account are persons.
	PersonAccounts bool
	Generated      int
	Seed           uint64
}

// What an org has if its Options do not say otherwise.
const (
	DefaultOrganizationID = "00D5g000004AbCdEAK"
	DefaultClientID       = "3MVG9demoReferralBridgeConsumerKey.0123456789"
	DefaultClientSecret   = "demo-consumer-secret"
)

// Org is a simulated org: an http.Handler, safe for concurrent use.
type Org struct {
	options Options
	orgID   id
	admin   id // the user who administers the org
	routes  http.Handler
	calls   calls
	auth    grants
	cursors cursors

	mu       sync.RWMutex
	tables   map[string]*table        // by folded name
	profiles map[id]map[string]bool   // by user: what SetVisible said of fields, as object.field, folded
	granted  map[id]map[string]access // by user: what permission sets say of fields, named likewise; see regrant
	former   map[id]map[string]access // what they said before, which counts until settled
	settled  time.Time
	journal  journal
	jobs     jobs
	switches Switches
	faults   faults
	triggers triggers
	outbox   *outbox

	deployments []*deployment // newest last
	landing     atomic.Bool   // one of them may not be over
}

// New returns an org with its data in place. It panics if OrganizationID or the id of a contact is not one.
func New(options Options) *Org {
	o := &Org{options: options, profiles: map[id]map[string]bool{}}
	setDefault(&o.options.Name, "Acme Outdoor")
	setDefault(&o.options.OrganizationID, DefaultOrganizationID)
	setDefault(&o.options.Username, "admin@acme.example")
	setDefault(&o.options.ClientID, DefaultClientID)
	setDefault(&o.options.ClientSecret, DefaultClientSecret)
	setDefault(&o.options.SessionTimeout, 2*time.Hour)
	setDefault(&o.options.DailyRequests, 115_000)
	setDefault(&o.options.Generated, 1_000)
	setDefault(&o.options.Speed, 1)
	if o.options.Now == nil {
		o.options.Now = time.Now
	}
	o.orgID = mustID(o.options.OrganizationID)
	o.switches = Switches{Rotation: !options.StaticRefreshTokens, AppInstalled: true,
		Latency: Duration(options.Latency), DailyRequests: o.options.DailyRequests}
	o.switches.PersonAccounts = options.PersonAccounts
	o.auth.reset()
	o.calls.now = o.now
	o.outbox = newOutbox(o)
	o.seed()
	if options.MultiCurrency {
		o.useCurrencies()
	}
	o.options.Contacts = nil // they are in the table now
	o.routes = o.newRoutes()
	return o
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

func mustID(text string) id {
	of, err := parseID(text)
	if err != nil {
		panic("salesforce: " + text + " is " + err.Error())
	}
	return of
}

func (o *Org) now() time.Time { return o.options.Now().Truncate(time.Second) }

func (o *Org) table(object string) *table { return o.tables[fold(object)] }

// SetVisible shows a field to a user or hides it, as an administrator does by the field-level security of a profile,
// whatever permission sets say. A field that cannot be hidden stays visible. user is a username; the names are those of the API.
func (o *Org) SetVisible(user, object, field string, visible bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	who, ok := o.user(user)
	t := o.table(object)
	if !ok || t == nil || t.field(field) == nil {
		return refuse(404, "NOT_FOUND", "no such user or field")
	}
	key := fold(t.name + "." + field)
	if o.profiles[who.id()] == nil {
		o.profiles[who.id()] = map[string]bool{}
	}
	o.profiles[who.id()][key] = visible
	return nil
}

// user finds an active user by username. The caller holds the lock.
func (o *Org) user(name string) (row, bool) {
	t := o.table("User")
	for _, r := range t.rows {
		if strings.EqualFold(t.field("Username").value(r), name) && t.field("IsActive").value(r) == "true" {
			return r, true
		}
	}
	return "", false
}

// userValue reads a field of a user. The caller holds the lock.
func (o *Org) userValue(user id, field string) string {
	t := o.table("User")
	if at := t.find(user); at >= 0 {
		return t.field(field).value(t.rows[at])
	}
	return ""
}

// seed fills the tables.
func (o *Org) seed() {
	tables := map[string]*table{}
	for name, b := range newSchema() {
		tables[name] = newTable(b)
	}
	o.adopt(tables)
	founded := time.Date(2022, 5, 2, 9, 0, 0, 0, time.UTC)
	o.put("Organization", map[string]string{"Id": string(o.orgID), "Name": o.options.Name, "OrganizationType": "Enterprise Edition",
		"InstanceName": "USA5G", "DefaultLocaleSidKey": "en_US", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "GMT",
		"CreatedDate": datetimeValue(founded), "SystemModstamp": datetimeValue(founded)})
	users := o.seedUsers(founded)
	o.admin = users[0]
	o.seedStages()
	contacts := slices.Values(o.options.Contacts)
	if o.options.Contacts == nil {
		contacts = Generate(o.options.Generated, o.options.Seed)
	}
	o.seedContacts(contacts, users)
	o.seedOpportunities(users)
	o.settle()
}

// put adds a row as it is.
func (o *Org) put(object string, named map[string]string) {
	t := o.table(object)
	values := make([]string, t.width)
	for name, v := range named {
		values[t.field(name).at] = v
	}
	if values[0] == "" {
		values[0] = string(t.nextID())
	}
	t.append(packRow(values))
}

func (o *Org) seedUsers(founded time.Time) []id {
	_, domain, _ := strings.Cut(o.options.Username, "@")
	profiles := o.seedProfiles()
	for _, u := range []struct{ username, first, last, active, profile string }{
		{o.options.Username, "Dana", "Reeve", "true", "System Administrator"},
		{"marco.sales@" + domain, "Marco", "Bianchi", "true", "Sales User"},
		{"aiko.sales@" + domain, "Aiko", "Mori", "true", "Sales User"},
		{"integration@" + domain, "", "Integration", "true", "Minimum Access - API Only Integrations"},
		{"former@" + domain, "Pat", "Former", "", "Standard User"},
	} {
		o.put("User", map[string]string{"Username": u.username, "FirstName": u.first, "LastName": u.last, "Email": u.username, "IsActive": u.active,
			"UserType": "Standard", "ProfileId": profiles[u.profile], "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "LanguageLocaleKey": "en_US",
			"CreatedDate": datetimeValue(founded), "LastModifiedDate": datetimeValue(founded), "SystemModstamp": datetimeValue(founded)})
	}
	var users []id
	for _, r := range o.table("User").rows {
		users = append(users, r.id())
	}
	return users
}

func (o *Org) seedStages() {
	for i, s := range []struct{ name, probability, forecast, closed, won, active string }{
		{"Prospecting", "10", "Pipeline", "", "", "true"},
		{"Qualification", "10", "Pipeline", "", "", "true"},
		{"Needs Analysis", "20", "Pipeline", "", "", "true"},
		{"Value Proposition", "50", "Pipeline", "", "", "true"},
		{"Id. Decision Makers", "60", "Pipeline", "", "", "true"},
		{"Perception Analysis", "70", "Pipeline", "", "", "true"},
		{"Proposal/Price Quote", "75", "Pipeline", "", "", "true"},
		{"Negotiation/Review", "90", "Pipeline", "", "", "true"},
		{"Closed Won", "100", "Closed", "true", "true", "true"},
		{"Closed Lost", "0", "Omitted", "true", "", "true"},
		{"Verbal Yes (old)", "95", "Pipeline", "", "", ""},
	} {
		o.put("OpportunityStage", map[string]string{"ApiName": s.name, "MasterLabel": s.name, "IsActive": s.active, "IsClosed": s.closed, "IsWon": s.won,
			"SortOrder": numberValue(float64(i + 1)), "DefaultProbability": s.probability, "ForecastCategoryName": s.forecast})
	}
}

// seedContacts loads contacts, and makes the accounts that they name.
func (o *Org) seedContacts(contacts iter.Seq[Contact], users []id) {
	t := o.table("Contact")
	at := func(name string) int { return t.field(name).at }
	first, last, email, phone, title, account := at("FirstName"), at("LastName"), at("Email"), at("Phone"), at("Title"), at("AccountId")
	owner, optedOut, bounced := at("OwnerId"), at("HasOptedOutOfEmail"), at("EmailBouncedDate")
	created, createdBy, modified, modifiedBy, stamp := at("CreatedDate"), at("CreatedById"), at("LastModifiedDate"), at("LastModifiedById"), at("SystemModstamp")

	var rows []row
	var unnamed []int // rows whose id is still to be given
	var persons []int // rows of people who are accounts of their own
	newest := makeID("003", 0)
	accounts := map[id]bool{}
	values := make([]string, t.width)
	for c := range contacts {
		clear(values)
		if c.ID == "" {
			unnamed = append(unnamed, len(rows))
			values[0] = string(newest)
		} else {
			of := mustID(c.ID)
			newest = max(newest, of)
			values[0] = string(of)
		}
		if c.Created.IsZero() {
			c.Created = o.now()
		}
		if c.Modified.IsZero() {
			c.Modified = c.Created
		}
		switch {
		case o.options.PersonAccounts && (c.Person || o.options.Contacts == nil && c.AccountID == ""):
			persons = append(persons, len(rows))
		case c.AccountID != "":
			of := mustID(c.AccountID)
			accounts[of] = true
			values[account] = string(of)
		}
		values[first], values[last], values[email], values[phone], values[title] = c.FirstName, c.LastName, c.Email, c.Phone, c.Title
		values[optedOut], values[bounced] = boolValue(c.HasOptedOutOfEmail), datetimeValue(c.EmailBounced)
		values[owner], values[createdBy], values[modifiedBy] = string(users[1+len(rows)%2]), string(users[0]), string(users[0])
		values[created], values[modified] = datetimeValue(c.Created), datetimeValue(c.Modified)
		values[stamp] = values[modified]
		rows = append(rows, packRow(values))
	}
	for _, i := range unnamed {
		newest = newest.next()
		values = rows[i].values(t.width)
		values[0] = string(newest)
		rows[i] = packRow(values)
	}
	var people []id
	for _, i := range persons {
		people = append(people, rows[i].id())
	}
	t.load(rows)
	o.seedAccounts(accounts, users)
	o.seedPersons(people)
}

func (o *Org) seedAccounts(ids map[id]bool, users []id) {
	t := o.table("Account")
	founded := datetimeValue(time.Date(2022, 6, 1, 9, 0, 0, 0, time.UTC))
	var rows []row
	for of := range ids {
		name, trade := company(of)
		values := make([]string, t.width)
		for field, v := range map[string]string{"Id": string(of), "Name": name, "Type": "Customer - Direct", "Industry": trade, "OwnerId": string(users[1]),
			"CreatedDate": founded, "CreatedById": string(users[0]), "LastModifiedDate": founded, "LastModifiedById": string(users[0]), "SystemModstamp": founded} {
			values[t.field(field).at] = v
		}
		rows = append(rows, packRow(values))
	}
	t.load(rows)
}

// seedOpportunities gives every twentieth contact an opportunity: most with the contact in a role,
// some with two contacts, some with none yet.
func (o *Org) seedOpportunities(users []id) {
	random := rand.New(rand.NewPCG(o.options.Seed, 6))
	contacts, opportunities, stages := o.table("Contact"), o.table("Opportunity"), o.table("OpportunityStage")
	last, account := contacts.field("LastName"), contacts.field("AccountId")
	for at := 7; at < len(contacts.rows); at += 20 {
		contact := contacts.rows[at]
		stage := stages.rows[random.IntN(len(stages.rows)-1)]
		created := o.now().AddDate(0, 0, -random.IntN(300)-1)
		values := map[string]string{
			"Name": last.value(contact) + " - " + titles[random.IntN(3)] + " package", "AccountId": account.value(contact), "OwnerId": string(users[1+random.IntN(2)]),
			"StageName": stages.field("ApiName").value(stage), "IsClosed": stages.field("IsClosed").value(stage), "IsWon": stages.field("IsWon").value(stage),
			"Probability": stages.field("DefaultProbability").value(stage), "ForecastCategoryName": stages.field("ForecastCategoryName").value(stage),
			"CloseDate": created.AddDate(0, 3, 0).Format(time.DateOnly), "Type": "New Customer", "LeadSource": "Web",
			"CreatedDate": datetimeValue(created), "CreatedById": string(users[0]), "LastStageChangeDate": datetimeValue(created),
			"LastModifiedDate": datetimeValue(created), "LastModifiedById": string(users[0]), "SystemModstamp": datetimeValue(created),
		}
		if random.IntN(10) > 0 {
			values["Amount"] = numberValue(round(100+random.Float64()*20_000, 2))
		}
		roles := 1
		switch random.IntN(10) {
		case 0:
			roles = 0
		case 1, 2:
			roles = 2
		}
		if roles > 0 {
			values["ContactId"] = string(contact.id())
		}
		o.put("Opportunity", values)
		opportunity := opportunities.rows[len(opportunities.rows)-1]
		o.writeHistory(users[0], opportunities, opportunity.values(opportunities.width), values["CreatedDate"])
		for n := range min(roles, len(contacts.rows)) {
			o.put("OpportunityContactRole", map[string]string{"OpportunityId": string(opportunity.id()), "ContactId": string(contacts.rows[(at+n)%len(contacts.rows)].id()),
				"Role": []string{"Decision Maker", "Influencer"}[n], "IsPrimary": boolValue(n == 0),
				"CreatedDate": values["CreatedDate"], "CreatedById": string(users[0]), "LastModifiedDate": values["CreatedDate"],
				"LastModifiedById": string(users[0]), "SystemModstamp": values["CreatedDate"]})
		}
	}
}

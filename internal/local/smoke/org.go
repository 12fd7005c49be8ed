package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/salesforce"
)

// org is an org while it is tried.
type org struct {
	side
	o      Options
	hosts  salesforce.Hosts
	http   *http.Client
	token  bridge.AccessToken
	client *salesforce.Client
	base   string        // of paths, with the version that our client asks for
	layout bridge.Layout // of contacts, with the fields that the user may edit
	deals  []bridge.SalesforceID

	production bool
}

// tryOrg tries an org. Its error means that it is none to be tried.
func tryOrg(ctx context.Context, o Options, r *Report) error {
	if o.Org.Instance == "" {
		r.tell(o.Tell, notTried, "Salesforce", "no org was given")
		return nil
	}
	hosts := salesforce.Hosts{Simulator: simulator(o.Org.Instance)}
	instance, err := hosts.Instance(o.Org.Instance)
	if err != nil {
		return errors.New("the org's address has to be like https://acme--test.sandbox.my.salesforce.com, without a slash at the end")
	}
	t := &org{o: o, hosts: hosts, http: hosts.HTTPClient(), token: bridge.AccessToken{Token: o.Org.Token, Instance: instance}}
	t.side = side{report: r, name: "Salesforce", print: o.Tell,
		door: &door{next: t.http.Transport, origin: instance, most: mostOrgCalls, rules: slices.Clone(orgReads)}}
	if o.Write {
		t.door.rules = append(t.door.rules, orgWrites...)
	}
	t.http.Transport = t.door
	defer func() { r.Salesforce = t.door.count() }()

	if !o.Org.App.Empty() {
		t.need("an app gets a token by itself, with a signature by its secret", t.represent(ctx))
	}
	t.client = t.with(t.token)
	var edition string
	var sandbox bool
	t.need("the token works, and the org says what it is", func() (_ string, err error) {
		edition, sandbox, err = t.what(ctx)
		return edition, err
	})
	t.production = !sandbox && edition != "Developer Edition"
	if t.closed == "" && t.production && !o.Production {
		return errors.New("this org is in production: use a sandbox, or say -production")
	}
	t.basics(ctx)
	t.contacts(ctx)
	t.opportunities(ctx)
	t.setup(ctx)
	t.writes(ctx)
	return nil
}

// simulator returns an origin on this machine, which is an org that is simulated; "" for any other.
func simulator(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return ""
	}
	if at, err := netip.ParseAddr(u.Hostname()); err != nil || !at.IsLoopback() {
		return ""
	}
	return address
}

// given is an access token that nobody renews.
type given struct {
	token   bridge.AccessToken
	refused bool
}

var errRefused = errors.New("the token was refused")

func (g *given) Token(context.Context) (bridge.AccessToken, error) { return g.token, nil }

func (g *given) Renew(context.Context, bridge.AccessToken) (bridge.AccessToken, error) {
	g.refused = true
	return bridge.AccessToken{}, bridge.E("smoke.Renew", bridge.Revoked, errRefused)
}

func (t *org) with(token bridge.AccessToken) *salesforce.Client {
	return &salesforce.Client{HTTP: t.http, Hosts: t.hosts, Tokens: &given{token: token}}
}

// represent takes the place of a token that was given.
func (t *org) represent(ctx context.Context) func() (string, error) {
	return func() (string, error) {
		issued, err := salesforce.OAuth{HTTP: t.http, Hosts: t.hosts}.Represent(ctx, t.o.Org.App, t.token.Instance)
		if err == nil && issued.Instance != t.token.Instance {
			return "", unlike("the token is for another host")
		}
		t.token.Token = issued.Access
		return "", err
	}
}

// read gets a path of the org, for what our client does not ask.
func (t *org) read(ctx context.Context, path string) error { return t.call(ctx, http.MethodGet, path) }

func (t *org) call(ctx context.Context, method, path string) error {
	r, err := http.NewRequestWithContext(ctx, method, t.token.Instance+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+t.token.Token.Reveal())
	response, err := t.http.Do(r)
	if err != nil {
		return withoutAddress(err)
	}
	_ = response.Body.Close()
	if response.StatusCode > 299 {
		return unlike("it was refused")
	}
	return nil
}

// withoutAddress drops the address, which may hold what somebody was looked for by.
func withoutAddress(err error) error {
	var located *url.Error
	if errors.As(err, &located) {
		return located.Err
	}
	return err
}

// ofVersion is where the API is in the path of a call.
var ofVersion = regexp.MustCompile(`^/services/data/v\d\d\.0`)

// what asks which edition the org has, and whether it is a sandbox.
func (t *org) what(ctx context.Context) (edition string, sandbox bool, err error) {
	if edition, err = t.client.Edition(ctx); err != nil {
		return "", false, err
	}
	t.base = ofVersion.FindString(t.door.answer().path)
	if err := t.read(ctx, t.base+"/query?q="+url.QueryEscape("SELECT IsSandbox FROM Organization")); err != nil {
		return "", false, err
	}
	var found struct{ Records []struct{ IsSandbox *bool } }
	if json.Unmarshal(t.door.answer().body, &found) != nil || len(found.Records) != 1 || found.Records[0].IsSandbox == nil {
		return "", false, unlike("it does not say whether it is a sandbox")
	}
	return edition, *found.Records[0].IsSandbox, nil
}

func (t *org) basics(ctx context.Context) {
	t.try("a token that it does not know is refused with 401 and INVALID_SESSION_ID", func() (string, error) {
		unknown := &given{token: bridge.AccessToken{Token: bridge.NewSecret("00D000000000000!SmokeTestOfReferralBridge"), Instance: t.token.Instance}}
		_, err := (&salesforce.Client{HTTP: t.http, Hosts: t.hosts, Tokens: unknown}).Edition(ctx)
		switch {
		case err == nil:
			return "", unlike("it was taken")
		case unknown.refused && t.door.answer().status == http.StatusUnauthorized:
			return "", nil
		case t.door.answer().status == 0:
			return "", err
		}
		return "", unlike("it was refused otherwise")
	})
	t.try("our version of the API is among those that it lists", func() (string, error) {
		if err := t.read(ctx, "/services/data/"); err != nil {
			return "", err
		}
		var versions []struct{ URL string }
		if json.Unmarshal(t.door.answer().body, &versions) != nil || !slices.ContainsFunc(versions, func(v struct{ URL string }) bool { return v.URL == t.base }) {
			return "", unlike("it is not")
		}
		return t.base, nil
	})
	t.try("answers tell in Sforce-Limit-Info how many of the day's calls are used", func() (string, error) {
		if _, err := t.client.Edition(ctx); err != nil {
			return "", err
		}
		if used, most := t.client.Usage(); most <= 0 || used < 0 {
			return "", unlike("they do not")
		}
		return "", nil
	})
	t.try("UserPermissionAccess tells what the user may do", func() (string, error) {
		has, err := t.client.Permissions(ctx)
		if err != nil {
			return "", err
		}
		if _, told := has["ApiEnabled"]; !told {
			return "", unlike("PermissionsApiEnabled is not among %d permissions", len(has))
		}
		return fmt.Sprintf("%d permissions; ViewSetup %t, CustomizeApplication %t, ModifyMetadata %t",
			len(has), has["ViewSetup"], has["CustomizeApplication"], has["ModifyMetadata"]), nil
	})
}

// manyContacts is one more than a page has when small ones are asked for, and fewContacts one more than a query of a walk.
const (
	manyContacts = 201
	walked       = 2001
)

var errEnough = errors.New("enough")

func (t *org) contacts(ctx context.Context) {
	t.try("describe tells the columns of contacts", func() (string, error) {
		d, err := t.client.Describe(ctx, "Contact")
		if err != nil {
			return "", err
		}
		for _, name := range []string{"Id", "FirstName", "LastName", "Email", "Phone", "SystemModstamp"} {
			if _, there := d.Field(name); !there {
				return "", unlike("%s is not among %d columns", name, len(d.Fields))
			}
		}
		layout := bridge.Layout{Object: "Contact"}
		for i, f := range bridge.Fields {
			layout.Names[i] = provision.Prefixed + f.Name + "__c"
		}
		t.layout = d.Fit(layout)
		return fmt.Sprintf("%d columns; the user may edit %d of the fourteen fields", len(d.Fields), len(t.layout.Visible.Names())), nil
	})
	everybody := 0
	t.try("contacts are counted", func() (note string, err error) {
		everybody, err = t.client.CountContacts(ctx, bridge.Selection{})
		return "", err
	})
	t.try("a filter that it does not understand is refused with INVALID_FIELD and its words", func() (string, error) {
		_, err := t.client.CountContacts(ctx, bridge.Selection{Filter: "ReferralBridgeSmokeTest__c = 1"})
		if message, field := bridge.MessageOf(err); bridge.CodeOf(err) == "INVALID_FIELD" && field == "filter" && message != "" {
			return "", nil
		}
		return "", orUnlike(err, "it was taken, or refused otherwise")
	})
	t.try("a query goes on at nextRecordsUrl", func() (string, error) {
		t.door.extra = http.Header{"Sforce-Query-Options": {"batchSize=200"}}
		defer func() { t.door.extra = nil }()
		before := t.door.count()
		ids, err := t.client.ContactIDs(ctx, bridge.Selection{}, "", manyContacts)
		switch {
		case err != nil:
			return "", err
		case len(ids) < manyContacts:
			return "", skipped(fmt.Sprintf("it takes %d contacts, and there are %d", manyContacts, len(ids)))
		case t.door.count() == before+1:
			return "", skipped("it gave all at once")
		case !slices.IsSorted(ids):
			return "", unlike("the ids are not in order")
		}
		return "", nil
	})
	t.try("contacts are read between two ids, with names and addresses", func() (string, error) {
		ids, err := t.client.ContactIDs(ctx, bridge.Selection{}, "", 3)
		if err != nil || len(ids) == 0 {
			return "", orSkipped(err, "there are no contacts")
		}
		contacts, err := t.client.Contacts(ctx, bridge.Selection{}, bridge.ByEmail, "", ids[len(ids)-1])
		if err == nil && len(contacts) != len(ids) {
			return "", unlike("%d ids and %d contacts", len(ids), len(contacts))
		}
		return "", err
	})
	t.try("a composite call of five queries, each after the last row of the one before, reads contacts and their dates", func() (string, error) {
		layouts := map[string]bridge.Layout{"Contact": t.layout}
		rows, undated := 0, 0
		err := t.client.EveryRecord(ctx, layouts, bridge.ToContact, bridge.Matchable, func(r bridge.Record) error {
			if r.Modified.IsZero() {
				undated++
			}
			if rows++; rows == walked {
				return errEnough
			}
			return nil
		})
		switch {
		case err != nil && !errors.Is(err, errEnough):
			return "", err
		case undated > 0:
			return "", unlike("SystemModstamp is no date in %d of %d rows", undated, rows)
		case rows < walked && everybody >= walked:
			return fmt.Sprintf("%d contacts with an address", rows), nil
		case rows < walked:
			return "only the first of the five had rows: it takes over 2,000 contacts", nil
		}
		return "", nil
	})
}

func (t *org) opportunities(ctx context.Context) {
	t.try("the org tells its stages", func() (string, error) {
		stages, err := t.client.Stages(ctx)
		if err == nil && !slices.ContainsFunc(stages, func(s bridge.Stage) bool { return s.Won && s.Name != "" }) {
			return "", unlike("none of %d is won", len(stages))
		}
		return fmt.Sprintf("%d stages", len(stages)), err
	})
	t.try("three queries in one call, deleted deals included, tell what has changed", func() (string, error) {
		changes, err := t.client.DealChanges(ctx, t.o.Now().Add(-30*24*time.Hour), t.o.Now(), "")
		t.deals = append(changes.Moved, changes.Others...)
		return fmt.Sprintf("%d deals in 30 days", len(t.deals)), err
	})
	t.try("deals are read with roles and history by one call", func() (string, error) {
		columns, err := t.client.DealColumns(ctx, "")
		if err != nil || len(t.deals) == 0 {
			return "", orSkipped(err, "no deal has changed in 30 days")
		}
		some := t.deals[:min(3, len(t.deals))]
		deals, stages, err := t.client.Deals(ctx, some, columns)
		if err == nil && (len(deals) == 0 || len(stages) == 0) {
			return "", unlike("of %d deals %d came, and %d stages", len(some), len(deals), len(stages))
		}
		return "", err
	})
}

func (t *org) setup(ctx context.Context) {
	names := []string{t.layout.Names[bridge.SubscriberKey]}
	t.try("the Tooling API tells custom fields, whoever may see them", func() (string, error) {
		_, err := t.client.CustomFields(ctx, "Contact", names, nil)
		return "", err
	})
	t.try("the Tooling API tells outbound messages", func() (string, error) {
		_, err := t.client.OutboundMessage(ctx, "RH_Opportunity_Stage")
		return thereOrNot(err)
	})
	t.try("the Tooling API tells flows and their versions", func() (string, error) {
		_, err := t.client.Flow(ctx, "RH_Opportunity_Stage")
		return thereOrNot(err)
	})
	t.try("the Metadata API takes the access token as its session, and reads fields", func() (string, error) {
		_, err := t.client.Definitions(ctx, "Contact", names)
		return "", err
	})
	t.try("duplicate rules and permission sets can be asked for", func() (string, error) {
		if _, err := t.client.DuplicateRules(ctx, "Contact"); err != nil {
			return "", err
		}
		_, err := t.client.PermissionSets(ctx, []string{"RH_Integration", "RH_Reader"})
		return "", err
	})
}

// thereOrNot takes NotFound for an answer.
func thereOrNot(err error) (string, error) {
	if bridge.KindOf(err) == bridge.NotFound && bridge.CodeOf(err) == "" {
		return "ours is not there yet", nil
	}
	return "", err
}

// orSkipped is err, or that something could not be tried.
func orSkipped(err error, why string) error {
	if err != nil {
		return err
	}
	return skipped(why)
}

// orUnlike is what an answer without err, or with another, differs in.
func orUnlike(err error, how string) error {
	if err == nil {
		return unlike("%s", how)
	}
	return err
}

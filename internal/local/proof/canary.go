package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Canary walks through everything that a person can do about connections, with marked secrets and marked people,
// while much goes wrong; then it searches every byte that was logged, answered, queued, stored or mailed. It returns
// how many bytes were where they must not be.
func Canary(ctx context.Context, root string, tell func(string, ...any)) (leaked int, err error) {
	w, err := watch(ctx, root, 60)
	if err != nil {
		return 0, err
	}
	err = w.journey(ctx)
	if err = errors.Join(err, w.close()); err != nil {
		return 0, fmt.Errorf("canary: %w", err)
	}
	leaks, unseen := w.search()
	for _, l := range leaks {
		leaked += l.bytes
		tell("canary: %s", l)
	}
	for at, text := range usual {
		if !w.sees(at, text) {
			unseen = append(unseen, string(at))
		}
	}
	if len(unseen) > 0 {
		return leaked, fmt.Errorf("canary: a search that finds nothing where it must: %s", strings.Join(unseen, ", "))
	}
	tell("canary: %d marks, %d bytes searched, %d bytes leaked", len(w.marks), w.size(), leaked)
	return leaked, nil
}

// usual is what is seen at each place in any case: a place without it was not watched.
var usual = map[place]string{
	logs: "token-broker", answers: campaign, carriers: "session=", messages: "schema", rows: "ACCOUNT#", mails: notifyEmail, vault: "SecretId",
	calls: "exchange", org: "/services/data", hero: "/lists",
}

func (w *watched) journey(ctx context.Context) error {
	someone := person.New(w.console)
	if err := w.strangers(ctx); err != nil {
		return err
	}
	if err := someone.SignIn(ctx); err != nil {
		return err
	}
	if err := someone.Prefer(ctx, notifyEmail, bridge.DefaultAllowance); err != nil {
		return err
	}
	if err := someone.GiveToken(ctx, wrongToken); err == nil {
		return errors.New("a token that is none was taken")
	}
	if err := someone.GiveToken(ctx, w.world.Hero.Token()); err != nil {
		return err
	}
	if err := w.refusedConsents(ctx, someone); err != nil {
		return err
	}
	if err := w.ownApps(ctx, someone); err != nil {
		return err
	}
	connection, err := someone.Connect(ctx)
	if err != nil {
		return err
	}
	if err := w.examine(ctx, someone, connection); err != nil {
		return err
	}
	if err := w.importing(ctx, someone, connection); err != nil {
		return err
	}
	if err := w.dying(ctx, someone, connection); err != nil {
		return err
	}
	if err := someone.Disconnect(ctx, connection); err != nil {
		return err
	}
	if err := someone.Erase(ctx); err != nil {
		return err
	}
	return w.strangers(ctx)
}

// strangers come to every door with what they should not have.
func (w *watched) strangers(ctx context.Context) error {
	query := "?" + url.Values{"code": {stray}, "state": {stray}, "error": {stray}, "error_description": {stray}, "iss": {stray}, "access_token": {stray}}.Encode()
	for _, door := range []struct{ method, path string }{
		{http.MethodGet, "/oauth/callback/production" + query}, {http.MethodGet, "/oauth/callback/" + stray}, {http.MethodGet, "/sign-in/callback" + query},
		{http.MethodPost, "/oauth/start"}, {http.MethodPost, "/account/token"}, {http.MethodGet, "/healthz" + query},
	} {
		request, err := http.NewRequestWithContext(ctx, door.method, w.console+door.path, strings.NewReader(url.Values{"token": {stray}}.Encode()))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, name := range []string{"Authorization", "Cookie", "User-Agent", "X-Amzn-Trace-Id", "Origin"} {
			request.Header.Set(name, "session="+stray+"; oauth="+stray)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
	}
	return nil
}

// refusedConsents come back to the console without a connection.
func (w *watched) refusedConsents(ctx context.Context, p *person.Person) error {
	refuse := func(code string) salesforce.Rule {
		return salesforce.Rule{Kind: salesforce.KindToken, Fault: salesforce.Fault{Status: 400, Code: code, Message: stray + " " + contactLast}}
	}
	for decision, rules := range map[string][]salesforce.Rule{
		"deny": nil, "allow": {refuse("invalid_grant")}, "allow, ": {refuse(stray)},
		"allow,  ": {{Path: "/id/", Fault: salesforce.Fault{Status: 503, HTML: true}}},
	} {
		w.world.Org.SetRules(rules...)
		if err := p.Browser.Open(ctx, w.console+"/connections"); err != nil {
			return err
		}
		if err := p.Browser.Submit(ctx, "connect-form", url.Values{"environment": {"production"}}); err != nil {
			return err
		}
		decision, _, _ = strings.Cut(decision, ",")
		if err := p.Browser.Submit(ctx, "", url.Values{"decision": {decision}}); err != nil {
			return err
		}
		if p.Browser.Page().URL.Query().Get("problem") == "" {
			return fmt.Errorf("a consent that was refused ended at %s", p.Browser.Page().URL.Path)
		}
	}
	w.world.Org.SetRules()
	return nil
}

// ownApps are apps of the customer's that Salesforce does not know: one for people to consent to, and one that needs
// no consent.
func (w *watched) ownApps(ctx context.Context, p *person.Person) error {
	for _, form := range []url.Values{{"environment": {"production"}}, {"environment": {"mydomain"}, "domain": {w.world.OrgURL}, "unattended": {"on"}}} {
		form.Set("app_key", ownKey)
		form.Set("app_secret", ownSecret)
		if err := p.Browser.Open(ctx, w.console+"/connections"); err != nil {
			return err
		}
		err := p.Browser.Submit(ctx, "connect-form", form) // Salesforce has an error page for the first, and so have we for the second
		if page := p.Browser.Page(); err == nil && page.URL.Query().Get("problem") == "" {
			return fmt.Errorf("an app that there is not led to %s", page.URL)
		}
	}
	return nil
}

// examine has the doctor look at a connection, whose user may see less than there is.
func (w *watched) examine(ctx context.Context, p *person.Person, connection bridge.ConnectionID) error {
	path := w.console + "/connections/" + string(connection) + "/doctor"
	if err := w.world.Org.SetVisible("admin@acme.example", "Contact", "Phone", false); err != nil {
		return err
	}
	defer func() { _ = w.world.Org.SetVisible("admin@acme.example", "Contact", "Phone", true) }()
	if err := p.Browser.Open(ctx, path); err != nil {
		return err
	}
	if err := p.Browser.Submit(ctx, "examine-form", nil); err != nil {
		return err
	}
	_, err := p.Browser.Fetch(ctx, path+".json")
	return err
}

// importing is an import that Salesforce refuses at first, and then another, with a token that has expired.
func (w *watched) importing(ctx context.Context, p *person.Person, connection bridge.ConnectionID) error {
	list, err := p.Campaign(ctx, campaign)
	if err != nil {
		return err
	}
	const link = "https://www.example.com/join"
	w.world.Org.SetRules(salesforce.Rule{Kind: salesforce.KindQuery, Fault: salesforce.Fault{Status: 400, Code: "INVALID_FIELD", Message: contactLast + stray}})
	if _, _, err := p.Import(ctx, list, connection, link); err == nil {
		return errors.New("an import began that Salesforce refuses")
	}
	w.world.Org.SetRules()
	w.world.Org.ExpireTokens()
	id, _, err := p.Import(ctx, list, connection, link)
	if err != nil {
		return err
	}
	progress, err := p.Watch(ctx, id, 200*time.Millisecond, func(person.Progress) {})
	if err != nil {
		return err
	}
	if progress.State != bridge.Done || progress.Counts.Created == 0 || progress.Counts.Invalid == 0 {
		return fmt.Errorf("the import ended as %s with %+v", progress.State, progress.Counts)
	}
	if err := w.world.Stack.Idle(ctx); err != nil { // the mail comes after the end
		return err
	}
	_, err = p.Browser.Fetch(ctx, w.console+"/imports/"+string(id)+"/contacts.csv")
	return err
}

// dying is the end of a connection from Salesforce's side, and another one in its place.
func (w *watched) dying(ctx context.Context, p *person.Person, connection bridge.ConnectionID) error {
	list, err := p.Campaign(ctx, campaign)
	if err != nil {
		return err
	}
	w.world.Org.RevokeGrants()
	if _, _, err := p.Import(ctx, list, connection, "https://www.example.com/join"); err == nil {
		return errors.New("an import from an org that lets nobody in began")
	}
	if err := p.Browser.Open(ctx, w.console+"/connections"); err != nil {
		return err
	}
	again, err := p.Connect(ctx)
	if err == nil && again != connection {
		err = fmt.Errorf("connected again as %s, want %s as before", again, connection)
	}
	return err
}

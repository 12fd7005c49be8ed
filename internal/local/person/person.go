// Package person walks through the console as a marketer does, page by page and form by form, so that
// a program can try the whole product by the same routes as a browser.
package person

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/browser"
)

// Person is somebody at the console. New gives them a browser.
type Person struct {
	Console string // origin of the console
	Browser *browser.Browser
}

// New returns a person with a fresh browser.
func New(console string) *Person { return &Person{Console: console, Browser: browser.New()} }

// SignIn signs in as the first person that the local issuer offers.
func (p *Person) SignIn(ctx context.Context) error {
	if err := p.Browser.Open(ctx, p.Console+"/sign-in/start"); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if err := p.Browser.Submit(ctx, "", nil); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if page := p.Browser.Page(); page.URL.Host != strings.TrimPrefix(p.Console, "http://") {
		return fmt.Errorf("sign in: ended at %s: %s", page.URL.Host, page.Text)
	}
	return nil
}

// GiveToken gives the console a ReferralHero API token.
func (p *Person) GiveToken(ctx context.Context, token string) error {
	return p.fill(ctx, "/account", "token-form", url.Values{"token": {token}})
}

// Prefer says where mails go and how many calls ReferralHero takes.
func (p *Person) Prefer(ctx context.Context, notify string, allowance int) error {
	return p.fill(ctx, "/account", "preferences-form", url.Values{"notify": {notify}, "allowance": {strconv.Itoa(allowance)}})
}

// Connect connects the simulated org and returns the connection.
func (p *Person) Connect(ctx context.Context) (bridge.ConnectionID, error) {
	return p.ConnectBy(ctx, url.Values{"environment": {"production"}})
}

// ConnectBy connects an org as the form says. Without a consent page it is over at once.
func (p *Person) ConnectBy(ctx context.Context, form url.Values) (bridge.ConnectionID, error) {
	if err := p.fill(ctx, "/connections", "connect-form", form); err != nil {
		return "", err
	}
	if id := p.Browser.Page().URL.Query().Get("connected"); id != "" {
		return bridge.ConnectionID(id), nil
	}
	if err := p.Browser.Submit(ctx, "", url.Values{"decision": {"allow"}}); err != nil {
		return "", fmt.Errorf("allow: %w", err)
	}
	page := p.Browser.Page()
	id := page.Data["connection"]
	if id == "" || page.URL.Query().Get("problem") != "" {
		return "", fmt.Errorf("connect: ended at %s: %s", page.URL, strings.Join(page.Alerts, " "))
	}
	return bridge.ConnectionID(id), nil
}

// Reconnect presses the button on the card of a connection that does not work, and returns what the console says to it.
func (p *Person) Reconnect(ctx context.Context, connection bridge.ConnectionID) (string, error) {
	if err := p.fill(ctx, "/connections", "reconnect-"+string(connection), nil); err != nil {
		return "", err
	}
	if err := p.Browser.Submit(ctx, "", url.Values{"decision": {"allow"}}); err != nil {
		return "", fmt.Errorf("allow: %w", err)
	}
	page := p.Browser.Page()
	if page.URL.Query().Get("connected") != string(connection) {
		return "", fmt.Errorf("reconnect: ended at %s: %s", page.URL, strings.Join(page.Alerts, " "))
	}
	return page.Text, nil
}

// Disconnect ends a connection.
func (p *Person) Disconnect(ctx context.Context, connection bridge.ConnectionID) error {
	return p.fill(ctx, "/connections", "/connections/"+string(connection)+"/disconnect", nil)
}

// Erase erases the account with everything that is kept for it.
func (p *Person) Erase(ctx context.Context) error {
	return p.fill(ctx, "/account/erase", "erase-form", url.Values{"confirm": {"ERASE"}})
}

// Campaign returns the campaign of that name.
func (p *Person) Campaign(ctx context.Context, name string) (bridge.CampaignID, error) {
	if err := p.Browser.Open(ctx, p.Console+"/campaigns"); err != nil {
		return "", err
	}
	for _, link := range p.Browser.Page().Links {
		if id, found := strings.CutPrefix(link.Href, "/campaigns/"); found && link.Text == name {
			return bridge.CampaignID(id), nil
		}
	}
	return "", fmt.Errorf("no campaign %q", name)
}

// Preview is what the console said an import would do.
type Preview struct{ Total, Sent, Duplicates, Without, Malformed, Calls int }

// Import fills in the wizard, reads the preview and starts the import.
func (p *Person) Import(ctx context.Context, campaign bridge.CampaignID, connection bridge.ConnectionID, address string) (bridge.ImportID, Preview, error) {
	path := "/campaigns/" + string(campaign)
	err := p.fill(ctx, path, path+"/preview", url.Values{"connection": {string(connection)}, "url": {address}})
	if err != nil {
		return "", Preview{}, err
	}
	page := p.Browser.Page()
	preview := Preview{Sent: number(page.Marked["count=sent"]), Duplicates: number(page.Marked["count=duplicates"]),
		Without: number(page.Marked["count=without"]), Malformed: number(page.Marked["count=malformed"]),
		Total: number(page.Data["total"]), Calls: number(page.Data["calls"])}
	if err := p.Browser.Submit(ctx, "start-form", url.Values{"confirmed": {"on"}}); err != nil {
		return "", preview, fmt.Errorf("start: %w", err)
	}
	id := p.Browser.Page().Data["import"]
	if id == "" {
		return "", preview, fmt.Errorf("start: ended at %s: %s", p.Browser.Page().URL.Path, strings.Join(p.Browser.Page().Alerts, " "))
	}
	return bridge.ImportID(id), preview, nil
}

// Progress is what the page of an import shows.
type Progress struct {
	State            bridge.ImportState
	Mail             bridge.MailState
	Processed, Total int
	Counts           bridge.Counts
}

// Look opens the page of an import.
func (p *Person) Look(ctx context.Context, id bridge.ImportID) (Progress, error) {
	if err := p.Browser.Open(ctx, p.Console+"/imports/"+string(id)); err != nil {
		return Progress{}, err
	}
	page := p.Browser.Page()
	count := func(o bridge.Outcome) int { return number(page.Marked["count="+string(o)]) }
	progress := Progress{
		State: bridge.ImportState(page.Data["state"]), Mail: bridge.MailState(page.Data["mail"]),
		Processed: number(page.Data["processed"]), Total: number(page.Data["total"]),
		Counts: bridge.Counts{Created: count(bridge.Created), Existed: count(bridge.Existed), Invalid: count(bridge.Refused),
			Failed: count(bridge.Failed), Skipped: count(bridge.Skipped)},
	}
	if progress.State == "" {
		return progress, errors.New("the page of the import says nothing about its state")
	}
	return progress, nil
}

// Watch looks every so often until the import has ended, and tells what it saw each time.
func (p *Person) Watch(ctx context.Context, id bridge.ImportID, every time.Duration, tell func(Progress)) (Progress, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		progress, err := p.Look(ctx, id)
		if err != nil {
			return progress, err
		}
		tell(progress)
		if progress.State.Ended() {
			return progress, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return progress, ctx.Err()
		}
	}
}

// fill opens a page and sends a form of it.
func (p *Person) fill(ctx context.Context, path, form string, values url.Values) error {
	if err := p.Browser.Open(ctx, p.Console+path); err != nil {
		return err
	}
	if err := p.Browser.Submit(ctx, form, values); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// number reads a number as the console writes it, such as "1,234"; 0 if it is none.
func number(text string) int {
	n, err := strconv.Atoi(strings.ReplaceAll(text, ",", ""))
	if err != nil {
		return 0
	}
	return n
}

package person

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// SyncOn has a campaign synced to an org with the usual options, as the pages lead: options, what would happen, Save.
func (p *Person) SyncOn(ctx context.Context, campaign bridge.CampaignID, connection bridge.ConnectionID) error {
	path := salesforcePath(campaign)
	if err := p.fill(ctx, path+"/options", "sync-form", url.Values{"connection": {string(connection)}}); err != nil {
		return err
	}
	if err := p.Browser.Submit(ctx, "save-form", nil); err != nil {
		return fmt.Errorf("save: %s: %w", strings.Join(p.Browser.Page().Alerts, " "), err)
	}
	if page := p.Browser.Page(); page.Data["enabled"] != "true" {
		return fmt.Errorf("save: ended at %s, %v: %s", page.URL.Path, page.Data, strings.Join(page.Alerts, " "))
	}
	return nil
}

// Compare asks for everybody to be compared now.
func (p *Person) Compare(ctx context.Context, campaign bridge.CampaignID) error {
	path := salesforcePath(campaign)
	return p.fill(ctx, path, path+"/compare", nil)
}

// Refresh has the list of campaigns read anew.
func (p *Person) Refresh(ctx context.Context) error {
	return p.fill(ctx, "/campaigns", "/campaigns/refresh", nil)
}

// Statement is what a comparison has come to, as the page says.
type Statement struct{ Subscribers, Equal, Repaired, Refused, Skipped, Gone int }

// Synced waits until all fields are there and no comparison runs or is wanted, and returns the last statement.
func (p *Person) Synced(ctx context.Context, campaign bridge.CampaignID) (Statement, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := p.Browser.Open(ctx, p.Console+salesforcePath(campaign)); err != nil {
			return Statement{}, err
		}
		data := p.Browser.Page().Data
		if data["running"] == "false" && data["wanted"] == "" && data["kept"] == "14" && data["statement"] != "" {
			return Statement{
				Subscribers: number(data["subscribers"]), Equal: number(data["equal"]), Repaired: number(data["repaired"]),
				Refused: number(data["failed"]), Skipped: number(data["skipped"]), Gone: number(data["gone"]),
			}, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Statement{}, fmt.Errorf("%w; the page shows running=%s wanted=%q kept=%s waits=%q", ctx.Err(), data["running"], data["wanted"], data["kept"], data["waits"])
		}
	}
}

func salesforcePath(campaign bridge.CampaignID) string {
	return "/campaigns/" + string(campaign) + "/salesforce"
}

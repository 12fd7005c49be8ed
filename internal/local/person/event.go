package person

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// AddEvent adds an event to track, which is on from now, and returns its rule. stage is the API name.
func (p *Person) AddEvent(ctx context.Context, campaign bridge.CampaignID, name, stage string, trigger bridge.Trigger) (bridge.RuleID, error) {
	path := eventsPath(campaign)
	err := p.fill(ctx, path+"/new", "event-form", url.Values{"name": {name}, "stage": {stage}, "trigger": {string(trigger)}})
	if err != nil {
		return "", err
	}
	page := p.Browser.Page()
	if id := page.URL.Query().Get("rule"); id != "" {
		return bridge.RuleID(id), nil
	}
	return "", fmt.Errorf("add event: ended at %s: %s", page.URL.Path, strings.Join(page.Alerts, " "))
}

// Follow says which org a campaign's events follow, and how many conversion events its goal has.
func (p *Person) Follow(ctx context.Context, campaign bridge.CampaignID, connection bridge.ConnectionID, events int) error {
	path := "/campaigns/" + string(campaign) + "/settings"
	return p.fill(ctx, path, "settings-form", url.Values{"connection": {string(connection)}, "identifier": {"email"}, "events": {strconv.Itoa(events)}})
}

// Installed waits until the org of a campaign's events sends messages.
func (p *Person) Installed(ctx context.Context, campaign bridge.CampaignID) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := p.Browser.Open(ctx, p.Console+eventsPath(campaign)); err != nil {
			return err
		}
		data := p.Browser.Page().Data
		switch data["flow-state"] {
		case "working":
			return nil
		case "broken", "needs_click", "needs_hands", "polling":
			return fmt.Errorf("not installed: %s, %s", data["flow-state"], data["trouble"])
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; the page shows %q", ctx.Err(), data["flow-state"])
		}
	}
}

// Line is a line of the activity of a campaign's events.
type Line struct {
	Kind  bridge.EffectKind
	State bridge.EffectState
	Deal  bridge.SalesforceID
}

// EventActivity returns the newest lines of the activity, at most a page: of one event, or of all if rule is empty.
func (p *Person) EventActivity(ctx context.Context, campaign bridge.CampaignID, rule bridge.RuleID) ([]Line, error) {
	if err := p.Browser.Open(ctx, p.Console+eventsPath(campaign)+"/activity?rule="+url.QueryEscape(string(rule))); err != nil {
		return nil, err
	}
	var lines []Line
	for _, line := range p.Browser.Page().Lines {
		if state, is := line["action-state"]; is {
			lines = append(lines, Line{bridge.EffectKind(line["action"]), bridge.EffectState(state), bridge.SalesforceID(line["deal"])})
		}
	}
	return lines, nil
}

func eventsPath(campaign bridge.CampaignID) string {
	return "/campaigns/" + string(campaign) + "/events"
}

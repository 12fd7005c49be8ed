package smoke

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/referralhero"
)

// hero is a campaign while it is tried.
type hero struct {
	side
	o        Options
	client   *referralhero.Client
	campaign bridge.CampaignID
	quota    bridge.Quota
	page     bridge.SubscriberPage
	one      bridge.Subscriber // verified, if there is any
}

func tryHero(ctx context.Context, o Options, r *Report) {
	if o.Hero.Token.Empty() {
		r.tell(o.Tell, notTried, "ReferralHero", "no token was given")
		return
	}
	client := &referralhero.Client{BaseURL: o.Hero.BaseURL, HTTP: referralhero.HTTPClient()}
	t := &hero{o: o, client: client, campaign: o.Hero.Campaign}
	t.side = side{report: r, name: "ReferralHero", print: o.Tell,
		door: &door{next: client.HTTP.Transport, origin: originOf(o.Hero.BaseURL), most: mostHeroCalls, rules: slices.Clone(heroReads)}}
	if o.Write {
		t.door.rules = append(t.door.rules, heroWrites(o.Address)...)
	}
	client.HTTP.Transport = t.door
	defer func() { r.ReferralHero = t.door.count() }()

	t.need("the token works, and the campaign is on the account's list", func() (string, error) { return t.find(ctx) })
	t.answers(ctx)
	t.subscribers(ctx)
	t.missing(ctx)
	t.writes(ctx)
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// find looks for the campaign that was named, or for the only one.
func (t *hero) find(ctx context.Context) (string, error) {
	campaigns, quota, err := t.client.Lists(ctx, t.o.Hero.Token)
	if err != nil {
		return "", err
	}
	t.quota = quota
	note := fmt.Sprintf("%d campaigns", len(campaigns))
	var ids []string
	for _, c := range campaigns {
		ids = append(ids, string(c.ID))
	}
	if t.campaign == "" && len(campaigns) == 1 {
		t.campaign = campaigns[0].ID
	}
	switch {
	case t.campaign == "":
		return "", skipped("say by REFERRALHERO_CAMPAIGN which one is for trying things out: " + strings.Join(ids, ", "))
	case !slices.Contains(ids, string(t.campaign)):
		return "", unlike("%s, and the one that was given is not among them; paused ones are not listed", note)
	}
	return note, nil
}

// answers are about what is around every answer.
func (t *hero) answers(ctx context.Context) {
	t.try("calls_left is a number, or is not told", func() (string, error) {
		form := t.door.answer().field("calls_left")
		if t.quota.Left < 0 && form != "null" && form != "missing" {
			return "", unlike("it is a %s that we cannot read", form)
		}
		return form, nil
	})
	t.try("timestamp is the time in seconds", func() (string, error) {
		if off := t.o.Now().Sub(t.quota.At).Abs(); t.quota.At.IsZero() || off > 15*time.Minute {
			return "", unlike("it is %s away from this machine's clock", off.Round(time.Second))
		}
		return "", nil
	})
	t.try("a token that it does not know is refused with invalid_token", func() (string, error) {
		_, _, err := t.client.Lists(ctx, bridge.NewSecret(strings.Repeat("0", 40)))
		return t.refused(err, bridge.Revoked, "invalid_token")
	})
}

// refused takes an error of a kind and a code for what was expected.
func (t *hero) refused(err error, kind bridge.Kind, code string) (string, error) {
	switch {
	case err == nil:
		return "", unlike("it was taken")
	case bridge.KindOf(err) == kind && bridge.CodeOf(err) == code:
		return fmt.Sprintf("with HTTP %d", t.door.answer().status), nil
	}
	return "", err
}

// longAgo is before ReferralHero's oldest subscriber.
var longAgo = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

func (t *hero) subscribers(ctx context.Context) {
	t.try("a page of subscribers tells where it is among the others, and does not contradict itself", func() (note string, err error) {
		t.page, _, err = t.client.Subscribers(ctx, t.o.Hero.Token, t.campaign, 1)
		return fmt.Sprintf("%d of %d subscribers, %d pages", len(t.page.Subscribers), t.page.Total, t.page.Pages), err
	})
	t.try("created_at and last_updated_at are seconds", func() (string, error) {
		if len(t.page.Subscribers) == 0 {
			return "", skipped("the campaign has no subscribers")
		}
		for _, s := range t.page.Subscribers {
			if s.CreatedAt.Before(longAgo) || s.CreatedAt.After(t.o.Now().Add(24*time.Hour)) || s.UpdatedAt.Before(longAgo) {
				return "", unlike("one is no time between 2010 and now")
			}
		}
		return "", nil
	})
	t.try("registration_desc gives those first who signed up last", func() (string, error) {
		if len(t.page.Subscribers) < 2 {
			return "", skipped("it takes two subscribers")
		}
		if !slices.IsSortedFunc(t.page.Subscribers, func(a, b bridge.Subscriber) int { return b.CreatedAt.Compare(a.CreatedAt) }) {
			return "", unlike("they come in another order")
		}
		return "", nil
	})
	t.try("the page after the last one is empty", func() (string, error) {
		beyond, _, err := t.client.Subscribers(ctx, t.o.Hero.Token, t.campaign, max(t.page.Pages, 1)+1)
		if err == nil && len(beyond.Subscribers) > 0 {
			return "", unlike("it has %d subscribers", len(beyond.Subscribers))
		}
		return "", err
	})
	verified := slices.IndexFunc(t.page.Subscribers, func(s bridge.Subscriber) bool { return s.Verified })
	if verified >= 0 {
		t.one = t.page.Subscribers[verified]
	}
	each := func(assumption string, read func() (bridge.Subscriber, error)) {
		t.try(assumption, func() (string, error) {
			if t.one.ID == "" {
				return "", skipped("the first page has nobody who is verified")
			}
			s, err := read()
			switch {
			case err != nil:
				return "", err
			case s.ID != t.one.ID || s.Code != t.one.Code || s.Email != t.one.Email || s.Link != t.one.Link || !s.CreatedAt.Equal(t.one.CreatedAt):
				return "", unlike("it differs from what the page says of the same subscriber")
			}
			return "", nil
		})
	}
	each("a subscriber is read by id, as the page has them", func() (bridge.Subscriber, error) {
		s, _, err := t.client.Subscriber(ctx, t.o.Hero.Token, t.campaign, t.one.ID)
		return s, err
	})
	each("a subscriber is read by referral code", func() (bridge.Subscriber, error) {
		s, _, err := t.client.SubscriberByCode(ctx, t.o.Hero.Token, t.campaign, t.one.Code)
		return s, err
	})
	each("a subscriber is read by address", func() (bridge.Subscriber, error) {
		if t.one.Email == "" {
			return bridge.Subscriber{}, skipped("the subscriber has none")
		}
		s, _, err := t.client.SubscriberByEmail(ctx, t.o.Hero.Token, t.campaign, t.one.Email)
		return s, err
	})
	each("those whom a subscriber has referred are a page like others", func() (bridge.Subscriber, error) {
		_, _, err := t.client.LastReferral(ctx, t.o.Hero.Token, t.campaign, t.one.ID)
		return t.one, err
	})
}

// nobody is an id that ReferralHero has for nobody.
const nobody = "sub_000000000000"

func (t *hero) missing(ctx context.Context) {
	t.try("a subscriber whom it does not have is subscriber_not_found", func() (string, error) {
		_, _, err := t.client.Subscriber(ctx, t.o.Hero.Token, t.campaign, nobody)
		return t.refused(err, bridge.NotFound, "subscriber_not_found")
	})
	t.try("so is an address that it does not have", func() (string, error) {
		_, _, err := t.client.SubscriberByEmail(ctx, t.o.Hero.Token, t.campaign, "nobody@referral-bridge-smoke-test.example")
		return t.refused(err, bridge.NotFound, "subscriber_not_found")
	})
	t.try("a campaign that it does not have is invalid_list", func() (string, error) {
		_, _, err := t.client.Subscriber(ctx, t.o.Hero.Token, "MF0000000000", nobody)
		return t.refused(err, bridge.NotFound, "invalid_list")
	})
}

// remove takes a subscriber out, for which our client has no call: the product never does.
func (t *hero) remove(ctx context.Context, id bridge.SubscriberID) error {
	path := fmt.Sprintf("%s/lists/%s/subscribers/%s", strings.TrimSuffix(t.o.Hero.BaseURL, "/"), url.PathEscape(string(t.campaign)), url.PathEscape(string(id)))
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+t.o.Hero.Token.Reveal())
	r.Header.Set("Accept", "application/json")
	response, err := t.client.HTTP.Do(r)
	if err != nil {
		return withoutAddress(err)
	}
	_ = response.Body.Close()
	if t.door.answer().said("status") != "ok" {
		return unlike("it was not removed")
	}
	return nil
}

package referralhero

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// fullPage is how many subscribers ReferralHero puts on a page.
const fullPage = 50

// Subscribers returns a page of the list, from 1, those who signed up last first: whoever signs up while the pages are
// read moves others to a later page, so that they are seen twice and never missed. Some may not be verified. A page
// beyond the last one is empty. One that contradicts itself is Unavailable, since who is missing from a list counts as
// deleted.
func (c *Client) Subscribers(ctx context.Context, token bridge.Secret, list bridge.CampaignID, page int) (bridge.SubscriberPage, bridge.Quota, error) {
	return c.page(ctx, "referralhero.Subscribers", token, subscribersOf(list), page)
}

// LastReferral returns when the subscriber's newest referral signed up, be it pending, unconfirmed or confirmed; the zero
// time if there is none. One that was taken out as unqualified does not count, nor does somebody who never verified.
// Its errors are those of Subscriber.
func (c *Client) LastReferral(ctx context.Context, token bridge.Secret, list bridge.CampaignID, id bridge.SubscriberID) (time.Time, bridge.Quota, error) {
	const op = "referralhero.LastReferral"
	if !plain(string(id)) {
		return time.Time{}, silent, failure(op, noSubscriber, bridge.NotFound)
	}
	page, quota, err := c.page(ctx, op, token, subscribersOf(list)+"/"+string(id)+"/referred", 1)
	if err != nil {
		return time.Time{}, quota, missing(op, err)
	}
	var last time.Time
	for _, s := range page.Subscribers {
		if s.Verified && s.Status != "unqualified" && s.CreatedAt.After(last) {
			last = s.CreatedAt
		}
	}
	return last, quota, nil
}

func (c *Client) page(ctx context.Context, op string, token bridge.Secret, path string, page int) (bridge.SubscriberPage, bridge.Quota, error) {
	query := url.Values{"page": {strconv.Itoa(page)}, "sort_by": {"registration_desc"}}
	data, quota, err := c.call(ctx, op, token, http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return bridge.SubscriberPage{}, quota, err
	}
	var answer subscribersPage
	if json.Unmarshal(data, &answer) != nil || answer.Subscribers == nil && !answer.Pagination.none() {
		return bridge.SubscriberPage{}, quota, bridge.E(op, bridge.Unavailable, errors.New("the answer has no subscribers"))
	}
	found := bridge.SubscriberPage{Subscribers: make([]bridge.Subscriber, len(answer.Subscribers))}
	for i, s := range answer.Subscribers {
		if s.ID == "" {
			return bridge.SubscriberPage{}, quota, bridge.E(op, bridge.Unavailable, errors.New("a subscriber of the page has no id"))
		}
		found.Subscribers[i] = s.noun(quota.At)
	}
	var sound bool
	if found.Pages, found.Total, sound = answer.Pagination.read(page, len(found.Subscribers)); !sound {
		return bridge.SubscriberPage{}, quota, bridge.E(op, bridge.Unavailable, errors.New("the page contradicts itself"))
	}
	return found, quota, nil
}

type subscribersPage struct {
	Subscribers []subscriber `json:"subscribers"`
	Pagination  pagination   `json:"pagination"`
}

// pagination says where a page is among the others. Without total_pages, or with 0, there is one.
type pagination struct {
	TotalPages   number `json:"total_pages"`
	CurrentPage  number `json:"current_page"`
	PerPage      number `json:"per_page"`
	TotalObjects number `json:"total_objects"`
}

// none reports whether it says that there is nobody.
func (p pagination) none() bool { return p.TotalObjects == number{0, true} }

// read returns how many pages and subscribers there are, and whether that can be true of a page with so many of them.
// It does not ask that a page is full: whether subscribers who are not verified count, nobody knows.
func (p pagination) read(page, have int) (pages, total int, sound bool) {
	current, told := p.CurrentPage.count()
	size, total := p.PerPage.things(), -1
	pages = max(p.TotalPages.things(), 1)
	if n, counted := p.TotalObjects.count(); counted {
		total = n
	} else if pages == 1 && page == 1 {
		total = have
	}
	switch {
	case told && current != page,
		size > 0 && have > size,
		size > 0 && total >= 0 && pages != max((total+size-1)/size, 1),
		total >= 0 && have > total,
		page < pages && have == 0,
		page == pages && have == 0 && total > 0,
		page > pages && have > 0,
		p.TotalPages.things() == 0 && !p.TotalObjects.set && have >= fullPage: // there may be more
		return 0, 0, false
	}
	return pages, total, true
}

package proof

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// Equal compares the contacts of the simulated org with the subscribers of a campaign of the simulated ReferralHero, field
// by field, by a reckoning of its own. It returns how many subscribers have a contact that shows everything, and says of the
// others what differs. positions says whether POSITION is compared: it is right for everybody after a run only.
func Equal(ctx context.Context, w *world.World, list string, positions bool) (synced int, differ []string, err error) {
	contacts, err := Shown(ctx, w)
	if err != nil {
		return 0, nil, err
	}
	for id, want := range Expected(w.Hero.Subscribers(list)) {
		got, there := contacts[id]
		if !there {
			differ = append(differ, id+" is in no contact")
			continue
		}
		before := len(differ)
		for i, f := range bridge.Fields {
			if got[i] != want[i] && (i != bridge.Position || positions) {
				differ = append(differ, fmt.Sprintf("%s shows %s %q, not %q", id, f.Name, got[i], want[i]))
			}
		}
		if len(differ) == before {
			synced++
		}
	}
	slices.Sort(differ)
	return synced, differ, nil
}

// Expected reckons from ReferralHero's own records what the fields of every verified subscriber are to show, in the plainest way.
func Expected(people []referralhero.Subscriber) map[string]bridge.Values {
	names, newest := map[string]string{}, map[string]int64{}
	for _, s := range people {
		names[s.ID] = s.Name
		if s.VerifiedAt != 0 && s.Status != referralhero.Unqualified {
			newest[s.ReferredBy] = max(newest[s.ReferredBy], s.CreatedAt)
		}
	}
	ranked := slices.Clone(people)
	slices.SortStableFunc(ranked, func(a, b referralhero.Subscriber) int { return b.PeopleReferred - a.PeopleReferred })
	want := map[string]bridge.Values{}
	for place, s := range ranked {
		if s.VerifiedAt == 0 {
			continue
		}
		link := s.ReferralLink()
		v := bridge.Values{
			bridge.Code: s.Code, bridge.ExtraField: s.ExtraField, bridge.ExtraField2: s.ExtraField2, bridge.Points: strconv.Itoa(s.Points),
			bridge.Position: strconv.Itoa(place + 1), bridge.ReferralLink: link, bridge.Referrer: names[s.ReferredBy], bridge.Source: s.Source,
			bridge.SubscriberKey: s.ID, bridge.TotalReferrals: strconv.Itoa(s.PeopleReferred),
			bridge.EmailLink: link + "&mws=email", bridge.FacebookLink: link + "&mws=facebook", bridge.TwitterLink: link + "&mws=twitter",
		}
		if s.Source == "" {
			v[bridge.Source] = "None"
		}
		if at := newest[s.ID]; at != 0 {
			v[bridge.LastReferral] = time.Unix(at, 0).UTC().Format(time.RFC3339)
		}
		want[s.ID] = v
	}
	return want
}

// Shown reads what the contacts show, by SUB_ID.
func Shown(ctx context.Context, w *world.World) (map[string]bridge.Values, error) {
	token, err := w.Org.Token("admin@acme.example")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range bridge.Fields {
		names = append(names, "RH_"+f.Name+"__c")
	}
	contacts := map[string]bridge.Values{}
	path := "/services/data/v66.0/query?q=" + url.QueryEscape("SELECT "+strings.Join(names, ", ")+" FROM Contact WHERE RH_SUB_ID__c != null")
	for path != "" {
		var page struct {
			Records        []map[string]any
			NextRecordsURL string `json:"nextRecordsUrl"`
		}
		if err := Exchange(ctx, "GET", w.OrgURL+path, token, nil, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			var v bridge.Values
			for i, name := range names {
				v[i] = canonical(bridge.Fields[i].Type, r[name])
			}
			contacts[v[bridge.SubscriberKey]] = v
		}
		path = page.NextRecordsURL
	}
	return contacts, nil
}

// canonical is a value as bridge.Values has it.
func canonical(kind bridge.FieldType, value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		if at, err := time.Parse("2006-01-02T15:04:05.000-0700", v); err == nil && kind == bridge.DateTimeField {
			return at.UTC().Format(time.RFC3339)
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}

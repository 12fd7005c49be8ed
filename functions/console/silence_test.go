package main

import (
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// TestSilentWebhook says when somebody is told that ReferralHero does not tell us of changes.
func TestSilentWebhook(t *testing.T) {
	t.Parallel()
	const campaign bridge.CampaignID = "MF0a1b2c3d4e"
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
	run := func(why string, hours, news int) syncer.Run {
		return syncer.Run{Why: why, StartedAt: ago(hours), EndedAt: ago(hours).Add(time.Minute), Statement: syncer.Statement{Subscribers: 9, Repaired: 3, News: news}}
	}
	told := func(at time.Time) inbox.Webhook {
		return inbox.Webhook{LastAt: at, Told: map[bridge.CampaignID]time.Time{campaign: at}}
	}
	elsewhere := inbox.Webhook{LastAt: now, Told: map[bridge.CampaignID]time.Time{"MF000000000b": now}}
	since := func(w inbox.Webhook, at time.Time) inbox.Webhook { w.ToldSince = at; return w }
	for name, tc := range map[string]struct {
		off  bool
		hook inbox.Webhook
		past []syncer.Run // newest first
		want string
	}{
		"just switched on, and nothing ever came":         {past: []syncer.Run{run("switched on", 1, 0)}, want: "never"},
		"nothing ever came, and nothing happens":          {past: []syncer.Run{run("regular", 2, 0), run("regular", 26, 0)}, want: "never"},
		"nothing ever came here, but for other campaigns": {hook: elsewhere, want: "never"},
		"it is off":                                                           {off: true},
		"nothing ever came, and things happen":                                {past: []syncer.Run{run("regular", 2, 1), run("switched on", 26, 0)}, want: "silent"},
		"deliveries come":                                                     {hook: told(ago(3)), past: []syncer.Run{run("regular", 2, 1), run("regular", 26, 0)}},
		"deliveries come, and are noted to the hour":                          {hook: told(ago(26).Add(-30 * time.Minute)), past: []syncer.Run{run("regular", 2, 1), run("regular", 26, 0)}},
		"deliveries have ended, and nothing happens":                          {hook: told(ago(90)), past: []syncer.Run{run("regular", 2, 0), run("regular", 26, 0)}},
		"deliveries have ended, and things happen":                            {hook: told(ago(90)), past: []syncer.Run{run("regular", 2, 1), run("regular", 26, 0)}, want: "silent"},
		"deliveries have ended, and things happened the day before":           {hook: told(ago(90)), past: []syncer.Run{run("regular", 2, 0), run("asked for", 26, 4), run("regular", 50, 0)}, want: "silent"},
		"deliveries have begun again":                                         {hook: told(ago(1)), past: []syncer.Run{run("regular", 2, 1), run("regular", 26, 1), run("regular", 50, 0)}},
		"what an import brought":                                              {hook: told(ago(90)), past: []syncer.Run{run("import", 2, 9), run("regular", 26, 0)}},
		"what waited for Salesforce":                                          {hook: told(ago(90)), past: []syncer.Run{run("missed", 2, 9), run("regular", 26, 0)}},
		"the only comparison so far":                                          {past: []syncer.Run{run("regular", 2, 9)}, want: "never"},
		"the comparison before ended early":                                   {hook: told(ago(90)), past: []syncer.Run{run("regular", 2, 9), {Why: "regular", StartedAt: ago(26), Cause: "x"}}},
		"the release before noted the account alone":                          {hook: inbox.Webhook{LastAt: ago(90)}, past: []syncer.Run{run("regular", 2, 9), run("regular", 26, 0)}},
		"it is known for too short a time":                                    {hook: since(elsewhere, ago(5)), past: []syncer.Run{run("regular", 2, 9), run("regular", 26, 0)}},
		"it is known for long enough":                                         {hook: since(elsewhere, ago(30)), past: []syncer.Run{run("regular", 2, 9), run("regular", 26, 0)}, want: "silent"},
		"known since it was switched on, when nothing else would be for sure": {hook: since(elsewhere, ago(400)), want: "never"},
	} {
		s := syncer.Sync{Campaign: campaign, On: !tc.off, SetAt: ago(300), Options: syncer.Options{Every: syncer.Daily}}
		found := silenceOf(s, tc.hook, tc.past, now)
		got := ""
		switch {
		case found.Silent:
			got = "silent"
		case found.Never:
			got = "never"
		}
		if got != tc.want || found.Never && found.Silent {
			t.Errorf("%s: %+v, want %q", name, found, tc.want)
		}
	}
}

// TestSilentWebhookIsShown looks at the campaign's page before any delivery, after one, and when changes come that none told of.
func TestSilentWebhookIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	v.post(at, usual(connection), at)
	r.work(t)
	real := r.console.Sync
	look := func(news int) answer {
		r.console.Sync = seenDays{real, func(h *syncer.Health) {
			now := time.Now()
			h.Sync.Wanted, h.Sync.NextRun = "", now.Add(time.Hour)
			h.Past = []syncer.Run{
				{ID: "r_2", Why: "regular", StartedAt: now.Add(-time.Hour), EndedAt: now.Add(-time.Hour), Statement: syncer.Statement{Subscribers: 4, Equal: 3, Repaired: 1, News: news}},
				{ID: "r_1", Why: "regular", StartedAt: now.Add(-25 * time.Hour), EndedAt: now.Add(-25 * time.Hour)},
			}
		}}
		return v.page(at)
	}
	const asTheyHappen = "Changes go to Salesforce as they happen, and everybody"

	page := look(0)
	contains(t, page, `data-hook="never"`, `data-sync-state="On"`, "No webhook has come", `href="/account#webhook"`, "Set the webhook up", "once ReferralHero tells us of them")
	lacks(t, page, asTheyHappen, `alert-warning" role="alert" data-hook`)
	page = look(1)
	contains(t, page, `data-hook="silent"`, `data-sync-state="On, but not told"`, "ReferralHero has never told us of changes in this campaign", "Set the webhook up", "once a day", `href="/account#webhook"`)
	lacks(t, page, asTheyHappen)

	v.post("/account/webhook/address", nil, "/account")
	v.post("/account/webhook/secret", map[string][]string{"secret": {r.hero.WebhookSecrets().Current}}, "/account")
	note := func(at time.Time) {
		w, err := r.rows.Webhook(t.Context(), v.account())
		if err == nil {
			err = r.rows.NoteDelivery(t.Context(), w, bridge.CampaignID(r.hero.Lists()[0].UUID), at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	note(time.Now().Add(-80 * time.Hour))
	page = look(1)
	contains(t, page, `data-hook="silent"`, "ReferralHero has not told us of changes since", "ten failures", "Look at the webhook")
	contains(t, look(0), asTheyHappen)
	note(time.Now())
	page = look(1)
	contains(t, page, asTheyHappen, `data-sync-state="On"`)
	if strings.Contains(page.text, "data-hook") {
		t.Error("the warning stays although a delivery has come")
	}
}

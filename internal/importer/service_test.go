package importer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

func TestPreview(t *testing.T) {
	t.Parallel()
	contacts := people(2300)
	w := newWorld(t, options{contacts: contacts})
	o := bridge.ImportOptions{Campaign: campaign, Connection: connection, URL: "https://www.example.com/join"}
	p, err := w.service.Preview(t.Context(), account, o)
	if err != nil {
		t.Fatal(err)
	}
	counts, without, optedOut := tally(oracle(contacts, nil, false)), 0, 0
	for _, c := range contacts {
		if c.Email == "" {
			without++
		}
		if c.HasOptedOutOfEmail {
			optedOut++
		}
	}
	want := importer.Preview{
		Total: 2300, Examined: 2300, Without: without, Malformed: counts.Invalid, Duplicates: counts.Existed, OptedOut: optedOut, Exact: true,
		Sent: counts.Created, Calls: counts.Created, Allowance: 5000, LeftNow: 5000, Duration: p.Duration,
	}
	if p != want {
		t.Errorf("preview = %+v\nwant      %+v", p, want)
	}
	if p.Duration < time.Minute || p.Duration > 3*time.Minute {
		t.Errorf("duration = %s", p.Duration)
	}
	if w.hero.Counts().Calls != 0 {
		t.Errorf("a preview makes %d calls to ReferralHero", w.hero.Counts().Calls)
	}

	o.Welcome = true
	p, err = w.service.Preview(t.Context(), account, o)
	if sum := p.Sent + p.Without + p.Malformed + p.Duplicates + p.OptedOut; err != nil || sum != p.Examined || p.OptedOut == 0 {
		t.Errorf("with a welcome e-mail the rows add up to %d of %d: %+v, %v", sum, p.Examined, p, err)
	}

	hurried, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if p, err := w.service.Preview(hurried, account, o); err != nil || p.Exact || p.Total != 2300 || p.Examined != 0 {
		t.Errorf("a preview without time: %+v, %v, want the total only", p, err)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(5)})
	for name, tc := range map[string]struct {
		change func(*bridge.ImportOptions)
		field  string
		says   string
	}{
		"no campaign":                      {func(o *bridge.ImportOptions) { o.Campaign = "MF00" }, "campaign", "Choose a campaign"},
		"no connection":                    {func(o *bridge.ImportOptions) { o.Connection = "c_2" }, "connection", "Choose a Salesforce account"},
		"an identifier that we lack":       {func(o *bridge.ImportOptions) { o.Identifier = bridge.ByWallet }, "identifier", "e-mail address or phone number"},
		"another identifier":               {func(o *bridge.ImportOptions) { o.Identifier = bridge.ByPhone }, "identifier", "something else"},
		"an address without scheme":        {func(o *bridge.ImportOptions) { o.URL = "mywebsite.com" }, "url", "Type https://mywebsite.com."},
		"a filter that breaks out":         {func(o *bridge.ImportOptions) { o.Filter = "Id != null) OR (Id != null" }, "filter", ""},
		"a filter that Salesforce rejects": {func(o *bridge.ImportOptions) { o.Filter = "Nothing__c = 'x'" }, "filter", "Nothing__c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := bridge.ImportOptions{Campaign: campaign, Connection: connection, Identifier: bridge.ByEmail, URL: "https://www.example.com"}
			tc.change(&o)
			_, preview := w.service.Preview(t.Context(), account, o)
			_, start := w.service.Start(t.Context(), account, "Dana", o)
			for _, err := range []error{preview, start} {
				message, field := bridge.MessageOf(err)
				if bridge.KindOf(err) != bridge.Invalid || field != tc.field || message == "" || !strings.Contains(message, tc.says) {
					t.Errorf("%v says %q at %q, want %q at %q", err, message, field, tc.says, tc.field)
				}
			}
		})
	}
	t.Cleanup(func() {
		if len(w.peek()) != 0 {
			t.Errorf("%d jobs were queued", len(w.peek()))
		}
	})
}

func TestADeadConnectionIsNoChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(5)})
	w.link = bridge.NeedsReconnect
	o := bridge.ImportOptions{Campaign: campaign, Connection: connection, URL: "https://www.example.com"}
	if _, err := w.service.Preview(t.Context(), account, o); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("%v, want invalid", err)
	}
}

// TestAWorkerStopsBeforeItsTimeIsUp gives workers little time and ReferralHero a slow day: each one must hand over in good
// order, and none be killed.
func TestAWorkerStopsBeforeItsTimeIsUp(t *testing.T) {
	t.Parallel()
	contacts := people(150)
	w := newWorld(t, options{contacts: contacts, hero: simhero.Options{Latency: 300 * time.Millisecond}})
	i := w.start(nil)
	workers := 0
	for range 100 {
		batch := w.receive(1)
		if len(batch) == 0 {
			break
		}
		workers++
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		err := w.worker.Handle(ctx, batch[0].job)
		if ctx.Err() != nil {
			t.Error("a worker used up its time")
		}
		cancel()
		if bridge.KindOf(err) == bridge.Throttled {
			w.put(bridge.AfterOf(err, 0), batch[0].job)
		} else if err != nil {
			t.Fatal(err)
		}
		if sheet, err := w.store.Page(t.Context(), account, i.ID, 1); err != nil || w.get(i.ID).State == bridge.Running && sheet.Page.Until.After(w.Now()) {
			t.Fatalf("the page is still claimed: %+v, %v", sheet.Page, err)
		}
	}
	want := w.agrees(i.ID, oracle(contacts, nil, false), 0).Counts
	if workers < 3 {
		t.Errorf("%d workers: the test does not see what it should", workers)
	}
	if calls, most := w.hero.Counts().Calls, want.Created+5*workers; calls > most {
		t.Errorf("%d calls by %d workers for %d contacts: work is done twice", calls, workers, want.Created)
	}
}

// TestByPhone imports into a campaign that tells people apart by phone number.
func TestByPhone(t *testing.T) {
	t.Parallel()
	numbers := []string{"+1 415 555 0100", "(415) 555-0100", "+1 (415) 555-0101", "+14155550100", "", "+1.415.555.0101"}
	want := []bridge.Outcome{bridge.Created, bridge.Refused, bridge.Created, bridge.Existed, bridge.Skipped, bridge.Existed}
	contacts := people(len(numbers) + 600)
	outcomes := map[string]bridge.Outcome{}
	for n := range contacts {
		c := &contacts[n]
		switch last := n - 600; {
		case n < len(numbers):
			c.Phone, outcomes[c.ID] = numbers[n], want[n]
		case last == 0: // on another page
			c.Phone, outcomes[c.ID] = "001 (415) 555-01-00", bridge.Refused
		case last == 1:
			c.Phone, outcomes[c.ID] = "+1-415-555-01-00", bridge.Existed
		default:
			outcomes[c.ID] = bridge.Skipped
		}
	}
	w := newWorld(t, options{contacts: contacts})
	w.hero.SetList(simhero.List{UUID: string(campaign), Name: "Spring Referral", Identifier: simhero.ByPhone})
	c, err := w.store.Campaign(t.Context(), account, campaign)
	if err != nil {
		t.Fatal(err)
	}
	c.Identifier = bridge.ByPhone
	if err := w.store.SaveCampaign(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	i := w.start(func(o *bridge.ImportOptions) { o.Identifier = bridge.ByPhone })
	w.work(fixed(1), immortal)
	w.agrees(i.ID, outcomes, 0)
}

// TestAHiddenOptOut: where the org does not show us who has opted out, no welcome e-mail can be chosen; an import that has begun goes on
// without the field.
func TestAHiddenOptOut(t *testing.T) {
	t.Parallel()
	contacts := people(700)
	w := newWorld(t, options{contacts: contacts})
	i := w.start(func(o *bridge.ImportOptions) { o.Welcome = true })
	if err := w.org.SetVisible("admin@acme.example", "Contact", "HasOptedOutOfEmail", false); err != nil {
		t.Fatal(err)
	}
	o := bridge.ImportOptions{Campaign: campaign, Connection: connection, URL: "https://www.example.com/join"}
	for welcome, want := range map[bool]string{false: "", true: "welcome"} {
		o.Welcome = welcome
		_, err := w.service.Preview(t.Context(), account, o)
		if _, field := bridge.MessageOf(err); field != want || (err == nil) != (want == "") {
			t.Errorf("with a welcome e-mail: %t: %v at %q, want %q", welcome, err, field, want)
		}
	}
	w.work(fixed(1), immortal)
	w.agrees(i.ID, oracle(contacts, nil, false), 0)
}

// TestAnOrgThatIsNearlySpentIsLeftAlone keeps the last fifth of the org's calls for the customer.
func TestAnOrgThatIsNearlySpentIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(700), org: simorg.Options{DailyRequests: 4}})
	i := w.start(nil)
	w.do(w.receive(1)[0], immortal(nil))
	w.do(w.receive(1)[0], immortal(nil))
	w.do(w.receive(1)[0], immortal(nil))
	got := w.get(i.ID)
	if !strings.Contains(got.Parked, "80 %") {
		t.Errorf("parked = %q after %d of 4 calls, want words about the org's calls", got.Parked, w.org.Counts().API)
	}
}

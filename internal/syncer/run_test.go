package syncer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// pages lets something happen before a page of the list is read, and to what is read.
type pages struct {
	syncer.Hero
	before func(page, times int)
	after  func(page int, p *bridge.SubscriberPage)
	times  map[int]int
	read   int
}

func (p *pages) Subscribers(ctx context.Context, token bridge.Secret, list bridge.CampaignID, page int) (bridge.SubscriberPage, bridge.Quota, error) {
	p.read++
	if p.before != nil {
		p.times[page]++
		p.before(page, p.times[page])
	}
	got, quota, err := p.Hero.Subscribers(ctx, token, list, page)
	if p.after != nil && err == nil {
		p.after(page, &got)
	}
	return got, quota, err
}

// listed is a world with so many subscribers, each referred by the one before the last, none of whom is in the org.
func listed(t *testing.T, n, bulk int) (*world, []bridge.SubscriberID) {
	t.Helper()
	w := newWorld(t, options{bare: true, bulk: bulk, hero: simhero.Options{WindowKind: simhero.None}})
	var ids []bridge.SubscriberID
	var codes []string
	for i := range n {
		referrer := ""
		if i > 1 && i%3 != 0 {
			referrer = codes[i-2]
		}
		w.advance(time.Second)
		id, code := w.signUp(fmt.Sprintf("p%d@example.com", i), fmt.Sprint("Person ", i), referrer)
		ids, codes = append(ids, id), append(codes, code)
	}
	w.count()
	return w, ids
}

// TestTheListMovesWhileItIsRead has people come and go between two pages. No hint tells, and all the same nobody is missed or
// cleared who is there.
func TestTheListMovesWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		leave []int // who is deleted, by order of sign-up, 0 is the oldest
		come  int
		at    int // before this page
	}{
		"nothing happens":                        {at: 3},
		"the newest ones leave":                  {leave: []int{229, 228, 227}, at: 3},
		"an older one leaves":                    {leave: []int{5}, at: 3},
		"sixty leave":                            {leave: sequence(170, 230), at: 4},
		"some come":                              {come: 7, at: 2},
		"as many come as leave":                  {come: 3, leave: []int{229, 228, 227}, at: 3},
		"the last page is gone":                  {leave: sequence(195, 230), at: 5},
		"people leave before the first page too": {leave: []int{229}, at: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ids := listed(t, 230, 0)
			done := false
			p := &pages{Hero: w.worker.Hero, times: map[int]int{}, before: func(page, _ int) {
				if page < tc.at || done {
					return
				}
				done = true
				for _, i := range tc.leave {
					w.heroCall(http.MethodDelete, "/subscribers/"+string(ids[i]), nil, nil)
				}
				for i := range tc.come {
					w.signUp(fmt.Sprintf("new%d@example.com", i), "New", "")
				}
			}}
			w.worker.Hero = oneByOne{p}
			w.on(nil)
			run := w.ran()
			w.worker.Hero = p.Hero
			missing := 0
			for _, s := range w.hero.Subscribers(string(campaign)) {
				if l := w.kept(bridge.SubscriberID(s.ID)); l.Record == "" || l.Gone {
					missing++
				}
			}
			if most := tc.come; missing > most { // whoever came is told of by a hint
				t.Errorf("%d subscribers are missed; the statement is %+v", missing, run.Statement)
			}
			if p.read > 30 {
				t.Errorf("%d pages were read", p.read)
			}
			w.compare()
			w.agree(true)
		})
	}
}

// oneByOne reads pages one after the other, so that something can come between.
type oneByOne struct{ *pages }

var reading sync.Mutex

func (o oneByOne) Subscribers(ctx context.Context, token bridge.Secret, list bridge.CampaignID, page int) (bridge.SubscriberPage, bridge.Quota, error) {
	reading.Lock()
	defer reading.Unlock()
	return o.pages.Subscribers(ctx, token, list, page)
}

func sequence(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func TestAListThatContradictsItself(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(page int, p *bridge.SubscriberPage){
		"every other page tells one less": func(page int, p *bridge.SubscriberPage) { p.Total -= page % 2 },
		"the total is not told":           func(_ int, p *bridge.SubscriberPage) { p.Total = -1 },
		"the total is told now and then": func(page int, p *bridge.SubscriberPage) {
			if page%2 == 0 {
				p.Total = -1
			}
		},
		"the total is too high": func(_ int, p *bridge.SubscriberPage) { p.Total += 100 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := listed(t, 230, 0)
			p := &pages{Hero: w.worker.Hero, after: after, times: map[int]int{}}
			w.worker.Hero = oneByOne{p}
			w.on(nil)
			w.ran()
			if p.read > 400 {
				t.Errorf("%d pages were read", p.read)
			}
			w.agree(true)
		})
	}
}

func TestWhoIsMissingInTheListIsAskedFor(t *testing.T) {
	t.Parallel()
	w, ids := listed(t, 120, 0)
	w.on(nil)
	w.heroCall(http.MethodDelete, "/subscribers/"+string(ids[7]), nil, nil)
	p := &pages{Hero: w.worker.Hero, times: map[int]int{}, after: func(_ int, p *bridge.SubscriberPage) {
		var some []bridge.Subscriber
		for _, s := range p.Subscribers {
			if s.ID != ids[70] && s.ID != ids[10] {
				some = append(some, s)
			}
		}
		p.Subscribers = some
	}}
	w.worker.Hero = oneByOne{p}
	if s := w.compare().Statement; s.Gone != 1 {
		t.Errorf("the statement is %+v", s)
	}
	w.agree(false)
}

// TestARunThatIsInterrupted takes a referral in between two parts of a run, which has read the first page and comes to the referrer
// an hour later.
func TestARunThatIsInterrupted(t *testing.T) {
	t.Parallel()
	w, ids := listed(t, 230, 0)
	w.on(nil)
	w.advance(2 * time.Hour)
	codes := map[bridge.SubscriberID]string{}
	for _, s := range w.hero.Subscribers(string(campaign)) {
		codes[bridge.SubscriberID(s.ID)] = s.Code
	}
	w.allow(3)
	w.must(w.service.Compare(t.Context(), account, campaign))
	w.some(6)
	if run, err := w.store.Run(t.Context(), account, campaign); err != nil || !run.EndedAt.IsZero() || run.Slice == 0 {
		t.Fatalf("the run is %+v, %v; want one slice", run, err)
	}
	w.allow(60_000)
	w.advance(2 * time.Minute)
	id, _ := w.signUp("new@example.com", "New", codes[ids[4]])
	w.tell(syncer.Hint{Subscriber: id, Why: "registration"}, syncer.Hint{Code: codes[ids[4]], Why: "referral"})
	w.some(4)
	latest := w.contact("p4@example.com").shows()[bridge.LastReferral]
	w.pass(2 * time.Hour)
	w.ran()
	if now := w.contact("p4@example.com").shows()[bridge.LastReferral]; now != latest {
		t.Errorf("LAST_REF was %s, and the run has made it %s", latest, now)
	}
	w.agree(false)
}

// TestAWorkerIsLostAtEveryStep kills the first worker of a run at each of its calls, and the second one somewhere.
func TestAWorkerIsLostAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, bulk := range []int{0, 10} {
		t.Run(fmt.Sprint("bulk from ", bulk), func(t *testing.T) {
			t.Parallel()
			for steps := 2; steps < 110; steps += stride(17) {
				t.Run(fmt.Sprint("after ", steps, " calls"), func(t *testing.T) {
					t.Parallel()
					w, ids := listed(t, 55, bulk)
					w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(2 * time.Minute) })
					w.later()
					lives := []*mortal.Life{{Steps: steps, After: steps%2 == 0}, {Steps: steps * 7 % 40}}
					next := func(*rand.Rand) *mortal.Life {
						if len(lives) == 0 {
							return immortal(nil)
						}
						l := lives[0]
						lives = lives[1:]
						return l
					}
					w.update(ids[3], "early")
					for range 2 {
						for _, batch := range w.receive(fixed(1)) {
							w.do(batch, next(nil))
						}
					}
					w.update(ids[3], "late")
					w.tell(syncer.Hint{Subscriber: ids[3], Why: "update"})
					w.work(fixed(1), next)
					w.pass(30 * time.Minute)
					w.agree(true)
					run := w.ran()
					if s := run.Statement; s.Subscribers != 55 || s.Refused != 0 {
						t.Errorf("the statement is %+v", s)
					}
					for _, id := range ids {
						if l := w.kept(id); l.Print == "" || l.Problem.Cause != "" {
							t.Errorf("the link of %s is %+v", id, l)
						}
					}
					w.update(ids[5], "last")
					w.told("update", ids[5])
					w.agree(true)
				})
			}
		})
	}
}

func TestAnotherOrg(t *testing.T) {
	t.Parallel()
	for _, loading := range []bool{false, true} {
		t.Run(fmt.Sprint("while a load is under way: ", loading), func(t *testing.T) {
			t.Parallel()
			w, ids := listed(t, 30, 10)
			second := simorg.New(simorg.Options{Now: w.Now, Generated: -1})
			url := w.serve(second)
			hosts := salesforce.Hosts{Simulator: url}
			client := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: session{second, url, nil}}
			w.others["c_2"] = client
			w.fieldsOf(second, client, "c_2", "Contact")
			if loading {
				w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(10 * time.Minute) })
				w.later()
				w.some(4)
			} else {
				w.on(nil)
				for i := range 5 { // so that turns are counted
					w.update(ids[0], fmt.Sprint(i))
					w.told("update", ids[0])
				}
			}
			w.on(func(o *syncer.Options) { o.Connection = "c_2" })
			first, firstURL := w.org, w.orgURL
			w.org, w.orgURL = second, url
			w.agree(true)
			if s := w.ran().Statement; s.Created != 30 || s.Repaired != 30 {
				t.Errorf("the statement is %+v", s)
			}
			w.update(ids[0], "second")
			w.told("update", ids[0])
			w.agree(true)
			w.org, w.orgURL = first, firstURL
			w.on(nil)
			w.agree(true)
			w.ran()
			if n := len(w.records("Contact")); n != 30 {
				t.Errorf("there are %d contacts, want 30", n)
			}
		})
	}
}

func TestAnotherTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: []simorg.Contact{{LastName: "A", Email: "a@example.com"}}})
	w.fields("Lead")
	a, _ := w.signUp("a@example.com", "A", "")
	b, _ := w.signUp("b@example.com", "B", "")
	w.told("registration", a, b)
	w.on(func(o *syncer.Options) { o.Target = bridge.ToLead })
	if n := len(w.records("Lead")); n != 2 {
		t.Fatalf("there are %d leads; log:\n%s", n, w.logs)
	}
	w.update(a, "x")
	w.told("update", a)
	for _, l := range w.records("Lead") {
		if l.text("RH_SUB_ID__c") == string(a) && l.text("RH_EX_FIELD__c") != "x" {
			t.Errorf("the lead shows %v", l)
		}
	}
	if got := w.contact("a@example.com").text("RH_EX_FIELD__c"); got != "" {
		t.Errorf("the contact that is not kept any more shows %q", got)
	}
	w.on(nil)
	w.agree(true)
	if n := len(w.records("Contact")); n != 2 {
		t.Errorf("there are %d contacts", n)
	}
}

func TestOffAndOnAgainInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, bulk := range []int{0, 10} {
		t.Run(fmt.Sprint("bulk from ", bulk), func(t *testing.T) {
			t.Parallel()
			w, ids := listed(t, 230, bulk)
			w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(10 * time.Minute) })
			w.allow(3)
			w.later()
			w.some(6)
			w.must(w.service.Off(t.Context(), account, campaign, "Dana Reeve"))
			w.update(ids[229], "off")
			w.told("update", ids[229])
			w.allow(60_000)
			w.on(func(o *syncer.Options) { o.Only = syncer.OnlyReferrals })
			w.pass(time.Hour)
			run := w.ran()
			if s := run.Statement; s.Equal+s.Repaired < 100 || run.Cause != "" {
				t.Errorf("the run is %+v", run)
			}
			w.on(nil)
			w.pass(time.Hour)
			w.agree(true)
			if s := w.compare().Statement; s.Equal != 230 {
				t.Errorf("the statement is %+v", s)
			}
		})
	}
}

// TestCampaignsTakeTurns has a second campaign keep its values in the same fields.
func TestCampaignsTakeTurns(t *testing.T) {
	t.Parallel()
	w, ids := listed(t, 60, 0)
	w.on(nil)
	const second bridge.CampaignID = "MFsecond00001"
	w.hero.SetList(simhero.List{UUID: string(second), Name: "Second", URL: "https://www.example.com/second", Ranking: true})
	w.must(w.store.SaveCampaign(t.Context(), bridge.Campaign{ID: second, Account: account, Name: "Second", Listed: true, Identifier: bridge.ByEmail, SeenAt: w.Now()}))
	for i := range 60 {
		w.call(http.MethodPost, w.heroURL+"/api/v2/lists/"+string(second)+"/subscribers", w.hero.Token(),
			fmt.Appendf(nil, `{"email":"p%d@example.com","name":"P","double_optin":false}`, i), nil)
	}
	w.countOf(second)
	o := syncer.Options{Connection: connection, Target: bridge.ToContact, Only: syncer.Everybody, Every: syncer.Daily}
	err := w.service.Save(t.Context(), account, second, "Dana Reeve", o)
	if bridge.CodeOf(err) != "owned" {
		t.Fatalf("two campaigns own the fields: %v", err)
	}
	w.others["c_2"] = w.client // another user of the same org
	elsewhere := o
	elsewhere.Connection = "c_2"
	if err := w.service.Save(t.Context(), account, second, "Dana Reeve", elsewhere); bridge.CodeOf(err) != "owned" {
		t.Fatalf("two campaigns own the fields by two users: %v", err)
	}
	if cost, err := w.service.Preview(t.Context(), account, second, elsewhere); err != nil || cost.Owner != campaign {
		t.Errorf("the preview says %+v, %v", cost, err)
	}
	w.must(w.service.Save(t.Context(), account, campaign, "Dana Reeve", elsewhere)) // the campaign itself may change its user
	w.must(w.service.Save(t.Context(), account, campaign, "Dana Reeve", o))
	w.must(w.service.Off(t.Context(), account, campaign, "Dana Reeve"))
	w.must(w.service.Save(t.Context(), account, second, "Dana Reeve", o))
	calls := w.hero.Counts().Calls
	w.work(fixed(1), immortal)
	if calls = w.hero.Counts().Calls - calls; calls > 20 {
		t.Errorf("%d calls to ReferralHero for 60 people", calls)
	}
	w.told("update", ids...) // of the campaign that is off
	records := w.records("Contact")
	theirs := map[string]bool{}
	for _, s := range w.hero.Subscribers(string(second)) {
		theirs[s.ID] = true
	}
	for _, r := range records {
		if !theirs[r.text("RH_SUB_ID__c")] {
			t.Errorf("%s shows %s, which is not of the second campaign", r.text("Email"), r.text("RH_SUB_ID__c"))
		}
	}
	if len(records) != 60 {
		t.Errorf("there are %d contacts", len(records))
	}
}

func TestAnotherCampaignWaitsForALoad(t *testing.T) {
	t.Parallel()
	w, _ := loading(t, 40)
	w.must(w.service.Off(t.Context(), account, campaign, "Dana Reeve"))
	w.must(w.store.SaveCampaign(t.Context(), bridge.Campaign{ID: other, Account: account, Name: "Other", Listed: true, Identifier: bridge.ByEmail, SeenAt: w.Now()}))
	o := syncer.Options{Connection: connection, Target: bridge.ToContact, Only: syncer.Everybody, Every: syncer.Daily}
	err := w.service.Save(t.Context(), account, other, "Dana Reeve", o)
	if said, field := bridge.MessageOf(err); bridge.KindOf(err) != bridge.Conflict || said == "" || field != "connection" {
		t.Errorf("while the load is under way: %v", err)
	}
	w.advance(11 * time.Minute)
	w.must(w.service.Save(t.Context(), account, other, "Dana Reeve", o))
}

func TestAnAccountThatIsErased(t *testing.T) {
	t.Parallel()
	w, ids := listed(t, 60, 10)
	w.switches(func(s *simorg.Switches) { s.BulkDelay = simorg.Duration(10 * time.Minute) })
	w.later()
	w.some(4)
	w.tell(syncer.Hint{Subscriber: ids[3], Why: "update"})
	w.erase()
	w.work(fixed(1), immortal)
	w.must(w.sweep.Run(t.Context()))
	for l, err := range w.store.EveryLink(t.Context(), account, campaign) {
		t.Fatalf("something is kept: %+v, %v", l, err)
	}
}

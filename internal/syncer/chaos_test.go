package syncer_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

var seeds = flag.Int("seeds", 4, "histories that are played")

// stride is one of n where all would take too long: with -seeds=200 no step is left out.
func stride(n int) int {
	if *seeds > 20 {
		return 1
	}
	return n
}

// TestWhateverHappensRecordsEndEqual plays random histories: people sign up, refer, change, earn points, are taken out and
// deleted; hints come twice, late, out of order; workers die before and after any call; people in the org edit contacts
// meanwhile; records are locked, and Salesforce does not answer. In the end every contact shows what ReferralHero says, and what is
// the org's own is as it was. In every other history that takes a run, since nobody tells of what else happens there: contacts are
// deleted and merged, fields are hidden and shown, and runs, which may use the Bulk API, are on their way. A second campaign keeps its
// people as leads of the same org.
func TestWhateverHappensRecordsEndEqual(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, seed)
			for range 4 {
				h.act(12)
				h.w.work(h.random, h.mortal)
			}
			h.calm()
			h.w.work(h.random, immortal)
			h.w.pass(time.Hour) // a record that was locked too often is tried again by the sweep
			if !h.rough {
				h.w.agree(false)
				h.untouched()
			}
			h.w.must(h.w.service.Compare(t.Context(), account, campaign))
			h.w.work(h.random, immortal)
			h.w.agree(true)
			h.untouched()
			h.second()
			if got := h.w.causes(); len(got) != 0 {
				t.Errorf("need somebody in the end: %v", got)
			}
		})
	}
}

// history is what happens at ReferralHero and in the org.
type history struct {
	w      *world
	random *rand.Rand
	people []member
	titles map[string]string // of contacts, by address: what their owners gave them
	emails int
	lost   int // workers that were given a life
	hidden bridge.FieldSet
	rough  bool                           // things happen that no hint tells of
	leads  map[bridge.SubscriberID]string // extra fields of the second campaign's people
}

type member struct {
	id       bridge.SubscriberID
	code     string
	email    string
	referrer string // code
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{random: rand.New(rand.NewPCG(seed, 1)), titles: map[string]string{}, rough: seed%2 == 1, leads: map[bridge.SubscriberID]string{}}
	var contacts []simorg.Contact
	for i := range 20 {
		email := fmt.Sprintf("p%d@example.com", i*2)
		contacts = append(contacts, simorg.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "Own", Email: email, Title: "Owner",
			AccountID: fmt.Sprintf("0015g00000%05d", i/4)})
		h.titles[email] = "Owner"
	}
	h.w = newWorld(t, options{contacts: contacts, hero: simhero.Options{Seed: seed, WindowKind: simhero.None}})
	h.w.sweeping = true // a job that comes while the org does not answer is left to the sweep
	h.w.switches(func(s *simorg.Switches) { s.DuplicatesAllowed = true })
	h.w.fields("Lead")
	h.w.hero.SetList(simhero.List{UUID: string(other), Name: "Other", URL: "https://www.example.com/other"})
	h.w.must(h.w.store.SaveCampaign(t.Context(), bridge.Campaign{ID: other, Account: account, Name: "Other", Listed: true, Identifier: bridge.ByEmail, SeenAt: h.w.Now()}))
	o := syncer.Options{Connection: connection, Target: bridge.ToLead, Only: syncer.Everybody, Every: syncer.Daily}
	h.w.must(h.w.service.Save(t.Context(), account, other, "Dana Reeve", o))
	return h
}

const other bridge.CampaignID = "MFother000001"

// calm ends what stands in the way.
func (h *history) calm() {
	h.w.org.SetRules()
	for i := range bridge.Fields {
		h.show(i, true)
	}
}

// show shows a field to the connected user or hides it. That it is hidden workers have to find out; that it is shown, what sets fields up
// tells them.
func (h *history) show(field int, visible bool) {
	name := "RH_" + bridge.Fields[field].Name + "__c"
	h.w.must(h.w.org.SetVisible(user, "Contact", name, visible))
	if !visible {
		h.hidden = h.hidden.With(field)
		return
	}
	h.hidden = h.hidden.Without(field)
	ctx := h.w.t.Context()
	was, err := h.w.store.Layout(ctx, account, connection, "Contact")
	h.w.must(err)
	now, err := h.w.client.Look(ctx, was)
	h.w.must(err)
	if now.Visible != was.Visible {
		h.w.must(h.w.store.SaveLayout(ctx, now))
		h.w.must(h.w.service.Fields(ctx, now))
	}
}

// trouble is what goes wrong in the org, or what people do there, without anybody telling.
func (h *history) trouble(m member) {
	rule := func(r simorg.Rule) { h.w.org.SetRules(append(h.w.org.Rules(), r)...) }
	kinds := 2
	if h.rough {
		kinds = 8
	}
	switch h.random.IntN(kinds) {
	case 0:
		locked := refusing("UNABLE_TO_LOCK_ROW", "locked", m.email)
		locked.Times = 1 + h.random.IntN(3)
		rule(locked)
	case 1:
		rule(simorg.Rule{Path: "/composite", Skip: h.random.IntN(4), Times: 1, Fault: simorg.Fault{Drop: true}})
	case 2:
		h.each(m.email, func(id string) {
			h.w.orgCall(http.MethodDelete, "/sobjects/Contact/"+id, nil, nil)
			h.titles[m.email] = ""
		})
	case 3:
		h.each(m.email, func(id string) {
			var made struct{ ID string }
			h.w.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "Twin", "Email": m.email, "Title": h.titles[m.email]}, &made)
			h.w.must(h.w.org.Merge(made.ID, id))
		})
	case 4:
		h.show(h.random.IntN(bridge.FieldCount), false)
	case 5:
		h.show(h.random.IntN(bridge.FieldCount), true)
	case 6:
		h.w.worker.Bulk = []int{0, 3}[h.random.IntN(2)]
		h.w.switches(func(s *simorg.Switches) {
			s.BulkDelay = simorg.Duration(h.random.IntN(300)) * simorg.Duration(time.Second)
		})
		h.w.must(h.w.service.Compare(h.w.t.Context(), account, campaign))
	case 7:
		h.each(m.email, func(id string) {
			if h.hidden == 0 && h.w.kept(m.id).Record != "" { // else the record is nobody's, and nobody clears it
				h.w.orgCall(http.MethodPatch, "/sobjects/Contact/"+id, map[string]any{"RH_SOURCE__c": "by hand"}, nil)
			}
		})
	}
}

// each has somebody in the org, who is not hindered, do something to the contacts with an address.
func (h *history) each(email string, do func(id string)) {
	rules := h.w.org.Rules()
	h.w.org.SetRules()
	var page struct{ Records []row }
	h.w.orgCall(http.MethodGet, "/query?q=SELECT+Id+FROM+Contact+WHERE+Email+=+'"+email+"'", nil, &page)
	for _, r := range page.Records {
		do(r.text("Id"))
	}
	h.w.org.SetRules(rules...)
}

// lead has somebody of the second campaign sign up or change.
func (h *history) lead() {
	email, extra := fmt.Sprintf("q%d@example.com", h.random.IntN(8)), fmt.Sprint("y", h.random.IntN(9))
	lists := h.w.heroURL + "/api/v2/lists/" + string(other) + "/subscribers"
	var answer struct{ Data struct{ ID string } }
	h.w.call(http.MethodPost, lists, h.w.hero.Token(), fmt.Appendf(nil, `{"email":%q,"name":"Q","double_optin":false}`, email), &answer)
	id := bridge.SubscriberID(answer.Data.ID)
	h.w.call(http.MethodPost, lists+"/"+string(id), h.w.hero.Token(), fmt.Appendf(nil, `{"extra_field":%q}`, extra), nil)
	h.leads[id] = extra
	h.w.put(time.Duration(h.random.IntN(60))*time.Second, true, syncer.Hint{Account: account, Campaign: other, Subscriber: id, At: h.w.Now().UnixMilli(), Why: "update"})
}

// second compares the leads with the second campaign.
func (h *history) second() {
	h.w.t.Helper()
	found := map[bridge.SubscriberID]string{}
	records := h.w.records("Lead")
	for _, r := range records {
		found[bridge.SubscriberID(r.text("RH_SUB_ID__c"))] = r.text("RH_EX_FIELD__c")
	}
	if len(records) != len(h.leads) || !maps.Equal(found, h.leads) {
		h.w.t.Errorf("the %d leads show %v, want %v", len(records), found, h.leads)
	}
}

// mortal gives most workers a short life.
func (h *history) mortal(r *rand.Rand) *mortal.Life {
	if h.lost++; r.IntN(3) == 0 || h.lost > 200 { // each loss brings new work, so that it need not end otherwise
		return &mortal.Life{Steps: -1}
	}
	return &mortal.Life{Steps: r.IntN(30), After: r.IntN(2) == 0}
}

// act makes n things happen, with the hints that webhooks would bring.
func (h *history) act(n int) {
	for range n {
		h.w.advance(time.Duration(h.random.IntN(90)) * time.Second)
		if len(h.people) < 3 {
			h.signUp()
			continue
		}
		at := h.random.IntN(len(h.people))
		m := h.people[at]
		if h.random.IntN(5) == 0 {
			h.trouble(m)
		}
		switch h.random.IntN(11) {
		case 0, 1, 2, 3:
			h.signUp()
		case 4:
			h.w.heroCall(http.MethodPost, "/subscribers/"+string(m.id), map[string]any{"extra_field": fmt.Sprint("x", h.random.IntN(5)), "name": fmt.Sprint("Name ", h.random.IntN(9))}, nil)
			h.tell(syncer.Hint{Subscriber: m.id, Why: "update"})
			h.renamed(m)
		case 5:
			h.w.heroCall(http.MethodPost, "/subscribers/add_points", map[string]any{"email": m.email, "points": h.random.IntN(20)}, nil)
			h.tell(syncer.Hint{Subscriber: m.id, Why: "update"})
		case 6:
			h.w.heroCall(http.MethodDelete, "/subscribers/"+string(m.id), nil, nil)
			h.people = append(h.people[:at:at], h.people[at+1:]...)
			h.tell(syncer.Hint{Subscriber: m.id, Why: "deletion"})
			if m.referrer != "" {
				h.tell(syncer.Hint{Code: m.referrer, Why: "deletion", Deep: true})
			}
			h.renamed(m) // their REFERRER is nobody now
		case 7:
			action := []string{"unqualify", "qualify"}[h.random.IntN(2)]
			if m.referrer != "" {
				h.w.heroCall(http.MethodPost, "/subscribers/"+string(m.id)+"/"+action, nil, nil)
				h.tell(syncer.Hint{Subscriber: m.id, Why: "conversion"}, syncer.Hint{Code: m.referrer, Why: "conversion", Deep: true})
			}
		case 8:
			h.lead()
		default:
			h.edit(m)
		}
	}
}

// renamed tells of those whom somebody referred: their REFERRER has changed, and ReferralHero's own hints do not say so.
func (h *history) renamed(m member) {
	for _, other := range h.people {
		if other.referrer == m.code {
			h.tell(syncer.Hint{Subscriber: other.id, Why: "update"})
		}
	}
}

func (h *history) signUp() {
	email, referrer := fmt.Sprintf("p%d@example.com", h.random.IntN(60)), ""
	for _, m := range h.people {
		if m.email == email {
			return
		}
	}
	if len(h.people) > 0 && h.random.IntN(2) == 0 {
		referrer = h.people[h.random.IntN(len(h.people))].code
	}
	h.emails++
	id, code := h.w.signUp(email, fmt.Sprintf("Person %d", h.emails), referrer)
	h.people = append(h.people, member{id, code, email, referrer})
	h.tell(syncer.Hint{Subscriber: id, Why: "registration", Once: true})
	if referrer != "" {
		h.tell(syncer.Hint{Code: referrer, Why: "referral"})
	}
}

// edit has somebody in the org change what is theirs.
func (h *history) edit(m member) {
	h.each(m.email, func(id string) {
		title := fmt.Sprint("Title ", h.random.IntN(100))
		h.w.orgCall(http.MethodPatch, "/sobjects/Contact/"+id, map[string]any{"Title": title}, nil)
		h.titles[m.email] = title
	})
}

// tell brings hints, some twice and some late.
func (h *history) tell(hints ...syncer.Hint) {
	for _, hint := range hints {
		hint.Account, hint.Campaign, hint.At = account, campaign, h.w.Now().UnixMilli()
		for range 1 + h.random.IntN(2) {
			h.w.put(time.Duration(h.random.IntN(3)*h.random.IntN(200))*time.Second, h.random.IntN(2) == 0, hint)
		}
	}
}

func (h *history) untouched() {
	h.w.t.Helper()
	seen := map[string]int{}
	for _, r := range h.w.records("Contact") {
		email := r.text("Email")
		seen[email]++
		if got, want := r.text("Title"), h.titles[email]; got != want {
			h.w.t.Errorf("the title of %s is %q, want %q", email, got, want)
		}
	}
	for email, n := range seen {
		if n != 1 {
			h.w.t.Errorf("%s is in %d contacts", email, n)
		}
	}
}

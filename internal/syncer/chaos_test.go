package syncer_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

var seeds = flag.Int("seeds", 6, "histories that are played")

// TestWhateverHappensRecordsEndEqual plays random histories: people sign up, refer, change, earn points, are taken out and
// deleted; hints come twice, late, out of order; workers die before and after any call; people in the org edit contacts
// meanwhile. In the end every contact shows what ReferralHero says, and what is the org's own is as it was.
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
			h.w.work(h.random, immortal)
			h.w.agree(false)
			h.untouched()
			h.w.must(h.w.service.Compare(t.Context(), account, campaign))
			h.w.work(h.random, immortal)
			h.w.agree(true)
			h.untouched()
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
}

type member struct {
	id       bridge.SubscriberID
	code     string
	email    string
	referrer string // code
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{random: rand.New(rand.NewPCG(seed, 1)), titles: map[string]string{}}
	var contacts []simorg.Contact
	for i := range 20 {
		email := fmt.Sprintf("p%d@example.com", i*2)
		contacts = append(contacts, simorg.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "Own", Email: email, Title: "Owner",
			AccountID: fmt.Sprintf("0015g00000%05d", i/4)})
		h.titles[email] = "Owner"
	}
	h.w = newWorld(t, options{contacts: contacts, hero: simhero.Options{Seed: seed, WindowKind: simhero.None}})
	return h
}

// mortal gives most workers a short life.
func (h *history) mortal(r *rand.Rand) *life {
	if r.IntN(3) == 0 {
		return &life{steps: -1}
	}
	return &life{steps: r.IntN(30), after: r.IntN(2) == 0}
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
		switch h.random.IntN(10) {
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
	for _, r := range h.w.records("Contact") {
		if r.text("Email") == m.email {
			title := fmt.Sprint("Title ", h.random.IntN(100))
			h.w.orgCall(http.MethodPatch, "/sobjects/Contact/"+r.text("Id"), map[string]any{"Title": title}, nil)
			h.titles[m.email] = title
			return
		}
	}
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

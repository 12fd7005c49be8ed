package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Sync is what the experiments on syncing found.
type Sync struct {
	Seeds            int      `json:"seeds"`    // histories with killed workers
	Diverged         int      `json:"diverged"` // of them: did not end equal to the oracle
	CallsCollections float64  `json:"calls_per_1000_collections"`
	CallsBulk        float64  `json:"calls_per_1000_bulk"`
	CallsSteady      float64  `json:"calls_per_1000_steady"`
	UnitsSteady      float64  `json:"write_units_per_1000_steady"` // webhooks included
	P99              float64  `json:"p99_seconds"`                 // from a sign-up to the contact
	P99InFlood       float64  `json:"p99_seconds_in_flood"`        // with 10,000 hints beside
	ForeignClients   []string `json:"foreign_clients"`
}

// Err says which promise does not hold.
func (s Sync) Err() error {
	return broken(map[string]bool{
		"at least 200 histories":                                        s.Seeds >= 200,
		"all histories end equal":                                       s.Diverged == 0,
		"at most 5.3 calls per 1,000 by collections":                    s.CallsCollections > 0 && s.CallsCollections <= 5.3,
		"at most 0.3 calls per 1,000 in bulk":                           s.CallsBulk > 0 && s.CallsBulk <= 0.3,
		"at most 3.5 calls per 1,000 steady changes":                    s.CallsSteady > 0 && s.CallsSteady <= 3.5,
		"at most 1,550 write units per 1,000 steady changes":            s.UnitsSteady > 0 && s.UnitsSteady <= 1550,
		"99 of 100 sign-ups are contacts within 5 seconds":              s.P99 > 0 && s.P99 <= 5,
		"99 of 100 sign-ups are contacts within 15 seconds, in a flood": s.P99InFlood > 0 && s.P99InFlood <= 15,
		"three clients that others wrote believe the org":               len(s.ForeignClients) >= 3,
	})
}

// ProveSync runs the experiments on syncing, one after the other, and tells how far it is.
func ProveSync(ctx context.Context, root string, tell func(format string, args ...any)) (Sync, error) {
	var found Sync
	for _, experiment := range []func(context.Context, string, func(string, ...any), *Sync) error{latency, steady, collections, inBulk, histories} {
		if err := experiment(ctx, root, tell, &found); err != nil {
			return found, err
		}
	}
	var err error
	found.ForeignClients, err = Foreign(ctx, root, tell)
	return found, err
}

// histories plays the random histories of the package's own test, 200 of them.
func histories(ctx context.Context, root string, tell func(string, ...any), found *Sync) error {
	const wanted = 200
	command := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=40m", "-json", "-run", "WhateverHappens", "./internal/syncer", fmt.Sprintf("-seeds=%d", wanted))
	command.Dir = root
	out, err := command.Output()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	said := map[string]*strings.Builder{}
	for events := json.NewDecoder(bytes.NewReader(out)); ; {
		var event struct{ Action, Test, Output string }
		if err := events.Decode(&event); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if !strings.Contains(event.Test, "/") {
			continue
		}
		switch event.Action {
		case "output":
			if said[event.Test] == nil {
				said[event.Test] = &strings.Builder{}
			}
			said[event.Test].WriteString(event.Output)
		case "pass":
			found.Seeds++
		case "fail":
			found.Seeds++
			found.Diverged++
			tell("%s:\n%s", event.Test, said[event.Test])
		}
	}
	tell("histories: %d played with killed workers, %d diverged", found.Seeds, found.Diverged)
	return nil
}

// scene is a world with a campaign that is synced, or about to be.
type scene struct {
	*world.World
	someone    *person.Person
	campaign   bridge.CampaignID
	connection bridge.ConnectionID
	token      string // of the org's administrator
}

// stage starts a world with contacts, connects everything, switches syncing on, and lets so many people be in the campaign
// before anything is told of them.
func stage(ctx context.Context, root string, subscribers, contacts int) (*scene, error) {
	o := world.Options{Root: root, ReferralHero: referralhero.Options{
		WindowKind: referralhero.None, Lists: []referralhero.List{{Name: campaign, URL: "https://www.example.com/join", Ranking: true}},
	}}
	o.Salesforce.Generated = -1
	for i := range contacts {
		o.Salesforce.Contacts = append(o.Salesforce.Contacts, salesforce.Contact{LastName: "Reed", Email: fmt.Sprintf("subscriber%d@example.net", i+1)})
	}
	w, err := world.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &scene{World: w, someone: person.New(w.Stack.URL)}
	if err := s.connect(ctx, subscribers); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return s, nil
}

func (s *scene) connect(ctx context.Context, subscribers int) (err error) {
	s.campaign, s.connection, err = s.someone.SetUp(ctx, person.Account{Token: s.Hero.Token(), Allowance: 60_000, Campaign: campaign})
	if err != nil {
		return err
	}
	if err := s.someone.SyncOn(ctx, s.campaign, s.connection); err != nil {
		return err
	}
	if _, err := s.someone.Synced(ctx, s.campaign); err != nil {
		return err
	}
	s.Hero.Populate(subscribers)
	if err := s.someone.Refresh(ctx); err != nil {
		return err
	}
	address, err := s.someone.Webhook(ctx, s.Hero.WebhookSecrets().Current)
	if err != nil {
		return err
	}
	if _, err := s.Hero.SetWebhook(string(s.campaign), referralhero.Webhook{URL: address}); err != nil {
		return err
	}
	s.token, err = s.Org.Token("admin@acme.example")
	return err
}

// fillIn has everybody compared and waits for the statement. It returns the org's API calls meanwhile.
func (s *scene) fillIn(ctx context.Context) (calls int, err error) {
	s.Org.ResetCounts()
	if err := s.someone.Compare(ctx, s.campaign); err != nil {
		return 0, err
	}
	said, err := s.someone.Synced(ctx, s.campaign)
	if err != nil {
		return 0, err
	}
	calls = s.Org.Counts().API
	if want := len(s.Hero.Subscribers(string(s.campaign))); said.Subscribers != want || said.Equal+said.Repaired != want {
		return 0, fmt.Errorf("the statement says %+v of %d subscribers", said, want)
	}
	_, differ, err := Equal(ctx, s.World, string(s.campaign), true)
	if err == nil && len(differ) > 0 {
		err = fmt.Errorf("%d differences, such as: %s", len(differ), differ[0])
	}
	return calls, err
}

func collections(ctx context.Context, root string, tell func(string, ...any), found *Sync) (err error) {
	found.CallsCollections, err = fill(ctx, root, tell, 20_000, 10_000)
	return err
}

func inBulk(ctx context.Context, root string, tell func(string, ...any), found *Sync) (err error) {
	found.CallsBulk, err = fill(ctx, root, tell, 50_000, 50_000)
	return err
}

// fill has a campaign of n filled in, of whom so many are contacts already, and returns the calls per 1,000.
func fill(ctx context.Context, root string, tell func(string, ...any), n, contacts int) (perThousand float64, err error) {
	s, err := stage(ctx, root, n, contacts)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	began := time.Now()
	calls, err := s.fillIn(ctx)
	if err != nil {
		return 0, err
	}
	perThousand = float64(calls) / float64(n) * 1000
	tell("backfill: %d subscribers, %d contacts before, %d Salesforce calls (%.2f per 1,000), %s", n, contacts, calls, perThousand, time.Since(began).Round(time.Second))
	return perThousand, nil
}

// steady has ten changes a second come by webhook for some minutes, to a few people more often than to others.
func steady(ctx context.Context, root string, tell func(string, ...any), found *Sync) (err error) {
	const (
		people  = 5_000
		minutes = 4
		changes = minutes * 600
	)
	s, err := stage(ctx, root, people, people)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.fillIn(ctx); err != nil {
		return err
	}
	members := s.Hero.Subscribers(string(s.campaign))
	popular := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.1, 1, uint64(len(members)-1))
	s.Org.ResetCounts()
	s.AWS.DynamoDB.ResetUnits()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range changes {
		id := members[popular.Uint64()].ID
		if err := s.hero(ctx, http.MethodPost, "/subscribers/"+id, map[string]any{"extra_field": fmt.Sprint("change ", i)}, nil); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	found.CallsSteady = float64(s.Org.Counts().API) / changes * 1000
	found.UnitsSteady = s.AWS.DynamoDB.Units().Write / changes * 1000
	tell("steady: %d changes in %d minutes, %d Salesforce calls (%.2f per 1,000), %.0f write units per 1,000", changes, minutes, s.Org.Counts().API, found.CallsSteady, found.UnitsSteady)
	return nil
}

// latency measures how long it takes from a sign-up until the org has the contact: alone, and with 10,000 hints beside.
func latency(ctx context.Context, root string, tell func(string, ...any), found *Sync) (err error) {
	const people, signUps, flood, during = 12_000, 120, 10_000, time.Minute
	s, err := stage(ctx, root, people, people)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.fillIn(ctx); err != nil {
		return err
	}
	alone, err := s.signUps(ctx, "calm", signUps, 0)
	if err != nil {
		return err
	}
	found.P99 = quantile(alone, 0.99)
	tell("latency: %d sign-ups, median %.3f s, p99 %.3f s", len(alone), quantile(alone, 0.5), found.P99)

	flooding, stop := context.WithCancel(ctx)
	var flooded sync.WaitGroup
	failed := make(chan error, 1)
	flooded.Go(func() {
		members := s.Hero.Subscribers(string(s.campaign))
		pace := time.NewTicker(during / flood) // no faster than webhooks are taken: else people wait at ReferralHero, and not with us
		defer pace.Stop()
		for i := range flood {
			select {
			case <-pace.C:
			case <-flooding.Done():
				return
			}
			err := s.hero(flooding, http.MethodPost, "/subscribers/"+members[i].ID, map[string]any{"extra_field": "flood"}, nil)
			if err != nil && flooding.Err() == nil {
				failed <- err
				return
			}
		}
	})
	busy, err := s.signUps(ctx, "flood", signUps, during/signUps)
	if err != nil {
		stop()
	}
	flooded.Wait()
	stop()
	select {
	case failure := <-failed:
		err = errors.Join(err, failure)
	default:
	}
	if err != nil {
		return err
	}
	found.P99InFlood = quantile(busy, 0.99)
	tell("latency with a flood of hints: %d sign-ups, median %.3f s, p99 %.3f s", len(busy), quantile(busy, 0.5), found.P99InFlood)
	return nil
}

// signUps has people sign up, one after the other and no sooner than that, and returns in how many seconds each was a contact.
func (s *scene) signUps(ctx context.Context, name string, n int, every time.Duration) ([]float64, error) {
	var took []float64
	for i := range n {
		if pause := every - time.Duration(last(took)*float64(time.Second)); i > 0 && pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		email := fmt.Sprintf("%s%d@example.com", name, i)
		began := time.Now()
		var answer struct{ Data struct{ ID string } }
		if err := s.hero(ctx, http.MethodPost, "/subscribers", map[string]any{"email": email, "name": "Nia Long", "double_optin": false}, &answer); err != nil {
			return nil, err
		}
		if err := s.visible(ctx, email, answer.Data.ID); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		took = append(took, time.Since(began).Seconds())
	}
	return took, nil
}

// last returns the last of the values, or 0.
func last(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}

// visible waits until the contact with an address shows the subscriber's id.
func (s *scene) visible(ctx context.Context, email, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		rows, err := s.query(ctx, "SELECT RH_SUB_ID__c FROM Contact WHERE Email = '"+email+"'")
		if err != nil {
			return err
		}
		if len(rows) == 1 && rows[0]["RH_SUB_ID__c"] == id {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("the contact of %s does not show after two minutes", id)
		}
	}
}

// query asks the org.
func (s *scene) query(ctx context.Context, statement string) ([]map[string]any, error) {
	var answer struct{ Records []map[string]any }
	err := Exchange(ctx, http.MethodGet, s.OrgURL+"/services/data/v66.0/query?q="+url.QueryEscape(statement), s.token, nil, &answer)
	return answer.Records, err
}

// hero makes a call to ReferralHero.
func (s *scene) hero(ctx context.Context, method, path string, in, out any) error {
	return Exchange(ctx, method, s.HeroURL+"/api/v2/lists/"+string(s.campaign)+path, s.Hero.Token(), in, out)
}

// settle waits until ReferralHero has told everything and nobody works any more.
func (s *scene) settle(ctx context.Context) error {
	if err := s.Hero.Delivered(ctx); err != nil {
		return err
	}
	return s.Stack.Idle(ctx)
}

// Exchange makes a call in JSON, and decodes the answer into out unless that is nil. An answer that is no success is an error.
func Exchange(ctx context.Context, method, address, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s %.200s", method, request.URL.Path, response.Status, text)
	case out == nil || len(text) == 0:
		return nil
	default:
		return json.Unmarshal(text, out)
	}
}

// quantile returns the value below which that share of the values is.
func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

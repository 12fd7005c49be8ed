package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Allowed is what the comparison of the template's policies with what functions ask for found.
type Allowed struct {
	Granted int `json:"iam_granted"` // actions, each on one resource
	Missing int `json:"iam_missing"` // that a function asked for, and may not
	Unused  int `json:"iam_unused"`  // that nobody asked for
}

// Err says which promise does not hold.
func (a Allowed) Err() error {
	return broken(map[string]bool{"permissions granted": a.Granted > 0, "no permission missing": a.Missing == 0, "no permission unused": a.Unused == 0})
}

// Permissions has every function do what it does for customers, in good times and bad, and compares what they asked of AWS with what
// the template allows each. It tells the whole comparison as a table.
func Permissions(ctx context.Context, root string, tell func(format string, args ...any)) (found Allowed, err error) {
	var all comparison
	for name, journey := range map[string]func(context.Context, string, func(string, ...any)) error{"connections": all.connections, "work": all.work} {
		tell("permissions: %s", name)
		if err := journey(ctx, root, tell); err != nil {
			return found, fmt.Errorf("permissions: %s: %w", name, err)
		}
	}
	tell("permissions: %-24s %-34s %-12s %s", "function", "action", "used", "resource")
	for _, g := range all.grants {
		used := strconv.Itoa(g.Calls)
		switch {
		case g.Unused():
			used = "UNUSED"
			found.Unused++
		case g.Calls == 0:
			used = "by AWS"
		}
		tell("permissions: %-24s %-34s %-12s %s", g.Function, g.Action, used, g.Resource)
	}
	for _, p := range all.denied {
		tell("permissions: %-24s %-34s %-12s %s", p.Function, p.Action, "MISSING", p.Resource)
	}
	found.Granted, found.Missing = len(all.grants), len(all.denied)
	return found, nil
}

// comparison is the sum of what several worlds saw.
type comparison struct {
	grants []local.Grant
	denied []local.Permission
}

func (c *comparison) add(s *local.Stack) {
	before := map[local.Permission]int{}
	for _, g := range c.grants {
		before[g.Permission] += g.Calls
	}
	c.grants = s.Grants()
	for i, g := range c.grants {
		c.grants[i].Calls += before[g.Permission]
	}
	c.denied = append(c.denied, s.Denied()...)
}

// connections goes where the canary goes, and erases the account to the end.
func (c *comparison) connections(ctx context.Context, root string, tell func(string, ...any)) error {
	w, err := watch(ctx, root, 60)
	if err != nil {
		return err
	}
	err = w.journey(ctx)
	tell("permissions: all is done but erasing")
	if err == nil {
		err = passUntil(ctx, w.world, "ScheduleFunction", "dynamodb:batchwriteitem")
	}
	c.add(w.world.Stack)
	return errors.Join(err, w.close())
}

// work is importing, syncing and converting, with troubles of many kinds and with time passing in between.
func (c *comparison) work(ctx context.Context, root string, tell func(string, ...any)) (err error) {
	var trouble blockade
	o := world.Options{
		Root:         root,
		ReferralHero: referralhero.Options{WindowKind: referralhero.None, Lists: []referralhero.List{{Name: campaign, URL: "https://www.example.com/join", Ranking: true}}},
		Stack: local.Options{
			Schedules: map[string]time.Duration{"ScheduleFunction": time.Second}, Parameters: map[string]string{"RefreshRestSeconds": "0"},
		},
		AWS: aws.Options{Fault: trouble.fault},
	}
	for i := range 20 {
		o.Salesforce.Contacts = append(o.Salesforce.Contacts, salesforce.Contact{LastName: "Reed", Email: fmt.Sprintf("subscriber%d@example.net", i+1)})
	}
	w, err := world.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		c.add(w.Stack)
		err = errors.Join(err, w.Close())
	}()
	trouble.org = w.Org
	s := &toil{scene: &scene{World: w, someone: person.New(w.Stack.URL)}, trouble: &trouble}
	if err := s.connect(ctx, 40); err != nil {
		return err
	}
	if err := s.someone.Prefer(ctx, notifyEmail, 60_000); err != nil {
		return err
	}
	if _, err := s.fillIn(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"a deal", s.win}, {"people sign up", s.crowd}, {"a record is refused", s.refused}, {"an import", s.importing}, {"the org lets nobody in", s.outage},
		{"tokens have nowhere to go", s.rescues}, {"dead letters", s.letters}, {"the end of syncing", s.leave},
	} {
		tell("permissions: %s", step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := pass(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// toil is a scene in which everything happens.
type toil struct {
	*scene
	trouble *blockade
	deal    string
}

// win has a deal won by a contact who is a subscriber.
func (s *toil) win(ctx context.Context) error {
	if err := s.someone.Follow(ctx, s.campaign, s.connection, 2); err != nil {
		return err
	}
	for name, trigger := range map[string]bridge.Trigger{"Joins": bridge.AddContact, "Spends": bridge.TotalSpend} {
		if _, err := s.someone.AddEvent(ctx, s.campaign, name, "Closed Won", trigger); err != nil {
			return err
		}
	}
	if err := s.someone.Installed(ctx, s.campaign); err != nil {
		return err
	}
	found, err := s.query(ctx, "SELECT Id FROM Contact WHERE Email = 'subscriber1@example.net'")
	if err != nil || len(found) == 0 {
		return errors.Join(err, errors.New("there is no contact for a deal"))
	}
	s.Org.ExpireTokens()
	if s.token, err = s.Org.Token("admin@acme.example"); err != nil {
		return err
	}
	var deal struct{ ID string }
	if err := s.object(ctx, http.MethodPost, "Opportunity", map[string]any{
		"Name": "Lamps", "StageName": "Prospecting", "CloseDate": time.Now().AddDate(0, 1, 0).Format(time.DateOnly), "Amount": 1250,
	}, &deal); err != nil {
		return err
	}
	s.deal = deal.ID
	role := map[string]any{"OpportunityId": deal.ID, "ContactId": found[0]["Id"], "IsPrimary": true}
	if err := s.object(ctx, http.MethodPost, "OpportunityContactRole", role, nil); err != nil {
		return err
	}
	return s.object(ctx, http.MethodPatch, "Opportunity/"+deal.ID, map[string]any{"StageName": "Closed Won"}, nil)
}

// object makes a call about a record of the org.
func (s *toil) object(ctx context.Context, method, path string, in, out any) error {
	return Exchange(ctx, method, s.OrgURL+"/services/data/v66.0/sobjects/"+path, s.token, in, out)
}

// crowd has people sign up and change, all at once.
func (s *toil) crowd(ctx context.Context) error {
	var team errgroup.Group
	team.SetLimit(10)
	for i, member := range s.Hero.Subscribers(string(s.campaign)) {
		team.Go(func() error {
			return errors.Join(
				s.hero(ctx, http.MethodPost, "/subscribers", map[string]any{"email": fmt.Sprintf("crowd%d@example.com", i), "name": "Nia Long", "double_optin": false}, nil),
				s.hero(ctx, http.MethodPost, "/subscribers/"+member.ID, map[string]any{"extra_field": fmt.Sprint("change ", i)}, nil),
			)
		})
	}
	return team.Wait()
}

// refused has a person whom the org does not take, until it does.
func (s *toil) refused(ctx context.Context) error {
	s.Org.SetRules(salesforce.Rule{Kind: salesforce.KindRecord, Object: "Contact", Field: "LastName", Contains: "Thornbarrow", Fault: salesforce.Fault{Status: 400, Message: "not here"}})
	defer s.Org.SetRules()
	for i := range 3 {
		person := map[string]any{"email": fmt.Sprintf("thorn%d@example.com", i), "name": "Tilda Thornbarrow", "double_optin": false}
		if err := s.hero(ctx, http.MethodPost, "/subscribers", person, nil); err != nil {
			return err
		}
	}
	if err := pass(ctx, s.World); err != nil {
		return err
	}
	retry := func() error {
		path := "/campaigns/" + string(s.campaign) + "/salesforce/attention"
		if err := s.someone.Browser.Open(ctx, s.someone.Console+path); err != nil {
			return err
		}
		return errors.Join(s.someone.Browser.Submit(ctx, path, nil), rest(ctx, s.World))
	}
	if err := retry(); err != nil {
		return err
	}
	s.Org.SetRules()
	return pass(ctx, s.World)
}

// importing imports while tokens end and workers have to be looked after.
func (s *toil) importing(ctx context.Context) error {
	s.trouble.mute.Store(true)
	id, _, err := s.someone.Import(ctx, s.campaign, s.connection, "https://www.example.com/join")
	if err == nil {
		err = ripen(ctx, s.World)
	}
	if err == nil {
		err = s.used(ctx, func(g local.Grant) bool {
			return g.Function == "ScheduleFunction" && g.Action == "sqs:sendmessage" && strings.HasSuffix(g.Resource, "-Imports")
		})
	}
	s.trouble.mute.Store(false)
	if err != nil {
		return err
	}
	s.Org.ExpireTokens()
	_, err = s.someone.Watch(ctx, id, 200*time.Millisecond, func(person.Progress) {})
	return err
}

// outage ends the grant in the middle of everything, until somebody connects again.
func (s *toil) outage(ctx context.Context) error {
	if _, _, err := s.someone.Import(ctx, s.campaign, s.connection, "https://www.example.com/join"); err != nil {
		return err
	}
	s.Org.RevokeGrants()
	if err := s.crowd(ctx); err != nil {
		return err
	}
	var err error
	if s.token, err = s.Org.Token("admin@acme.example"); err != nil {
		return err
	}
	if err := s.object(ctx, http.MethodPatch, "Opportunity/"+s.deal, map[string]any{"Amount": 2000}, nil); err != nil {
		return err
	}
	if err := pass(ctx, s.World); err != nil {
		return err
	}
	_, err = s.someone.Reconnect(ctx, s.connection)
	return err
}

// blockade is a trouble with what functions keep.
type blockade struct {
	org            *salesforce.Org
	full, stubborn atomic.Bool // the table takes no new token; secrets cannot be deleted
	mute           atomic.Bool // the table tells workers nothing
}

// workers are the functions that queues start, by the names that they sign with.
var workers = []string{"local-ImportPageFunction", "local-SubscriberSyncFunction", "local-ConversionFunction"}

func (v *blockade) fault(service, operation string, r *http.Request) *aws.Fault {
	signed := func(name string) bool { return strings.Contains(r.Header.Get("Authorization"), "Credential="+name+"/") }
	if v.mute.Load() && service == "dynamodb" && slices.ContainsFunc(workers, signed) {
		return &aws.Fault{Status: 400, Code: "ValidationException"}
	}
	if v.full.Load() && operation == "UpdateItem" && v.org.Counts().Token > 0 || v.stubborn.Load() && operation == "DeleteSecret" {
		return &aws.Fault{Status: 500, Code: "InternalServerError"}
	}
	return nil
}

// rescues has a new token that the table does not take for so long that the broker ends; the next one finds it in the other place.
func (s *toil) rescues(ctx context.Context) error {
	examine := func() error {
		s.Org.ResetCounts()
		if err := s.someone.Browser.Open(ctx, s.someone.Console+"/connections/"+string(s.connection)+"/doctor"); err != nil {
			return err
		}
		return s.someone.Browser.Submit(ctx, "examine-form", nil)
	}
	s.trouble.stubborn.Store(true)
	for range 2 { // the second time the other place has one already
		s.Org.ExpireTokens()
		s.trouble.full.Store(true)
		_ = examine() // cannot go well
		s.trouble.full.Store(false)
		select {
		case <-time.After(65 * time.Second): // longer than the lease of a broker that has ended
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := examine(); err != nil {
			return err
		}
	}
	s.trouble.stubborn.Store(false)
	return nil
}

// letters has a message of every queue given up, once the account's and once nobody's, and tried again by the owner and by an operator. The first
// time that the owner's come again they fail.
func (s *toil) letters(ctx context.Context) error {
	account, err := s.account()
	if err != nil {
		return err
	}
	cloud, err := cloudOf(ctx, s.World, local.Operator)
	if err != nil {
		return err
	}
	work := slices.DeleteFunc(slices.Clone(letter.Queues), func(q letter.Queue) bool { return q == letter.Schedule }) // sweeps are nobody's
	for _, q := range work {
		url := s.Stack.Ref(string(q) + "Dead")
		for _, body := range []string{fmt.Sprintf(`{"schema":1,"job":{"account":%q}}`, account), "hello"} {
			if _, err := sqs.NewFromConfig(cloud).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
				return err
			}
		}
	}
	if err := rest(ctx, s.World); err != nil {
		return err
	}
	stopped, err := s.someone.Stopped(ctx)
	if err != nil || len(stopped) != len(work) {
		return errors.Join(err, fmt.Errorf("%d pieces of work have stopped, want %d", len(stopped), len(work)))
	}
	s.trouble.mute.Store(true)
	for _, id := range stopped {
		if err := s.someone.TryAgain(ctx, id); err != nil {
			return err
		}
	}
	err = s.used(ctx, func(g local.Grant) bool { return g.Action == "sqs:changemessagevisibility" }) // a message of each queue has failed
	s.trouble.mute.Store(false)
	if err != nil {
		return err
	}
	for _, q := range work {
		if _, failed, err := s.Stack.Invoke(ctx, "DeadLetterFunction", []byte(fmt.Sprintf(`{"again":%q}`, q))); err != nil || failed != "" {
			return errors.Join(err, fmt.Errorf("letters of %s were not sent again: %s", q, failed))
		}
	}
	return nil
}

// used waits until functions have used all of some permissions.
func (s *toil) used(ctx context.Context, some func(local.Grant) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute) // the longest batching window is a minute
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		grants := s.Stack.Grants()
		i := slices.IndexFunc(grants, func(g local.Grant) bool { return some(g) && g.Unused() })
		if i < 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("nobody has used %+v", grants[i].Permission)
		}
	}
}

// account finds the only account that there is.
func (s *toil) account() (bridge.AccountID, error) {
	items, err := snapshot(s.World)
	for _, item := range items {
		if account, is := strings.CutPrefix(item.Partition.S, "ACCOUNT#"); is && item.Sort.S == "ACCOUNT" {
			return bridge.AccountID(account), nil
		}
	}
	return "", errors.Join(err, errors.New("there is no account"))
}

// leave switches syncing off.
func (s *toil) leave(ctx context.Context) error {
	path := "/campaigns/" + string(s.campaign) + "/salesforce"
	if err := s.someone.Browser.Open(ctx, s.someone.Console+path); err != nil {
		return err
	}
	return s.someone.Browser.Submit(ctx, path+"/off", nil)
}

// pass lets so much time pass that whatever waits for a time is due, and waits until nobody works any more.
func pass(ctx context.Context, w *world.World) error {
	if err := ripen(ctx, w); err != nil {
		return err
	}
	sweeps := w.Stack.Stats("ScheduleFunction").Invocations
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for w.Stack.Stats("ScheduleFunction").Invocations < sweeps+20 { // each sweep twice
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return rest(ctx, w)
}

// rest waits until nobody works any more, or for a while: some work waits for longer by itself.
func rest(ctx context.Context, w *world.World) error {
	soon, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := errors.Join(w.Hero.Delivered(soon), w.Stack.Idle(soon)); err != nil && (ctx.Err() != nil || soon.Err() == nil) {
		return err
	}
	return nil
}

// passUntil lets time pass until a function has asked for something.
func passUntil(ctx context.Context, w *world.World, function, action string) error {
	for range 20 {
		if err := pass(ctx, w); err != nil {
			return err
		}
		for _, g := range w.Stack.Grants() {
			if g.Function == function && g.Action == action && g.Calls > 0 {
				return nil
			}
		}
	}
	return fmt.Errorf("%s has never asked for %s", function, action)
}

// ripen makes all rows due that wait for a time.
func ripen(ctx context.Context, w *world.World) error {
	cloud, err := cloudOf(ctx, w, local.Operator)
	if err != nil {
		return err
	}
	db := dynamodb.NewFromConfig(cloud)
	items, err := snapshot(w)
	if err != nil {
		return err
	}
	table := w.Stack.Ref("Table")
	for _, item := range items {
		if item.Due == nil {
			continue
		}
		set := []string{"dueAt = :past"}
		if item.Begun != nil { // an erasure goes by it
			set = append(set, "begunAt = :past")
		}
		_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &table, UpdateExpression: awssdk.String("SET " + strings.Join(set, ", ")),
			ConditionExpression: awssdk.String("attribute_exists(dueAt)"),
			Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: item.Partition.S}, "sk": &types.AttributeValueMemberS{Value: item.Sort.S},
			},
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":past": &types.AttributeValueMemberN{Value: strconv.FormatInt(time.Now().Add(-time.Hour).UnixMilli(), 10)},
			},
		})
		if gone := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return nil
}

// row is as much of a row of the table as is of interest here.
type row struct {
	Partition struct{ S string }  `json:"pk"`
	Sort      struct{ S string }  `json:"sk"`
	Due       *struct{ N string } `json:"dueAt"`
	Begun     *struct{ N string } `json:"begunAt"`
}

// snapshot returns all rows of the table.
func snapshot(w *world.World) (items []row, err error) {
	text, err := w.AWS.DynamoDB.Snapshot()
	if err != nil {
		return nil, err
	}
	var saved struct{ Tables []struct{ Items []row } }
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, err
	}
	for _, t := range saved.Tables {
		items = append(items, t.Items...)
	}
	return items, nil
}

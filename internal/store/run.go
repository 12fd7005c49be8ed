package store

import (
	"context"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

type runRecord struct {
	ID        string           `dynamodbav:"id"`
	Why       string           `dynamodbav:"why"`
	Home      string           `dynamodbav:"home"`
	SetAt     int64            `dynamodbav:"setAt"`
	StartedAt int64            `dynamodbav:"startedAt"`
	EndedAt   int64            `dynamodbav:"endedAt,omitempty"`
	Cause     string           `dynamodbav:"cause,omitempty"`
	Statement syncer.Statement `dynamodbav:"statement"`
	Page      int              `dynamodbav:"page"`
	Pages     int              `dynamodbav:"pages"`
	Total     int              `dynamodbav:"subscribers"`
	Least     int              `dynamodbav:"least"`
	Slice     int              `dynamodbav:"slice"`
	Parts     int              `dynamodbav:"parts"`
	Most      int              `dynamodbav:"most,omitempty"`
	Backs     int              `dynamodbav:"backs,omitempty"`
	Load      *syncer.Loading  `dynamodbav:"load,omitempty"`
	Sweeping  bool             `dynamodbav:"sweeping,omitempty"`
	Again     bool             `dynamodbav:"again,omitempty"`
	BeatAt    int64            `dynamodbav:"beatAt"`
	Busy      int64            `dynamodbav:"busyUntil,omitempty"`
	Version   int              `dynamodbav:"version"`
	Expires   int64            `dynamodbav:"expires,omitempty"`
}

func (r runRecord) noun(account bridge.AccountID, campaign bridge.CampaignID) syncer.Run {
	return syncer.Run{
		Account: account, Campaign: campaign, ID: r.ID, Why: r.Why, Home: r.Home, SetAt: fromMillis(r.SetAt), StartedAt: fromMillis(r.StartedAt), EndedAt: fromMillis(r.EndedAt), Cause: r.Cause,
		Statement: r.Statement, Page: r.Page, Pages: r.Pages, Total: r.Total, Least: r.Least, Slice: r.Slice, Parts: r.Parts, Most: r.Most, Backs: r.Backs, Load: r.Load,
		Sweeping: r.Sweeping, Again: r.Again, BeatAt: fromMillis(r.BeatAt), Busy: fromMillis(r.Busy), Version: r.Version,
	}
}

// Statements of runs are kept for a year, and what a run has seen for as long as one may take.
const (
	runKept  = 366 * 24 * time.Hour
	seenKept = 30 * 24 * time.Hour
	dayKept  = 400 * 24 * time.Hour
)

// Run returns the newest run of a campaign, or NotFound.
func (s *Store) Run(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (syncer.Run, error) {
	found, err := s.Runs(ctx, account, campaign, 1)
	if err != nil {
		return syncer.Run{}, err
	}
	if len(found) == 0 {
		return syncer.Run{}, &bridge.Error{Op: "store.Run", Kind: bridge.NotFound}
	}
	return found[0], nil
}

// Runs returns up to limit runs of a campaign, newest first.
func (s *Store) Runs(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, limit int) ([]syncer.Run, error) {
	const op = "store.Runs"
	values, err := bind(map[string]any{":pk": synced(account, campaign), ":prefix": runs})
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	result, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true), ScanIndexForward: pointer(false), Limit: pointer(int32(limit)),
		KeyConditionExpression: pointer("pk = :pk AND begins_with(sk, :prefix)"), ExpressionAttributeValues: values,
	})
	if err != nil {
		return nil, reading(op, err)
	}
	var all []syncer.Run
	for _, attributes := range result.Items {
		if s.expired(attributes) {
			continue
		}
		var r runRecord
		if err := decode(attributes, &r); err != nil {
			return nil, bridge.E(op, "", err)
		}
		all = append(all, r.noun(account, campaign))
	}
	return all, nil
}

// SaveRun adds a run of version 0, or replaces one. It is a Conflict unless the version is still the one that was read.
func (s *Store) SaveRun(ctx context.Context, v syncer.Run) error {
	r := runRecord{
		ID: v.ID, Why: v.Why, Home: v.Home, SetAt: millis(v.SetAt), StartedAt: millis(v.StartedAt), EndedAt: millis(v.EndedAt), Cause: v.Cause, Statement: v.Statement, Page: v.Page,
		Pages: v.Pages, Total: v.Total, Least: v.Least, Slice: v.Slice, Parts: v.Parts, Most: v.Most, Backs: v.Backs, Load: v.Load, Sweeping: v.Sweeping, Again: v.Again, BeatAt: millis(v.BeatAt),
		Busy: millis(v.Busy), Version: v.Version + 1, Expires: v.StartedAt.Add(runKept).Unix(),
	}
	return s.putVersion(ctx, "store.SaveRun", runKey(v.Account, v.Campaign, v.ID), r, v.Version)
}

type seenRecord struct {
	Packed  []byte `dynamodbav:"packed"`
	Expires int64  `dynamodbav:"expires"`
}

// SaveSeen keeps a part of what a run has seen. It counts once the run says that it has so many parts; until then another
// worker may write it anew.
func (s *Store) SaveSeen(ctx context.Context, r syncer.Run, part int, packed []byte) error {
	const op = "store.SaveSeen"
	row, err := item(seenKey(r.Account, r.Campaign, r.ID, part), seenRecord{packed, s.now().Add(seenKept).Unix()})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: row})
	return meaning(op, err)
}

// Seen yields the first r.Parts parts that SaveSeen kept for a run. It ends with the first error.
func (s *Store) Seen(ctx context.Context, r syncer.Run) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		n := 0
		err := s.query(ctx, "store.Seen", synced(r.Account, r.Campaign), seenPrefix(r.ID), "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
			if n++; n > r.Parts {
				return false, nil
			}
			var row seenRecord
			if err := decode(attributes, &row); err != nil {
				return false, err
			}
			return yield(row.Packed, nil), nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// EndLoad notes that a bulk load is over: from then on what links say about it counts.
func (s *Store) EndLoad(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, load string) error {
	const op = "store.EndLoad"
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: loadKey(account, campaign, load).attributes()})
	return meaning(op, err)
}

// LoadOver reports whether a bulk load is over.
func (s *Store) LoadOver(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, load string) (bool, error) {
	err := s.get(ctx, "store.LoadOver", loadKey(account, campaign, load), &struct{}{})
	if bridge.KindOf(err) == bridge.NotFound {
		return false, nil
	}
	return err == nil, err
}

type dayRecord struct {
	Sort      string `dynamodbav:"sk"`
	LastAt    int64  `dynamodbav:"lastAt"`
	Written   int    `dynamodbav:"written"`
	Created   int    `dynamodbav:"created"`
	Equal     int    `dynamodbav:"equal"`
	Refused   int    `dynamodbav:"refused"`
	Skipped   int    `dynamodbav:"skipped"`
	Gone      int    `dynamodbav:"gone"`
	HeroCalls int    `dynamodbav:"heroCalls"`
	OrgCalls  int    `dynamodbav:"orgCalls"`
	Hints     int    `dynamodbav:"hints"`
}

// Count adds to what a day has seen. It is for people: after a crash it may be too little, and after a repetition too much.
func (s *Store) Count(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, at time.Time, t syncer.Tally) error {
	const op = "store.Count"
	values, err := bind(map[string]any{
		":written": t.Written, ":created": t.Created, ":equal": t.Equal, ":refused": t.Refused, ":skipped": t.Skipped, ":gone": t.Gone,
		":hero": t.HeroCalls, ":org": t.OrgCalls, ":hints": t.Hints, ":expires": at.Add(dayKept).Unix(), ":at": millis(at),
	})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: dayKey(account, campaign, at).attributes(),
		UpdateExpression: pointer("SET expires = :expires, lastAt = :at ADD written :written, created :created, #equal :equal, refused :refused, " +
			"skipped :skipped, gone :gone, heroCalls :hero, orgCalls :org, hints :hints"),
		ExpressionAttributeNames:  map[string]string{"#equal": "equal"}, // a reserved word
		ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

// Days returns what was counted since a day, oldest first.
func (s *Store) Days(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, since time.Time) ([]syncer.Day, error) {
	const op = "store.Days"
	var all []syncer.Day
	first := dayKey(account, campaign, since).sk
	err := s.query(ctx, op, synced(account, campaign), days, "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
		var r dayRecord
		if err := decode(attributes, &r); err != nil || r.Sort < first {
			return true, err
		}
		day, err := time.Parse(time.DateOnly, r.Sort[len(days):])
		all = append(all, syncer.Day{Day: day, LastAt: fromMillis(r.LastAt), Tally: syncer.Tally{
			Written: r.Written, Created: r.Created, Equal: r.Equal, Refused: r.Refused, Skipped: r.Skipped, Gone: r.Gone,
			HeroCalls: r.HeroCalls, OrgCalls: r.OrgCalls, Hints: r.Hints,
		}})
		return true, err
	})
	return all, err
}

package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

type syncRecord struct {
	Connection string `dynamodbav:"connection"`
	Target     string `dynamodbav:"target"`
	Only       string `dynamodbav:"only"`
	LinkOnly   bool   `dynamodbav:"linkOnly"`
	Parent     string `dynamodbav:"parent,omitempty"`
	RecordType string `dynamodbav:"recordType,omitempty"`
	Every      int64  `dynamodbav:"every"` // seconds
	On         bool   `dynamodbav:"isOn"`
	SetBy      string `dynamodbav:"setBy"`
	SetAt      int64  `dynamodbav:"setAt"`
	Wanted     string `dynamodbav:"wanted,omitempty"`
	NextRun    int64  `dynamodbav:"nextRun,omitempty"`
	Waits      string `dynamodbav:"waits,omitempty"`
	Until      int64  `dynamodbav:"waitsUntil,omitempty"`
	Since      int64  `dynamodbav:"waitsSince,omitempty"`
	Shard      string `dynamodbav:"shard,omitempty"`
	DueAt      int64  `dynamodbav:"dueAt,omitempty"`
	Version    int    `dynamodbav:"version"`
}

func newSyncRecord(v syncer.Sync) syncRecord {
	r := syncRecord{
		Connection: string(v.Connection), Target: string(v.Target), Only: string(v.Only), LinkOnly: v.LinkOnly, Parent: string(v.Parent),
		RecordType: string(v.RecordType), Every: int64(v.Every / time.Second), On: v.On, SetBy: v.SetBy, SetAt: millis(v.SetAt), Wanted: v.Wanted,
		NextRun: millis(v.NextRun), Waits: v.Waits, Until: millis(v.Until), Since: millis(v.Since), Version: v.Version + 1,
	}
	if !v.Due.IsZero() {
		r.Shard, r.DueAt = syncLine.shard(v.Account), millis(v.Due)
	}
	return r
}

func (r syncRecord) noun(account bridge.AccountID, campaign bridge.CampaignID) syncer.Sync {
	return syncer.Sync{
		Account: account, Campaign: campaign,
		Options: syncer.Options{
			Connection: bridge.ConnectionID(r.Connection), Target: bridge.Target(r.Target), Only: syncer.Only(r.Only), LinkOnly: r.LinkOnly,
			Parent: bridge.SalesforceID(r.Parent), RecordType: bridge.SalesforceID(r.RecordType), Every: time.Duration(r.Every) * time.Second,
		},
		On: r.On, SetBy: r.SetBy, SetAt: fromMillis(r.SetAt), Wanted: r.Wanted, NextRun: fromMillis(r.NextRun), Waits: r.Waits,
		Until: fromMillis(r.Until), Since: fromMillis(r.Since), Due: fromMillis(r.DueAt), Version: r.Version,
	}
}

// Sync returns how a campaign is synced, or NotFound.
func (s *Store) Sync(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (syncer.Sync, error) {
	var r syncRecord
	if err := s.get(ctx, "store.Sync", syncKey(account, campaign), &r); err != nil {
		return syncer.Sync{}, err
	}
	return r.noun(account, campaign), nil
}

// SaveSync replaces how a campaign is synced. It is a Conflict unless the version is still the one that was read.
func (s *Store) SaveSync(ctx context.Context, v syncer.Sync) error {
	return s.putVersion(ctx, "store.SaveSync", syncKey(v.Account, v.Campaign), newSyncRecord(v), v.Version)
}

// Syncs returns how the campaigns of an account are synced, those of which anybody has said so.
func (s *Store) Syncs(ctx context.Context, account bridge.AccountID) ([]syncer.Sync, error) {
	const op = "store.Syncs"
	var all []syncer.Sync
	err := s.query(ctx, op, partition(account), syncRows, "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
		var r struct {
			Sort string `dynamodbav:"sk"`
			syncRecord
		}
		err := decode(attributes, &r)
		all = append(all, r.noun(account, syncedOf(r.Sort)))
		return true, err
	})
	return all, err
}

type ownerRecord struct {
	Campaign string `dynamodbav:"campaign"`
}

// Owner returns the campaign that owns the fields of an object of an org, or NotFound.
func (s *Store) Owner(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, object string) (bridge.CampaignID, error) {
	var r ownerRecord
	err := s.get(ctx, "store.Owner", ownerKey(account, connection, object), &r)
	return bridge.CampaignID(r.Campaign), err
}

// SaveOwned writes how a campaign is synced together with its ownership of the fields there; what was owned by was and is not
// any more is free. It is a Conflict if another campaign owns the fields, or if was is not what is there.
func (s *Store) SaveOwned(ctx context.Context, v, was syncer.Sync) error {
	const op = "store.SaveOwned"
	row, err := item(syncKey(v.Account, v.Campaign), newSyncRecord(v))
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	put := types.Put{TableName: &s.table, Item: row, ConditionExpression: pointer(absent)}
	if was.Version > 0 {
		put.ConditionExpression = pointer(versioned)
		if put.ExpressionAttributeValues, err = bind(map[string]any{":was": was.Version}); err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
	}
	writes := []types.TransactWriteItem{{Put: &put}}
	mine, err := bind(map[string]any{":campaign": string(v.Campaign)})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	now, before := ownerKey(v.Account, v.Connection, v.Target.Object()), ownerKey(was.Account, was.Connection, was.Target.Object())
	if v.On {
		owner, err := item(now, ownerRecord{string(v.Campaign)})
		if err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: &s.table, Item: owner, ConditionExpression: pointer(absent + " OR campaign = :campaign"), ExpressionAttributeValues: mine,
		}})
	}
	if was.On && (!v.On || before != now) {
		writes = append(writes, types.TransactWriteItem{Delete: &types.Delete{
			TableName: &s.table, Key: before.attributes(), ConditionExpression: pointer("attribute_not_exists(pk) OR campaign = :campaign"), ExpressionAttributeValues: mine,
		}})
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}

// DueSyncs returns up to limit campaigns of each shard that are to be looked after at now, those that wait longest first.
func (s *Store) DueSyncs(ctx context.Context, now time.Time, limit int) ([]syncer.Due, error) {
	var found []syncer.Due
	err := s.due(ctx, "store.DueSyncs", syncLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		found = append(found, syncer.Due{Account: account, Campaign: syncedOf(sort), At: at})
		return strings.HasPrefix(sort, syncRows)
	})
	return found, err
}

// PostponeSync moves on the time at which a campaign is looked after. It is a Conflict unless it is still due at d.At.
func (s *Store) PostponeSync(ctx context.Context, d syncer.Due, until time.Time) error {
	return s.postpone(ctx, "store.PostponeSync", syncKey(d.Account, d.Campaign), d.At, until)
}

// query gives the items of a partition whose sort keys have a prefix, those after a sort key if there is one, to each, until it
// returns false. limit is how many are read at a time; 0 leaves that to DynamoDB.
func (s *Store) query(ctx context.Context, op, pk, prefix, after string, limit int, each func(map[string]types.AttributeValue) (bool, error)) error {
	condition, bound := "pk = :pk AND begins_with(sk, :prefix)", map[string]any{":pk": pk, ":prefix": prefix}
	values, err := bind(bound)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	input := dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true), KeyConditionExpression: &condition, ExpressionAttributeValues: values,
	}
	if after != "" {
		input.ExclusiveStartKey = key{pk, after}.attributes()
	}
	if limit > 0 {
		input.Limit = pointer(int32(limit))
	}
	pages := dynamodb.NewQueryPaginator(s.db, &input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return reading(op, err)
		}
		for _, attributes := range page.Items {
			more, err := each(attributes)
			if err != nil {
				return bridge.E(op, "", err)
			}
			if !more {
				return nil
			}
		}
	}
	return nil
}

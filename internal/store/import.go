package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

// importRecord keeps times in Unix milliseconds and leaves out what its key says, so that the item, which is
// written with every page, stays within one write unit. Shard and DueAt are there as long as the import
// is to be found by the index.
type importRecord struct {
	Key        string `dynamodbav:"sk"`
	Campaign   string `dynamodbav:"campaign"`
	Connection string `dynamodbav:"connection"`
	Identifier string `dynamodbav:"identifier"`
	URL        string `dynamodbav:"url,omitempty"`
	Welcome    bool   `dynamodbav:"welcome,omitempty"`
	Filter     string `dynamodbav:"filter,omitempty"`
	State      string `dynamodbav:"state"`
	Parked     string `dynamodbav:"parked,omitempty"`
	Until      int64  `dynamodbav:"until,omitempty"`
	Cause      string `dynamodbav:"cause,omitempty"`
	Total      int    `dynamodbav:"total"`
	Bound      int64  `dynamodbav:"bound"`
	Cursor     string `dynamodbav:"cursor,omitempty"`
	Planned    bool   `dynamodbav:"planned,omitempty"`
	Pages      int    `dynamodbav:"pages"`
	Open       []int  `dynamodbav:"open,omitempty"`
	Selected   int    `dynamodbav:"selected"`
	Counts     []int  `dynamodbav:"counts"`
	Pass       int    `dynamodbav:"pass"`
	Mail       string `dynamodbav:"mail,omitempty"`
	StartedBy  string `dynamodbav:"startedBy,omitempty"`
	StartedAt  int64  `dynamodbav:"startedAt"`
	HeroAt     int64  `dynamodbav:"heroAt,omitempty"`
	EndedAt    int64  `dynamodbav:"endedAt,omitempty"`
	BeatAt     int64  `dynamodbav:"beatAt"`
	Version    int    `dynamodbav:"version"`
	Shard      string `dynamodbav:"shard,omitempty"`
	DueAt      int64  `dynamodbav:"dueAt,omitempty"`
}

func newImportRecord(i bridge.Import, due time.Time) importRecord {
	r := importRecord{
		Campaign: string(i.Options.Campaign), Connection: string(i.Options.Connection), Identifier: string(i.Options.Identifier),
		URL: i.Options.URL, Welcome: i.Options.Welcome, Filter: i.Options.Filter,
		State: string(i.State), Parked: i.Parked, Until: millis(i.Until), Cause: i.Cause,
		Total: i.Total, Bound: millis(i.Bound), Cursor: string(i.Cursor), Planned: i.Planned, Pages: i.Pages, Open: i.Open,
		Selected: i.Selected, Counts: packCounts(i.Counts), Pass: i.Pass, Mail: string(i.Mail), StartedBy: i.StartedBy,
		StartedAt: millis(i.StartedAt), HeroAt: millis(i.HeroAt), EndedAt: millis(i.EndedAt), BeatAt: millis(i.BeatAt),
		Version: i.Version + 1,
	}
	if !due.IsZero() {
		r.Shard, r.DueAt = importLine.shard(i.Account), millis(due)
	}
	return r
}

func (r importRecord) noun(account bridge.AccountID) bridge.Import {
	return bridge.Import{
		ID: bridge.ImportID(strings.TrimPrefix(r.Key, imports)), Account: account,
		Options: bridge.ImportOptions{
			Campaign: bridge.CampaignID(r.Campaign), Connection: bridge.ConnectionID(r.Connection),
			Identifier: bridge.Identifier(r.Identifier), URL: r.URL, Welcome: r.Welcome, Filter: r.Filter,
		},
		State: bridge.ImportState(r.State), Parked: r.Parked, Until: fromMillis(r.Until), Cause: r.Cause,
		Total: r.Total, Bound: fromMillis(r.Bound), Cursor: bridge.SalesforceID(r.Cursor), Planned: r.Planned,
		Pages: r.Pages, Open: r.Open, Selected: r.Selected, Counts: unpackCounts(r.Counts), Pass: r.Pass,
		Mail: bridge.MailState(r.Mail), StartedBy: r.StartedBy, StartedAt: fromMillis(r.StartedAt),
		HeroAt: fromMillis(r.HeroAt), EndedAt: fromMillis(r.EndedAt), BeatAt: fromMillis(r.BeatAt), Version: r.Version,
	}
}

func packCounts(c bridge.Counts) []int {
	return []int{c.Created, c.Existed, c.Invalid, c.Failed, c.Skipped}
}

func unpackCounts(n []int) bridge.Counts {
	if len(n) != 5 {
		return bridge.Counts{}
	}
	return bridge.Counts{Created: n[0], Existed: n[1], Invalid: n[2], Failed: n[3], Skipped: n[4]}
}

// reservation names the one import that may run in a campaign.
type reservation struct {
	Import string `dynamodbav:"import"`
}

// BeginImport writes an import that is to run, and reserves its campaign for it: a new import if its version
// is 0, else one that had ended. It is a Conflict if another import has the campaign, or if the import's
// version is not the one that was read. due is when the sweep should look after it.
func (s *Store) BeginImport(ctx context.Context, i bridge.Import, due time.Time) error {
	const op = "store.BeginImport"
	row, err := s.importPut(i, due)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	running, err := item(runningKey(i.Account, i.Options.Campaign), reservation{string(i.ID)})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: row},
		{Put: &types.Put{TableName: &s.table, Item: running, ConditionExpression: pointer(absent)}},
	}})
	return meaning(op, err)
}

// EndImport writes an import that has ended, takes it off the index, and gives its campaign free. It is a
// Conflict unless the version is still the one that was read.
func (s *Store) EndImport(ctx context.Context, i bridge.Import) error {
	const op = "store.EndImport"
	row, err := s.importPut(i, time.Time{})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	values, err := bind(map[string]any{":import": string(i.ID)})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: row},
		{Delete: &types.Delete{
			TableName: &s.table, Key: runningKey(i.Account, i.Options.Campaign).attributes(),
			ConditionExpression:      pointer("attribute_not_exists(pk) OR #import = :import"),
			ExpressionAttributeNames: map[string]string{"#import": "import"}, ExpressionAttributeValues: values,
		}},
	}})
	return meaning(op, err)
}

// importPut is the write of an import over the version that was read.
func (s *Store) importPut(i bridge.Import, due time.Time) (*types.Put, error) {
	attributes, err := item(importKey(i.Account, i.ID), newImportRecord(i, due))
	if err != nil {
		return nil, err
	}
	if i.Version == 0 {
		return &types.Put{TableName: &s.table, Item: attributes, ConditionExpression: pointer(absent)}, nil
	}
	values, err := bind(map[string]any{":was": i.Version})
	if err != nil {
		return nil, err
	}
	return &types.Put{
		TableName: &s.table, Item: attributes, ConditionExpression: pointer(versioned), ExpressionAttributeValues: values,
	}, nil
}

// SaveImport replaces an import and raises its version. It is a Conflict unless the version is still the one
// that was read. due is when the sweep should look after it; zero takes it off the index.
func (s *Store) SaveImport(ctx context.Context, i bridge.Import, due time.Time) error {
	const op = "store.SaveImport"
	return s.put(ctx, op, importKey(i.Account, i.ID), newImportRecord(i, due), versioned, map[string]any{":was": i.Version})
}

// Import returns an import of the account, or NotFound.
func (s *Store) Import(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	var r importRecord
	if err := s.get(ctx, "store.Import", importKey(account, id), &r); err != nil {
		return bridge.Import{}, err
	}
	return r.noun(account), nil
}

// Imports returns up to limit imports of the account, newest first: those of the campaign, or of all if it is
// empty; those older than before, or the newest if it is empty.
func (s *Store) Imports(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error) {
	const op = "store.Imports"
	// Ids are made of hexadecimal digits: "~" sorts behind all of them, and "!" before.
	last := imports + "~"
	if before != "" {
		last = imports + string(before) + "!"
	}
	query := &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true), ScanIndexForward: pointer(false),
		KeyConditionExpression: pointer("pk = :pk AND sk BETWEEN :first AND :last"),
	}
	values := map[string]any{":pk": partition(account), ":first": imports, ":last": last}
	if campaign != "" {
		query.FilterExpression, values[":campaign"] = pointer("campaign = :campaign"), string(campaign)
	}
	var err error
	if query.ExpressionAttributeValues, err = bind(values); err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	var found []bridge.Import
	for pages := dynamodb.NewQueryPaginator(s.db, query); pages.HasMorePages() && len(found) < limit; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, reading(op, err)
		}
		rows, err := decodeAll[importRecord](page.Items)
		if err != nil {
			return nil, bridge.E(op, "", err)
		}
		for _, r := range rows {
			if i := r.noun(account); i.ID != before && len(found) < limit {
				found = append(found, i)
			}
		}
	}
	return found, nil
}

// RunningImports returns the account's imports that have a campaign: those that run, wait, are paused, or are about
// to end.
func (s *Store) RunningImports(ctx context.Context, account bridge.AccountID) ([]bridge.Import, error) {
	const op = "store.RunningImports"
	values, err := bind(map[string]any{":pk": partition(account), ":family": running})
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true),
		KeyConditionExpression: pointer("pk = :pk AND begins_with(sk, :family)"), ExpressionAttributeValues: values,
	})
	var found []bridge.Import
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, reading(op, err)
		}
		taken, err := decodeAll[reservation](page.Items)
		if err != nil {
			return nil, bridge.E(op, "", err)
		}
		for _, t := range taken {
			i, err := s.Import(ctx, account, bridge.ImportID(t.Import))
			if err != nil {
				return nil, bridge.E(op, "", err)
			}
			found = append(found, i)
		}
	}
	return found, nil
}

// DueImports returns up to limit imports of each shard that are due at now, those that wait longest first.
func (s *Store) DueImports(ctx context.Context, now time.Time, limit int) ([]importer.Due, error) {
	var found []importer.Due
	err := s.due(ctx, "store.DueImports", importLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		id, is := strings.CutPrefix(sort, imports)
		found = append(found, importer.Due{Account: account, Import: bridge.ImportID(id), At: at})
		return is
	})
	return found, err
}

// PostponeImport moves on the time at which an import is due. It is a Conflict unless it is still due at d.At.
func (s *Store) PostponeImport(ctx context.Context, d importer.Due, until time.Time) error {
	return s.postpone(ctx, "store.PostponeImport", importKey(d.Account, d.Import), d.At, until)
}

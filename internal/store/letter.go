package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
)

type letterRecord struct {
	Key      string       `dynamodbav:"sk"`
	Queue    letter.Queue `dynamodbav:"queue"`
	Body     string       `dynamodbav:"body"`
	SentAt   int64        `dynamodbav:"sentAt,omitempty"`
	Received int          `dynamodbav:"received"`
	Shard    string       `dynamodbav:"shard"`
	DueAt    int64        `dynamodbav:"dueAt"` // when it died
	Expires  int64        `dynamodbav:"expires"`
}

func (r letterRecord) noun(account bridge.AccountID) letter.Letter {
	return letter.Letter{
		ID: strings.TrimPrefix(r.Key, deadLetters), Queue: r.Queue, Account: account, Body: r.Body,
		SentAt: fromMillis(r.SentAt), DiedAt: fromMillis(r.DueAt), Received: r.Received,
	}
}

// AddLetter keeps a letter for as long as letter.Keep. It is a Conflict if the letter is there already, and NotFound if
// its account was erased, or is being erased: nothing is deleted within minutes after that was begun, so that whoever has
// looked before has written.
func (s *Store) AddLetter(ctx context.Context, l letter.Letter) error {
	const op = "store.AddLetter"
	if l.Account != "" {
		if err := s.get(ctx, op, accountKey(l.Account), &struct{}{}); err != nil {
			return err
		}
		switch err := s.get(ctx, op, erasureKey(l.Account), &struct{}{}); {
		case err == nil:
			return &bridge.Error{Op: op, Kind: bridge.NotFound}
		case bridge.KindOf(err) != bridge.NotFound:
			return err
		}
	}
	return s.put(ctx, op, letterKey(l.Account, l.ID), letterRecord{
		Queue: l.Queue, Body: l.Body, SentAt: millis(l.SentAt), Received: l.Received,
		Shard: letterLine(l.Queue).shard(l.Account), DueAt: millis(l.DiedAt), Expires: l.DiedAt.Add(letter.Keep).Unix(),
	}, absent, nil)
}

// Letter returns a letter of an account, or NotFound.
func (s *Store) Letter(ctx context.Context, account bridge.AccountID, id string) (letter.Letter, error) {
	var r letterRecord
	if err := s.get(ctx, "store.Letter", letterKey(account, id), &r); err != nil {
		return letter.Letter{}, err
	}
	return r.noun(account), nil
}

// DeleteLetter removes a letter. That there is none is fine.
func (s *Store) DeleteLetter(ctx context.Context, account bridge.AccountID, id string) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: letterKey(account, id).attributes()})
	return meaning("store.DeleteLetter", err)
}

// Letters returns up to limit letters of an account.
func (s *Store) Letters(ctx context.Context, account bridge.AccountID, limit int) ([]letter.Letter, error) {
	const op = "store.Letters"
	values, err := bind(map[string]any{":pk": partition(account), ":family": deadLetters, ":now": s.now().Unix()})
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	var found []letter.Letter
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true), Limit: pointer(int32(limit)),
		KeyConditionExpression: pointer("pk = :pk AND begins_with(sk, :family)"), FilterExpression: pointer("expires > :now"),
		ExpressionAttributeValues: values,
	})
	for pages.HasMorePages() && len(found) < limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, reading(op, err)
		}
		rows, err := decodeAll[letterRecord](page.Items)
		if err != nil {
			return nil, bridge.E(op, "", err)
		}
		for _, r := range rows {
			found = append(found, r.noun(account))
		}
	}
	return found[:min(limit, len(found))], nil
}

// LettersOf returns where the letters of a queue are that died after a time, the oldest first. The index may lag behind.
func (s *Store) LettersOf(ctx context.Context, q letter.Queue, since time.Time) ([]letter.Place, error) {
	const op = "store.LettersOf"
	var found []letter.Place
	for n := range shards {
		values, err := bind(map[string]any{":shard": letterLine(q).name(n), ":since": millis(since)})
		if err != nil {
			return nil, bridge.E(op, bridge.Internal, err)
		}
		pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
			TableName: &s.table, IndexName: pointer("due"), KeyConditionExpression: pointer("#shard = :shard AND dueAt > :since"),
			ExpressionAttributeNames: map[string]string{"#shard": "shard"}, ExpressionAttributeValues: values,
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, reading(op, err)
			}
			keys, err := decodeAll[dueKey](page.Items)
			if err != nil {
				return nil, bridge.E(op, "", err)
			}
			for _, k := range keys {
				account, inside := strings.CutPrefix(k.Partition, partition(""))
				id, is := strings.CutPrefix(k.Sort, deadLetters)
				if !inside || !is {
					return nil, bridge.E(op, bridge.Internal, errStranger)
				}
				found = append(found, letter.Place{Account: bridge.AccountID(account), ID: id, DiedAt: fromMillis(k.DueAt)})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b letter.Place) int { return cmp.Compare(a.DiedAt.UnixMilli(), b.DiedAt.UnixMilli()) })
	return found, nil
}

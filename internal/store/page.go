package store

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

// pageRecord is a page, and receiptRecord what became of one of its chunks. They lie in one partition, the
// page before its receipts, so that one query reads both. Ids are kept by their 15 characters, all in
// one text: a receipt of 50 contacts stays within one write unit.
type pageRecord struct {
	Number int    `dynamodbav:"page"`
	After  string `dynamodbav:"after,omitempty"`
	Bounds string `dynamodbav:"bounds"`
	Sizes  []int  `dynamodbav:"sizes"`
	Pass   int    `dynamodbav:"pass"`
	Fence  int    `dynamodbav:"fence"`
	Until  int64  `dynamodbav:"until,omitempty"`
	Taken  int64  `dynamodbav:"takenAt,omitempty"`
	Tries  int    `dynamodbav:"tries"`
	Seen   int    `dynamodbav:"seen"`
}

type receiptRecord struct {
	Page     int    `dynamodbav:"page"`
	Chunk    int    `dynamodbav:"chunk"`
	Pass     int    `dynamodbav:"pass"`
	Contacts string `dynamodbav:"contacts"`
	Codes    string `dynamodbav:"codes"`
	Complete bool   `dynamodbav:"complete"`
}

func newPageRecord(p bridge.Page) pageRecord {
	return pageRecord{
		Number: p.Number, After: string(p.After), Bounds: packIDs(p.Bounds), Sizes: p.Sizes, Pass: p.Pass,
		Fence: p.Fence, Until: millis(p.Until), Taken: millis(p.TakenAt), Tries: p.Tries, Seen: p.Seen,
	}
}

func (r pageRecord) noun(account bridge.AccountID, id bridge.ImportID) (bridge.Page, error) {
	bounds, err := unpackIDs(r.Bounds)
	return bridge.Page{
		Account: account, Import: id, Number: r.Number, After: bridge.SalesforceID(r.After), Bounds: bounds, Sizes: r.Sizes,
		Pass: r.Pass, Fence: r.Fence, Until: fromMillis(r.Until), TakenAt: fromMillis(r.Taken), Tries: r.Tries, Seen: r.Seen,
	}, err
}

func (r receiptRecord) noun(account bridge.AccountID, id bridge.ImportID) (bridge.Receipt, error) {
	contacts, err := unpackIDs(r.Contacts)
	return bridge.Receipt{
		Account: account, Import: id, Page: r.Page, Chunk: r.Chunk, Pass: r.Pass, Contacts: contacts, Codes: r.Codes,
	}, err
}

const idLength = 15

func packIDs(ids []bridge.SalesforceID) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(id.Key())
	}
	return b.String()
}

func unpackIDs(packed string) ([]bridge.SalesforceID, error) {
	if len(packed)%idLength != 0 {
		return nil, errors.New("ids are cut off")
	}
	ids := make([]bridge.SalesforceID, 0, len(packed)/idLength)
	for ; packed != ""; packed = packed[idLength:] {
		id, err := bridge.ParseSalesforceID(packed[:idLength])
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// AddPages writes new pages together with the import that has them open. It is a Conflict unless the import's
// version is still the one that was read.
func (s *Store) AddPages(ctx context.Context, i bridge.Import, pages []bridge.Page, due time.Time) error {
	const op = "store.AddPages"
	row, err := s.importPut(i, due)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	writes := []types.TransactWriteItem{{Put: row}}
	for _, p := range pages {
		attributes, err := item(pageKey(p.Account, p.Import, p.Number), newPageRecord(p))
		if err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: &s.table, Item: attributes, ConditionExpression: pointer(absent),
		}})
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}

// ClaimPage writes the claim that p describes, with its fence raised by one. It is a Conflict if somebody else
// has claimed the page since it was read.
func (s *Store) ClaimPage(ctx context.Context, p bridge.Page) error {
	return s.updatePage(ctx, "store.ClaimPage", p, p.Fence-1,
		"SET fence = :fence, pass = :pass, tries = :tries, seen = :seen, #until = :until, takenAt = :taken",
		map[string]any{":fence": p.Fence, ":pass": p.Pass, ":tries": p.Tries, ":seen": p.Seen, ":until": millis(p.Until), ":taken": millis(p.TakenAt)})
}

// ReleasePage ends the claim that p holds and keeps its tries. It is a Conflict if the claim was lost.
func (s *Store) ReleasePage(ctx context.Context, p bridge.Page) error {
	return s.updatePage(ctx, "store.ReleasePage", p, p.Fence, "SET tries = :tries REMOVE #until", map[string]any{":tries": p.Tries})
}

func (s *Store) updatePage(ctx context.Context, op string, p bridge.Page, fence int, update string, values map[string]any) error {
	values[":was"] = fence
	bound, err := bind(values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: pageKey(p.Account, p.Import, p.Number).attributes(),
		UpdateExpression: &update, ConditionExpression: pointer("fence = :was"),
		ExpressionAttributeNames:  map[string]string{"#until": "until"},
		ExpressionAttributeValues: bound,
	})
	return meaning(op, err)
}

// SaveReceipt writes what became of a chunk. It never replaces a complete receipt of the same or a later
// pass: then it returns Conflict.
func (s *Store) SaveReceipt(ctx context.Context, r bridge.Receipt, complete bool) error {
	const op = "store.SaveReceipt"
	row := receiptRecord{
		Page: r.Page, Chunk: r.Chunk, Pass: r.Pass, Contacts: packIDs(r.Contacts), Codes: r.Codes, Complete: complete,
	}
	return s.put(ctx, op, receiptKey(r.Account, r.Import, r.Page, r.Chunk), row,
		"attribute_not_exists(pk) OR pass < :pass OR pass = :pass AND complete = :false",
		map[string]any{":pass": r.Pass, ":false": false})
}

// Page returns a page and its receipts, or NotFound.
func (s *Store) Page(ctx context.Context, account bridge.AccountID, id bridge.ImportID, number int) (importer.Sheet, error) {
	const op = "store.Page"
	for sheet, err := range s.sheets(ctx, op, account, id, pagePrefix(number)) {
		return sheet, err
	}
	return importer.Sheet{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
}

// Pages yields every page of an import with its receipts, in order. It ends with the first error.
func (s *Store) Pages(ctx context.Context, account bridge.AccountID, id bridge.ImportID) iter.Seq2[importer.Sheet, error] {
	return s.sheets(ctx, "store.Pages", account, id, "")
}

// sheets puts the pages whose sort keys begin with prefix, or all, together with the receipts that follow each.
func (s *Store) sheets(ctx context.Context, op string, account bridge.AccountID, id bridge.ImportID, prefix string) iter.Seq2[importer.Sheet, error] {
	return func(yield func(importer.Sheet, error) bool) {
		condition, bound := "pk = :pk", map[string]any{":pk": pages(account, id)}
		if prefix != "" {
			condition, bound[":prefix"] = condition+" AND begins_with(sk, :prefix)", prefix
		}
		values, err := bind(bound)
		if err != nil {
			yield(importer.Sheet{}, bridge.E(op, bridge.Internal, err))
			return
		}
		var sheet importer.Sheet
		query := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
			TableName: &s.table, ConsistentRead: pointer(true),
			KeyConditionExpression: &condition, ExpressionAttributeValues: values,
		})
		for query.HasMorePages() {
			result, err := query.NextPage(ctx)
			if err != nil {
				yield(importer.Sheet{}, reading(op, err))
				return
			}
			for _, attributes := range result.Items {
				next, receipt, err := readSheetRow(account, id, attributes)
				switch {
				case err != nil:
					yield(importer.Sheet{}, bridge.E(op, "", err))
					return
				case receipt != nil:
					sheet.Receipts = append(sheet.Receipts, *receipt)
					continue
				case sheet.Page.Number != 0 && !yield(sheet, nil):
					return
				}
				sheet = importer.Sheet{Page: next}
			}
		}
		if sheet.Page.Number != 0 {
			yield(sheet, nil)
		}
	}
}

// readSheetRow reads a row that is either a page or a receipt.
func readSheetRow(account bridge.AccountID, id bridge.ImportID, attributes map[string]types.AttributeValue) (bridge.Page, *bridge.Receipt, error) {
	if _, is := attributes["bounds"]; is {
		var r pageRecord
		if err := decode(attributes, &r); err != nil {
			return bridge.Page{}, nil, err
		}
		p, err := r.noun(account, id)
		return p, nil, err
	}
	var r receiptRecord
	if err := decode(attributes, &r); err != nil {
		return bridge.Page{}, nil, err
	}
	receipt, err := r.noun(account, id)
	return bridge.Page{}, &receipt, err
}

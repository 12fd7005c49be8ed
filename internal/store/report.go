package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
)

type reportRecord struct {
	At       int64           `dynamodbav:"examinedAt"`
	Edition  string          `dynamodbav:"edition"`
	Used     int             `dynamodbav:"callsUsed"`
	Most     int             `dynamodbav:"callsMost"`
	Findings []findingRecord `dynamodbav:"findings"`
	Shard    string          `dynamodbav:"shard"`
	DueAt    int64           `dynamodbav:"dueAt"`
}

type findingRecord struct {
	Check   doctor.Check `dynamodbav:"check"`
	Details []string     `dynamodbav:"details"`
}

// Report returns the doctor's last report about a connection, or NotFound.
func (s *Store) Report(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (doctor.Report, error) {
	var r reportRecord
	if err := s.get(ctx, "store.Report", reportKey(account, id), &r); err != nil {
		return doctor.Report{}, err
	}
	report := doctor.Report{At: fromMillis(r.At), Edition: r.Edition, Used: r.Used, Most: r.Most}
	for _, f := range r.Findings {
		report.Findings = append(report.Findings, doctor.Finding(f))
	}
	return report, nil
}

// SaveReport replaces the report about a connection, and says when the next one is due. It is a Conflict if there is a
// later report.
func (s *Store) SaveReport(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, report doctor.Report, due time.Time) error {
	r := reportRecord{
		At: millis(report.At), Edition: report.Edition, Used: report.Used, Most: report.Most,
		Shard: reportLine.shard(account), DueAt: millis(due),
	}
	for _, f := range report.Findings {
		r.Findings = append(r.Findings, findingRecord(f))
	}
	return s.put(ctx, "store.SaveReport", reportKey(account, id), r,
		"attribute_not_exists(pk) OR examinedAt <= :at", map[string]any{":at": r.At})
}

// DueReports returns up to limit connections of each shard that are to be examined at now, those that wait longest
// first.
func (s *Store) DueReports(ctx context.Context, now time.Time, limit int) ([]doctor.Due, error) {
	var found []doctor.Due
	err := s.due(ctx, "store.DueReports", reportLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		id, is := strings.CutPrefix(sort, reports)
		found = append(found, doctor.Due{Account: account, Connection: bridge.ConnectionID(id), At: at})
		return is
	})
	return found, err
}

// PostponeReport moves on the time of an examination. It is a Conflict unless it is still due at d.At.
func (s *Store) PostponeReport(ctx context.Context, d doctor.Due, until time.Time) error {
	return s.postpone(ctx, "store.PostponeReport", reportKey(d.Account, d.Connection), d.At, until)
}

// DeleteReport removes the report about a connection. That there is none is fine.
func (s *Store) DeleteReport(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: reportKey(account, id).attributes()})
	return meaning("store.DeleteReport", err)
}

package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

type matchRecord struct {
	Subscriber string `dynamodbav:"subscriber,omitempty"`
	Print      string `dynamodbav:"print"`
	LookedAt   int64  `dynamodbav:"lookedAt"`
	Version    int    `dynamodbav:"version"`
}

// Match returns who of a campaign a contact is; of version 0 if nobody has looked yet.
func (s *Store) Match(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, contact bridge.SalesforceID) (bridge.Match, error) {
	m := bridge.Match{Account: account, Campaign: campaign, Contact: contact}
	var r matchRecord
	if found, err := s.find(ctx, "store.Match", matchKey(account, campaign, contact), &r); !found {
		return m, err
	}
	m.Subscriber, m.Print, m.LookedAt, m.Version = bridge.SubscriberID(r.Subscriber), r.Print, fromMillis(r.LookedAt), r.Version
	return m, nil
}

// SaveMatch writes who a contact is. It is a Conflict unless the version is still the one that was read.
func (s *Store) SaveMatch(ctx context.Context, m bridge.Match) error {
	r := matchRecord{Subscriber: string(m.Subscriber), Print: m.Print, LookedAt: millis(m.LookedAt), Version: m.Version + 1}
	return s.putVersion(ctx, "store.SaveMatch", matchKey(m.Account, m.Campaign, m.Contact), r, m.Version)
}

type watchRecord struct {
	Closed      int64             `dynamodbav:"closed"`
	Window      windowRow         `dynamodbav:"window"`
	Page        string            `dynamodbav:"page,omitempty"`
	PollAt      int64             `dynamodbav:"pollAt,omitempty"`
	CheckAt     int64             `dynamodbav:"checkAt,omitempty"`
	Check       windowRow         `dynamodbav:"check"`
	CheckPage   string            `dynamodbav:"checkPage,omitempty"`
	Columns     dealColumnsRecord `dynamodbav:"columns"`
	LookedAt    int64             `dynamodbav:"lookedAt,omitempty"`
	Missing     int               `dynamodbav:"missing,omitempty"`
	SilentSince int64             `dynamodbav:"silentSince,omitempty"`
	Tries       int               `dynamodbav:"tries,omitempty"`
	Problem     string            `dynamodbav:"problem,omitempty"`
	Version     int               `dynamodbav:"version"`
	Shard       string            `dynamodbav:"shard,omitempty"`
	DueAt       int64             `dynamodbav:"dueAt,omitempty"`
}

type dealColumnsRecord struct {
	Currency   bool   `dynamodbav:"currency,omitempty"`
	RecordType bool   `dynamodbav:"recordType,omitempty"`
	Persons    bool   `dynamodbav:"persons,omitempty"`
	NoAmount   bool   `dynamodbav:"noAmount,omitempty"`
	Key        string `dynamodbav:"key,omitempty"`
}

// windowRow is a window that is open, or its statement once it is closed.
type windowRow struct {
	Check    bool  `dynamodbav:"isCheck,omitempty"`
	From     int64 `dynamodbav:"from,omitempty"`
	To       int64 `dynamodbav:"to,omitempty"`
	Changes  int   `dynamodbav:"changes,omitempty"`
	Deals    int   `dynamodbav:"deals,omitempty"`
	Found    int   `dynamodbav:"found,omitempty"`
	Missed   int   `dynamodbav:"missed,omitempty"`
	Blind    bool  `dynamodbav:"blind,omitempty"`
	ClosedAt int64 `dynamodbav:"closedAt,omitempty"`
	Expires  int64 `dynamodbav:"expires,omitempty"`
}

func newWindow(w bridge.Window) windowRow {
	r := windowRow{Check: w.Check, From: millis(w.From), To: millis(w.To), Changes: w.Changes, Deals: w.Deals, Found: w.Found, Missed: w.Missed, Blind: w.Blind, ClosedAt: millis(w.ClosedAt)}
	if !w.ClosedAt.IsZero() {
		r.Expires = w.ClosedAt.Add(yearAndABit).Unix()
	}
	return r
}

// noun returns the window; the zero window if none is open.
func (r windowRow) noun(account bridge.AccountID, connection bridge.ConnectionID) bridge.Window {
	if r == (windowRow{}) {
		return bridge.Window{}
	}
	return bridge.Window{
		Account: account, Connection: connection, Check: r.Check, From: fromMillis(r.From), To: fromMillis(r.To), Changes: r.Changes, Deals: r.Deals,
		Found: r.Found, Missed: r.Missed, Blind: r.Blind, ClosedAt: fromMillis(r.ClosedAt),
	}
}

func newWatchRecord(w bridge.Watch) watchRecord {
	r := watchRecord{
		Closed: millis(w.Closed), Window: newWindow(w.Window), Page: w.Page, PollAt: millis(w.PollAt), CheckAt: millis(w.CheckAt), Check: newWindow(w.Check),
		CheckPage: w.CheckPage, Columns: dealColumnsRecord(w.Columns), LookedAt: millis(w.LookedAt), Missing: w.Missing, SilentSince: millis(w.SilentSince), Tries: w.Tries,
		Problem: w.Problem, Version: w.Version + 1,
	}
	for _, at := range []int64{r.PollAt, r.CheckAt} {
		if at != 0 && (r.DueAt == 0 || at < r.DueAt) {
			r.DueAt, r.Shard = at, watchLine.shard(w.Account)
		}
	}
	return r
}

// Watch returns how the deals of a connection are watched; of version 0 if they are not.
func (s *Store) Watch(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (bridge.Watch, error) {
	w := bridge.Watch{Account: account, Connection: connection}
	var r watchRecord
	if found, err := s.find(ctx, "store.Watch", watchKey(account, connection), &r); !found {
		return w, err
	}
	return bridge.Watch{
		Account: account, Connection: connection, Closed: fromMillis(r.Closed), Window: r.Window.noun(account, connection), Page: r.Page,
		PollAt: fromMillis(r.PollAt), CheckAt: fromMillis(r.CheckAt), Check: r.Check.noun(account, connection), CheckPage: r.CheckPage,
		Columns: bridge.DealColumns(r.Columns), LookedAt: fromMillis(r.LookedAt), Missing: r.Missing, SilentSince: fromMillis(r.SilentSince), Tries: r.Tries,
		Problem: r.Problem, Version: r.Version,
	}, nil
}

// SaveWatch writes how deals are watched, and raises the version. It is a Conflict unless the version is still the one
// that was read.
func (s *Store) SaveWatch(ctx context.Context, w bridge.Watch) error {
	return s.putVersion(ctx, "store.SaveWatch", watchKey(w.Account, w.Connection), newWatchRecord(w), w.Version)
}

// CloseWindow writes a watch together with the statement of the window that it has closed.
func (s *Store) CloseWindow(ctx context.Context, w bridge.Watch, closed bridge.Window) error {
	b := batchOf{table: s.table}
	b.version(watchKey(w.Account, w.Connection), newWatchRecord(w), w.Version)
	b.absent(windowKey(w.Account, closed), newWindow(closed))
	return b.write(ctx, "store.CloseWindow", s)
}

// Windows returns up to limit statements of a connection, newest first.
func (s *Store) Windows(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, limit int) ([]bridge.Window, error) {
	var found []bridge.Window
	err := s.newest(ctx, "store.Windows", partition(account), windowsOf(connection), "", limit, func(attributes map[string]types.AttributeValue) error {
		var r windowRow
		if err := decode(attributes, &r); err != nil {
			return err
		}
		found = append(found, r.noun(account, connection))
		return nil
	})
	return found, err
}

type parkedRecord struct {
	Key     string `dynamodbav:"sk"`
	Deals   string `dynamodbav:"deals"` // 15 characters each
	Reason  string `dynamodbav:"reason"`
	Tries   int    `dynamodbav:"tries"`
	At      int64  `dynamodbav:"at,omitempty"`
	Due     int64  `dynamodbav:"due"`
	Version int    `dynamodbav:"version"`
	Shard   string `dynamodbav:"shard"`
	DueAt   int64  `dynamodbav:"dueAt"`
}

func (r parkedRecord) noun(account bridge.AccountID, connection bridge.ConnectionID) (bridge.Parked, error) {
	deals, err := unpackIDs(r.Deals)
	return bridge.Parked{
		Account: account, Connection: connection, ID: strings.TrimPrefix(r.Key, parkedOf(connection)), Deals: deals, Reason: r.Reason, Tries: r.Tries,
		At: fromMillis(r.At), Due: fromMillis(r.Due), Version: r.Version,
	}, err
}

// Parked returns deals that wait to be looked at; of version 0 if they do not wait.
func (s *Store) Parked(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, id string) (bridge.Parked, error) {
	const op = "store.Parked"
	var r parkedRecord
	if found, err := s.find(ctx, op, parkedKey(account, connection, id), &r); !found {
		return bridge.Parked{Account: account, Connection: connection, ID: id}, err
	}
	p, err := r.noun(account, connection)
	return p, bridge.E(op, bridge.Internal, err)
}

// AllParked returns up to limit bundles of deals of a connection that wait, and whether there are more.
func (s *Store) AllParked(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, limit int) ([]bridge.Parked, bool, error) {
	var found []bridge.Parked
	more := false
	err := s.query(ctx, "store.AllParked", partition(account), parkedOf(connection), "", limit+1, func(attributes map[string]types.AttributeValue) (bool, error) {
		if more = len(found) == limit; more {
			return false, nil
		}
		var r parkedRecord
		if err := decode(attributes, &r); err != nil {
			return false, err
		}
		p, err := r.noun(account, connection)
		found = append(found, p)
		return true, err
	})
	return found, more, err
}

// SaveParked lets deals wait. It is a Conflict unless the version is still the one that was read.
func (s *Store) SaveParked(ctx context.Context, p bridge.Parked) error {
	k := parkedKey(p.Account, p.Connection, p.ID)
	r := parkedRecord{
		Key: k.sk, Deals: packIDs(p.Deals), Reason: p.Reason, Tries: p.Tries, At: millis(p.At), Due: millis(p.Due), Version: p.Version + 1,
		Shard: parkedLine.shard(p.Account), DueAt: millis(p.Due),
	}
	return s.putVersion(ctx, "store.SaveParked", k, r, p.Version)
}

// DeleteParked forgets deals that were looked at. It is a Conflict unless the version is still the one that was read.
func (s *Store) DeleteParked(ctx context.Context, p bridge.Parked) error {
	b := batchOf{table: s.table}
	b.remove(parkedKey(p.Account, p.Connection, p.ID), p.Version)
	return b.write(ctx, "store.DeleteParked", s)
}

// conversionLines say which work waits in which line, and read the job that does it off its sort key.
var conversionLines = map[line]struct {
	family string
	parts  int
	job    func(parts []string) conversion.Job
}{
	rulesLine: {ruleSets, 1, func(p []string) conversion.Job {
		return conversion.Job{Step: conversion.StepRules, Campaign: bridge.CampaignID(p[0])}
	}},
	lookLine: {entries, 3, func(p []string) conversion.Job {
		return conversion.Job{Step: conversion.StepLook, Campaign: bridge.CampaignID(p[0]), Opportunities: []string{p[1]}}
	}},
	conversionLine: {conversions, 4, func(p []string) conversion.Job {
		return conversion.Job{Step: conversion.StepEffect, Campaign: bridge.CampaignID(p[0]), Kind: bridge.EffectKind(p[1]), Subject: p[2], Currency: p[3]}
	}},
	watchLine: {watches, 1, func(p []string) conversion.Job {
		return conversion.Job{Step: conversion.StepWatch, Connection: bridge.ConnectionID(p[0])}
	}},
	parkedLine: {parked, 2, func(p []string) conversion.Job {
		return conversion.Job{Connection: bridge.ConnectionID(p[0]), Parked: p[1]}
	}},
}

// DueConversions returns up to limit pieces of work of each shard of each line that are due at now, those that wait
// longest first.
func (s *Store) DueConversions(ctx context.Context, now time.Time, limit int) ([]conversion.Due, error) {
	var found []conversion.Due
	for l, of := range conversionLines {
		err := s.due(ctx, "store.DueConversions", l, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
			parts := parts(sort)
			if !strings.HasPrefix(sort, of.family) || len(parts) != of.parts {
				return false
			}
			d := conversion.Due{Account: account, Place: sort, At: at, Job: of.job(parts)}
			d.Job.Account = account
			found = append(found, d)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// PostponeConversion moves on the time at which work is due. It is a Conflict unless it is still due at d.At.
func (s *Store) PostponeConversion(ctx context.Context, d conversion.Due, until time.Time) error {
	return s.postpone(ctx, "store.PostponeConversion", key{partition(d.Account), d.Place}, d.At, until)
}

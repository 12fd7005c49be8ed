package store

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

// webhookRecord has its secrets sealed.
type webhookRecord struct {
	Address         []byte `dynamodbav:"address,omitempty"`
	AddressAt       int64  `dynamodbav:"addressAt"`
	OldAddressUntil int64  `dynamodbav:"oldAddressUntil"`
	Secret          []byte `dynamodbav:"secret,omitempty"`
	SecretAt        int64  `dynamodbav:"secretAt"`
	OldSecret       []byte `dynamodbav:"oldSecret,omitempty"`
	OldSecretUntil  int64  `dynamodbav:"oldSecretUntil"`
	LastAt          int64  `dynamodbav:"lastAt"`
	// Told is whose deliveries came when, as far as whoever wrote LastAt at ToldAt knew it. The release before writes LastAt
	// alone: then deliveries are missing, and Told counts for nothing.
	Told         map[string]int64 `dynamodbav:"told"`
	ToldAt       int64            `dynamodbav:"toldAt,omitempty"`
	ToldSince    int64            `dynamodbav:"toldSince,omitempty"`
	Refused      int              `dynamodbav:"refused"`
	RefusedSince int64            `dynamodbav:"refusedSince"`
	RefusedAt    int64            `dynamodbav:"refusedAt"`
	Version      int              `dynamodbav:"version"`
}

// webhookPlace ties a sealed secret to its account, its attribute and the version of its item.
func webhookPlace(account bridge.AccountID, attribute string, version int) string {
	return string(account) + "|WEBHOOK|" + attribute + "|" + strconv.Itoa(version)
}

// Webhook returns what is kept of the account's webhooks; nothing but the account if nothing is.
func (s *Store) Webhook(ctx context.Context, account bridge.AccountID) (inbox.Webhook, error) {
	const op = "store.Webhook"
	var r webhookRecord
	err := s.get(ctx, op, webhookKey(account), &r)
	if bridge.KindOf(err) == bridge.NotFound {
		return inbox.Webhook{Account: account}, nil
	}
	if err != nil {
		return inbox.Webhook{}, err
	}
	w := inbox.Webhook{
		Account: account, AddressAt: fromMillis(r.AddressAt), OldAddressUntil: fromMillis(r.OldAddressUntil),
		SecretAt: fromMillis(r.SecretAt), OldSecretUntil: fromMillis(r.OldSecretUntil), LastAt: fromMillis(r.LastAt),
		Refused: r.Refused, RefusedSince: fromMillis(r.RefusedSince), RefusedAt: fromMillis(r.RefusedAt), Version: r.Version,
	}
	if r.Told != nil && r.ToldAt == r.LastAt {
		w.Told, w.ToldSince = make(map[bridge.CampaignID]time.Time, len(r.Told)), fromMillis(r.ToldSince)
		for campaign, at := range r.Told {
			w.Told[bridge.CampaignID(campaign)] = fromMillis(at)
		}
	}
	for _, each := range []struct {
		attribute string
		sealed    []byte
		open      *bridge.Secret
	}{{"address", r.Address, &w.Address}, {"secret", r.Secret, &w.Secret}, {"oldSecret", r.OldSecret, &w.OldSecret}} {
		if len(each.sealed) == 0 {
			continue
		}
		if *each.open, err = s.data.Open(ctx, each.sealed, webhookPlace(account, each.attribute, r.Version)); err != nil {
			return inbox.Webhook{}, bridge.E(op, "", err)
		}
	}
	return w, nil
}

// SaveWebhook replaces what is kept of the account's webhooks and raises its version. It is a Conflict unless the version
// is still the one that was read.
func (s *Store) SaveWebhook(ctx context.Context, w inbox.Webhook) error {
	const op = "store.SaveWebhook"
	r, err := s.webhookRecord(ctx, w)
	if err != nil {
		return bridge.E(op, "", err)
	}
	return s.putVersion(ctx, op, webhookKey(w.Account), r, w.Version)
}

func (s *Store) webhookRecord(ctx context.Context, w inbox.Webhook) (webhookRecord, error) {
	r := webhookRecord{
		AddressAt: millis(w.AddressAt), OldAddressUntil: millis(w.OldAddressUntil), SecretAt: millis(w.SecretAt),
		OldSecretUntil: millis(w.OldSecretUntil), LastAt: millis(w.LastAt), Refused: w.Refused,
		RefusedSince: millis(w.RefusedSince), RefusedAt: millis(w.RefusedAt), Version: w.Version + 1,
	}
	if w.Told != nil {
		r.Told, r.ToldAt, r.ToldSince = make(map[string]int64, len(w.Told)), r.LastAt, millis(w.ToldSince)
		for campaign, at := range w.Told {
			r.Told[string(campaign)] = millis(at)
		}
	}
	for _, each := range []struct {
		attribute string
		open      bridge.Secret
		sealed    *[]byte
	}{{"address", w.Address, &r.Address}, {"secret", w.Secret, &r.Secret}, {"oldSecret", w.OldSecret, &r.OldSecret}} {
		if each.open.Empty() {
			continue
		}
		var err error
		if *each.sealed, err = s.data.Seal(ctx, each.open, webhookPlace(w.Account, each.attribute, r.Version)); err != nil {
			return webhookRecord{}, err
		}
	}
	return r, nil
}

// hookRecord says whose an address is.
type hookRecord struct {
	Account string `dynamodbav:"account"`
	Expires int64  `dynamodbav:"expires,omitempty"` // once it was replaced
}

// HookAccount returns the account that an address of webhooks belongs to, or NotFound.
func (s *Store) HookAccount(ctx context.Context, hook bridge.Secret) (bridge.AccountID, error) {
	var r hookRecord
	err := s.get(ctx, "store.HookAccount", hookKey(hook), &r)
	return bridge.AccountID(r.Account), err
}

// MoveWebhook is SaveWebhook and makes its address one of the account; the address before it, if it is not empty,
// ends at w.OldAddressUntil. All of that happens or none of it.
func (s *Store) MoveWebhook(ctx context.Context, w inbox.Webhook, before bridge.Secret) error {
	const op = "store.MoveWebhook"
	r, err := s.webhookRecord(ctx, w)
	if err != nil {
		return bridge.E(op, "", err)
	}
	writes, err := s.traced(w.Account, hookKey(w.Address), hookRecord{Account: string(w.Account)}, time.Time{})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	settings, err := item(webhookKey(w.Account), r)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	put := &types.Put{TableName: &s.table, Item: settings, ConditionExpression: pointer(absent)}
	if w.Version > 0 {
		if put.ExpressionAttributeValues, err = bind(map[string]any{":was": w.Version}); err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		put.ConditionExpression = pointer(versioned)
	}
	writes = append(writes, types.TransactWriteItem{Put: put})
	if !before.Empty() {
		end, err := bind(map[string]any{":end": w.OldAddressUntil.Unix()})
		if err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		writes = append(writes, types.TransactWriteItem{Update: &types.Update{
			TableName: &s.table, Key: hookKey(before).attributes(), UpdateExpression: pointer("SET expires = :end"),
			ConditionExpression: pointer(present), ExpressionAttributeValues: end,
		}})
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}

// NoteDelivery writes when a webhook of the account last came, and that it was a campaign's unless that is empty. It is a
// Conflict if another one was noted since was was read.
func (s *Store) NoteDelivery(ctx context.Context, was inbox.Webhook, campaign bridge.CampaignID, at time.Time) error {
	update, values := "SET lastAt = :at, toldAt = :at", map[string]any{":at": millis(at), ":was": millis(was.LastAt)}
	var names map[string]string
	switch {
	case was.Told == nil: // the first delivery of all, or nobody knows whose came before
		told, since := map[string]int64{}, int64(0)
		if campaign != "" {
			told[string(campaign)] = millis(at)
		}
		if !was.LastAt.IsZero() {
			since = millis(at)
		}
		update += ", told = :told, toldSince = :since"
		values[":told"], values[":since"] = told, since
	case campaign != "":
		update += ", told.#campaign = :at"
		names = map[string]string{"#campaign": string(campaign)}
	}
	return s.noteWebhook(ctx, "store.NoteDelivery", was.Account, update, "lastAt = :was", names, values)
}

// NoteRefusal counts a webhook that was refused at a time: one more if counting began at since, else the first one. It
// is a Conflict if it did not begin at was.
func (s *Store) NoteRefusal(ctx context.Context, account bridge.AccountID, was, since, at time.Time) error {
	values := map[string]any{":was": millis(was), ":at": millis(at), ":one": 1}
	update := "SET refused = refused + :one, refusedAt = :at"
	if !since.Equal(was) {
		update, values[":since"] = "SET refused = :one, refusedAt = :at, refusedSince = :since", millis(since)
	}
	return s.noteWebhook(ctx, "store.NoteRefusal", account, update, "refusedSince = :was", nil, values)
}

// noteWebhook changes what does not raise the version: no setting depends on it.
func (s *Store) noteWebhook(ctx context.Context, op string, account bridge.AccountID, update, condition string, names map[string]string, values map[string]any) error {
	bound, err := bind(values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: webhookKey(account).attributes(),
		UpdateExpression: &update, ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: bound,
	})
	return meaning(op, err)
}

// replayLife is how long a body is known.
const replayLife = 24 * time.Hour

type replayRecord struct {
	At      int64 `dynamodbav:"queuedAt"`
	PutOff  bool  `dynamodbav:"putOff"`
	Expires int64 `dynamodbav:"expires"`
}

// Replay returns what is known of a webhook's body; nothing if it was not seen within a day.
func (s *Store) Replay(ctx context.Context, account bridge.AccountID, body inbox.Digest) (inbox.Replay, error) {
	var r replayRecord
	err := s.get(ctx, "store.Replay", replayKey(account, body), &r)
	if bridge.KindOf(err) == bridge.NotFound {
		return inbox.Replay{}, nil
	}
	return inbox.Replay{At: fromMillis(r.At), PutOff: r.PutOff}, err
}

// SaveReplay writes what is known of a webhook's body, for a day. It is a Conflict if what is known is not was any more.
func (s *Store) SaveReplay(ctx context.Context, account bridge.AccountID, body inbox.Digest, was, is inbox.Replay) error {
	r := replayRecord{At: millis(is.At), PutOff: is.PutOff, Expires: is.At.Add(replayLife).Unix()}
	condition, values := "queuedAt = :at AND putOff = :off", map[string]any{":at": millis(was.At), ":off": was.PutOff}
	if was.At.IsZero() { // what has expired may still lie there
		condition, values = "attribute_not_exists(pk) OR expires <= :now", map[string]any{":now": s.now().Unix()}
	}
	return s.put(ctx, "store.SaveReplay", replayKey(account, body), r, condition, values)
}

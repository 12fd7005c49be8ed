package store

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

func TestWebhook(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	s := newStore(t).WithClock(func() time.Time { return now })
	same := func(want inbox.Webhook) {
		t.Helper()
		got, err := s.Webhook(t.Context(), want.Account)
		if diff := cmp.Diff(got, want, secrets); err != nil || diff != "" {
			t.Errorf("Webhook: %v, got - want +\n%s", err, diff)
		}
	}
	w := inbox.Webhook{Account: "a_1"}
	same(w)
	if err := s.NoteDelivery(t.Context(), w, "", now); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a delivery where there is no webhook = %v, want a conflict", err)
	}

	w.Address, w.AddressAt = bridge.NewSecret("address-1"), now
	if err := s.MoveWebhook(t.Context(), w, bridge.Secret{}); err != nil {
		t.Fatalf("MoveWebhook: %v", err)
	}
	if err := s.MoveWebhook(t.Context(), w, bridge.Secret{}); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("the first address a second time = %v, want a conflict", err)
	}
	w.Version = 1
	same(w)

	w.Secret, w.SecretAt, w.OldSecret, w.OldSecretUntil = bridge.NewSecret("secret-2"), now, bridge.NewSecret("secret-1"), now.Add(time.Hour)
	if err := s.SaveWebhook(t.Context(), w); err != nil {
		t.Fatalf("SaveWebhook: %v", err)
	}
	if err := s.SaveWebhook(t.Context(), w); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("SaveWebhook of an old version = %v, want a conflict", err)
	}
	w.Version = 2
	same(w)

	for _, note := range []struct {
		was, at time.Time
		kind    bridge.Kind
	}{{time.Time{}, now, ""}, {time.Time{}, now.Add(time.Second), bridge.Conflict}, {now, now.Add(time.Minute), ""}} {
		was := w
		if was.LastAt = note.was; !note.was.IsZero() {
			was.Told = map[bridge.CampaignID]time.Time{}
		}
		if err := s.NoteDelivery(t.Context(), was, "", note.at); bridge.KindOf(err) != note.kind {
			t.Errorf("NoteDelivery after %s = %v, want %q", note.was, err, note.kind)
		}
	}
	for _, note := range []struct {
		was, since, at time.Time
		kind           bridge.Kind
	}{
		{time.Time{}, now, now, ""},
		{time.Time{}, now, now, bridge.Conflict},
		{now, now, now.Add(time.Second), ""},
		{now, now, now.Add(2 * time.Second), ""},
	} {
		if err := s.NoteRefusal(t.Context(), "a_1", note.was, note.since, note.at); bridge.KindOf(err) != note.kind {
			t.Errorf("NoteRefusal counted since %s = %v, want %q", note.was, err, note.kind)
		}
	}
	w.Told = map[bridge.CampaignID]time.Time{}
	w.LastAt, w.Refused, w.RefusedSince, w.RefusedAt = now.Add(time.Minute), 3, now, now.Add(2*time.Second)
	same(w)
}

// TestDeliveriesOfCampaigns holds what is known of each campaign, also while the release before takes notes of its own.
func TestDeliveriesOfCampaigns(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	read := func(t *testing.T, s *Store) inbox.Webhook {
		w, err := s.Webhook(t.Context(), "a_1")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	note := func(t *testing.T, s *Store, of bridge.CampaignID, at time.Time) {
		if err := s.NoteDelivery(t.Context(), read(t, s), of, at); err != nil {
			t.Fatal(err)
		}
	}
	before := func(t *testing.T, s *Store, at time.Time) { // as the release before notes a delivery
		err := s.noteWebhook(t.Context(), "test", "a_1", "SET lastAt = :at", present, nil, map[string]any{":at": millis(at)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		happens  func(t *testing.T, s *Store)
		one, two inbox.Delivered
	}{
		"nothing came": {func(*testing.T, *Store) {}, inbox.Delivered{Known: true}, inbox.Delivered{Known: true}},
		"one delivers": {func(t *testing.T, s *Store) { note(t, s, "one", now) }, inbox.Delivered{Known: true, At: now}, inbox.Delivered{Known: true}},
		"both deliver, one again": {func(t *testing.T, s *Store) {
			note(t, s, "one", now)
			note(t, s, "two", now.Add(time.Minute))
			note(t, s, "one", now.Add(2*time.Minute))
		}, inbox.Delivered{Known: true, At: now.Add(2 * time.Minute)}, inbox.Delivered{Known: true, At: now.Add(time.Minute)}},
		"the settings are saved": {func(t *testing.T, s *Store) {
			note(t, s, "one", now)
			if err := s.SaveWebhook(t.Context(), read(t, s)); err != nil {
				t.Fatal(err)
			}
			note(t, s, "two", now.Add(time.Minute))
		}, inbox.Delivered{Known: true, At: now}, inbox.Delivered{Known: true, At: now.Add(time.Minute)}},
		"they came to the release before": {func(t *testing.T, s *Store) { before(t, s, now) }, inbox.Delivered{}, inbox.Delivered{}},
		"they came to the release before, and then one delivers": {func(t *testing.T, s *Store) {
			before(t, s, now)
			note(t, s, "one", now.Add(time.Minute))
		}, inbox.Delivered{Known: true, At: now.Add(time.Minute), Since: now.Add(time.Minute)}, inbox.Delivered{Known: true, Since: now.Add(time.Minute)}},
		"the release before takes notes again": {func(t *testing.T, s *Store) {
			note(t, s, "one", now)
			before(t, s, now.Add(time.Minute))
		}, inbox.Delivered{}, inbox.Delivered{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			if err := s.MoveWebhook(t.Context(), inbox.Webhook{Account: "a_1", Address: bridge.NewToken()}, bridge.Secret{}); err != nil {
				t.Fatal(err)
			}
			tc.happens(t, s)
			w := read(t, s)
			if diff := cmp.Diff([]inbox.Delivered{w.Delivered("one"), w.Delivered("two")}, []inbox.Delivered{tc.one, tc.two}); diff != "" {
				t.Errorf("got - want +\n%s", diff)
			}
		})
	}
}

func TestAddressesOfWebhooks(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	s := newStore(t).WithClock(func() time.Time { return now })
	first, second := bridge.NewToken(), bridge.NewToken()
	owner := func(hook bridge.Secret, want bridge.AccountID) {
		t.Helper()
		got, err := s.HookAccount(t.Context(), hook)
		if want == "" && bridge.KindOf(err) != bridge.NotFound || want != "" && (err != nil || got != want) {
			t.Errorf("the address is of %q, %v; want %q", got, err, want)
		}
	}
	owner(first, "")
	w := inbox.Webhook{Account: "a_1", Address: first}
	if err := s.MoveWebhook(t.Context(), w, bridge.Secret{}); err != nil {
		t.Fatal(err)
	}
	owner(first, "a_1")
	taken := inbox.Webhook{Account: "a_2", Address: first}
	if err := s.MoveWebhook(t.Context(), taken, bridge.Secret{}); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("an address that is another account's = %v, want a conflict", err)
	}
	owner(first, "a_1")

	w = inbox.Webhook{Account: "a_1", Address: second, OldAddressUntil: now.Add(time.Hour), Version: 1}
	var wait sync.WaitGroup
	moved := make([]error, 4)
	for i := range moved { // of people who do it at the same time one succeeds
		each := w
		each.Address = bridge.NewToken()
		if i == 0 {
			each.Address = second
		}
		wait.Go(func() {
			if moved[i] = s.MoveWebhook(t.Context(), each, first); moved[i] == nil {
				second = each.Address
			}
		})
	}
	wait.Wait()
	done := 0
	for _, err := range moved {
		if err == nil {
			done++
		} else if bridge.KindOf(err) != bridge.Conflict {
			t.Errorf("MoveWebhook: %v", err)
		}
	}
	if done != 1 {
		t.Fatalf("%d new addresses, want 1: %v", done, errors.Join(moved...))
	}
	now = now.Add(time.Hour - time.Second)
	owner(first, "a_1")
	owner(second, "a_1")
	now = now.Add(time.Second)
	owner(first, "")
	owner(second, "a_1")
}

func TestWebhookSecretsOpenInTheirOwnPlaceOnly(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, id := range []bridge.AccountID{"a_1", "a_2"} {
		w := inbox.Webhook{Account: id, Secret: bridge.NewSecret("secret of " + string(id)), OldSecret: bridge.NewSecret("old secret of " + string(id))}
		if err := s.SaveWebhook(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	var stolen webhookRecord
	if err := s.get(t.Context(), "test", webhookKey("a_1"), &stolen); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]webhookRecord{
		"another account's": {Secret: stolen.Secret, Version: 2},
		"an old one":        {Secret: stolen.OldSecret, Version: 2},
	} {
		if err := s.put(t.Context(), "test", webhookKey("a_2"), r, present, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Webhook(t.Context(), "a_2"); bridge.KindOf(err) != bridge.Internal {
			t.Errorf("%s in the place of a secret = %v, want that it does not open", name, err)
		}
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	s := newStore(t).WithClock(func() time.Time { return now })
	body, other := inbox.Digest{1}, inbox.Digest{2}
	known := func(want inbox.Replay) {
		t.Helper()
		if got, err := s.Replay(t.Context(), "a_1", body); err != nil || got != want {
			t.Errorf("Replay = %+v, %v; want %+v", got, err, want)
		}
	}
	save := func(was, is inbox.Replay, want bridge.Kind) {
		t.Helper()
		if err := s.SaveReplay(t.Context(), "a_1", body, was, is); bridge.KindOf(err) != want {
			t.Errorf("SaveReplay of %+v after %+v = %v, want %q", is, was, err, want)
		}
	}
	none, first := inbox.Replay{}, inbox.Replay{At: now}
	known(none)
	save(none, first, "")
	save(none, first, bridge.Conflict)
	known(first)
	if got, err := s.Replay(t.Context(), "a_1", other); err != nil || got != none {
		t.Errorf("another body: %+v, %v", got, err)
	}
	if got, err := s.Replay(t.Context(), "a_2", body); err != nil || got != none {
		t.Errorf("another account: %+v, %v", got, err)
	}
	again := inbox.Replay{At: now, PutOff: true}
	save(first, again, "")
	save(first, again, bridge.Conflict)
	known(again)
	now = now.Add(24*time.Hour - time.Second)
	known(again)
	now = now.Add(time.Second)
	known(none)
	later := inbox.Replay{At: now}
	save(none, later, "") // DynamoDB has not removed the old one yet
	known(later)
}

func TestErasureEndsWebhooks(t *testing.T) {
	t.Parallel()
	s, table := newOpenStore(t)
	addresses := map[bridge.AccountID]bridge.Secret{}
	for _, id := range []bridge.AccountID{"a_erased", "a_kept"} {
		w := inbox.Webhook{Account: id, Address: bridge.NewToken(), Secret: bridge.NewSecret("s")}
		addresses[id] = w.Address
		if err := errors.Join(
			s.MoveWebhook(t.Context(), w, bridge.Secret{}),
			s.SaveReplay(t.Context(), id, inbox.Digest{1}, inbox.Replay{}, inbox.Replay{At: time.Now()}),
		); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.EndAccess(t.Context(), "a_erased"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.HookAccount(t.Context(), addresses["a_erased"]); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("the address of an account that is being erased: %v, want none", err)
	}
	if err := s.DeleteAccount(t.Context(), "a_erased"); err != nil {
		t.Fatal(err)
	}
	if left := everything(t, table, "a_erased"); left != nil {
		t.Errorf("left in the table: %q", left)
	}
	if id, err := s.HookAccount(t.Context(), addresses["a_kept"]); err != nil || id != "a_kept" {
		t.Errorf("the address of another account: %q, %v", id, err)
	}
}

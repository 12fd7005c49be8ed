package inbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

func TestNewAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := body("new_registration", "")
	first := w.settings()
	url := w.service.URL(first)
	token, found := strings.CutPrefix(url, "https://bridge.example.com/referralhero/events/")
	if !found || token != first.Address.Reveal() || len(token) != 52 || !first.AddressAt.Equal(w.now) ||
		!first.OldAddressUntil.IsZero() || !first.OldSecretUntil.IsZero() {
		t.Errorf("address %s, %+v", url, first)
	}
	if none := w.service.URL(inbox.Webhook{}); none != "" {
		t.Errorf("an address that was not made yet is %q", none)
	}
	w.now = w.now.Add(time.Hour)
	w.must(w.service.NewAddress(t.Context(), account))
	second := w.settings()
	if second.Address.Reveal() == first.Address.Reveal() || !second.OldAddressUntil.Equal(w.now.Add(48*time.Hour)) || second.Secret.Reveal() != secret.Reveal() {
		t.Errorf("after a new address: %+v", second)
	}
	receive := func(hook, signed bridge.Secret) bridge.Kind {
		return bridge.KindOf(w.inbox.Receive(t.Context(), hook, []string{sign(signed, text)}, []byte(text)))
	}
	w.now = w.now.Add(48*time.Hour - time.Second)
	if old, new := receive(first.Address, secret), receive(second.Address, secret); old != "" || new != "" {
		t.Errorf("within two days: the old address %q, the new one %q; want both to work", old, new)
	}
	w.now = w.now.Add(time.Second)
	if old, new := receive(first.Address, secret), receive(second.Address, secret); old != bridge.NotFound || new != "" {
		t.Errorf("after two days: the old address %q, the new one %q", old, new)
	}
}

func TestSetSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := body("new_registration", "")
	next := bridge.NewSecret("another-secret-0123456789")
	receive := func(signed bridge.Secret) bridge.Kind {
		return bridge.KindOf(w.inbox.Receive(t.Context(), w.hook, []string{sign(signed, text)}, []byte(text)))
	}
	w.must(w.service.SetSecret(t.Context(), account, bridge.NewSecret("  "+next.Reveal()+"\n")))
	before := w.settings()
	w.now = w.now.Add(time.Hour)
	w.must(w.service.SetSecret(t.Context(), account, next)) // typed once more: nothing is replaced
	if after := w.settings(); after.Version != before.Version || after.OldSecret.Reveal() != secret.Reveal() {
		t.Errorf("the same secret again: %+v, want %+v", after, before)
	}
	w.now = before.SecretAt.Add(48*time.Hour - time.Second)
	if old, new := receive(secret), receive(next); old != "" || new != "" {
		t.Errorf("within two days: the old secret %q, the new one %q; want both to work", old, new)
	}
	w.now = w.now.Add(time.Second)
	if old, new := receive(secret), receive(next); old != bridge.Denied || new != "" {
		t.Errorf("after two days: the old secret %q, the new one %q", old, new)
	}
	for name, typed := range map[string]string{
		"nothing": " ", "too short": "0123456789abcde", "two words": "0123456789 0123456789", "a line break": "0123456789\n0123456789",
		"too long": strings.Repeat("x", 513), "not of this alphabet": "ключключключключ",
	} {
		err := w.service.SetSecret(t.Context(), account, bridge.NewSecret(typed))
		if message, field := bridge.MessageOf(err); bridge.KindOf(err) != bridge.Invalid || field != "secret" || message == "" || strings.Contains(message, "0123") {
			t.Errorf("%s: %v, %q at %q", name, err, message, field)
		}
	}
}

// TestChangesAtTheSameTime has two people change different things.
func TestChangesAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := bridge.NewSecret("another-secret-0123456789")
	errs := make(chan error)
	go func() { errs <- w.service.SetSecret(t.Context(), account, next) }()
	go func() { errs <- w.service.NewAddress(t.Context(), account) }()
	for range 2 {
		w.must(<-errs)
	}
	if got := w.settings(); got.Secret.Reveal() != next.Reveal() || got.Address.Reveal() == w.hook.Reveal() || got.Version != 4 {
		t.Errorf("one change undid the other: %+v", got)
	}
}

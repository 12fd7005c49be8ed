package secrets

import (
	"context"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

// newSecret returns a reader of a fresh secret with that text, and a way to change it.
func newSecret(t *testing.T, text string) (*Reader, func(string), *time.Time) {
	t.Helper()
	server := httptest.NewServer(aws.New(aws.Options{}))
	t.Cleanup(server.Close)
	client := secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	name := "app"
	if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text}); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	change := func(text string) {
		if _, err := client.PutSecretValue(context.Background(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &text}); err != nil {
			t.Fatal(err)
		}
	}
	return &Reader{Client: client, ID: name, Now: func() time.Time { return now }}, change, &now
}

func key(fill byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), 32)))
}

func TestLoadReadsAgainAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	type document struct{ Client string }
	reader, change, now := newSecret(t, `{"client":"old"}`)
	read := func() string {
		t.Helper()
		got, err := Load[document](t.Context(), reader)
		if err != nil {
			t.Fatal(err)
		}
		return got.Client
	}
	if got := read(); got != "old" {
		t.Errorf("read %q", got)
	}
	change(`{"client":"new"}`)
	if got := read(); got != "old" {
		t.Errorf("read %q from Secrets Manager although the text is fresh", got)
	}
	*now = now.Add(fresh)
	if got := read(); got != "new" {
		t.Errorf("read %q after five minutes", got)
	}
}

func TestErrorsDoNotQuoteTheSecret(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON at all":         "hunter2",
		"a string for an object": `"hunter2"`,
		"a key that is none":     `{"dataKeys":{"1":"hunter2"}}`,
		"a number that is none":  `{"dataKeys":{"hunter2":"` + key('a') + `"}}`,
		"no keys":                `{"other":"hunter2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader, _, _ := newSecret(t, text)
			_, err := DataKeys(reader).Seal(t.Context(), bridge.NewSecret("x"), "here")
			if err == nil || strings.Contains(err.Error(), "hunter2") || bridge.KindOf(err) != bridge.Internal {
				t.Errorf("Seal = %v; want an internal error that keeps the secret", err)
			}
		})
	}
}

func TestKeyRing(t *testing.T) {
	t.Parallel()
	reader, change, now := newSecret(t, `{"dataKeys":{"1":"`+key('a')+`"}}`)
	ring := DataKeys(reader)
	plain := bridge.NewSecret("token")
	seal := func() []byte {
		t.Helper()
		sealed, err := ring.Seal(t.Context(), plain, "account|row|token")
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	opens := func(sealed []byte, place string) bool {
		got, err := ring.Open(t.Context(), sealed, place)
		return err == nil && got == plain
	}
	old := seal()
	if strings.Contains(string(old), "token") {
		t.Error("sealed, and still legible")
	}
	if string(old) == string(seal()) {
		t.Error("the same text sealed twice looks the same")
	}
	if !opens(old, "account|row|token") {
		t.Error("does not open in its own place")
	}
	if opens(old, "account|other row|token") {
		t.Error("opens in another row")
	}
	for i := range old {
		changed := append([]byte(nil), old...)
		changed[i] ^= 1
		if opens(changed, "account|row|token") {
			t.Errorf("opens with byte %d changed", i)
		}
	}
	if opens(nil, "account|row|token") || opens(old[:5], "account|row|token") {
		t.Error("opens a ciphertext that was cut off")
	}

	change(`{"dataKeys":{"1":"` + key('a') + `","2":"` + key('b') + `"}}`)
	*now = now.Add(fresh)
	rotated := seal()
	if rotated[0] != 2 || !opens(old, "account|row|token") || !opens(rotated, "account|row|token") {
		t.Error("after a second key was added: the new one must seal, and both must open")
	}
	change(`{"dataKeys":{"2":"` + key('b') + `","3":"` + key('c') + `"}}`)
	another, _, _ := newSecret(t, `{"dataKeys":{"3":"`+key('c')+`"}}`)
	newest, err := DataKeys(another).Seal(t.Context(), plain, "account|row|token")
	if err != nil || !opens(newest, "account|row|token") {
		t.Error("a key that was added a moment ago must be found without waiting five minutes")
	}
}

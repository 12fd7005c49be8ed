package secrets

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func TestRescue(t *testing.T) {
	t.Parallel()
	reader, _, _ := newSecret(t, `{"refreshKeys":{"1":"`+key('k')+`"}}`)
	r := Rescue{Client: reader.Client, Prefix: "rescue/", Ring: RefreshKeys(reader)}
	was := bridge.Grant{
		Account: "a_1", Connection: "c_1", Generation: 2, RefreshVersion: 3, RefreshToken: bridge.NewSecret("old"),
		Access: bridge.AccessToken{Version: 7, Instance: "https://acme.my.salesforce.com"},
	}
	next := was
	next.RefreshToken, next.RefreshVersion, next.IssuedAt = bridge.NewSecret("marked-refresh"), 4, time.Unix(1700000000, 0).UTC()
	next.Access.Token, next.Access.Version = bridge.NewSecret("marked-access"), 8
	missing := func(why string, was bridge.Grant) {
		t.Helper()
		if _, err := r.Kept(t.Context(), was); bridge.KindOf(err) != bridge.NotFound {
			t.Errorf("%s: %v, want not found", why, err)
		}
	}
	missing("nothing was kept", was)
	for range 2 { // an answer may get lost
		if err := r.Keep(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.Kept(t.Context(), was); err != nil || got != next {
		t.Errorf("kept: %+v, %v, want %+v", got, err, next)
	}
	later := was
	later.Access.Version++
	missing("of another refresh", later)
	later = was
	later.Generation++
	missing("of another consent", later)
	foreign := was
	foreign.Account = "a_2"
	missing("of another account", foreign)

	second := next // the secret is there already, from a refresh before
	second.Access.Version++
	if err := r.Keep(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Kept(t.Context(), next); err != nil || got != second {
		t.Errorf("kept: %+v, %v", got, err)
	}
	name := "rescue/a_1/c_1"
	raw, err := reader.Client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil || raw.SecretString != nil || len(raw.SecretBinary) == 0 {
		t.Fatalf("secret: %v", err)
	}
	if _, err := r.Ring.Open(t.Context(), raw.SecretBinary, "elsewhere"); err == nil {
		t.Error("the secret opens in another place")
	}
	for range 2 {
		if err := r.Forget(t.Context(), "a_1", "c_1"); err != nil {
			t.Fatal(err)
		}
	}
	missing("forgotten", was)
}

package connect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

func TestMessagesCarrySecretsAndDoNotShowThem(t *testing.T) {
	t.Parallel()
	carried := func(text string) connect.Carried { return connect.Carried{Secret: bridge.NewSecret(text)} }
	request := connect.Request{Task: connect.ExchangeCode, Account: "a_1", Consent: &connect.Code{
		Code: carried("marked-code"), Verifier: carried("marked-verifier"), LoginHost: "https://login.salesforce.com",
		RedirectURI: "https://bridge.example/oauth/callback/production", Environment: bridge.Production,
	}}
	reply := connect.Reply{Connection: "c_1", Token: carried("marked-token"), Version: 3, Instance: "https://acme.my.salesforce.com"}

	var asked connect.Request
	if err := json.Unmarshal(encode(t, request), &asked); err != nil || !reflect.DeepEqual(asked.Consent, request.Consent) {
		t.Errorf("request arrives as %+v, %v", asked, err)
	}
	var told connect.Reply
	if err := json.Unmarshal(encode(t, reply), &told); err != nil || !reflect.DeepEqual(told, reply) {
		t.Errorf("reply arrives as %+v, %v", told, err)
	}

	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("x", "token", reply.Token, "code", request.Consent.Code)
	printed := fmt.Sprintf("%v %+v %#v %s %v", reply, *request.Consent, reply, reply.Token, request.Consent.Code)
	if text := log.String() + printed; strings.Contains(text, "marked") {
		t.Errorf("shown: %s", text)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUnknownTask(t *testing.T) {
	t.Parallel()
	for _, r := range []connect.Request{{}, {Task: "x"}, {Task: connect.ExchangeCode}} {
		if _, err := new(connect.Broker).Call(t.Context(), r); bridge.KindOf(err) != bridge.Invalid {
			t.Errorf("%+v: %v, want invalid", r, err)
		}
	}
}

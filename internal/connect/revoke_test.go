package connect_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// sealed returns the names of the grant's attributes that hold a token.
func (w *world) sealed(id bridge.ConnectionID) (names []string) {
	w.t.Helper()
	table := "table"
	item, err := w.table.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "ACCOUNT#" + string(account)},
		"sk": &types.AttributeValueMemberS{Value: "GRANT#" + string(id)},
	}})
	if err != nil || item.Item == nil {
		w.t.Fatalf("grant's row: %v", err)
	}
	for name := range item.Item {
		if strings.HasSuffix(name, "Sealed") {
			names = append(names, name)
		}
	}
	return names
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rules []simulated.Rule
		code  string
	}{
		"Salesforce revokes":               {nil, ""},
		"Salesforce has forgotten already": {[]simulated.Rule{{Kind: simulated.KindLogin, Fault: simulated.Fault{Status: 400, Code: "invalid_token"}}}, ""},
		"Salesforce is down":               {[]simulated.Rule{{Kind: simulated.KindLogin, Fault: simulated.Fault{Status: 503, HTML: true}}}, connect.NotRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newStillWorld(t, simulated.Options{})
			id := w.connect()
			before := w.token(id)
			if names := w.sealed(id); len(names) != 2 {
				t.Fatalf("sealed attributes: %v", names)
			}
			w.org.SetRules(tc.rules...)
			if err := w.service().Disconnect(t.Context(), account, id); err != nil {
				t.Fatalf("disconnect: %v", err)
			}
			c := w.connection(id)
			if c.Status != bridge.Disconnected || c.Code != tc.code {
				t.Errorf("status, code = %q, %q, want disconnected, %q", c.Status, c.Code, tc.code)
			}
			if names := w.sealed(id); len(names) != 0 {
				t.Errorf("the row still has %v", names)
			}
			w.org.ResetCounts()
			if _, err := w.tokens(id).Token(t.Context()); bridge.KindOf(err) != bridge.Revoked {
				t.Errorf("Token = %v, want revoked", err)
			}
			if _, err := w.tokens(id).Renew(t.Context(), before); bridge.KindOf(err) != bridge.Revoked {
				t.Errorf("Renew = %v, want revoked", err)
			}
			if err := w.service().Disconnect(t.Context(), account, id); err != nil || w.connection(id) != c {
				t.Errorf("again: %v, %+v", err, w.connection(id))
			}
			if counts := w.org.Counts(); counts.Token+counts.Login != 0 {
				t.Errorf("calls after the end: %+v", counts)
			}
		})
	}
}

func TestDisconnectOfAForeignConnection(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	if err := w.service().Disconnect(t.Context(), "a_2", id); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("disconnect = %v, want not found", err)
	}
	if _, err := w.service().Get(t.Context(), "a_2", id); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("get = %v, want not found", err)
	}
	if list, err := w.service().List(t.Context(), "a_2"); err != nil || len(list) != 0 {
		t.Errorf("list = %v, %v", list, err)
	}
	if w.connection(id).Status != bridge.Active {
		t.Error("the connection was touched")
	}
}

// interrupted does something while a refresh is at Salesforce.
type interrupted struct {
	salesforce.OAuth
	between func()
}

func (i interrupted) Refresh(ctx context.Context, app bridge.App, instance, login string, refresh bridge.Secret) (connect.Issued, error) {
	issued, err := i.OAuth.Refresh(ctx, app, instance, login, refresh)
	i.between()
	return issued, err
}

func TestDisconnectWhileARefreshIsUnderWay(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	dead := w.token(id)
	slow := *w.broker
	slow.Salesforce = interrupted{w.broker.Salesforce.(salesforce.OAuth), func() {
		if err := w.service().Disconnect(t.Context(), account, id); err != nil {
			t.Errorf("disconnect: %v", err)
		}
	}}
	_, err := slow.Call(t.Context(), connect.Request{Task: connect.RenewToken, Account: account, Connection: id, Have: dead.Version})
	if bridge.KindOf(err) != bridge.Revoked || len(w.sealed(id)) != 0 {
		t.Errorf("renew = %v; the row has %v", err, w.sealed(id))
	}
	if grants := w.grantsAtSalesforce(); grants != 0 {
		t.Errorf("%d grants are alive at Salesforce, though nobody knows their token", grants)
	}
}

func TestReconnectWhileARefreshIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, dies := range map[string]bool{"that succeeds": false, "that finds the grant dead": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newStillWorld(t, simulated.Options{})
			id := w.connect()
			dead := w.token(id)
			if dies {
				w.org.RevokeGrants()
			}
			slow := *w.broker
			slow.Salesforce = interrupted{w.broker.Salesforce.(salesforce.OAuth), func() {
				if again := w.connect(); again != id {
					t.Errorf("another connection: %s", again)
				}
			}}
			reply, err := slow.Call(t.Context(), connect.Request{Task: connect.RenewToken, Account: account, Connection: id, Have: dead.Version})
			if err != nil || reply.Token.Secret != w.token(id).Token || !w.works(id) {
				t.Errorf("renew = version %d, %v", reply.Version, err)
			}
			if g, c := w.grant(id), w.connection(id); g.Generation != 2 || c.Status != bridge.Active {
				t.Errorf("generation = %d, want 2; status = %s", g.Generation, c.Status)
			}
		})
	}
}

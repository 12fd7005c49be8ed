package connect_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/effect"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

const day = 24 * time.Hour

// keeper is a schedule's sweep of a world, with what it told of idle days.
func (w *world) keeper() (connect.KeepAlive, *[]float64) {
	var told []float64
	return connect.KeepAlive{
		Grants: w.plain, Broker: w.broker, Now: w.now, Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)),
		Idle: func(days float64) { told = append(told, days) },
	}, &told
}

// notices are a schedule's sweep that collects the mails.
func (w *world) notices() (connect.Notices, *[]connect.Notice) {
	w.t.Helper()
	person := bridge.Person{Issuer: "https://issuer", Subject: "1"}
	if err := w.plain.CreateAccount(w.t.Context(), bridge.Account{ID: account, Name: "Acme", Notify: "boss@acme.example"}, person); err != nil {
		w.t.Fatal(err)
	}
	var sent []connect.Notice
	return connect.Notices{
		Connections: w.plain, Accounts: w.plain, Mails: effect.Guard{Store: w.plain, Now: w.now}, BaseURL: "https://bridge.example", Now: w.now,
		Mail: func(_ context.Context, n connect.Notice) error { sent = append(sent, n); return nil },
	}, &sent
}

func TestSixtyIdleDays(t *testing.T) {
	t.Parallel()
	t.Run("kept alive", func(t *testing.T) {
		t.Parallel()
		w, clock := newStillWorld(t, simulated.Options{})
		id := w.connect()
		keep, told := w.keeper()
		notices, sent := w.notices()
		w.org.ResetCounts()
		for range 60 {
			clock.advance(day)
			if err := keep.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := notices.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls := w.org.Counts().Token; calls != 8 {
			t.Errorf("%d token calls, want 8: one each week", calls)
		}
		if _, err := w.tokens(id).Renew(t.Context(), w.token(id)); err != nil || !w.works(id) {
			t.Errorf("after 60 days: %v", err)
		}
		if len(*sent) != 0 {
			t.Errorf("%d mails", len(*sent))
		}
		for _, days := range *told {
			if days != 0 {
				t.Errorf("told of a connection that is idle for %v days", days)
			}
		}
	})
	t.Run("left alone", func(t *testing.T) {
		t.Parallel()
		w, clock := newStillWorld(t, simulated.Options{})
		id := w.connect()
		notices, sent := w.notices()
		clock.advance(60 * day)
		if _, err := w.tokens(id).Renew(t.Context(), w.token(id)); bridge.KindOf(err) != bridge.Revoked {
			t.Errorf("renew = %v, want revoked", err)
		}
		for range 3 {
			if err := notices.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(*sent) != 1 || (*sent)[0].To != "boss@acme.example" || !strings.HasPrefix((*sent)[0].Subject, "Reconnect Salesforce") {
			t.Errorf("mails: %+v, want one", *sent)
		}
		if c := w.connection(id); c.Status != bridge.NeedsReconnect {
			t.Errorf("status = %q", c.Status)
		}
	})
}

func TestKeepAliveOfAnOrgThatRefuses(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	keep, told := w.keeper()
	w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Status: 400, Code: "unauthorized_client"}})
	clock.advance(21 * day)
	if err := keep.Run(t.Context()); err != nil || (*told)[0] != 21 {
		t.Errorf("run = %v, told %v, want 21 days", err, *told)
	}
	if w.connection(id).Status != bridge.NeedsAdmin {
		t.Errorf("status = %q", w.connection(id).Status)
	}
	w.org.SetRules()
	clock.advance(6 * time.Hour)
	if err := keep.Run(t.Context()); err != nil || (*told)[1] != 0 || w.connection(id).Status != bridge.Active {
		t.Errorf("run = %v, told %v, status %q", err, *told, w.connection(id).Status)
	}
}

func TestConnectionsThatNeedNoKeepingAlive(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	keep, told := w.keeper()
	clock.advance(8 * day)
	if err := w.service().Disconnect(t.Context(), account, id); err != nil {
		t.Fatal(err)
	}
	w.org.ResetCounts()
	if err := keep.Run(t.Context()); err != nil || w.org.Counts().Token != 0 || (*told)[0] != 0 {
		t.Errorf("run = %v with %d token calls, told %v", err, w.org.Counts().Token, *told)
	}
	if _, err := w.broker.Call(t.Context(), connect.Request{Task: connect.KeepGrant, Account: account, Connection: id}); err != nil {
		t.Errorf("keep = %v, want nothing to happen", err)
	}
}

func TestNoticesAreSentOnceADay(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	notices, sent := w.notices()
	die := func() {
		w.org.RevokeGrants()
		if _, err := w.tokens(id).Renew(t.Context(), w.token(id)); bridge.KindOf(err) != bridge.Revoked {
			t.Fatalf("renew = %v", err)
		}
	}
	run := func(want int) {
		t.Helper()
		if err := notices.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(*sent) != want {
			t.Errorf("%d mails, want %d", len(*sent), want)
		}
	}
	run(0)
	die()
	run(1)
	run(1)
	w.connect()
	die() // again, on the same day
	run(1)
	w.connect()
	clock.advance(day)
	die()
	run(2)
	w.connect()
	die()
	w.connect() // before anybody was told
	run(2)
	for _, n := range *sent {
		if strings.Contains(n.Text+n.HTML, "admin@acme.example") || !strings.Contains(n.Text, "https://bridge.example/connections") {
			t.Errorf("mail: %s", n.Text)
		}
	}
}

func TestNoticesAreRepeatedForAWeek(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	notices, sent := w.notices()
	w.org.RevokeGrants()
	_, _ = w.tokens(id).Renew(t.Context(), w.token(id))
	for range 10 * 4 {
		if err := notices.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.advance(6 * time.Hour)
	}
	if len(*sent) != 7 {
		t.Errorf("%d mails in ten days, want one a day for a week", len(*sent))
	}
}

func TestNoticeThatCannotBeSentYet(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	notices, sent := w.notices()
	w.org.RevokeGrants()
	_, _ = w.tokens(id).Renew(t.Context(), w.token(id))
	send := notices.Mail
	notices.Mail = func(context.Context, connect.Notice) error { return &bridge.Error{Op: "test", Kind: bridge.Throttled} }
	if err := notices.Run(t.Context()); bridge.KindOf(err) == "" {
		t.Error("the sweep says that all is well")
	}
	notices.Mail = send
	if err := notices.Run(t.Context()); err != nil || len(*sent) != 1 {
		t.Errorf("run = %v, %d mails, want one", err, len(*sent))
	}
}

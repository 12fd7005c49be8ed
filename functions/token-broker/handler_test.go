package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
)

type broker func(connect.Request) (connect.Reply, error)

func (b broker) Call(_ context.Context, r connect.Request) (connect.Reply, error) { return b(r) }

// invocation sends a request the way Lambda does, and returns what the caller makes of the answer.
func invocation(t *testing.T, b broker, request connect.Request) (connect.Reply, error) {
	t.Helper()
	payload, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var received connect.Request
	if err := json.Unmarshal(payload, &received); err != nil {
		t.Fatal(err)
	}
	answer, err := handle(b)(t.Context(), received)
	if err != nil {
		t.Fatalf("the invocation itself failed: %v", err)
	}
	if payload, err = json.Marshal(answer); err != nil {
		t.Fatal(err)
	}
	var told invoke.Answer[connect.Reply]
	if err := json.Unmarshal(payload, &told); err != nil {
		t.Fatal(err)
	}
	return told.Unwrap()
}

func TestReplyReachesTheCaller(t *testing.T) {
	want := connect.Reply{Connection: "c_1", Token: connect.Carried{Secret: bridge.NewSecret("token")}, Version: 2, Instance: "https://acme.my.salesforce.com"}
	got, err := invocation(t, func(r connect.Request) (connect.Reply, error) {
		if r.Task != connect.RenewToken || r.Account != "a_1" || r.Connection != "c_1" || r.Have != 1 {
			t.Errorf("request = %+v", r)
		}
		return want, nil
	}, connect.Request{Task: connect.RenewToken, Account: "a_1", Connection: "c_1", Have: 1})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("reply = %+v, %v", got, err)
	}
}

func TestFailureKeepsItsMeaningAndNotItsInsides(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	cause := &bridge.Error{Op: "connect.renew", Kind: bridge.Throttled, Code: "token_request_in_process", After: 40 * time.Second, Err: errors.New("insides")}
	request := connect.Request{Task: connect.ExchangeCode, Consent: &connect.Code{Code: connect.Carried{Secret: bridge.NewSecret("marked-code")}}}
	_, err := invocation(t, func(connect.Request) (connect.Reply, error) { return connect.Reply{}, cause }, request)
	if bridge.KindOf(err) != bridge.Throttled || bridge.CodeOf(err) != cause.Code || bridge.AfterOf(err, 0) != cause.After {
		t.Errorf("err = %v", err)
	}
	if strings.Contains(err.Error(), "insides") {
		t.Errorf("the caller sees the insides: %v", err)
	}
	if !strings.Contains(log.String(), "insides") || strings.Contains(log.String(), "marked") {
		t.Errorf("log: %s", log.String())
	}
}

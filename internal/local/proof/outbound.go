package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

// OutboundFigures is what the experiment on Outbound Messages found.
type OutboundFigures struct {
	Envelopes     int     `json:"envelopes"`     // that were posted
	Notifications int     `json:"notifications"` // in each
	Acknowledged  int     `json:"acknowledged"`
	Messages      int     `json:"messages"` // that came to the queue
	Median        float64 `json:"ack_p50_ms"`
	Slowest       float64 `json:"ack_p99_ms"`
	Processor     float64 `json:"cpu_ms"` // of the function, for an envelope
}

// Err says which promise does not hold.
func (o OutboundFigures) Err() error {
	return broken(map[string]bool{
		"every envelope acknowledged":            o.Envelopes > 0 && o.Acknowledged == o.Envelopes,
		"one message on the queue for each":      o.Messages == o.Envelopes,
		"99 of 100 acknowledged within 150 ms":   o.Slowest > 0 && o.Slowest < 150,
		"at most 5 ms of the processor for each": o.Processor > 0 && o.Processor <= 5,
	})
}

// Outbound posts envelopes of 100 notifications to the running system, 50 a second for ten seconds, as Salesforce would.
func Outbound(ctx context.Context, root string, tell func(format string, args ...any)) (OutboundFigures, error) {
	return postEnvelopes(ctx, root, 10*time.Second, tell)
}

func postEnvelopes(ctx context.Context, root string, lasts time.Duration, tell func(string, ...any)) (found OutboundFigures, err error) {
	const pace, warm = 50, 20
	found.Notifications = 100
	var account atomic.Value
	var queued atomic.Int64
	w, err := world.Start(ctx, world.Options{Root: root, Salesforce: salesforce.Options{Generated: 3}, AWS: aws.Options{
		Watch: func(service, operation string, body []byte) {
			var request connect.Request
			switch {
			case service == "sqs" && operation == "SendMessageBatch" && bytes.Contains(body, []byte(`Conversions"`)):
				var in struct{ Entries []json.RawMessage }
				_ = json.Unmarshal(body, &in)
				queued.Add(int64(len(in.Entries)))
			case service == "lambda" && json.Unmarshal(body, &request) == nil && request.Task == connect.ExchangeCode:
				account.CompareAndSwap(nil, request.Account)
			}
		},
	}})
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	someone := person.New(w.Stack.URL)
	if err := someone.SignIn(ctx); err != nil {
		return found, err
	}
	connection, err := someone.Connect(ctx)
	if err != nil {
		return found, err
	}
	post, err := poster(ctx, w, account.Load().(bridge.AccountID), connection, found.Notifications)
	if err != nil {
		return found, err
	}
	for range warm {
		if took := post(ctx); took == 0 {
			return found, errors.New("outbound: an envelope was not acknowledged")
		}
	}

	queued.Store(0)
	before := processor("outbound-message")
	var mu sync.Mutex
	var took []float64 // milliseconds, of those that were acknowledged
	var team errgroup.Group
	beat := time.NewTicker(time.Second / pace)
	defer beat.Stop()
	for found.Envelopes < pace*int(lasts/time.Second) {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return found, ctx.Err()
		}
		found.Envelopes++
		team.Go(func() error {
			if t := post(ctx); t > 0 {
				mu.Lock()
				defer mu.Unlock()
				took = append(took, float64(t)/float64(time.Millisecond))
			}
			return nil
		})
	}
	_ = team.Wait() // nobody returns one
	spent := processor("outbound-message") - before
	if len(took) == 0 {
		return found, errors.New("outbound: no envelope was acknowledged")
	}
	found.Acknowledged, found.Messages = len(took), int(queued.Load())
	found.Median, found.Slowest = round(quantile(took, 0.5)), round(quantile(took, 0.99))
	found.Processor = round(float64(spent) / float64(time.Millisecond) / float64(found.Envelopes))
	tell("outbound: %d envelopes of %d notifications at %d a second, %d acknowledged, p50 %.1f ms, p99 %.1f ms, %.1f ms of the processor each",
		found.Envelopes, found.Notifications, pace, found.Acknowledged, found.Median, found.Slowest, found.Processor)
	return found, nil
}

// poster makes a hook, and returns what posts an envelope from the org to it and says how long the acknowledgement took, or
// 0 if there was none.
func poster(ctx context.Context, w *world.World, account bridge.AccountID, id bridge.ConnectionID, notifications int) (func(context.Context) time.Duration, error) {
	cloud, err := cloudOf(ctx, w, w.Stack.Ref(worker)) // a function that may write
	if err != nil {
		return nil, err
	}
	rows := store.New(dynamodb.NewFromConfig(cloud), w.Stack.Ref("Table"), nil)
	connection, err := rows.Connection(ctx, account, id)
	if err != nil {
		return nil, err
	}
	token := bridge.NewToken()
	err = rows.CreateMessageHook(ctx, token, conversion.Hook{Account: account, Connection: id, MadeAt: time.Now()})
	if err != nil {
		return nil, err
	}
	body := envelope(connection.Org, notifications)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}, Timeout: 10 * time.Second}
	return func(ctx context.Context) time.Duration {
		began := time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Stack.URL+conversion.Path+token.Reveal(), strings.NewReader(body))
		if err != nil {
			return 0
		}
		request.Header.Set("Content-Type", "text/xml; charset=UTF-8")
		request.Header.Set("SOAPAction", `""`)
		response, err := client.Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte("<Ack>true</Ack>")) {
			return 0
		}
		return time.Since(began)
	}, nil
}

// envelope is an Outbound Message about so many opportunities, with the ten fields that ours have.
func envelope(org bridge.SalesforceID, notifications int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>` + string(org) + `</OrganizationId>
   <ActionId>04k5g000000PqRsAAK</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/66.0/` + org.Key() + `</EnterpriseUrl>
   <PartnerUrl>https://acme.my.salesforce.com/services/Soap/u/66.0/` + org.Key() + `</PartnerUrl>
`)
	for i := range notifications {
		fmt.Fprintf(&b, `   <Notification>
    <Id>04l5g00000%05d</Id>
    <sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>0065g00000%05d</sf:Id>
     <sf:AccountId>0015g00000QrStUAAV</sf:AccountId>
     <sf:Amount>1250.0</sf:Amount>
     <sf:ContactId>0035g00000AbCdEAAV</sf:ContactId>
     <sf:CreatedDate>2026-10-01T08:00:00.000Z</sf:CreatedDate>
     <sf:IsClosed>true</sf:IsClosed>
     <sf:IsWon>true</sf:IsWon>
     <sf:LastModifiedDate>2026-11-03T10:15:30.000Z</sf:LastModifiedDate>
     <sf:Name>Opportunity number %d</sf:Name>
     <sf:StageName>Closed Won</sf:StageName>
    </sObject>
   </Notification>
`, i, i, i)
	}
	b.WriteString("  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>\n")
	return b.String()
}

// processor is how much time of the processor the processes of a function have had that this one has started and that are
// still there, as Linux tells. It is 0 elsewhere.
func processor(function string) (spent time.Duration) {
	const tick = 10 * time.Millisecond // of /proc, on every Linux
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		program, err := os.Readlink(filepath.Join(filepath.Dir(name), "exe"))
		if err != nil || filepath.Base(program) != function {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name, which may be anything
		fields := strings.Fields(rest)
		if len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, field := range fields[11:13] { // in user mode, and in the kernel
			n, _ := strconv.Atoi(field)
			spent += time.Duration(n) * tick
		}
	}
	return spent
}

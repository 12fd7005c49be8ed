package main

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/salesforce/outbound"
	"github.com/referralbridge/referralbridge/internal/store"
)

// settings are what the environment says.
type settings struct{ table, conversions, stage string }

func (s settings) inbox(cloud aws.Config) conversion.Inbox {
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, nil)
	metrics := &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}
	return conversion.Inbox{
		Hooks: rows, Connections: rows, Jobs: queue.Topic[conversion.Job]{Client: sqs.NewFromConfig(cloud), URL: s.conversions},
		Count: func(what conversion.Tally, n int) { metrics.Put(string(what), metric.Count, float64(n)) },
		Now:   time.Now, Log: slog.Default(),
	}
}

type receiver interface {
	Receive(ctx context.Context, token bridge.Secret, m conversion.Message) error
}

// refused counts requests that are no Outbound Messages. The log has the reasons.
const refused conversion.Tally = "OutboundRefused"

// routes answers Outbound Messages. An answer without the acknowledgement has no content, and nobody to read it: Salesforce
// shows its people the status at most.
func routes(inbox receiver, count func(conversion.Tally, int)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+conversion.Path+"{hook}", func(w http.ResponseWriter, r *http.Request) {
		e, err := read(r)
		if err != nil {
			count(refused, 1)
			fail(w, r, err)
			return
		}
		m := conversion.Message{Organization: e.Organization, Session: e.SessionPresent}
		for _, n := range e.Notifications {
			m.Records = append(m.Records, n.Record)
		}
		if err := inbox.Receive(r.Context(), bridge.NewSecret(r.PathValue("hook")), m); err != nil {
			fail(w, r, err)
			return
		}
		outbound.Ack(w)
	})
	return mux
}

// read reads an envelope in XML, in UTF-8 and not compressed.
func read(r *http.Request) (outbound.Envelope, error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, named := parameters["charset"]
	encoding := r.Header.Get("Content-Encoding")
	if err != nil || kind != "text/xml" && kind != "application/xml" || named && !strings.EqualFold(charset, "UTF-8") ||
		encoding != "" && encoding != "identity" {
		return outbound.Envelope{}, outbound.Refuse("outbound-message.read", outbound.MediaType)
	}
	return outbound.Parse(r.Body)
}

// fail answers without acknowledging. Whatever is neither the sender's fault nor the address's is ours: then the message
// has to come again.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	switch kind := bridge.KindOf(err); {
	case bridge.CodeOf(err) == string(outbound.TooLarge):
		status = http.StatusRequestEntityTooLarge
	case kind == bridge.Invalid, kind == bridge.NotFound:
		status = apigw.Status(err)
	}
	apigw.Log(r, err, status)
	w.WriteHeader(status)
}

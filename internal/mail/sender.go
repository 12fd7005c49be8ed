// Package mail sends mails through Amazon SES.
package mail

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Message is a mail to one address, in two forms of the same words.
type Message struct {
	To, Subject, Text, HTML string
	Tag                     string // what kind of mail it is, for SES's own statistics; nothing personal
}

// Sender sends mails from one address.
type Sender struct {
	client *sesv2.Client
	from   string
}

// NewSender returns a sender. SES has no way to tell that it was given the same mail twice, so the
// SDK's own retries are off: whoever sends decides about a second try.
func NewSender(config aws.Config, from string) Sender {
	client := sesv2.NewFromConfig(config, func(o *sesv2.Options) {
		o.Retryer = aws.NopRetryer{}
	})
	return Sender{client, from}
}

// Send hands the mail to SES. An error that is an UnknownOutcome means that the mail may have been
// accepted; any other means that it was not.
func (s Sender) Send(ctx context.Context, m Message) error {
	const op = "mail.Send"
	part := func(text string) *types.Content {
		return &types.Content{Data: &text, Charset: aws.String("UTF-8")}
	}
	_, err := s.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &s.from,
		Destination:      &types.Destination{ToAddresses: []string{m.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: part(m.Subject),
			Body:    &types.Body{Text: part(m.Text), Html: part(m.HTML)},
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("kind"), Value: &m.Tag}},
	})
	return meaning(op, err)
}

// meaning keeps SES's code and drops its words: they quote the address.
func meaning(op string, err error) error {
	if err == nil {
		return nil
	}
	failure := &bridge.Error{Op: op, Kind: bridge.UnknownOutcome}
	var (
		coded    interface{ ErrorCode() string }
		answered *smithyhttp.ResponseError
	)
	if errors.As(err, &coded) {
		failure.Code = coded.ErrorCode()
	}
	if !errors.As(err, &answered) {
		return failure // no answer
	}
	switch status := answered.HTTPStatusCode(); {
	case status < http.StatusBadRequest: // an answer that was cut off: the SDK may have seen its beginning
	case status == http.StatusTooManyRequests:
		failure.Kind, failure.After = bridge.Throttled, time.Minute
	case status == http.StatusForbidden:
		failure.Kind = bridge.Denied
	case status < http.StatusInternalServerError:
		failure.Kind = bridge.Invalid
	}
	return failure
}

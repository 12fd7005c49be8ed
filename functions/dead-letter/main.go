// Command dead-letter is the Lambda that takes up what the queues have given up: it is started by every dead-letter queue,
// and keeps each message as a letter of the account whose work it was, so that the account's people see it in the
// console. An operator invokes it to look at the letters of a queue, or to have them sent again once their cause is mended:
//
//	{"list": "Imports", "most": 10}     the oldest letters, which stay where they are
//	{"again": "Imports", "most": 100}   sends the oldest again, ten in a second, and answers {"sent": ..., "left": ...}
//
// It promises that a message leaves its dead-letter queue only once it is kept, that the metric DeadLetters has counted it
// by then, and that a letter is sent again before it is forgotten: after a crash it may be sent twice, which all work
// bears. A message that cannot be kept stays in its queue and comes again, until SQS deletes it after 14 days.
package main

import (
	"log"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/referralbridge/referralbridge/internal/config"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	var env config.Env
	s := readSettings(&env)
	aws := env.AWS()
	if err := env.Err(); err != nil {
		log.Fatal(err)
	}
	lambda.Start(newOffice(s, aws).handle)
}

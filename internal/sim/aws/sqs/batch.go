package sqs

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

// batchAnswer tells the fate of each entry by its id. Both lists are always there.
type batchAnswer[T any] struct {
	Successful []T
	Failed     []failedEntry
}

type failedEntry struct {
	Entry       string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batch checks what concerns the batch as a whole, and then does each entry by itself: one that fails does not stop the others.
func batch[In, Out any](entries []In, id func(In) string, do func(In) (Out, error)) (batchAnswer[Out], error) {
	answer := batchAnswer[Out]{Successful: []Out{}, Failed: []failedEntry{}}
	switch {
	case len(entries) == 0:
		return answer, batchRule("EmptyBatchRequest", "There should be at least one entry in the request.")
	case len(entries) > 10:
		return answer, batchRule("TooManyEntriesInBatchRequest",
			fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", len(entries)))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !batchID.MatchString(id(e)) {
			return answer, batchRule("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, "+
				"hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id(e)] {
			return answer, batchRule("BatchEntryIdsNotDistinct", fmt.Sprintf("Id %s repeated.", id(e)))
		}
		seen[id(e)] = true
	}
	for _, e := range entries {
		done, err := do(e)
		if err == nil {
			answer.Successful = append(answer.Successful, done)
			continue
		}
		var refused *wire.Error
		if !errors.As(err, &refused) {
			return answer, err
		}
		code := refused.Query
		if code == "" {
			code = refused.Code
		}
		answer.Failed = append(answer.Failed, failedEntry{Entry: id(e), Code: code, Message: refused.Message, SenderFault: true})
	}
	return answer, nil
}

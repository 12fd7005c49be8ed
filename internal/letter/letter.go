// Package letter keeps what the queues have given up: messages whose work has ended its workers five times, by a crash or
// by a mistake of ours. "Not now" never gets here.
//
// Each becomes a letter of the account whose work it was, which sees it in the console; one that names no account is
// the operator's alone. A letter may be sent again, since all work bears to come twice: it is sent before it is taken off
// the list, so a crash in between leaves it there to be sent once more, and loses nothing.
package letter

import (
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Queue is a queue of work by its name in template.yaml. Its dead-letter queue has the same name with Dead behind it.
type Queue string

// The queues.
const (
	Imports           Queue = "Imports"
	SubscriberHints   Queue = "SubscriberHints"
	SubscriberChanges Queue = "SubscriberChanges"
	SyncRuns          Queue = "SyncRuns"
	Provisions        Queue = "Provisions"
	Conversions       Queue = "Conversions"
	Plumbing          Queue = "Plumbing"

	// Schedule has sweeps that could not be started or have failed. They are nobody's, and do not come again: the next
	// one does their work.
	Schedule Queue = "Schedule"
)

// Queues are all of them.
var Queues = []Queue{Imports, SubscriberHints, SubscriberChanges, SyncRuns, Provisions, Conversions, Plumbing, Schedule}

func (q Queue) known() bool { return slices.Contains(Queues, q) }

// Keep is how long a letter is kept, as SQS would keep the message.
const Keep = 14 * 24 * time.Hour

// Letter is a message that its queue has given up.
type Letter struct {
	ID       string // the message's
	Queue    Queue
	Account  bridge.AccountID // whose work it is; empty if that cannot be read
	Body     string           // of the message: ids and no names
	SentAt   time.Time
	DiedAt   time.Time // when we learned of it, which is seconds after
	Received int       // how often the message was received until then
}

// About is what a job says that it is about. Every job names its account; what else there is depends on the queue.
type About struct {
	Account       bridge.AccountID    `json:"account"`
	Campaign      bridge.CampaignID   `json:"campaign"`
	Connection    bridge.ConnectionID `json:"connection"`
	Import        bridge.ImportID     `json:"import"`
	Subscriber    bridge.SubscriberID `json:"subscriber"`
	Opportunities []string            `json:"opportunities"`
}

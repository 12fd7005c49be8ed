package importer

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Job asks for a step of an import. It carries keys only: what to do is read from the table.
type Job struct {
	Account bridge.AccountID `json:"account"`
	Import  bridge.ImportID  `json:"import"`
	// Page is the page to work on. 0 is a pump: plan, dispatch, or finish.
	Page int `json:"page,omitempty"`
	// Pass is the pass that a page is to be worked on in.
	Pass int `json:"pass,omitempty"`
	// Rescue makes a pump send the open pages again too, in case their own jobs were lost.
	Rescue bool `json:"rescue,omitempty"`
}

// Group names the account, so that one account's jobs cannot delay another's.
func (j Job) Group() string { return string(j.Account) }

func pump(i bridge.Import, rescue bool) Job {
	return Job{Account: i.Account, Import: i.ID, Rescue: rescue}
}

func pageJob(i bridge.Import, number int) Job {
	return Job{Account: i.Account, Import: i.ID, Page: number, Pass: i.Pass}
}

func pageJobs(i bridge.Import, pages []bridge.Page) []Job {
	jobs := make([]Job, len(pages))
	for n, p := range pages {
		jobs[n] = pageJob(i, p.Number)
	}
	return jobs
}

type jobs interface {
	Send(ctx context.Context, delay time.Duration, jobs ...Job) error
}

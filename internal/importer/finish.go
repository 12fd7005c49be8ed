package importer

import (
	"context"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/effect"
)

// finalize closes an import of which every page is finished. Its counts are summed up once more from the receipts:
// should they differ from the running ones, the receipts are right and we have a bug.
func (w Worker) finalize(ctx context.Context, i bridge.Import) error {
	var sum bridge.Counts
	for sheet, err := range w.Imports.Pages(ctx, i.Account, i.ID) {
		if err != nil {
			return err
		}
		sum = sum.Plus(sheet.counts())
	}
	if sum != i.Counts || sum.Sum() != i.Selected {
		w.Log.ErrorContext(ctx, "counts differ from their receipts", "account", i.Account, "import", i.ID,
			"counted", i.Counts, "receipts", sum, "selected", i.Selected)
		i.Counts, i.Selected = sum, sum.Sum()
	}
	i.State, i.BeatAt = bridge.Finalizing, w.Now()
	i, err := w.save(ctx, i)
	if err != nil {
		return err // a stop if another worker was first: the job comes again and finds the state new
	}
	return w.deliver(ctx, i)
}

// deliver sends the completion mail, at most once for each pass, and ends the import.
func (w Worker) deliver(ctx context.Context, i bridge.Import) error {
	const op = "importer.deliver"
	a, err := w.Accounts.Account(ctx, i.Account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	if a.Notify != "" {
		subject := string(i.ID) + "/" + strconv.Itoa(i.Pass)
		state, err := w.Mails.Once(ctx, i.Account, "import-mail", subject, func(ctx context.Context) error {
			return w.Mail(ctx, completion(i, a, w.BaseURL))
		})
		switch {
		case state == effect.Open: // not taken now, and certainly not sent
			return putOff(op, bridge.AfterOf(err, shortWait))
		case err != nil:
			return bridge.E(op, "", err)
		case state == effect.Claimed: // another worker is at it, or died at it
			return putOff(op, shortWait/4)
		}
		if i.Mail = mailState(state); i.Mail == bridge.MailUnknown {
			w.Log.WarnContext(ctx, "nobody knows whether the completion mail was sent", "account", i.Account, "import", i.ID)
		}
	}
	if w.Ended != nil {
		if err := w.Ended(ctx, i); err != nil {
			return bridge.E(op, "", err)
		}
	}
	i.State, i.EndedAt = bridge.Done, w.Now()
	_, err = w.save(ctx, i)
	if lost(err) {
		return nil // another worker has ended it
	}
	return bridge.E(op, "", err)
}

func mailState(s effect.State) bridge.MailState {
	switch s {
	case effect.Done:
		return bridge.MailSent
	case effect.Failed:
		return bridge.MailFailed
	default:
		return bridge.MailUnknown
	}
}

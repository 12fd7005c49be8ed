package letter

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Place is where a letter is.
type Place struct {
	Account bridge.AccountID
	ID      string
	DiedAt  time.Time
}

type rows interface {
	lists
	// Letter returns a letter of an account, or NotFound.
	Letter(ctx context.Context, account bridge.AccountID, id string) (Letter, error)
	// DeleteLetter removes a letter. That there is none is fine.
	DeleteLetter(ctx context.Context, account bridge.AccountID, id string) error
}

type lists interface {
	// Letters returns up to limit letters of an account.
	Letters(ctx context.Context, account bridge.AccountID, limit int) ([]Letter, error)
	// LettersOf returns where the letters of a queue are that died since a time, the oldest first. It may lag behind.
	LettersOf(ctx context.Context, q Queue, since time.Time) ([]Place, error)
}

// Service is what people do with letters. Its fields are set once.
type Service struct {
	Letters rows
	// Send puts the body of a letter on its queue, to be seen after the delay.
	Send func(ctx context.Context, l Letter, delay time.Duration) error
	Now  func() time.Time
}

// Most is how many letters of an account are shown.
const Most = 50

// List returns letters of an account, up to Most of them, and whether there are more.
func (s Service) List(ctx context.Context, account bridge.AccountID) (found []Letter, more bool, err error) {
	found, err = s.Letters.Letters(ctx, account, Most+1)
	if err != nil {
		return nil, false, bridge.E("letter.List", "", err)
	}
	return found[:min(Most, len(found))], len(found) > Most, nil
}

// Again sends a letter's job again and takes the letter off the list. NotFound says that somebody did so before, or
// dismissed it.
func (s Service) Again(ctx context.Context, account bridge.AccountID, id string) error {
	return bridge.E("letter.Again", "", s.again(ctx, account, id, 0))
}

func (s Service) again(ctx context.Context, account bridge.AccountID, id string, delay time.Duration) error {
	l, err := s.Letters.Letter(ctx, account, id)
	if err != nil {
		return err
	}
	if err := s.Send(ctx, l, delay); err != nil {
		return err
	}
	return s.Letters.DeleteLetter(ctx, account, id)
}

// Dismiss takes a letter off the list. That it is not there any more is fine.
func (s Service) Dismiss(ctx context.Context, account bridge.AccountID, id string) error {
	return bridge.E("letter.Dismiss", "", s.Letters.DeleteLetter(ctx, account, id))
}

// Look returns the oldest letters of a queue, up to most of them, whoever's they are, and how many more there are.
func (s Service) Look(ctx context.Context, q Queue, most int) (found []Letter, left int, err error) {
	const op = "letter.Look"
	places, err := s.places(ctx, q)
	if err != nil {
		return nil, 0, bridge.E(op, "", err)
	}
	left = len(places)
	for _, p := range places {
		if len(found) == most {
			break
		}
		l, err := s.Letters.Letter(ctx, p.Account, p.ID)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return nil, 0, bridge.E(op, "", err)
		}
		left--
		if err == nil {
			found = append(found, l)
		}
	}
	return found, left, nil
}

// pace is the time between two letters that are sent again together.
const pace = time.Second / 10

// Redrive sends letters of a queue again, the oldest first and up to most of them. They do not all show at once: each
// has a delay, so that workers see ten in a second. It returns how many were sent and how many are left, also with an error.
func (s Service) Redrive(ctx context.Context, q Queue, most int) (sent, left int, err error) {
	const op = "letter.Redrive"
	if q == Schedule {
		return 0, 0, bridge.Say(op, bridge.Invalid, "", "nothing of schedules is sent again: the next sweep does the work")
	}
	places, err := s.places(ctx, q)
	if err != nil {
		return 0, 0, bridge.E(op, "", err)
	}
	left = len(places)
	for _, p := range places {
		if sent == most {
			break
		}
		err := s.again(ctx, p.Account, p.ID, time.Duration(sent)*pace)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return sent, left, bridge.E(op, "", err)
		}
		left--
		if err == nil {
			sent++
		}
	}
	return sent, left, nil
}

func (s Service) places(ctx context.Context, q Queue) ([]Place, error) {
	if !q.known() {
		return nil, bridge.Say("letter.places", bridge.Invalid, "", "there is no queue of that name: the names are those of template.yaml")
	}
	return s.Letters.LettersOf(ctx, q, s.Now().Add(-Keep))
}

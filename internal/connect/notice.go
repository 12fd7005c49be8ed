package connect

import (
	"context"
	"errors"
	"fmt"
	"html"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/effect"
)

// Notice is a mail to one address, in two forms of the same words.
type Notice struct {
	To, Subject, Text, HTML string
}

// Untold is a connection whose account is to be told that it does not work.
type Untold struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
}

type untold interface {
	// UntoldConnections returns up to limit of each part of the index, those that wait longest first.
	UntoldConnections(ctx context.Context, now time.Time, limit int) ([]Untold, error)
	Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
	// ToldConnection notes when the account is to be told again, never if next is zero; Conflict if the connection
	// has changed since it was read.
	ToldConnection(ctx context.Context, c bridge.Connection, next time.Time) error
}

type accounts interface {
	// AccountAddress returns where the account's mails go; empty if nobody said.
	AccountAddress(context.Context, bridge.AccountID) (string, error)
}

// Notices is a sweep that tells accounts about connections that do not work any more.
type Notices struct {
	Connections untold
	Accounts    accounts
	Mails       effect.Guard
	Mail        func(context.Context, Notice) error
	BaseURL     string // of the console, without a slash at the end
	Now         func() time.Time
}

// mostTold is how many connections of each part of the index a sweep looks after; the rest is the next one's.
const mostTold = 25

const (
	remindAfter = 24 * time.Hour
	remindUntil = 7 * 24 * time.Hour // who has not acted by then does not want to
)

// Run sends a mail for each connection that has stopped to work, and once a day for the first week as long as it
// does not work: at most one a day for each, however often it stops.
func (n Notices) Run(ctx context.Context) error {
	const op = "connect.Notices"
	found, err := n.Connections.UntoldConnections(ctx, n.Now(), mostTold)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var failures error
	for _, each := range found {
		if err := n.tell(ctx, each); err != nil && bridge.KindOf(err) != bridge.Conflict {
			failures = errors.Join(failures, err) // and on to the next: one account must not silence the others
		}
	}
	return bridge.E(op, "", failures)
}

func (n Notices) tell(ctx context.Context, u Untold) error {
	c, err := n.Connections.Connection(ctx, u.Account, u.Connection)
	if err != nil {
		return err
	}
	var next time.Time
	if c.Status == bridge.NeedsReconnect || c.Status == bridge.NeedsAdmin {
		if at := n.Now().Add(remindAfter); at.Sub(c.StatusAt) < remindUntil {
			next = at
		}
		to, err := n.Accounts.AccountAddress(ctx, c.Account)
		if err != nil {
			return err
		}
		if to != "" {
			day := n.Now().UTC().Format(time.DateOnly)
			state, err := n.Mails.Once(ctx, c.Account, "connection-mail", string(c.ID)+" "+day, func(ctx context.Context) error {
				return n.Mail(ctx, n.notice(c, to))
			})
			if err != nil || state == effect.Claimed {
				return err // it is still to be told, by the next sweep or by the one that is at it
			}
		}
	}
	return n.Connections.ToldConnection(ctx, c, next)
}

// notice is the mail about a connection that does not work.
func (n Notices) notice(c bridge.Connection, to string) Notice {
	link := n.BaseURL + "/connections"
	subject := "Reconnect Salesforce: " + c.OrgName
	happened := "Salesforce has ended our connection with " + c.OrgName + "."
	next := "Please press Reconnect there and sign in to Salesforce with the same user."
	if c.Status == bridge.NeedsAdmin {
		subject = "Salesforce refuses access: " + c.OrgName
		happened = "Salesforce refuses our calls to " + c.OrgName + " (its code: " + c.Code + ")."
		next = "An administrator of the org has to act; the page says how. We try again by ourselves."
	}
	const waits = "Imports from this org wait, and nothing of them is lost. They go on when the connection works again."
	return Notice{
		To: to, Subject: subject,
		Text: fmt.Sprintf("Hello,\n\n%s %s\n\n%s\n%s\n\nReferral Bridge\n", happened, waits, next, link),
		HTML: fmt.Sprintf(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>%s</title></head>`+
			`<body style="font-family:sans-serif;font-size:16px;line-height:1.5;color:#1c2430;margin:0;padding:24px">`+
			`<p>Hello,</p><p>%s %s</p><p>%s<br><a href="%s">%s</a></p><p>Referral Bridge</p></body></html>`,
			html.EscapeString(subject), html.EscapeString(happened), waits, next, html.EscapeString(link), html.EscapeString(link)),
	}
}

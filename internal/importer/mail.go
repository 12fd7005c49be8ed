package importer

import (
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Message is a mail to one address, in two forms of the same words.
type Message struct {
	To, Subject, Text, HTML string
}

// line is an outcome as the mail tells it.
type line struct {
	count int
	words string
}

func lines(c bridge.Counts) []line {
	return []line{
		{c.Created, "became subscribers"},
		{c.Existed, "were subscribers already, or share their e-mail address or phone number with another contact"},
		{c.Skipped, "were left out: without an e-mail address or phone number, opted out, or deleted meanwhile"},
		{c.Invalid, "have an e-mail address or phone number that is malformed or that ReferralHero does not accept"},
		{c.Failed, "could not be added, although we tried several times"},
	}
}

// completion is the mail about an import that is done. It names no contact.
func completion(i bridge.Import, a bridge.Account, baseURL string) Message {
	link := baseURL + "/imports/" + string(i.ID)
	total := i.Counts.Sum()
	opening := fmt.Sprintf("Your import of %s from Salesforce into ReferralHero is finished.", contacts(total))
	if i.Pass == 1 {
		opening += " It took " + duration(i.BeatAt.Sub(i.StartedAt)) + "."
	} else {
		opening += " The contacts that had failed were tried again."
	}
	next := "The result, contact by contact, is here: "
	if i.Counts.Failed > 0 {
		next = "The result, contact by contact, and a button that tries the failed ones again are here: "
	}

	var text, page strings.Builder
	fmt.Fprintf(&text, "Hello,\n\n%s\n\n", opening)
	page.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Import finished</title></head>` +
		`<body style="font-family:sans-serif;font-size:16px;line-height:1.5;color:#1c2430;margin:0;padding:24px">`)
	fmt.Fprintf(&page, "<p>Hello,</p><p>%s</p><table role=\"presentation\" cellpadding=\"6\">", html.EscapeString(opening))
	for _, l := range lines(i.Counts) {
		if l.count == 0 {
			continue
		}
		fmt.Fprintf(&text, "%9s  %s\n", grouped(l.count), l.words)
		fmt.Fprintf(&page, "<tr><td align=\"right\"><strong>%s</strong></td><td>%s</td></tr>", grouped(l.count), html.EscapeString(l.words))
	}
	fmt.Fprintf(&text, "\n%s\n%s\n\nReferral Bridge, for %s\n", next, link, a.Name)
	fmt.Fprintf(&page, "</table><p>%s<br><a href=\"%s\">%s</a></p><p>Referral Bridge, for %s</p></body></html>",
		html.EscapeString(next), html.EscapeString(link), html.EscapeString(link), html.EscapeString(a.Name))
	return Message{
		To: a.Notify, Subject: fmt.Sprintf("Import finished: %s of %s became subscribers", grouped(i.Counts.Created), contacts(total)),
		Text: text.String(), HTML: page.String(),
	}
}

func contacts(n int) string {
	if n == 1 {
		return "1 contact"
	}
	return grouped(n) + " contacts"
}

// grouped writes a number with a comma at every three digits.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func duration(d time.Duration) string {
	hours, minutes := int(d.Hours()), int(d.Minutes())%60
	switch {
	case d < 90*time.Second:
		return "about a minute"
	case hours == 0:
		return fmt.Sprintf("%d minutes", minutes)
	default:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
}

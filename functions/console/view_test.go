package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

func newRecorder(t *testing.T, c *console, address string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	if c.Now == nil {
		c.Now = time.Now
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.handler().ServeHTTP(w, r)
	return w
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "no time", 20 * time.Second: "less than a minute", time.Minute: "1 minute", 89 * time.Second: "1 minute", 91 * time.Second: "2 minutes",
		time.Hour: "1 hour", 90 * time.Minute: "1 hour 30 minutes", 47 * time.Hour: "47 hours", 50 * time.Hour: "2 days 2 hours", 72 * time.Hour: "3 days",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestReferralLink(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://mywebsite.com":         "http://mywebsite.com?mwr=123456",
		"https://example.com/join?a=b": "https://example.com/join?a=b&mwr=123456",
		"":                             "",
		"nonsense":                     "",
		"javascript:alert(1)":          "",
	} {
		if got := referralLink(base); got != want {
			t.Errorf("referralLink(%q) = %q, want %q", base, got, want)
		}
	}
}

// TestImportPage renders an import in every state that it can be in.
func TestImportPage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	counts := bridge.Counts{Created: 700, Existed: 20, Invalid: 3, Failed: 2, Skipped: 15}
	for name, tc := range map[string]struct {
		change func(*importer.Progress)
		want   []string
		not    []string
	}{
		"running": {
			change: func(p *importer.Progress) {
				p.Remaining, p.FinishAt, p.Rate = 90*time.Second, now.Add(90*time.Second), 950
			},
			want: []string{"74&nbsp;%", "Left: about 2 minutes, until", ">12:01 UTC</time>", "950 contacts a minute", "Pause", "Cancel…", `hx-get="/imports/i_1/progress`},
			not:  []string{"Resume", "Retry", "Result"},
		},
		"parked": {
			change: func(p *importer.Progress) {
				p.Import.Parked, p.Import.Until = "This hour's calls to ReferralHero are used up", now.Add(40*time.Minute)
			},
			want: []string{"Waiting", "calls to ReferralHero are used up. It goes on by itself", "until about", "12:40 UTC", "Try now", "Pause"},
		},
		"paused":    {change: func(p *importer.Progress) { p.Import.State = bridge.Paused }, want: []string{"Paused", "Resume", "Cancel…"}, not: []string{">Pause<"}},
		"finishing": {change: func(p *importer.Progress) { p.Import.State = bridge.Finalizing }, want: []string{"Finishing"}, not: []string{"Cancel…", "Pause"}},
		"done": {
			change: func(p *importer.Progress) { p.Import.State, p.Import.Mail = bridge.Done, bridge.MailSent },
			want: []string{"Retry the 2 failed contacts", "The e-mail about the result was sent.", "contacts.csv?outcome=failed", "opted out &lt;b&gt;",
				`data-result="created">700<`, `data-result="all">740<`},
			not: []string{"hx-get", `http-equiv="refresh"`, "Cancel…"},
		},
		"done without an address": {change: func(p *importer.Progress) { p.Import.State = bridge.Done }, want: []string{"No e-mail was sent, because no address is set"}},
		"done with a lost answer": {change: func(p *importer.Progress) { p.Import.State, p.Import.Mail = bridge.Done, bridge.MailUnknown }, want: []string{"may have arrived or not"}},
		"ended early": {
			change: func(p *importer.Progress) { p.Import.State, p.Import.Cause = bridge.Broken, "The campaign is gone." },
			want:   []string{"It could not go on. The campaign is gone.", "Resume"}, not: []string{"Retry the"},
		},
		"nothing selected": {
			change: func(p *importer.Progress) {
				p.Import.State, p.Import.Selected, p.Counts, p.Import.Counts = bridge.Done, 0, bridge.Counts{}, bridge.Counts{}
			},
			want: []string{"<strong>0</strong> of 0 contacts"},
		},
		"large": {
			change: func(p *importer.Progress) {
				p.Import.State, p.Import.Selected, p.Counts = bridge.Done, 90_000, bridge.Counts{Created: 90_000}
			},
			want: []string{"contacts.csv?part=1", "contacts.csv?part=3", "80,001–90,000"}, not: []string{"data-reasons"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := importer.Progress{Counts: counts, Import: bridge.Import{
				ID: "i_1", State: bridge.Running, Total: 1000, Selected: 1000, Planned: true, Pass: 1, StartedBy: "Dana", StartedAt: now.Add(-time.Minute),
				Options: bridge.ImportOptions{Campaign: "MF0123456789", URL: "https://example.com", Filter: "Name = '<b>'"},
			}}
			tc.change(&p)
			page := importPage{Progress: p, Total: total(p.Import), Campaign: bridge.Campaign{ID: "MF0123456789", Name: "<b>Spring</b>"},
				Connection: bridge.Connection{OrgName: "Acme"}}
			c := &console{Now: func() time.Time { return now }, Imports: fixed{progress: p}, Campaigns: fixedCampaign{one: page.Campaign}, Connections: fixedConnection{one: page.Connection}}
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/imports/i_1", nil)
			r.SetPathValue("import", "i_1")
			v := &visit{console: c, w: w, r: r, session: bridge.Session{Person: bridge.Person{Name: "Dana"}}}
			if err := v.showImport(); err != nil {
				t.Fatal(err)
			}
			got := w.Body.String()
			checkPage(t, got)
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("the page lacks %q\n%s", want, got)
				}
			}
			for _, not := range append(tc.not, "<b>") {
				if strings.Contains(got, not) {
					t.Errorf("the page has %q\n%s", not, got)
				}
			}
		})
	}
}

// fixed answers with one import, whatever is asked.
type fixed struct {
	imports
	progress importer.Progress
}

func (f fixed) Get(_ context.Context, _ bridge.AccountID, _ bridge.ImportID) (importer.Progress, error) {
	return f.progress, nil
}

func (f fixed) Outcomes(context.Context, bridge.AccountID, bridge.ImportID) iter.Seq2[importer.Row, error] {
	return contactRows(importer.Row{Contact: "003000000000001AAA", Outcome: bridge.Skipped, Reason: "opted out <b>"})
}

type fixedCampaign struct {
	campaigns
	one bridge.Campaign
}

func (f fixedCampaign) Get(context.Context, bridge.AccountID, bridge.CampaignID) (bridge.Campaign, error) {
	return f.one, nil
}

type fixedConnection struct {
	connections
	one bridge.Connection
}

func (f fixedConnection) Get(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error) {
	return f.one, nil
}

func contactRows(all ...importer.Row) iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func TestTimesAreLocal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC)
	for cookie, want := range map[string]string{
		"tz=Europe%2FBerlin":     `<time datetime="2026-07-01T22:30:00Z">2 Jul 2026, 00:30 CEST</time>`,
		"tz=America/New_York":    `<time datetime="2026-07-01T22:30:00Z">1 Jul 2026, 18:30 EDT</time>`,
		"tz=../../etc/passwd":    `<time datetime="2026-07-01T22:30:00Z">1 Jul 2026, 22:30 UTC</time>`,
		"tz=Local":               `<time datetime="2026-07-01T22:30:00Z">1 Jul 2026, 22:30 UTC</time>`,
		"other=nothing about it": `<time datetime="2026-07-01T22:30:00Z">1 Jul 2026, 22:30 UTC</time>`,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Cookie", cookie)
		v := view{zone: (&visit{r: r}).zone()}
		if got := string(v.Time(at)); got != want {
			t.Errorf("with %s: %s, want %s", cookie, got, want)
		}
	}
}

func TestContactsFile(t *testing.T) {
	t.Parallel()
	formulas := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"}
	var all []importer.Row
	for n, text := range formulas {
		all = append(all, importer.Row{Contact: bridge.SalesforceID(fmt.Sprintf("003%d", n)), Outcome: bridge.Failed, Reason: text})
	}
	all = append(all, importer.Row{Contact: "0039", Outcome: bridge.Created, Reason: `is, a "subscriber"`}, importer.Row{Outcome: bridge.Skipped, Reason: "gone"})

	var file bytes.Buffer
	if err := writeContacts(&file, contactRows(all...), "", 1); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(file.Bytes())).ReadAll()
	if err != nil || len(records) != 1+len(all) {
		t.Fatalf("%d records, %v; want the heading and %d contacts", len(records), err, len(all))
	}
	for _, record := range records {
		for _, field := range record {
			if field != "" && strings.Contains("=+-@\t\r", field[:1]) {
				t.Errorf("a spreadsheet takes %q for a formula", field)
			}
		}
	}
	if !strings.Contains(file.String(), `0039,created,"is, a ""subscriber"""`) {
		t.Errorf("the file lacks a contact:\n%s", file.String())
	}

	file.Reset()
	if err := writeContacts(&file, contactRows(all...), bridge.Created, 1); err != nil || strings.Count(file.String(), "\n") != 2 {
		t.Errorf("the file of one outcome, %v:\n%s", err, file.String())
	}

	file.Reset()
	broken := errors.New("lost")
	err = writeContacts(&file, func(yield func(importer.Row, error) bool) { yield(importer.Row{}, broken) }, "", 1)
	if !errors.Is(err, broken) {
		t.Errorf("an error in the middle = %v, want it: half a file must not look whole", err)
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	const contacts = 2*partSize + 1
	all := parts(contacts)
	if len(all) != 3 || all[2] != (part{3, contacts, contacts}) || all[1].First != partSize+1 {
		t.Errorf("parts = %+v", all)
	}
	many := func(yield func(importer.Row, error) bool) {
		for n := range contacts {
			if !yield(importer.Row{Contact: bridge.SalesforceID(fmt.Sprintf("003%015d", n)), Outcome: bridge.Failed,
				Reason: "ReferralHero did not take it in several attempts; it is being tried again"}, nil) {
				return
			}
		}
	}
	lines := 0
	for _, p := range all {
		var file bytes.Buffer
		if err := writeContacts(&file, many, "", p.Number); err != nil {
			t.Fatal(err)
		}
		if file.Len() > 5<<20 {
			t.Errorf("part %d has %d bytes: more than Lambda answers", p.Number, file.Len())
		}
		lines += strings.Count(file.String(), "\n") - 1
	}
	if lines != contacts {
		t.Errorf("the parts have %d contacts, want %d", lines, contacts)
	}
}

package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/provision"
	org "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// refusing is an org with two rules, and 70 subscribers of whom 60 meet the first and Grace the second.
func refusing(t *testing.T) (r *rig, v *visitor, at string) {
	t.Helper()
	r = newRig(t, func(o *others) { o.hero.Subscribers = 66 })
	v, at, connection := r.ready(t)
	r.org.SetRules(
		org.Rule{Kind: org.KindRecord, Object: "Contact", Field: "FirstName", Contains: "subscriber", Fault: org.Fault{Message: `=Please "enter" <b>a real name</b>`}},
		org.Rule{Kind: org.KindRecord, Object: "Contact", Field: "Email", Contains: "grace", Fault: org.Fault{Code: "STORAGE_LIMIT_EXCEEDED", Message: "storage limit exceeded"}},
	)
	v.post(at, usual(connection), at)
	r.work(t)
	return r, v, at
}

// TestNeedsAttention looks at refused records, by cause and by page, and tries them again.
func TestNeedsAttention(t *testing.T) {
	t.Parallel()
	r, v, at := refusing(t)
	page := v.page(at + "/attention")
	contains(t, page, `data-total="67"`, "67 records need somebody", "A validation rule of the org refuses the record", `data-cause-count="66"`, "=Please &#34;enter&#34; &lt;b&gt;a real name",
		"Let the rule pass for the connected user", "An administrator of the org.", r.orgURL+"/lightning/setup/ObjectManager/Contact/ValidationRules/view", "Retry all 66",
		`data-code="STORAGE_LIMIT_EXCEEDED" data-cause-count="1"`, r.orgURL+"/lightning/setup/CompanyResourceDisk/home", ">Retry<", "None yet", r.heroURL+"/")
	lacks(t, page, "<b>a real")
	if n := strings.Count(page.text, "data-subscriber="); n != examples+1 {
		t.Errorf("%d examples, want %d", n, examples+1)
	}
	for _, elsewhere := range []string{at, strings.TrimSuffix(at, "/salesforce"), strings.TrimSuffix(at, "salesforce") + "settings"} {
		contains(t, v.page(elsewhere), `data-needs="67"`)
	}
	contains(t, v.page("/"), `data-needs="67"`, "67 records need you", `href="`+at+`/attention"`)

	cause := regexp.MustCompile(`data-cause="(FIELD[^"]+)"`).FindStringSubmatch(page.text)[1]
	one := at + "/attention?cause=" + url.QueryEscape(cause)
	first := v.page(one)
	row := regexp.MustCompile(`data-subscriber="(sub_[0-9a-f]{12})" data-tries="(\d+)"`)
	if n := len(row.FindAllString(first.text, -1)); n != manyRows {
		t.Errorf("%d records on the first page, want %d", n, manyRows)
	}
	next := regexp.MustCompile(`href="([^"]+after=sub_[0-9a-f]{12})">Next page`).FindStringSubmatch(first.text)
	if next == nil {
		t.Fatal("there is no second page")
	}
	second := v.page(strings.ReplaceAll(next[1], "&amp;", "&"))
	if n := len(row.FindAllString(second.text, -1)); n != 66-manyRows || strings.Contains(second.text, "Next page") {
		t.Errorf("%d records on the second page, want %d and no third", n, 66-manyRows)
	}
	contains(t, second, "First page", "All causes")
	seen := map[string]bool{}
	for _, m := range append(row.FindAllStringSubmatch(first.text, -1), row.FindAllStringSubmatch(second.text, -1)...) {
		seen[m[1]] = true
	}
	if len(seen) != 66 {
		t.Errorf("the pages have %d subscribers, want 66", len(seen))
	}
	contains(t, v.page(at+"/attention?cause=none"), "No record has this cause any more")

	subscriber, tries := row.FindStringSubmatch(first.text)[1], row.FindStringSubmatch(first.text)[2]
	v.post(at+"/attention", url.Values{"cause": {cause}, "subscriber": {subscriber}, "from": {"cause"}}, at+"/attention?retried=1&cause=")
	r.work(t)
	again := v.page(one)
	contains(t, again, `data-subscriber="`+subscriber+`"`)
	lacks(t, again, `data-subscriber="`+subscriber+`" data-tries="`+tries+`"`)
	r.org.SetRules()
	to := v.post(at+"/attention", url.Values{"cause": {cause}}, at+"/attention?retried=66").Header.Get("Location")
	contains(t, v.page(to), "66 records are tried again")
	r.work(t)
	after := v.page(at + "/attention?retried=0")
	contains(t, after, `data-total="1"`, "1 record needs somebody", "There was nothing left to try")
	lacks(t, after, "FIELD_CUSTOM")
	v.post(at+"/attention", url.Values{"cause": {"STORAGE_LIMIT_EXCEEDED"}}, at+"/attention?retried=1")
	v.post(at+"/attention", url.Values{"cause": {"STORAGE_LIMIT_EXCEEDED"}}, at+"/attention?retried=") // twice is harmless
	r.work(t)
	contains(t, v.page(at+"/attention"), "Nothing needs you", "Salesforce has taken every record.", "Left out on purpose")
	lacks(t, v.page(at), "data-needs")
	contains(t, v.page("/"), `data-needs="0"`)
}

// TestRefusedFile downloads what needs somebody.
func TestRefusedFile(t *testing.T) {
	t.Parallel()
	_, v, at := refusing(t)
	file := v.page(at + "/attention.csv")
	records, err := csv.NewReader(strings.NewReader(file.text)).ReadAll()
	if err != nil || len(records) != 68 || !strings.HasPrefix(file.Header.Get("Content-Type"), "text/csv") || !strings.Contains(file.Header.Get("Content-Disposition"), `.csv"`) {
		t.Fatalf("%d records, %v, %v", len(records), err, file.Header)
	}
	if row := records[1]; row[3] != "A validation rule of the org refuses the record" || row[6] != `'=Please "enter" <b>a real name</b>` || row[7] == "0" {
		t.Errorf("the first record is %q", row)
	}
	one := v.page(at + "/attention.csv?cause=STORAGE_LIMIT_EXCEEDED")
	if n := strings.Count(one.text, "\n"); n != 2 {
		t.Errorf("the file of one cause has %d lines, want 2:\n%s", n, one.text)
	}
	v.post(at+"/off", nil, at)
	off := v.page(at + "/attention")
	contains(t, off, "Syncing is off, so nothing is tried", `data-total="67"`, "Download as CSV")
	lacks(t, off, "Retry all")
	lacks(t, v.page(at), "data-refused", "data-needs")
	if a := v.get(at + "/attention.csv?part=x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a part that is no number: %s", a.Status)
	}
}

func TestRefusedFileParts(t *testing.T) {
	t.Parallel()
	const all = 2*fileWidth + 1
	many := func(yield func(syncer.Refused, error) bool) {
		for n := range all {
			r := syncer.Refused{Subscriber: bridge.SubscriberID(fmt.Sprintf("sub_%012x", n)), Target: bridge.ToContact, Record: "0035g00000AbCdEAAX", Problem: syncer.Problem{
				Cause: "c", Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Field: strings.Repeat("F", 43), Said: "+" + strings.Repeat("ü", 299), Tries: 7, Since: time.Unix(0, 0), LastTry: time.Unix(0, 0)}}
			if !yield(r, nil) {
				return
			}
		}
	}
	parts := fileParts(all)
	if len(parts) != 3 || parts[2] != (part{3, all, all}) || fileParts(0) != nil {
		t.Errorf("parts = %+v", parts)
	}
	lines := 0
	for _, p := range parts {
		var file bytes.Buffer
		if err := writeRefused(&file, many, map[string]string{"c": strings.Repeat("x", 80)}, p.Number); err != nil {
			t.Fatal(err)
		}
		if file.Len() > 5<<20 {
			t.Errorf("part %d has %d bytes: more than Lambda answers", p.Number, file.Len())
		}
		lines += strings.Count(file.String(), "\n") - 1
	}
	if lines != all {
		t.Errorf("the parts have %d records, want %d", lines, all)
	}
	lost := errors.New("lost")
	var broken iter.Seq2[syncer.Refused, error] = func(yield func(syncer.Refused, error) bool) { yield(syncer.Refused{}, lost) }
	if err := writeRefused(&bytes.Buffer{}, broken, nil, 1); !errors.Is(err, lost) {
		t.Errorf("an error in the middle = %v, want it: half a file must not look whole", err)
	}
}

// TestWordsForSyncing checks that no state or reason of other packages lacks words.
func TestWordsForSyncing(t *testing.T) {
	t.Parallel()
	for _, s := range []provision.State{provision.Planned, provision.Visible, provision.HandMade, provision.Hidden, provision.ReadOnly, provision.Missing, provision.Unseen, provision.Differs} {
		if b := fieldState(s); b.Label == "" || b.Colour == "" || s.Written() != (b.Colour == "success") {
			t.Errorf("a field that is %s is %+v", s, b)
		}
	}
	for _, why := range []inbox.Why{inbox.Registration, inbox.Referral, inbox.Update, inbox.Promotion, inbox.Reward, inbox.Deletion} {
		if writeWhys[string(why)] == "" {
			t.Errorf("no words for a write that came of %s", why)
		}
	}
	for why := range runWhys {
		if writeWhys[why] == "" {
			t.Errorf("no words for a write that came of a run that was %s", why)
		}
	}
	for _, target := range []bridge.Target{bridge.ToContact, bridge.ToLead, bridge.ToPersonAccount} {
		if targetWords[target][1] == "" || recordObjects[target] == "" {
			t.Errorf("no words for %s", target)
		}
	}
	if runWhy("something newer") == "" || writeWhy("something newer") == "" || onlyChoice("newer").Label == "" {
		t.Error("what a later release has written leaves a hole")
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]syncer.Statement{
		"12,431 subscribers: 12,410 equal, 9 repaired, 12 need you.": {Subscribers: 12_431, Equal: 12_410, Repaired: 9, Refused: 12},
		"1 subscriber: 0 equal, 1 needs you.":                        {Subscribers: 1, Refused: 1},
		"11 subscribers: 0 equal, 11 need you.":                      {Subscribers: 11, Refused: 11},
		"0 subscribers: 0 equal, 2 gone, and cleared.":               {Gone: 2},
		"5 subscribers: 4 equal, 1 left out on purpose.":             {Subscribers: 5, Equal: 4, Skipped: 1, Reasons: map[string]int{"x": 1}},
	} {
		if got := statement(s); got != want {
			t.Errorf("statement = %q, want %q", got, want)
		}
	}
}

// TestMisfit says in words where Salesforce has no room.
func TestMisfit(t *testing.T) {
	t.Parallel()
	for want, misfits := range map[string]map[string]syncer.Misfit{
		"": nil,
		"EM_LINK of 1,204 people is longer than Salesforce’s 255 characters and left empty. Shorten the web address that the campaign’s referral links begin with.": {
			"EM_LINK": {Left: 1204, Room: 255}},
		"EM_LINK of 7 people, FB_LINK of 1 person are longer than Salesforce’s 255 characters and left empty. Shorten the web address that the campaign’s referral links begin with.": {
			"FB_LINK": {Left: 1, Room: 255}, "EM_LINK": {Left: 7, Room: 255}},
		"POINTS of 1 person is longer than Salesforce’s 18 digits and left empty. EX_FIELD of 3 people is longer than Salesforce’s 80 characters; the beginning is shown.": {
			"POINTS": {Left: 1, Room: 18}, "EX_FIELD": {Cut: 3, Room: 80}},
		"EX_FIELD of 1 person, EX_FIELD_2 of 2 people are longer than Salesforce’s 255 characters; the beginning is shown.": {
			"EX_FIELD": {Cut: 1, Room: 255}, "EX_FIELD_2": {Cut: 2, Room: 255}, "A_LATER_ONE": {Cut: 9}},
	} {
		if got := misfit(syncer.Statement{Misfits: misfits}); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestCharts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 23, 59, 0, 0, time.FixedZone("", -3600)) // the 28th already
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	all := charts([]syncer.Day{{Day: day(28), Tally: syncer.Tally{Written: 1, OrgCalls: 5}}, {Day: day(20), Tally: syncer.Tally{Written: 600}}, {Day: day(1), Tally: syncer.Tally{Written: 9}}}, now, 14)
	written := all[0]
	if len(written.Days) != 14 || written.Sum != 601 || written.Most != 600 || !written.Days[13].Day.Equal(day(28)) {
		t.Errorf("written: %+v", written)
	}
	for i, d := range written.Days {
		if d.X < 0 || d.X+d.W > chartWidth || d.Y+d.Height != chartHeight || d.Height > chartHeight || (d.Count > 0) != (d.Height > 0) {
			t.Errorf("day %d does not fit: %+v", i, d)
		}
	}
	if (syncPage{Charts: all}).Today() != 5 || (syncPage{}).Today() != 0 {
		t.Error("today's calls are not those of the last day")
	}
}

func TestIDIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bridge.SalesforceID{
		"0015g00000AbCdE":    "0015g00000AbCdEAAV",
		"0015g00000AbCdEAAV": "0015g00000AbCdEAAV",
		"https://acme.lightning.force.com/lightning/r/Account/0015g00000AbCdEAAV/view": "0015g00000AbCdEAAV",
		"https://acme.my.salesforce.com/0015g00000AbCdE?tab=1":                         "0015g00000AbCdEAAV",
		"": "", "Acme": "Acme", "https://acme.example/": "https://acme.example/",
	} {
		if got := idIn(text); got != want {
			t.Errorf("idIn(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestLinksIntoSalesforce(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"https://o.example/lightning/r/Account/001x/view":                           recordLink("https://o.example", bridge.ToPersonAccount, "001x"),
		"https://o.example/lightning/setup/ObjectManager/Lead/ValidationRules/view": setupLink("https://o.example", "Object Manager > Validation Rules", "Lead"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := recordLink("https://o.example", bridge.ToContact, "") + recordLink("", bridge.ToContact, "003x") + setupLink("https://o.example", "Nowhere", "Lead") + setupLink("", "Flows", ""); got != "" {
		t.Errorf("links to nowhere: %q", got)
	}
}

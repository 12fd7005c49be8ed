package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
)

// stop makes a letter of the account out of a message of a queue.
func (r *rig) stop(t *testing.T, account bridge.AccountID, q letter.Queue, id, job string) (body string) {
	t.Helper()
	body = fmt.Sprintf(`{"schema":1,"job":{"account":%q%s}}`, account, job)
	if err := r.rows.AddLetter(t.Context(), letter.Letter{ID: id, Queue: q, Account: account, Body: body, DiedAt: time.Now(), Received: 6}); err != nil {
		t.Fatal(err)
	}
	return body
}

// bodies takes what can be seen on a queue now.
func (r *rig) bodies(t *testing.T, name string) (all []string) {
	t.Helper()
	url := r.queue(t, name)
	got, err := r.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got.Messages {
		all = append(all, *m.Body)
	}
	return all
}

// TestWorkThatStopped sees pieces of work of every kind, tries them again and dismisses one.
func TestWorkThatStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	account, campaign := v.account(), r.hero.Lists()[0].UUID
	contains(t, v.page("/stopped"), "Nothing has stopped.", `data-stopped-work="0"`)
	lacks(t, v.page("/"), "data-stopped")
	begun := v.post("/campaigns/"+campaign+"/imports", url.Values{"connection": {connection}, "url": {"https://x.example"}, "confirmed": {"on"}}, "/imports/i_").Header.Get("Location")
	r.bodies(t, "imports") // what Start has sent

	ofCampaign := `<a href="/campaigns/` + campaign + `">Spring Referral</a>`
	for q, tc := range map[letter.Queue]struct {
		queue, job string
		want       []string
	}{
		letter.Imports:           {"imports", `,"import":"` + strings.TrimPrefix(begun, "/imports/") + `","page":3`, []string{ofCampaign, `href="` + begun + `"`, "Acme Outdoor"}},
		letter.SubscriberHints:   {"hints", `,"campaign":"` + campaign + `","subscriber":"sub_0123456789ab"`, []string{ofCampaign, "sub_0123456789ab"}},
		letter.SubscriberChanges: {"changes", `,"campaign":"MFgone"`, []string{">MFgone<"}},
		letter.SyncRuns:          {"runs", `,"campaign":"` + campaign + `"`, []string{ofCampaign}},
		letter.Provisions:        {"provisions", `,"connection":"` + connection + `"`, []string{"Acme Outdoor"}},
		letter.Conversions:       {"conversions", `,"connection":"` + connection + `","opportunities":["006000000000001","006000000000002"]`, []string{"<dt>Opportunities</dt><dd>2</dd>"}},
		letter.Plumbing:          {"plumbing", `,"connection":"c_gone"`, []string{"c_gone"}},
	} {
		id := "m-" + string(q)
		body := r.stop(t, account, q, id, tc.job)
		for _, elsewhere := range []string{"/", "/account", at, begun} {
			contains(t, v.page(elsewhere), "data-stopped", "1 piece of work has stopped.", `href="/stopped"`)
		}
		page := v.page("/stopped")
		contains(t, page, append(tc.want, `data-letter="`+id+`" data-queue="`+string(q)+`"`, stoppedWords[q].Label, "Try again", "Yes, dismiss it")...)
		lacks(t, page, "Try all", "data-stopped>")
		contains(t, v.page(v.post("/stopped/again", url.Values{"letter": {id}}, "/stopped?done=stopped-again").Header.Get("Location")), "It is being tried again.", "Nothing has stopped.")
		if got := r.bodies(t, tc.queue); len(got) != 1 || got[0] != body {
			t.Errorf("on the queue %s is %q, want %q", tc.queue, got, body)
		}
		v.post("/stopped/again", url.Values{"letter": {id}}, "/stopped?done=stopped-gone") // twice is harmless
		if got := r.bodies(t, tc.queue); len(got) > 0 {
			t.Errorf("pressed twice, on the queue %s is %q", tc.queue, got)
		}
	}

	r.stop(t, account, letter.Imports, "m-1", "")
	r.stop(t, account, letter.Imports, "m-2", "")
	contains(t, v.page("/"), "2 pieces of work have stopped.")
	v.post("/stopped/dismiss", url.Values{"letter": {"m-1"}}, "/stopped?done=stopped-dismiss")
	page := v.page("/stopped?done=stopped-dismiss")
	contains(t, page, "Dismissed.", `data-letter="m-2"`)
	lacks(t, page, `data-letter="m-1"`)
	if got := r.bodies(t, "imports"); len(got) > 0 {
		t.Errorf("dismissed, and on the queue is %q", got)
	}
	if a := v.do(http.MethodPost, "/stopped/explode", url.Values{"letter": {"m-2"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("an action that there is not: %s, want 404", a.Status)
	}
}

func TestAllWorkThatStoppedIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	for n := range letter.Most + 2 {
		r.stop(t, v.account(), letter.SyncRuns, fmt.Sprintf("m-%03d", n), `,"campaign":"MF1"`)
	}
	contains(t, v.page("/"), "More than 50 pieces of work have stopped.")
	page := v.page("/stopped")
	contains(t, page, "there are more", "Try all 50 again")
	all := url.Values{}
	form := page.text[strings.Index(page.text, `id="again-all"`):]
	for _, m := range regexp.MustCompile(`name="letter" value="([^"]+)"`).FindAllStringSubmatch(form[:strings.Index(form, "</form>")], -1) {
		all.Add("letter", m[1])
	}
	v.post("/stopped/again", all, "/stopped?done=stopped-again")
	contains(t, v.page("/"), "2 pieces of work have stopped.")
}

func TestWorkOfOthersThatStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, stranger := r.visitor(t), r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	stranger.signIn("Eve", "eve@example.com")
	body := r.stop(t, v.account(), letter.Imports, "m-1", "")
	nobodys := letter.Letter{ID: "m-2", Queue: letter.Imports, Body: "hello", DiedAt: time.Now()}
	if err := r.rows.AddLetter(t.Context(), nobodys); err != nil {
		t.Fatal(err)
	}
	contains(t, stranger.page("/stopped"), "Nothing has stopped.")
	lacks(t, stranger.page("/"), "data-stopped")
	for _, action := range []string{"again", "dismiss"} {
		stranger.do(http.MethodPost, "/stopped/"+action, url.Values{"letter": {"m-1", "m-2"}})
		if a := v.do(http.MethodPost, "/stopped/"+action, url.Values{"letter": {"m-1"}}, "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a form of another site: %s, want 403", a.Status)
		}
		if a := r.visitor(t).do(http.MethodPost, "/stopped/"+action, url.Values{"letter": {"m-1"}}); !strings.HasPrefix(a.Header.Get("Location"), "/sign-in") {
			t.Errorf("without signing in: %s to %q", a.Status, a.Header.Get("Location"))
		}
	}
	if got := r.bodies(t, "imports"); len(got) > 0 {
		t.Errorf("strangers have put on the queue %q", got)
	}
	page := v.page("/stopped")
	contains(t, page, `data-letter="m-1"`)
	lacks(t, page, `data-letter="m-2"`)
	v.post("/stopped/again", url.Values{"letter": {"m-1"}}, "/stopped?done=stopped-again")
	if got := r.bodies(t, "imports"); len(got) != 1 || got[0] != body {
		t.Errorf("on the queue is %q, want %q", got, body)
	}
	if _, err := r.rows.Letter(t.Context(), "", nobodys.ID); err != nil {
		t.Errorf("the operator's letter: %v", err)
	}
}

func TestWordsForAllWorkThatStops(t *testing.T) {
	t.Parallel()
	for _, q := range letter.Queues {
		if words := stoppedWords[q]; (words.Label == "" || words.Text == "") != (q == letter.Schedule) {
			t.Errorf("%s: %+v, want words, but for schedules, which are nobody's", q, words)
		}
	}
}

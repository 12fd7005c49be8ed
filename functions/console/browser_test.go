//go:build browser

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/chromedp/chromedp"

	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestInBrowser walks through the deployed console in Chromium, wide and at phone width, with the simulated other
// sides around it: nothing may be held against the policy of the pages, and axe-core may find nothing.
// SCREENSHOTS names a directory for pictures of every page.
func TestInBrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", ".tools", "axe", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run .ci/axe first", err)
	}
	w, err := world.Start(t.Context(), world.Options{
		Root: filepath.Join("..", ".."), Salesforce: salesforce.Options{Generated: 3000},
		ReferralHero: referralhero.Options{Latency: 100 * time.Millisecond}, // slow enough to be watched
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	b := newBrowser(t, w.Stack.URL, string(axe))

	b.open("/")
	b.look("sign-in")
	b.click("#sign-in")
	b.wait("form")
	b.click("form button")
	b.wait("[data-person]")
	b.look("home-empty")

	b.open("/account")
	b.look("account-empty")
	b.fill("#token", "wrong-token-0123456789")
	b.click("#token-form button")
	b.wait("[data-problem=token]")
	b.look("account-wrong-token")
	b.fill("#token", w.Hero.Token())
	b.click("#token-form button")
	b.wait("[data-notice]")
	b.look("account")
	b.click(`form[action="/account/webhook/address"] button`)
	b.wait("#webhook-address")
	b.fill("#secret", w.Hero.WebhookSecrets().Current)
	b.click("#webhook-secret-form button")
	b.wait("[data-webhook-secret]")
	b.look("account-webhook")

	b.open("/campaigns")
	b.look("campaigns")
	b.click("[data-campaign] a")
	b.wait("h1")
	campaign := b.address()
	b.look("import-not-connected")
	b.click("main a.btn-primary")
	b.wait("#connect-form")
	b.look("connections-empty")
	b.click("#mydomain")
	b.fill("#domain", "salesforce.example")
	b.click("#connect-form button")
	b.wait("[data-problem=domain]")
	if kept := b.evaluate(`document.querySelector("#domain").value + document.querySelector("#mydomain").checked`); kept != `"salesforce.exampletrue"` {
		t.Errorf("a wrong My Domain leaves %s in the form, want what was typed", kept)
	}
	b.look("connections-bad-domain")
	b.click("#production")
	b.click("#connect-form button")
	b.wait("button[value=deny]")
	b.click("button[value=deny]")
	b.wait("[data-problems]")
	b.look("connections-denied")
	b.open("/connections?problem=own_app")
	b.wait("[data-problem=app_key]")
	b.look("connections-own-app")
	b.click("#connect-form button")
	b.wait("button[value=allow]")
	b.open("/connections")
	b.look("connections-away")
	b.click("#connect-form button")
	b.wait("button[value=allow]")
	b.click("button[value=allow]")
	b.wait("[data-connection][data-state=active]")
	b.look("connections")

	b.click(`[data-connection] a[href$="/doctor"]`)
	b.wait("[data-finding=duplicate_rule]")
	b.look("doctor-later")
	well := w.Org.Switches()
	ill := well
	ill.Edition, ill.HiddenFields, ill.HiddenObjects = "Professional Edition", salesforce.Names{"Contact.Email", "Contact.HasOptedOutOfEmail"}, salesforce.Names{"Account"}
	ill.MissingPermissions, ill.DailyRequests = salesforce.Names{"ViewSetup", "CustomizeApplication"}, 20
	w.Org.SetSwitches(ill)
	b.click("#examine-form button")
	b.wait("[data-finding=fields_hidden]")
	b.look("doctor-many")
	b.open("/connections")
	b.wait("[data-connection] [data-finding=fields_hidden]")
	b.look("connections-finding")
	ill = well
	ill.UserDeactivated = true
	w.Org.SetSwitches(ill)
	b.click(`[data-connection] a[href$="/doctor"]`)
	b.click("#examine-form button")
	b.wait("[data-finding=user_inactive]")
	b.look("doctor-user-inactive")
	w.Org.SetSwitches(well)
	b.click(`form[action="/oauth/start"] button`)
	b.wait("button[value=allow]")
	b.click("button[value=allow]")
	b.wait("[data-connection][data-state=active]")
	b.look("connections-reconnected")

	b.open(campaign + "/settings")
	b.look("settings")
	b.open(campaign)
	b.fill("#url", "mywebsite")
	b.click("#import-form button")
	b.wait("[data-problem=url]")
	b.look("import-bad-url")
	b.fill("#url", "http://mywebsite.com")
	b.click("#import-form button")
	b.wait("#start-form")
	b.look("preview")
	b.click("#confirmed")
	b.click("#start-form button")
	b.wait("[data-progress][data-state=running]")
	b.look("import-running")
	b.eventually("the progress moves without loading the page", `Number(document.querySelector("[data-progress]").dataset.processed) > 0`)
	begun := b.address()
	b.open(begun)
	b.click(`form[action$="/pause"] button`)
	b.wait("[data-progress][data-state=paused]")
	b.look("import-paused")
	b.click(`form[action$="/resume"] button`)
	b.wait("[data-progress][data-state=running]")
	b.eventually("the page shows the result by itself", `!!document.querySelector("[data-result=all]")`)
	b.look("import-done")
	if sum := b.evaluate(`document.querySelector("[data-result=all]").textContent`); sum != `"3,000"` {
		t.Errorf("the result is about %s contacts, want 3,000", sum)
	}
	b.open("/imports")
	b.look("imports")
	b.open("/")
	b.look("home")
	b.open("/stopped")
	b.look("stopped-empty")
	account := regexp.MustCompile(`ACCOUNT#(a_\w+)`).FindSubmatch(snapshot(t, w))[1]
	die(t, w, "ImportsDead", fmt.Sprintf(`{"schema":1,"job":{"account":%q,"import":%q,"page":1}}`, account, path.Base(begun)))
	die(t, w, "ConversionsDead", fmt.Sprintf(`{"schema":1,"job":{"account":%q,"connection":"c_gone","opportunities":["006000000000001","006000000000002"]}}`, account))
	b.eventually("work has stopped", `fetch("/stopped").then(r => r.text()).then(text => text.includes('data-stopped-work="2"'))`)
	b.open("/")
	b.look("home-stopped")
	b.open("/stopped")
	b.look("stopped")
	b.click("[data-letter] summary")
	b.look("stopped-dismiss")
	b.click("[data-letter] .btn-danger")
	b.wait(`[data-stopped-work="1"]`)
	b.look("stopped-dismissed")
	b.click("[data-letter] .btn-primary")
	b.wait(`[data-stopped-work="0"]`)
	b.look("stopped-again")
	b.open("/no/such/page")
	b.look("not-found")
	b.open("/connections")
	b.click("[data-connection] summary")
	b.look("connections-disconnect")
	b.click("[data-connection] .btn-danger")
	b.wait("[data-connection][data-state=disconnected]")
	b.click(`form[action="/sign-out"] button`)
	b.eventually("signing out ends at the sign-in page", `location.pathname === "/sign-in"`)

	b.click("#sign-in")
	b.wait("form")
	b.click("form button")
	b.wait("[data-person]")
	b.open("/account/erase")
	b.look("erase")
	b.fill("#confirm", "erase")
	b.click("#erase-form button")
	b.wait("[data-problem=confirm]")
	b.look("erase-not-confirmed")
	b.fill("#confirm", "ERASE")
	b.click("#erase-form button")
	b.wait("[data-erased]")
	b.look("erased")

	b.complaints()
}

// snapshot is the whole table.
func snapshot(t *testing.T, w *world.World) []byte {
	t.Helper()
	all, err := w.AWS.DynamoDB.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// die puts a message on a dead-letter queue.
func die(t *testing.T, w *world.World, queue, body string) {
	t.Helper()
	url := w.Stack.Ref(queue)
	client := sqs.New(sqs.Options{
		Region: local.Region, BaseEndpoint: &w.AWSURL, Credentials: credentials.NewStaticCredentialsProvider(local.Operator, local.Operator, ""),
	})
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

// screen is a browser with one tab.
type screen struct {
	*testing.T
	ctx       context.Context
	site, axe string
	mu        sync.Mutex
	said      []string
	looked    int
}

const wide, phone = 1280, 390

func newBrowser(t *testing.T, site, axe string) *screen {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(wide, 900))
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(name, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	b := &screen{T: t, ctx: ctx, site: site, axe: axe}
	// The first step starts the browser, which lives as long as this context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(wide, 900)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for message, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.said = append(b.said, message.String())
			b.mu.Unlock()
		}
	}()
	return b
}

func (b *screen) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		b.Fatalf("%v\n%s\n%s", err, text, strings.Join(b.said, "\n"))
	}
}

func (b *screen) open(address string) {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.site + address
	}
	b.do(chromedp.Navigate(address))
}

func (b *screen) address() string {
	b.Helper()
	address, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.Fatal(err)
	}
	return address
}

func (b *screen) wait(css string) { b.Helper(); b.do(chromedp.WaitReady(chromedp.CSS(css))) }

// click waits until the place has come to rest and nothing lies on it: a click on where it was a moment ago would be lost.
func (b *screen) click(css string) {
	b.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(css)))
	b.eventually(css+" can be clicked", `await new Promise(done => {
		const place = document.querySelector(`+strconv.Quote(css)+`), frames = 60
		place.scrollIntoView({block: "center", behavior: "instant"})
		const look = (before, left) => {
			const {x, y, width, height} = place.getClientRects()[0] || {}, now = [innerWidth, x, y, width, height].join()
			if (now === before && place.contains(document.elementFromPoint(x + width / 2, y + height / 2))) done(true)
			else if (left === 0) done(false)
			else requestAnimationFrame(() => look(now, left - 1))
		}
		look("", frames)
	})`)
	b.do(chromedp.Click(chromedp.CSS(css)))
}

func (b *screen) fill(css, text string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(css), text))
}

// evaluate returns what an expression gives, as JSON.
func (b *screen) evaluate(expression string) string {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[json.RawMessage](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return string(value)
}

// eventually waits in the page until the expression is true.
func (b *screen) eventually(what, expression string) {
	b.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for time.Now().Before(deadline) {
		value, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](
			`(async () => !!(`+expression+`) || (await new Promise(done => setTimeout(done, 100)), false))()`, chromedp.EvalAwaitPromise))
		if err == nil && value { // an error: the page was just being left
			return
		}
	}
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.Fatalf("did not happen: %s; at %s\n%s", what, b.address(), text)
}

// look checks a page wide and at phone width, and takes a picture of each.
func (b *screen) look(name string) {
	b.Helper()
	b.looked++
	for _, width := range []int64{wide, phone} {
		b.do(chromedp.EmulateViewport(width, 900))
		if over := b.evaluate(`document.documentElement.scrollWidth - innerWidth`); over != "0" && !strings.HasPrefix(over, "-") {
			b.Errorf("%s is %s pixels wider than a screen of %d", name, over, width)
		}
		var found []struct{ ID, Help, Target string }
		// What the pointer has left fades for a moment, and is not to be judged meanwhile.
		text := b.evaluate(`(async () => {` + b.axe + `; await Promise.allSettled(document.getAnimations().map(a => a.finished)); return axe.run(document, {resultTypes: ["violations"]}).then(r =>
			r.violations.map(v => ({id: v.id, help: v.help, target: v.nodes.map(n => n.target + ": " + n.failureSummary).join("; ")})))})()`)
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			b.Fatal(err)
		}
		for _, f := range found {
			b.Errorf("%s at %d: axe: %s: %s (%s)", name, width, f.ID, f.Help, f.Target)
		}
		if directory := os.Getenv("SCREENSHOTS"); directory != "" {
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.Fatal(err)
			}
			file := filepath.Join(directory, fmt.Sprintf("%02d-%s-%d.png", b.looked, name, width))
			if err := os.WriteFile(file, picture, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.do(chromedp.EmulateViewport(wide, 900))
}

// complaints fails for what the browser held against the pages. That a page is not there, or that a form was
// refused, is what the walk wanted.
func (b *screen) complaints() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.said {
		if !strings.Contains(line, "Failed to load resource: the server responded with a status of 4") {
			b.Errorf("the browser says: %s", line)
		}
	}
}

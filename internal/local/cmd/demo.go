package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/proof"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// demoResult is the last line of a demo.
type demoResult struct {
	Contacts    int  `json:"contacts"`
	Created     int  `json:"created"`
	Existed     int  `json:"existed"`
	Invalid     int  `json:"invalid"`
	Failed      int  `json:"failed"`
	Skipped     int  `json:"skipped"`
	Subscribers int  `json:"subscribers"`
	Emails      int  `json:"emails"`
	Synced      int  `json:"synced"` // subscribers whose contacts show all fourteen fields
	Equal       bool `json:"equal"`  // nobody is left out
	dealResult
	ReferralHeroCalls int     `json:"referralhero_calls"`
	SalesforceCalls   int     `json:"salesforce_calls"`
	Seconds           float64 `json:"seconds"`
}

// demo does what a marketer does, without hands: sign in, set up, connect, switch syncing on, import, read the mail; then
// somebody signs up who was referred, and the org shows it; a deal with them is won, and ReferralHero knows. It uses the same
// pages and forms as a browser.
func demo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("demo", stderr)
	file := fs.String("contacts", "", "`file` with the org's contacts as Data Loader exports them (default: a made-up org of 1,000)")
	unlimited := fs.Bool("unlimited", false, "lift ReferralHero's limit of 5,000 calls in an hour")
	latency := fs.Duration("latency", 20*time.Millisecond, "how long ReferralHero takes for an answer")
	verbose := fs.Bool("v", false, "show what the functions log")
	if err := parse(fs, args); err != nil {
		return err
	}
	o := world.Options{Root: ".", ReferralHero: referralhero.Options{
		Latency: *latency, Lists: []referralhero.List{{Name: campaignName, URL: "https://www.example.com/join", Events: 2, Ranking: true}},
	}}
	if *verbose {
		o.Stack.Log = stderr
	}
	account := person.Account{Notify: "dana@example.com", Allowance: bridge.DefaultAllowance, Campaign: campaignName}
	if *unlimited {
		o.ReferralHero.WindowKind, account.Allowance = referralhero.None, mostAllowance
	}
	contacts, err := demoContacts(*file)
	if err != nil {
		return err
	}
	o.Salesforce.Contacts = contacts
	elsewhere(&o)

	fmt.Fprintln(stdout, "Building the functions and starting everything ...")
	w, err := world.Start(ctx, o)
	if err != nil {
		return err
	}
	result, err := demonstrate(ctx, w, account, stdout)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if !result.Equal {
		return errors.New("the org does not show what ReferralHero says")
	}
	if result.Contacts != len(contacts) {
		return fmt.Errorf("the org has %d contacts, the import counted %d", len(contacts), result.Contacts)
	}
	return json.NewEncoder(stdout).Encode(result)
}

// campaignName is that of the empty campaign into which programs import.
const campaignName = "Spring Referral"

// mostAllowance is the most that the console accepts.
const mostAllowance = 60_000

// demoContacts reads the file, or makes up an org of 1,000.
func demoContacts(file string) ([]salesforce.Contact, error) {
	if file == "" {
		return slices.Collect(salesforce.Generate(1000, 1)), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	contacts, err := salesforce.LoadCSV(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return contacts, nil
}

func demonstrate(ctx context.Context, w *world.World, account person.Account, stdout io.Writer) (demoResult, error) {
	account.Token = w.Hero.Token()
	someone := person.New(w.Stack.URL)
	campaign, connection, err := someone.SetUp(ctx, account)
	if err != nil {
		return demoResult{}, err
	}
	fmt.Fprintln(stdout, "Signed in, gave ReferralHero's token, connected the org.")
	if err := syncOn(ctx, w, someone, campaign, connection); err != nil {
		return demoResult{}, err
	}
	fmt.Fprintln(stdout, "Switched syncing on: fourteen fields were made, and are visible.")
	w.Hero.ResetCounts()
	w.Org.ResetCounts()
	began := time.Now()
	id, preview, err := someone.Import(ctx, campaign, connection, "https://www.example.com/join")
	if err != nil {
		return demoResult{}, err
	}
	fmt.Fprintf(stdout, "Preview: %d contacts; %d to send, %d share an e-mail, %d without one, %d malformed. Started.\n",
		preview.Total, preview.Sent, preview.Duplicates, preview.Without, preview.Malformed)
	seen := -1
	progress, err := someone.Watch(ctx, id, 500*time.Millisecond, func(p person.Progress) {
		if p.Processed != seen {
			fmt.Fprintf(stdout, "  %d of %d\n", p.Processed, p.Total)
		}
		seen = p.Processed
	})
	if err != nil {
		return demoResult{}, err
	}
	if progress.State != bridge.Done {
		return demoResult{}, fmt.Errorf("the import ended as %s", progress.State)
	}
	seconds := time.Since(began).Seconds()
	calls := demoResult{ReferralHeroCalls: w.Hero.Counts().Calls, SalesforceCalls: w.Org.Counts().API}

	mails := w.AWS.SES.Mails()
	emails := len(mails)
	if os.Getenv("AWS_ENDPOINT_URL") != "" && progress.Mail == bridge.MailSent {
		emails = 1 // which is elsewhere
	}
	for _, mail := range mails {
		fmt.Fprintf(stdout, "Mail to %v: %s\n", mail.To, mail.Subject)
	}
	f, err := refer(ctx, w, campaign)
	if err != nil {
		return demoResult{}, err
	}
	fmt.Fprintf(stdout, "%s signed up, referred by %s.\n", f.email, f.referrer.Email)
	if err := showContacts(ctx, w, campaign, f, stdout); err != nil {
		return demoResult{}, err
	}
	deal, err := winDeal(ctx, w, someone, campaign, connection, f, stdout)
	if err != nil {
		return demoResult{}, err
	}
	if err := someone.Compare(ctx, campaign); err != nil {
		return demoResult{}, err
	}
	if _, err := someone.Synced(ctx, campaign); err != nil {
		return demoResult{}, err
	}
	synced, differ, err := proof.Equal(ctx, w, string(campaign), true)
	if err != nil {
		return demoResult{}, err
	}
	for _, d := range differ {
		fmt.Fprintln(stdout, d)
	}
	c := progress.Counts
	return demoResult{
		Synced: synced, Equal: len(differ) == 0, dealResult: deal,
		Contacts: c.Sum(), Created: c.Created, Existed: c.Existed, Invalid: c.Invalid, Failed: c.Failed, Skipped: c.Skipped,
		Subscribers: len(w.Hero.Subscribers(string(campaign))), Emails: emails, ReferralHeroCalls: calls.ReferralHeroCalls, SalesforceCalls: calls.SalesforceCalls,
		Seconds: float64(int(seconds*10)) / 10,
	}, nil
}

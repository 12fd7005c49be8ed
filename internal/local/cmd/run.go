package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// run runs everything until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("run", stderr)
	o := world.Options{Root: "."}
	fs.StringVar(&o.State, "state", ".local", "`directory` in which everything is kept until the next time")
	fs.StringVar(&o.Listen.Console, "listen", "127.0.0.1:8000", "`address` of the console")
	fs.StringVar(&o.Listen.AWS, "listen-aws", "127.0.0.1:8001", "`address` of the embedded AWS")
	fs.StringVar(&o.Listen.Salesforce, "listen-salesforce", "127.0.0.1:8002", "`address` of the simulated org")
	fs.StringVar(&o.Listen.ReferralHero, "listen-referralhero", "127.0.0.1:8003", "`address` of the simulated ReferralHero")
	fs.StringVar(&o.Listen.SignIn, "listen-sign-in", "127.0.0.1:8004", "`address` of the local sign-in")
	contacts := fs.String("contacts", "", "`file` with the org's contacts as Data Loader exports them; read when there is no state yet")
	url := fs.String("url", "", "`URL` at which people reach the console, if it is not where it listens")
	hero := fs.String("referralhero", "", "base `URL` of the real ReferralHero, such as https://app.referralhero.com/api/v2")
	org := fs.String("salesforce", "simulated", "`kind` of orgs: simulated, or real; then SALESFORCE_CLIENT_SECRET is taken from the environment")
	app := fs.String("salesforce-client-id", "", "consumer `key` of the app in real orgs")
	issuer := fs.String("oidc-issuer", "", "`URL` of another OpenID Connect issuer; then OIDC_CLIENT_SECRET is taken from the environment")
	client := fs.String("oidc-client-id", "", "client `id` at that issuer")
	if err := parse(fs, args); err != nil {
		return err
	}

	o.Stack.Log = stderr
	o.Elsewhere.ReferralHero = *hero
	if *url != "" {
		o.Stack.Parameters = map[string]string{"BaseUrl": *url}
	}
	switch *org {
	case "simulated":
	case "real":
		o.Elsewhere.Salesforce = &world.App{ClientID: *app, ClientSecret: os.Getenv("SALESFORCE_CLIENT_SECRET")}
		if *app == "" || o.Elsewhere.Salesforce.ClientSecret == "" {
			return errors.New("-salesforce real needs -salesforce-client-id, and SALESFORCE_CLIENT_SECRET in the environment")
		}
	default:
		return fmt.Errorf("-salesforce %s: want simulated or real", *org)
	}
	if *issuer != "" {
		o.Elsewhere.Issuer = &world.Client{Issuer: *issuer, ClientID: *client, ClientSecret: os.Getenv("OIDC_CLIENT_SECRET")}
		if *client == "" || o.Elsewhere.Issuer.ClientSecret == "" {
			return errors.New("-oidc-issuer needs -oidc-client-id, and OIDC_CLIENT_SECRET in the environment")
		}
	}
	elsewhere(&o)
	if *contacts != "" {
		file, err := os.Open(*contacts)
		if err != nil {
			return err
		}
		defer file.Close()
		if o.Salesforce.Contacts, err = salesforce.LoadCSV(file); err != nil {
			return fmt.Errorf("%s: %w", *contacts, err)
		}
	}

	fmt.Fprintln(stdout, "Building the functions ...")
	w, err := world.Start(ctx, o)
	if err != nil {
		return err
	}
	greet(stdout, w, o)
	<-ctx.Done()
	fmt.Fprintln(stdout, "\nEnding ...")
	return w.Close()
}

// elsewhere points everything at the AWS that the environment names, by the variables that AWS's own tools read.
func elsewhere(o *world.Options) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		return
	}
	o.Elsewhere.AWS, o.Elsewhere.Table = endpoint, os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")
	o.Stack.AccessKey, o.Stack.SecretKey = cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "local"), cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "local")
}

// greet says where everything is, and how to begin.
func greet(stdout io.Writer, w *world.World, o world.Options) {
	fmt.Fprint(stdout, "\nReferral Bridge runs on this machine.\n\n")
	list := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	line := func(what, where string) {
		if where != "" {
			fmt.Fprintf(list, "  %s\t%s\n", what, where)
		}
	}
	line("Console", cmp.Or(o.Stack.Parameters["BaseUrl"], w.Stack.URL))
	if w.Issuer != nil {
		line("  sign in as", "Dana Reeve, or anybody; no password")
	}
	if w.Hero != nil {
		line("  ReferralHero API token", w.Hero.Token())
		line("ReferralHero", w.HeroURL+"   campaigns, subscribers, what it would send")
	} else {
		line("ReferralHero", o.Elsewhere.ReferralHero)
	}
	if w.Org != nil {
		line("Salesforce org", w.OrgURL+"   contacts, opportunities, faults to try")
	}
	if o.Elsewhere.AWS == "" {
		line("Our mails", w.AWSURL+"/mails")
		line("AWS endpoint", w.AWSURL)
	} else {
		line("AWS endpoint", o.Elsewhere.AWS)
	}
	_ = list.Flush()
	if o.State != "" {
		fmt.Fprintf(stdout, "\nEverything is kept in %s; make clean forgets it. ", o.State)
	}
	fmt.Fprint(stdout, "Ctrl-C ends it.\n\n")
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/smoke"
)

// credentials is what the help says of them: they are no flags, which other users of a machine can see.
const credentials = `
Credentials are taken from the environment. Of an org, a sandbox:
  SALESFORCE_INSTANCE_URL    such as https://acme--test.sandbox.my.salesforce.com
  SALESFORCE_ACCESS_TOKEN    of a user there; or, of an app that may use the client credentials flow,
  SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET
Of a campaign for trying things out:
  REFERRALHERO_TOKEN         the account's API token
  REFERRALHERO_CAMPAIGN      the campaign's uuid; not needed if the account has only one
One of the two may be left out.
`

// smokeTest tries our assumptions on a real org and a real campaign, and ends with what it found as one line of JSON. It fails if something
// differs.
func smokeTest(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("smoke", stderr)
	o := smoke.Options{Now: time.Now}
	fs.BoolVar(&o.Write, "write", false, "also make one contact and one subscriber, and remove them")
	fs.StringVar(&o.Address, "address", "", "e-mail `address` of yours for these two, such as you+smoke@example.com")
	fs.BoolVar(&o.Production, "production", false, "read an org that is in production")
	fs.StringVar(&o.Hero.BaseURL, "referralhero", "https://app.referralhero.com/api/v2", "base `URL` of ReferralHero's API")
	usage := fs.Usage
	fs.Usage = func() {
		usage()
		fmt.Fprint(stderr, credentials)
	}
	if err := parse(fs, args); err != nil {
		return err
	}
	secret := func(name string) bridge.Secret { return bridge.NewSecret(os.Getenv(name)) }
	o.Org = smoke.Org{Instance: os.Getenv("SALESFORCE_INSTANCE_URL"), Token: secret("SALESFORCE_ACCESS_TOKEN")}
	if o.Org.Token.Empty() {
		o.Org.App = bridge.App{Key: secret("SALESFORCE_CLIENT_ID"), Secret: secret("SALESFORCE_CLIENT_SECRET")}
	}
	o.Hero.Token, o.Hero.Campaign = secret("REFERRALHERO_TOKEN"), bridge.CampaignID(os.Getenv("REFERRALHERO_CAMPAIGN"))
	switch {
	case o.Org.Instance == "" && o.Hero.Token.Empty():
		return errors.New("there is nothing to try: -help says which variables to set")
	case o.Org.Instance != "" && o.Org.Token.Empty() && (o.Org.App.Empty() || o.Org.App.Secret.Empty()):
		return errors.New("SALESFORCE_INSTANCE_URL needs SALESFORCE_ACCESS_TOKEN, or SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET")
	}
	o.Tell = func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) }
	found, err := smoke.Run(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(stdout).Encode(found), found.Err())
}

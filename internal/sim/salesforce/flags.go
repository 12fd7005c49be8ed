package salesforce

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Flags registers an org's options on fs, and returns the Options that fs.Parse will fill. The file of
// -csv is read, and the clock of -speed starts, while the flags are parsed.
func Flags(fs *flag.FlagSet) *Options {
	o := &Options{Now: time.Now}
	fs.StringVar(&o.Origin, "origin", "", "public `URL` of this org; default: the host that a request was sent to")
	fs.StringVar(&o.Name, "name", "Acme Outdoor", "the organization's `name`")
	fs.Func("organization", "the organization's `id`, of 15 or 18 characters (default "+DefaultOrganizationID+")", func(v string) error {
		o.OrganizationID = v
		_, err := parseID(v)
		return err
	})
	fs.StringVar(&o.Username, "username", "admin@acme.example", "who administers the org")
	fs.StringVar(&o.ClientID, "client-id", DefaultClientID, "consumer `key` of the app that may connect")
	fs.StringVar(&o.ClientSecret, "client-secret", DefaultClientSecret, "consumer `secret` of the app")
	fs.Func("redirect-uris", "comma-separated callback `URLs` of the app; default: any on this machine", func(list string) error {
		o.RedirectURIs = strings.Split(list, ",")
		return nil
	})
	fs.BoolFunc("rotation", "refresh-token rotation; -rotation=false switches it off (default true)", func(v string) error {
		on, err := strconv.ParseBool(v)
		o.StaticRefreshTokens = !on
		return err
	})
	fs.BoolVar(&o.PKCEOptional, "pkce-optional", false, "accept an authorize request without code_challenge")
	fs.DurationVar(&o.SessionTimeout, "session-timeout", 2*time.Hour, "how long an access token works")
	fs.IntVar(&o.DailyRequests, "daily-requests", 115_000, "API calls per rolling 24 hours")
	fs.DurationVar(&o.Latency, "latency", 0, "added to every answer of the token endpoint and the API")
	fs.IntVar(&o.Generated, "contacts", 1_000, "`number` of generated contacts; -1 for none")
	fs.BoolVar(&o.PersonAccounts, "person-accounts", false, "the org has person accounts")
	fs.Uint64Var(&o.Seed, "seed", 0, "another `number` makes other contacts")
	fs.Func("csv", "`file` of contacts, as Data Loader exports them, instead of generated ones", func(path string) error {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		if o.Contacts, err = LoadCSV(file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if o.Contacts == nil {
			o.Contacts = []Contact{} // a header alone: an org without contacts, not a generated one
		}
		return nil
	})
	fs.BoolVar(&o.MultiCurrency, "multi-currency", false, "opportunities have a currency of their own")
	fs.Func("speed", "how many times faster than the world the org's clock runs (default 1)", func(v string) error {
		times, err := strconv.ParseFloat(v, 64)
		if err != nil || times <= 0 || times > 1e6 {
			return errors.New("takes a number above 0, at most 1000000")
		}
		start := time.Now()
		o.Speed = times
		o.Now = func() time.Time { return start.Add(time.Duration(float64(time.Since(start)) * times)) }
		return nil
	})
	return o
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/oidc"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// simulator is one of the other sides. Its flags are registered on fs; make is called once they are parsed, with the
// origin at which it will answer, and returns what a person has to know to use it.
type simulator func(fs *flag.FlagSet) (make func(origin string) (handler http.Handler, essentials []string, err error))

var simulators = map[string]simulator{
	"aws": func(fs *flag.FlagSet) func(string) (http.Handler, []string, error) {
		o := aws.Flags(fs)
		return func(origin string) (http.Handler, []string, error) {
			return aws.New(*o), []string{
				"export AWS_ENDPOINT_URL=" + origin + " AWS_REGION=" + aws.Region + " AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any",
				"DynamoDB, SQS, Secrets Manager, SES v2; the mails that were sent are at " + origin + "/mails",
			}, nil
		}
	},
	"salesforce": func(fs *flag.FlagSet) func(string) (http.Handler, []string, error) {
		o := salesforce.Flags(fs)
		return func(origin string) (http.Handler, []string, error) {
			if o.Origin == "" {
				o.Origin = origin
			}
			return salesforce.New(*o), []string{
				"consumer key     " + o.ClientID,
				"consumer secret  " + o.ClientSecret,
				"authorize at     " + origin + "/services/oauth2/authorize",
				"token endpoint   " + origin + "/services/oauth2/token",
				"contacts, opportunities and faults to try are at " + origin,
			}, nil
		}
	},
	"referralhero": func(fs *flag.FlagSet) func(string) (http.Handler, []string, error) {
		o := referralhero.Flags(fs)
		return func(origin string) (http.Handler, []string, error) {
			s := referralhero.New(*o)
			essentials := []string{"base URL   " + origin + "/api/v2", "API token  " + s.Token(), "webhooks are signed with   " + s.WebhookSecrets().Current}
			for _, list := range s.Lists() {
				essentials = append(essentials, "campaign   "+list.UUID+"  "+list.Name)
			}
			return s, append(essentials, "subscribers, mails and faults to try are at "+origin), nil
		}
	},
	"oidc": func(fs *flag.FlagSet) func(string) (http.Handler, []string, error) {
		o := oidc.Flags(fs)
		return func(origin string) (http.Handler, []string, error) {
			if o.Issuer == "" {
				o.Issuer = origin
			}
			s, err := oidc.New(*o)
			return s, []string{
				"discovery      " + o.Issuer + "/.well-known/openid-configuration",
				"client id      " + o.ClientID,
				"client secret  " + o.ClientSecret,
				"redirect URIs  " + strings.Join(o.RedirectURIs, ", "),
			}, err
		}
	},
}

// sim serves one simulator until ctx ends. Which one is said by the first flag, since the others depend on it.
func sim(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	what, rest := which(args)
	fs := flags("sim", stderr)
	fs.String("what", "", "`simulator` to serve: "+strings.Join(names(), ", "))
	address := fs.String("listen", "127.0.0.1:0", "`address` to serve it at")
	simulator, ok := simulators[what]
	if !ok {
		if len(rest) > 0 && strings.HasSuffix(rest[0], "help") {
			return parse(fs, rest)
		}
		return fmt.Errorf("which one? -what takes %s, not %q", strings.Join(names(), ", "), what)
	}
	make := simulator(fs)
	if err := parse(fs, rest); err != nil {
		return err
	}
	listener, err := world.Listen(*address)
	if err != nil {
		return err
	}
	origin := "http://" + listener.Addr().String()
	handler, essentials, err := make(origin)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(stdout, "The simulated %s answers at %s until Ctrl-C.\n", what, origin)
	for _, line := range essentials {
		fmt.Fprintln(stdout, "  "+line)
	}
	return serve(ctx, listener, handler)
}

// which takes -what out of the arguments.
func which(args []string) (what string, rest []string) {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(strings.TrimPrefix(args[i], "-"), "=")
		switch {
		case name != "-what" && name != "what":
			rest = append(rest, args[i])
		case joined:
			what = value
		case i+1 < len(args):
			i++
			what = args[i]
		}
	}
	return what, rest
}

func names() []string {
	var names []string
	for name := range simulators {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// serve answers until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

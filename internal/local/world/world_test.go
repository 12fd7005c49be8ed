package world

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

const root = "../../.."

func start(t *testing.T, o Options) *World {
	t.Helper()
	o.Root = root
	w, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestEverythingAnswersAndIsKept(t *testing.T) {
	t.Parallel()
	o := Options{State: filepath.Join(t.TempDir(), "state"), Salesforce: salesforce.Options{Generated: 3}}
	w := start(t, o)
	for what, url := range map[string]string{
		"console": w.Stack.URL + "/sign-in", "org": w.OrgURL + "/", "ReferralHero": w.HeroURL + "/",
		"mails": w.AWSURL + "/mails", "issuer": w.IssuerURL + "/.well-known/openid-configuration",
	} {
		if status, body := get(t, url); status >= 400 {
			t.Errorf("%s answers %d at %s: %.200s", what, status, url, body)
		}
	}
	// The sweeps read the table as their policies allow, with the real names.
	for _, schedule := range w.Stack.Model.Functions["ScheduleFunction"].Schedules {
		if result, failed, err := w.Stack.Invoke(t.Context(), "ScheduleFunction", []byte(schedule.Input)); failed != "" || err != nil {
			t.Errorf("the sweep %s ended with %s %s %v", schedule.Input, result, failed, err)
		}
	}
	lists, token, secret := w.Hero.Lists(), w.Hero.RenewToken(), w.Stack.Ref("AppSecret")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	o.Salesforce.Generated = 5 // nobody asks any more: the org is there already
	again := start(t, o)
	if got := again.Hero.Token(); got != token {
		t.Errorf("API token = %s, want %s as before", got, token)
	}
	if got := again.Hero.Lists(); len(got) != len(lists) || got[0].UUID != lists[0].UUID {
		t.Errorf("campaigns = %v, want %v as before", got, lists)
	}
	if got := again.Stack.Ref("AppSecret"); got != secret {
		t.Errorf("secret = %s, want %s as before", got, secret)
	}
}

func TestElsewhere(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(aws.New(aws.Options{}))
	t.Cleanup(other.Close)
	o := Options{Elsewhere: Elsewhere{
		AWS: other.URL, Salesforce: &App{"key", "secret"}, ReferralHero: "https://referralhero.example/api/v2",
	}}
	o.Stack.AccessKey, o.Stack.SecretKey = "mine", "mine"
	w := start(t, o)
	if w.Org != nil || w.Hero != nil || w.Issuer == nil {
		t.Errorf("org %v, ReferralHero %v and issuer %v; want the issuer only", w.Org, w.Hero, w.Issuer)
	}
	if queue := w.Stack.Ref("Imports"); !strings.HasPrefix(queue, other.URL) {
		t.Errorf("queue = %s, want it at %s", queue, other.URL)
	}
	environment := w.Stack.Model.Functions["ImportPageFunction"].Environment
	if environment["REFERRALHERO_URL"] != "https://referralhero.example/api/v2" || environment["SALESFORCE_SIMULATOR"] != "" {
		t.Errorf("environment = %v, want the real ReferralHero and no simulated org", environment)
	}

	// Functions reach each other here, wherever AWS is.
	c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(aws.Region), config.WithBaseEndpoint(w.AWSURL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("mine", "mine", "")))
	if err != nil {
		t.Fatal(err)
	}
	name := w.Stack.Ref("ScheduleFunction")
	out, err := lambda.NewFromConfig(c).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"sweep":"due"}`)})
	if err != nil || out.FunctionError != nil {
		t.Errorf("invoke = %v %v", out, err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	for name, listen := range map[string]Addresses{
		"console": {Console: address}, "AWS": {AWS: address}, "org": {Salesforce: address}, "ReferralHero": {ReferralHero: address}, "sign-in": {SignIn: address},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Start(t.Context(), Options{Root: root, Listen: listen})
			if want := address + " is in use by another program"; err == nil || err.Error() != want {
				t.Errorf("err = %v, want %s", err, want)
			}
		})
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"aws.json", "salesforce.json", "referralhero.json", "sign-in.json", "keys.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			if err := replace(filepath.Join(directory, name), []byte("{")); err != nil {
				t.Fatal(err)
			}
			_, err := Start(t.Context(), Options{Root: root, State: directory})
			if err == nil || !strings.Contains(err.Error(), filepath.Join(directory, name)) {
				t.Errorf("err = %v, want one that names the file", err)
			}
		})
	}
}

// Package world wires the whole product to believable other sides in one process: the embedded AWS, the
// simulated org, the simulated ReferralHero, the sign-in issuer and the stack of functions. Programs and
// tests start it with their own options.
//
//	w, err := world.Start(ctx, world.Options{Root: "../../.."})
//	defer w.Close()
//	http.Get(w.Stack.URL)
//	w.Org, w.Hero, w.AWS, w.Issuer // the simulators themselves: counters, faults, data
package world

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/aws/lambda"
	"github.com/referralbridge/referralbridge/internal/sim/oidc"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Options say what a world is like. The zero value of everything but Root is usable: simulators on free ports that
// forget everything at the end.
type Options struct {
	Root  string        // the repository
	State string        // directory in which the state is kept; nothing is kept if empty
	Stack local.Options // what is said here about the stack wins over what the world would say

	// The other sides. What the world has to say about them, such as their own address, it puts where nothing was said.
	AWS          aws.Options
	Salesforce   salesforce.Options
	ReferralHero referralhero.Options
	People       []oidc.Person // offered when signing in

	Listen Addresses

	// Elsewhere says what is not to be simulated.
	Elsewhere Elsewhere
}

// Addresses are where to listen, such as "127.0.0.1:8000". An empty one is any free port of 127.0.0.1.
type Addresses struct{ Console, AWS, Salesforce, ReferralHero, SignIn string }

// Elsewhere names other sides that stand in for the simulators. What is empty is simulated.
type Elsewhere struct {
	AWS        string // URL of another endpoint for DynamoDB, SQS, Secrets Manager and SES
	Table      string // URL of DynamoDB, if it is not at AWS either
	Salesforce *App   // an app in a real org
	// ReferralHero is the base URL of its API, such as "https://app.referralhero.com/api/v2".
	ReferralHero string
	Issuer       *Client // another OpenID Connect issuer
}

// App is an External Client App in Salesforce.
type App struct{ ClientID, ClientSecret string }

// Client is our client at an OpenID Connect issuer.
type Client struct{ Issuer, ClientID, ClientSecret string }

// World is everything that runs. Simulators that were not wanted are nil.
type World struct {
	Stack  *local.Stack
	AWS    *aws.Server // with another AWS it has Lambda's Invoke only
	Org    *salesforce.Org
	Hero   *referralhero.Service
	Issuer *oidc.Service

	AWSURL, OrgURL, HeroURL, IssuerURL string // origins of the simulators

	release   local.Options // what Stack was started with
	mu        sync.Mutex
	stacks    []*local.Stack // that run: functions call each other while they start
	listeners []net.Listener
	servers   []*http.Server
	state     *state
}

// clientID is our client's name at the simulated issuer.
const clientID = "referral-bridge"

// sender is the address of our mails.
const sender = "imports@referral-bridge.example"

// Start starts everything. ctx covers the start only; Close ends it all.
func Start(ctx context.Context, o Options) (*World, error) {
	w := &World{state: &state{directory: o.State}}
	if err := w.start(ctx, o); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context, o Options) error {
	keys, err := w.state.keys()
	if err != nil {
		return err
	}
	console, err := w.listen(o.Listen.Console)
	if err != nil {
		return err
	}
	baseURL := cmp.Or(o.Stack.Parameters["BaseUrl"], "http://"+console.Addr().String())
	parameters := map[string]string{"Stage": "dev", "BaseUrl": baseURL, "SenderAddress": sender}

	if err := w.startAWS(o); err != nil {
		return err
	}
	if err := w.startSalesforce(o, parameters, keys); err != nil {
		return err
	}
	if err := w.startReferralHero(o, parameters); err != nil {
		return err
	}
	if err := w.startIssuer(o, baseURL, parameters, keys); err != nil {
		return err
	}
	maps.Copy(parameters, o.Stack.Parameters)

	stack := o.Stack
	stack.Root, stack.Parameters, stack.Listener = o.Root, parameters, console
	stack.AWSEndpoint, stack.LambdaEndpoint = w.AWSURL, w.AWSURL
	if o.Elsewhere.AWS != "" {
		stack.AWSEndpoint, stack.TableEndpoint = o.Elsewhere.AWS, o.Elsewhere.Table
	}
	stack.Created = w.join
	if stack.Secrets, err = keys.secrets(); err != nil {
		return err
	}
	w.release = stack
	if w.Stack, err = local.Start(ctx, stack); err != nil {
		return err
	}
	w.state.keep()
	return nil
}

// Beside starts another release beside those that run, as while a deployment takes over: on the same table and queues, with
// the same other sides, and with an API of its own. Functions that call a function reach that of either release. root is the other
// release's repository. Leave ends it.
func (w *World) Beside(ctx context.Context, root string) (*local.Stack, error) {
	o := w.release
	o.Root, o.Binaries, o.Listener = root, "", nil
	return local.Start(ctx, o)
}

// Leave ends one of the releases that run.
func (w *World) Leave(stack *local.Stack) error {
	w.mu.Lock()
	w.stacks = slices.DeleteFunc(w.stacks, func(s *local.Stack) bool { return s == stack })
	w.mu.Unlock()
	return stack.Close()
}

func (w *World) join(stack *local.Stack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stacks = append(w.stacks, stack)
}

// running are the releases that run, in any order.
func (w *World) running() []*local.Stack {
	w.mu.Lock()
	defer w.mu.Unlock()
	stacks := slices.Clone(w.stacks)
	rand.Shuffle(len(stacks), func(i, j int) { stacks[i], stacks[j] = stacks[j], stacks[i] })
	return stacks
}

// authorize asks the policies of the releases that run. What one of them allows is allowed.
func (w *World) authorize(accessKey, action, resource string) error {
	err := errors.New("the stack is not there yet")
	if accessKey == local.Operator {
		return nil
	}
	for _, stack := range w.running() {
		if err = stack.Authorize(accessKey, action, resource); err == nil {
			return nil
		}
	}
	return err
}

// Close ends everything, and keeps the state if it is to be kept.
func (w *World) Close() error {
	if w.Hero != nil {
		w.Hero.Close() // first, so that its webhooks meet nobody who is gone
	}
	if w.Org != nil {
		w.Org.Close() // nor its outbound messages
	}
	var err error
	for _, stack := range w.running() {
		err = errors.Join(err, w.Leave(stack))
	}
	err = errors.Join(err, w.state.close())
	for _, server := range w.servers {
		err = errors.Join(err, server.Close())
	}
	for _, listener := range w.listeners {
		_ = listener.Close() // of those that came to be served, it was
	}
	return err
}

func (w *World) startAWS(o Options) error {
	options := o.AWS
	options.Alias = "live" // as the template calls it
	options.Invoke = func(ctx context.Context, function string, payload []byte) ([]byte, string, error) {
		stacks := w.running()
		if len(stacks) == 0 {
			return nil, "", lambda.ErrNotFound
		}
		result, functionError, err := stacks[0].Invoke(ctx, function, payload)
		if errors.Is(err, local.ErrNoFunction) {
			err = fmt.Errorf("%w: %s", lambda.ErrNotFound, function)
		}
		return result, functionError, err
	}
	if options.Authorize == nil && o.Stack.AccessKey == "" {
		options.Authorize = w.authorize
	}
	w.AWS = aws.New(options)
	if o.Elsewhere.AWS == "" {
		if err := w.state.restoreAWS(w.AWS); err != nil {
			return err
		}
	}
	listener, err := w.listen(o.Listen.AWS)
	if err != nil {
		return err
	}
	w.AWSURL = w.serve(listener, w.AWS)
	return nil
}

func (w *World) startSalesforce(o Options, parameters map[string]string, keys *keys) error {
	if app := o.Elsewhere.Salesforce; app != nil {
		parameters["SalesforceClientId"], parameters["SalesforceSimulator"] = app.ClientID, ""
		keys.SalesforceClientSecret = app.ClientSecret
		return nil
	}
	options := o.Salesforce
	listener, err := w.listen(o.Listen.Salesforce)
	if err != nil {
		return err
	}
	options.Origin = cmp.Or(options.Origin, "http://"+listener.Addr().String())
	options.ClientID = cmp.Or(options.ClientID, salesforce.DefaultClientID)
	options.ClientSecret = cmp.Or(options.ClientSecret, salesforce.DefaultClientSecret)
	parameters["SalesforceClientId"], parameters["SalesforceSimulator"] = options.ClientID, options.Origin
	keys.SalesforceClientSecret = options.ClientSecret
	w.Org = salesforce.New(options)
	if err := w.state.restore("salesforce.json", w.Org); err != nil {
		return err
	}
	w.serve(listener, w.Org)
	w.OrgURL = options.Origin
	return nil
}

func (w *World) startReferralHero(o Options, parameters map[string]string) error {
	if elsewhere := o.Elsewhere.ReferralHero; elsewhere != "" {
		parameters["ReferralHeroUrl"] = elsewhere
		return nil
	}
	listener, err := w.listen(o.Listen.ReferralHero)
	if err != nil {
		return err
	}
	w.Hero = referralhero.New(o.ReferralHero)
	if err := w.state.restore("referralhero.json", w.Hero); err != nil {
		return err
	}
	w.HeroURL = w.serve(listener, w.Hero)
	parameters["ReferralHeroUrl"] = w.HeroURL + "/api/v2"
	window := cmp.Or(o.ReferralHero.Window, time.Hour)
	window = time.Duration(float64(window) / cmp.Or(o.ReferralHero.Speed, 1))
	parameters["ReferralHeroWindowSeconds"] = strconv.Itoa(int(window / time.Second))
	return nil
}

func (w *World) startIssuer(o Options, baseURL string, parameters map[string]string, keys *keys) error {
	if client := o.Elsewhere.Issuer; client != nil {
		parameters["OidcIssuer"], parameters["OidcClientId"] = client.Issuer, client.ClientID
		keys.OIDCClientSecret = client.ClientSecret
		return nil
	}
	listener, err := w.listen(o.Listen.SignIn)
	if err != nil {
		return err
	}
	w.IssuerURL = "http://" + listener.Addr().String()
	w.Issuer, err = oidc.New(oidc.Options{
		Issuer: w.IssuerURL, ClientID: clientID, ClientSecret: keys.OIDCClientSecret, People: o.People,
		RedirectURIs: []string{baseURL + "/sign-in/callback"}, LogoutURIs: []string{baseURL + "/"},
	})
	if err != nil {
		return err
	}
	if err := w.state.restore("sign-in.json", w.Issuer); err != nil {
		return err
	}
	w.serve(listener, w.Issuer)
	parameters["OidcIssuer"], parameters["OidcClientId"] = w.IssuerURL, clientID
	return nil
}

func (w *World) listen(address string) (net.Listener, error) {
	listener, err := Listen(address)
	if err == nil {
		w.listeners = append(w.listeners, listener)
	}
	return listener, err
}

// serve answers at the listener until Close, and returns its URL.
func (w *World) serve(listener net.Listener, handler http.Handler) string {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	w.servers = append(w.servers, server)
	go func() { _ = server.Serve(listener) }() // ends at Close
	return "http://" + listener.Addr().String()
}

// Listen listens at an address; any free port of 127.0.0.1 if it is empty. If another program has the port, the
// error says so.
func Listen(address string) (net.Listener, error) {
	address = cmp.Or(address, "127.0.0.1:0")
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program", address)
	}
	if err != nil {
		return nil, err
	}
	return listener, nil
}

package salesforce

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

// OAuth is our app at Salesforce: the page where people consent, and the token endpoint. Only the token
// broker has the app's secret; sending people to the page needs neither it nor an HTTP client.
type OAuth struct {
	HTTP     *http.Client // Hosts.TokenClient
	Hosts    Hosts
	ClientID string                                       // the consumer key
	Secret   func(context.Context) (bridge.Secret, error) // the consumer secret
}

// scope is what we ask for: calls of the API, a refresh token, and who the user is.
const scope = "api refresh_token id"

// LoginHost returns the origin on which consent is given; see Hosts.LoginHost.
func (o OAuth) LoginHost(environment bridge.Environment, domain string) (string, error) {
	return o.Hosts.LoginHost(environment, domain)
}

// ConsentURL returns the address of the page where a person signs in and consents, to our app unless appKey
// names another. It always asks, so that somebody who is signed in to one org can connect another.
func (o OAuth) ConsentURL(loginHost, redirectURI string, appKey, state bridge.Secret, challenge string) string {
	return loginHost + "/services/oauth2/authorize?" + url.Values{
		"response_type":         {"code"},
		"client_id":             {cmp.Or(appKey.Reveal(), o.ClientID)},
		"redirect_uri":          {redirectURI},
		"scope":                 {scope},
		"state":                 {state.Reveal()},
		"code_challenge":        {challenge},
		"code_challenge_method": {"S256"},
		"prompt":                {"login consent"},
	}.Encode()
}

// Exchange redeems a code on the host where consent was given. It checks that the answer was made by
// someone who knows our secret, and that the org's host is Salesforce's.
func (o OAuth) Exchange(ctx context.Context, app bridge.App, c connect.Code) (connect.Issued, error) {
	const op = "salesforce.Exchange"
	if host, err := o.Hosts.LoginHost(c.Environment, c.LoginHost); err != nil || host != c.LoginHost {
		return connect.Issued{}, &bridge.Error{Op: op, Kind: bridge.Denied, Code: string(connect.UntrustedHost), Err: errHost}
	}
	app, err := o.app(ctx, app)
	if err != nil {
		return connect.Issued{}, bridge.E(op, "", err)
	}
	told, err := o.ask(ctx, op, app, c.LoginHost, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {c.Code.Reveal()},
		"redirect_uri":  {c.RedirectURI},
		"code_verifier": {c.Verifier.Reveal()},
	})
	if err != nil {
		return connect.Issued{}, err
	}
	issued, err := o.proven(op, told, app)
	switch {
	case err != nil:
		return connect.Issued{}, err
	case issued.Refresh.Empty(), told.Community != "":
		return connect.Issued{}, &bridge.Error{Op: op, Kind: bridge.Denied, Code: string(connect.AppRefused), Err: errNoRefresh}
	}
	return issued, nil
}

// Represent asks the org for a token of the user that a customer's app stands for. Only the org's own host
// gives one. It may be repeated: nothing is lost with an answer.
func (o OAuth) Represent(ctx context.Context, app bridge.App, myDomain string) (connect.Issued, error) {
	const op = "salesforce.Represent"
	told, err := o.ask(ctx, op, app, myDomain, url.Values{"grant_type": {"client_credentials"}})
	if err != nil {
		return connect.Issued{}, err
	}
	return o.proven(op, told, app)
}

// proven reads an answer that was made by someone who knows the app's secret.
func (o OAuth) proven(op string, told token, app bridge.App) (connect.Issued, error) {
	if !told.signedWith(app.Secret) {
		return connect.Issued{}, &bridge.Error{Op: op, Kind: bridge.Denied, Code: string(connect.NoExchange), Err: errSignature}
	}
	issued, err := o.issued(told)
	switch {
	case err != nil:
		return connect.Issued{}, &bridge.Error{Op: op, Kind: bridge.Denied, Code: string(connect.NoExchange), Err: err}
	case issued.Instance == "":
		return connect.Issued{}, &bridge.Error{Op: op, Kind: bridge.Denied, Code: string(connect.UntrustedHost), Err: errHost}
	}
	return issued, nil
}

// Refresh asks the org for a new access token, which works where login hosts are switched off. It asks
// the login host if the org's host has got another name; the answer will tell it. Only one of them works
// on the request, and whoever gets an UnknownOutcome has to take into account that the refresh token may
// be worthless now.
func (o OAuth) Refresh(ctx context.Context, app bridge.App, instance, loginHost string, refresh bridge.Secret) (connect.Issued, error) {
	const op = "salesforce.Refresh"
	app, err := o.app(ctx, app)
	if err != nil {
		return connect.Issued{}, bridge.E(op, "", err)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
	told, err := o.ask(ctx, op, app, instance, form)
	if bridge.CodeOf(err) == moved && loginHost != instance {
		told, err = o.ask(ctx, op, app, loginHost, form)
	}
	if err != nil {
		return connect.Issued{}, err
	}
	issued, err := o.issued(told)
	if err != nil {
		return connect.Issued{}, bridge.E(op, bridge.UnknownOutcome, err)
	}
	return issued, nil
}

// Revoke ends a grant by its refresh token. It succeeds if the grant had ended before.
func (o OAuth) Revoke(ctx context.Context, host string, token bridge.Secret) error {
	const op = "salesforce.Revoke"
	err := o.post(ctx, op, host, "/services/oauth2/revoke", url.Values{"token": {token.Reveal()}}, nil)
	if code := bridge.CodeOf(err); code == "invalid_token" || code == "unsupported_token_type" {
		return nil
	}
	return err
}

// token is the answer of a token endpoint.
type token struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Signature    string `json:"signature"`
	Instance     string `json:"instance_url"`
	ID           string `json:"id"`
	IssuedAt     string `json:"issued_at"` // milliseconds since 1970
	Community    string `json:"sfdc_community_url"`
}

var (
	errSignature  = errors.New("signature does not fit")
	errIncomplete = errors.New("answer lacks something")
	errNoRefresh  = errors.New("no refresh token, or a community user")
)

// signedWith checks Salesforce's signature, which ties the org and the user to the answer.
func (t token) signedWith(secret bridge.Secret) bool {
	signature, err := base64.StdEncoding.DecodeString(t.Signature)
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(t.ID + t.IssuedAt))
	return err == nil && hmac.Equal(signature, mac.Sum(nil))
}

// issued reads an answer. Instance is empty if it is not Salesforce's.
func (o OAuth) issued(t token) (connect.Issued, error) {
	org, user, err := o.Hosts.identity(t.ID)
	if err != nil {
		return connect.Issued{}, err
	}
	at, err := strconv.ParseInt(t.IssuedAt, 10, 64)
	if err != nil || t.AccessToken == "" {
		return connect.Issued{}, errIncomplete
	}
	instance, _ := o.Hosts.Instance(t.Instance)
	return connect.Issued{
		Access: bridge.NewSecret(t.AccessToken), Refresh: bridge.NewSecret(t.RefreshToken),
		Instance: instance, Identity: t.ID, Org: org, User: user, At: time.UnixMilli(at).UTC(),
	}, nil
}

// app returns the operator's app in the place of none.
func (o OAuth) app(ctx context.Context, app bridge.App) (bridge.App, error) {
	if !app.Empty() {
		return app, nil
	}
	secret, err := o.Secret(ctx)
	return bridge.App{Key: bridge.NewSecret(o.ClientID), Secret: secret}, err
}

// ask posts to the token endpoint as an app.
func (o OAuth) ask(ctx context.Context, op string, app bridge.App, host string, form url.Values) (token, error) {
	var told token
	form.Set("client_id", app.Key.Reveal())
	form.Set("client_secret", app.Secret.Reveal())
	return told, o.post(ctx, op, host, "/services/oauth2/token", form, &told)
}

// post sends a form, once. out is nil if the body of the answer does not matter.
func (o OAuth) post(ctx context.Context, op, host, path string, form url.Values, out any) error {
	if !o.Hosts.trusts(host) {
		return &bridge.Error{Op: op, Kind: bridge.Internal, Code: string(connect.UntrustedHost), Err: errHost}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, host+path, strings.NewReader(form.Encode()))
	if err != nil {
		return bridge.E(op, bridge.Internal, errRequest)
	}
	request.GetBody = nil // so that nothing can send it a second time
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := o.HTTP.Do(request)
	if err != nil {
		return bridge.E(op, kindOfSilence(err), withoutAddress(err))
	}
	defer drain(response.Body)
	if response.StatusCode != http.StatusOK {
		return tokenRefused(op, form.Get("grant_type"), response)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(out); err != nil {
		return bridge.E(op, bridge.UnknownOutcome, errUnreadable)
	}
	return nil
}

// kindOfSilence tells a request that never left, since no connection came about, from one that may have
// been carried out.
func kindOfSilence(err error) bridge.Kind {
	var dial *net.OpError
	var name *net.DNSError
	if errors.As(err, &name) || errors.As(err, &dial) && dial.Op == "dial" {
		return bridge.Unavailable
	}
	return bridge.UnknownOutcome
}

// refusal is an answer of the token endpoint that gives no token.
type refusal struct {
	grant string // grant_type that it is about; empty: any
	code  string // Salesforce's error; empty: any
	words string // part of its description, in lower case; empty: any
	kind  bridge.Kind
	name  string // the code that we tell; empty: Salesforce's
}

// refusals says what they mean; the first that fits counts. Most differ by their description only.
// https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
var refusals = []refusal{
	{code: "rate_limit_exceeded", kind: bridge.Throttled},
	{words: "login rate exceeded", kind: bridge.Throttled, name: "rate_limit_exceeded"},

	// Another request with this refresh token is being worked on. We send one at a time, so it is one of
	// ours whose answer we did not wait for, and nobody knows yet how it ends.
	{words: "token request is already being processed", kind: bridge.UnknownOutcome, name: "token_request_in_process"},
	{grant: "refresh_token", words: "expired authorization code", kind: bridge.UnknownOutcome, name: "token_request_in_process"},

	{words: "ip restricted", kind: bridge.Denied, name: "ip_restricted"},
	{words: "ip not allowed", kind: bridge.Denied, name: "ip_restricted"},
	{words: "invalid login hours", kind: bridge.Denied, name: "ip_restricted"},
	{words: "inactive user", kind: bridge.Denied, name: "inactive_user"},
	{words: "user not assigned", kind: bridge.Denied, name: "invalid_app_access"},
	{words: "app must be installed into org", kind: bridge.Denied, name: "app_not_installed"},
	{words: "app_not_installed", kind: bridge.Denied, name: "app_not_installed"},
	{code: "inactive_user", kind: bridge.Denied},
	{code: "inactive_org", kind: bridge.Denied},
	{code: "invalid_client_id", kind: bridge.Denied},
	{code: "invalid_client", kind: bridge.Denied},
	{code: "invalid_app_access", kind: bridge.Denied},
	{code: "unauthorized_client", kind: bridge.Denied},

	{code: "invalid_token", kind: bridge.NotFound},
	{code: "unsupported_token_type", kind: bridge.NotFound},
	{code: "invalid_grant", kind: bridge.Revoked},
	{grant: "authorization_code", code: "invalid_request", kind: bridge.Invalid}, // also a verifier that does not fit
}

// waitForLogins is how long we stay away after Salesforce has counted too many logins of a user.
const waitForLogins = 10 * time.Minute

// tokenRefused reads an error answer of an OAuth endpoint. An answer that is none of Salesforce's own
// says nothing about what happened behind it.
func tokenRefused(op, grant string, response *http.Response) error {
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return &bridge.Error{Op: op, Kind: bridge.Unavailable, Code: moved}
	}
	var told struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&told)
	if err != nil || told.Error == "" || response.StatusCode >= 500 {
		if response.StatusCode == http.StatusTooManyRequests {
			return &bridge.Error{Op: op, Kind: bridge.Throttled, After: waitForLogins}
		}
		return &bridge.Error{Op: op, Kind: bridge.UnknownOutcome, Code: strconv.Itoa(response.StatusCode)}
	}
	described := strings.ToLower(told.Description)
	for _, r := range refusals {
		if r.grant != "" && r.grant != grant || r.code != "" && r.code != told.Error || !strings.Contains(described, r.words) {
			continue
		}
		e := &bridge.Error{Op: op, Kind: r.kind, Code: r.name}
		if e.Code == "" {
			e.Code = told.Error // is one of the table's
		}
		if r.kind == bridge.Throttled {
			e.After = waitForLogins
		}
		return e
	}
	return &bridge.Error{Op: op, Kind: bridge.Internal, Code: "token_endpoint_refused"}
}

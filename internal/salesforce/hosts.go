package salesforce

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Hosts says which origins are Salesforce. No token, code or secret goes anywhere else.
type Hosts struct {
	Simulator string // origin of a simulated org that is trusted too, and stands for the login hosts; may be empty
}

// The hosts on which people of all orgs sign in.
const (
	productionLogin = "https://login.salesforce.com"
	sandboxLogin    = "https://test.salesforce.com"
)

// myDomain matches an org's own host, of a production org, a sandbox, or an org for trying things out.
var myDomain = regexp.MustCompile(`^[a-z0-9-]+(--[a-z0-9-]+)?(\.(sandbox|develop|scratch|demo|patch|trailblaze|free|wc|stm|pc))?\.my\.salesforce\.(com|mil)$`)

// longestHost is the longest name that DNS allows.
const longestHost = 253

// LoginHost returns the origin on which consent is given. domain is what a person typed for the org's
// own host, with or without https:// before it; it is read for bridge.MyDomain only.
func (h Hosts) LoginHost(environment bridge.Environment, domain string) (string, error) {
	const op = "salesforce.LoginHost"
	switch environment {
	case bridge.Production, bridge.Sandbox:
		if h.Simulator != "" {
			return h.Simulator, nil
		}
		if environment == bridge.Sandbox {
			return sandboxLogin, nil
		}
		return productionLogin, nil
	case bridge.MyDomain:
		typed := strings.TrimSuffix(strings.TrimSpace(domain), "/")
		if h.Simulator != "" && (typed == h.Simulator || "http://"+typed == h.Simulator) {
			return h.Simulator, nil
		}
		typed = strings.TrimPrefix(strings.ToLower(typed), "https://")
		if !isMyDomain(typed) {
			return "", bridge.Say(op, bridge.Invalid, "domain",
				"This is not the address of a Salesforce org. It looks like acme.my.salesforce.com; "+
					"in Salesforce, Setup > My Domain shows it.")
		}
		return "https://" + typed, nil
	default:
		return "", bridge.Say(op, bridge.Invalid, "environment", "Choose Production, Sandbox or My Domain.")
	}
}

// isMyDomain refuses names in punycode too: an org's is plain letters, and those could look like another's.
func isMyDomain(host string) bool {
	return len(host) <= longestHost && myDomain.MatchString(host) && !strings.HasPrefix(host, "xn--")
}

var errHost = errors.New("not a host of Salesforce")

// Instance checks that an address from outside is the bare origin of an org, and returns it.
func (h Hosts) Instance(address string) (string, error) {
	if h.Simulator != "" && address == h.Simulator {
		return h.Simulator, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || !isMyDomain(u.Host) || address != "https://"+u.Host {
		return "", errHost
	}
	return address, nil
}

// trusts reports whether an origin is an org's or a login host's.
func (h Hosts) trusts(origin string) bool {
	_, err := h.Instance(origin)
	return err == nil || origin == productionLogin || origin == sandboxLogin
}

// identity checks the address that says whose token it is: a login host's or an org's. Its path ends in
// the ids of the org and the user.
func (h Hosts) identity(address string) (org, user bridge.SalesforceID, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", errHost
	}
	origin := u.Scheme + "://" + u.Host
	if !h.trusts(origin) {
		return "", "", errHost
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/id/"), "/")
	if address != origin+u.Path || len(parts) != 2 || !strings.HasPrefix(u.Path, "/id/") {
		return "", "", errHost
	}
	if org, err = bridge.ParseSalesforceID(parts[0]); err != nil {
		return "", "", err
	}
	user, err = bridge.ParseSalesforceID(parts[1])
	return org, user, err
}

// HTTPClient returns the client for API calls. It follows no redirect, so that a token stays with the
// host that it was meant for, and connects to public addresses only, whatever a name resolves to.
func (h Hosts) HTTPClient() *http.Client {
	return &http.Client{
		Transport: h.transport(),
		Timeout:   25 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// TokenClient returns the client for token endpoints. A connection is used for one request: Go repeats a
// request on its own only when a reused connection turns out to be dead, and a refresh must not be
// repeated.
func (h Hosts) TokenClient() *http.Client {
	client := h.HTTPClient()
	transport := h.transport()
	transport.DisableKeepAlives = true
	transport.ForceAttemptHTTP2 = false
	client.Transport = transport
	client.Timeout = 10 * time.Second
	return client
}

func (h Hosts) transport() *http.Transport {
	var simulator string
	if u, err := url.Parse(h.Simulator); err == nil {
		simulator = u.Host
	}
	public := &net.Dialer{Timeout: 5 * time.Second, Control: refusePrivate}
	trusted := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if simulator != "" && address == simulator {
				return trusted.DialContext(ctx, network, address)
			}
			return public.DialContext(ctx, network, address)
		},
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
	}
}

// refusePrivate is called with the resolved address, right before connecting: a name that resolves to
// an address of our own network gets nowhere, also if it resolved to another one a moment ago.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(at.Addr()) {
		return errPrivate
	}
	return nil
}

var errPrivate = errors.New("address is not public")

// reserved are the ranges that net/netip has no word for: shared addresses of carriers, "this network",
// protocol assignments, benchmarks, and IPv6 that carries IPv4.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("::/96"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

package salesforce

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func TestLoginHost(t *testing.T) {
	t.Parallel()
	const simulator = "http://127.0.0.1:8002"
	for name, tc := range map[string]struct {
		hosts       Hosts
		environment bridge.Environment
		typed       string
		want        string // empty: refused
	}{
		"production":                              {Hosts{}, bridge.Production, "", "https://login.salesforce.com"},
		"sandbox":                                 {Hosts{}, bridge.Sandbox, "", "https://test.salesforce.com"},
		"my domain":                               {Hosts{}, bridge.MyDomain, "acme.my.salesforce.com", "https://acme.my.salesforce.com"},
		"my domain as copied from a browser":      {Hosts{}, bridge.MyDomain, " https://Acme.my.salesforce.com/ ", "https://acme.my.salesforce.com"},
		"my domain of a sandbox":                  {Hosts{}, bridge.MyDomain, "acme--uat.sandbox.my.salesforce.com", "https://acme--uat.sandbox.my.salesforce.com"},
		"my domain of a developer edition":        {Hosts{}, bridge.MyDomain, "acme-dev-ed.develop.my.salesforce.com", "https://acme-dev-ed.develop.my.salesforce.com"},
		"nothing typed":                           {Hosts{}, bridge.MyDomain, "", ""},
		"a name only":                             {Hosts{}, bridge.MyDomain, "acme", ""},
		"somebody else's host":                    {Hosts{}, bridge.MyDomain, "acme.my.salesforce.com.evil.example", ""},
		"Salesforce's name before an @":           {Hosts{}, bridge.MyDomain, "acme.my.salesforce.com@evil.example", ""},
		"a path behind the host":                  {Hosts{}, bridge.MyDomain, "acme.my.salesforce.com/lightning", ""},
		"a port":                                  {Hosts{}, bridge.MyDomain, "acme.my.salesforce.com:8443", ""},
		"plain http":                              {Hosts{}, bridge.MyDomain, "http://acme.my.salesforce.com", ""},
		"an address":                              {Hosts{}, bridge.MyDomain, "169.254.169.254", ""},
		"our own machine":                         {Hosts{}, bridge.MyDomain, simulator, ""},
		"a letter that looks like another":        {Hosts{}, bridge.MyDomain, "аcme.my.salesforce.com", ""},
		"a line break":                            {Hosts{}, bridge.MyDomain, "acme.my.salesforce.com\r\nHost: evil", ""},
		"an environment that there is not":        {Hosts{}, "moon", "", ""},
		"the simulator stands for production":     {Hosts{simulator}, bridge.Production, "", simulator},
		"the simulator stands for a sandbox":      {Hosts{simulator}, bridge.Sandbox, "", simulator},
		"the simulator's own address":             {Hosts{simulator}, bridge.MyDomain, simulator + "/", simulator},
		"the simulator's own address as a host":   {Hosts{simulator}, bridge.MyDomain, "127.0.0.1:8002", simulator},
		"a real org beside the simulator":         {Hosts{simulator}, bridge.MyDomain, "acme.my.salesforce.com", "https://acme.my.salesforce.com"},
		"another port than the simulator's":       {Hosts{simulator}, bridge.MyDomain, "127.0.0.1:8003", ""},
		"the simulator's address as part of more": {Hosts{simulator}, bridge.MyDomain, simulator + "/evil", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.hosts.LoginHost(tc.environment, tc.typed)
			if got != tc.want {
				t.Errorf("LoginHost = %q, %v, want %q", got, err, tc.want)
			}
			if tc.want == "" && bridge.KindOf(err) != bridge.Invalid {
				t.Errorf("kind = %q, want invalid", bridge.KindOf(err))
			}
		})
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://acme.my.salesforce.com":                             true,
		"https://acme--uat.sandbox.my.salesforce.com":                true,
		"https://acme.my.salesforce.com/":                            false,
		"https://acme.my.salesforce.com/path":                        false,
		"https://acme.my.salesforce.com?q":                           false,
		"https://acme.my.salesforce.com#f":                           false,
		"https://acme.my.salesforce.com:443":                         false,
		"https://user@acme.my.salesforce.com":                        false,
		"https://ACME.my.salesforce.com":                             false,
		"http://acme.my.salesforce.com":                              false,
		"https://acme.my.salesforce.com.evil.example":                false,
		"https://evil.example/acme.my.salesforce.com":                false,
		"https://xn--acme-p7a.my.salesforce.com.":                    false,
		"https://my.salesforce.com":                                  false,
		"https://login.salesforce.com":                               false,
		"https://127.0.0.1":                                          false,
		"https://[::1]":                                              false,
		"https://169.254.169.254":                                    false,
		"https://localhost":                                          false,
		"//acme.my.salesforce.com":                                   false,
		"file:///etc/passwd":                                         false,
		"":                                                           false,
		"https://a.my.salesforce.com\nevil":                          false,
		"https://" + strings.Repeat("a", 250) + ".my.salesforce.com": false,
	} {
		if got, err := (Hosts{}).Instance(address); (err == nil) != want || want && got != address {
			t.Errorf("Instance(%q) = %q, %v, want accepted %t", address, got, err, want)
		}
	}
}

// FuzzInstance holds that whatever is accepted is a bare https origin under my.salesforce.com.
func FuzzInstance(f *testing.F) {
	f.Add("https://acme.my.salesforce.com")
	f.Add("https://acme.my.salesforce.com@evil.example")
	f.Fuzz(func(t *testing.T, address string) {
		got, err := (Hosts{}).Instance(address)
		if err != nil {
			return
		}
		host, https := strings.CutPrefix(got, "https://")
		plain := strings.HasSuffix(host, ".my.salesforce.com") || strings.HasSuffix(host, ".my.salesforce.mil")
		if !https || !plain || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			t.Errorf("Instance(%q) = %q", address, got)
		}
	})
}

func TestIdentityAddress(t *testing.T) {
	t.Parallel()
	const ids = "/id/00D5g000004AbCdEAK/0055g000001JkLmAAK"
	for name, tc := range map[string]struct {
		address string
		good    bool
	}{
		"on the login host":      {productionLogin + ids, true},
		"on the sandboxes' host": {sandboxLogin + ids, true},
		"on the org's host":      {"https://acme.my.salesforce.com" + ids, true},
		"on another host":        {"https://evil.example" + ids, false},
		"over plain http":        {"http://login.salesforce.com" + ids, false},
		"with a query":           {productionLogin + ids + "?x", false},
		"without a user":         {productionLogin + "/id/00D5g000004AbCdEAK", false},
		"with more":              {productionLogin + ids + "/x", false},
		"a wrong checksum":       {productionLogin + "/id/00D5g000004AbCdAAA/0055g000001JkLmAAK", false},
		"another path":           {productionLogin + "/ID/00D5g000004AbCdEAK/0055g000001JkLmAAK", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org, user, err := (Hosts{}).identity(tc.address)
			if (err == nil) != tc.good {
				t.Fatalf("identity = %v, want good %t", err, tc.good)
			}
			if tc.good && (org != "00D5g000004AbCdEAK" || user.Key() != "0055g000001JkLm") {
				t.Errorf("identity = %s, %s", org, user)
			}
		})
	}
}

func TestOnlyPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"104.161.243.1": true, "2606:4700::1111": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "fe80::1": false, "fd00:ec2::254": false, "fc00::1": false,
		"0.0.0.0": false, "::": false, "0.1.2.3": false, "100.64.0.1": false, "198.18.0.1": false, "192.0.0.8": false,
		"224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::7f00:1": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("isPublic(%s) = %t, want %t", address, got, want)
		}
	}
}

func TestHTTPClientConnectsToTheSimulatorOnly(t *testing.T) {
	t.Parallel()
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()

	if response, err := (Hosts{}).HTTPClient().Get(server.URL); err == nil || called {
		_ = response.Body.Close()
		t.Error("a private address was reached")
	}
	response, err := (Hosts{Simulator: server.URL}).HTTPClient().Get(server.URL)
	if err != nil || !called {
		t.Fatalf("the simulator was not reached: %v", err)
	}
	_ = response.Body.Close()
}

func TestHTTPClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("https://evil.example/", http.StatusTemporaryRedirect))
	defer server.Close()
	for name, client := range map[string]*http.Client{
		"for calls": Hosts{Simulator: server.URL}.HTTPClient(), "for tokens": Hosts{Simulator: server.URL}.TokenClient(),
	} {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("%s: status = %d, want the redirect itself", name, response.StatusCode)
		}
	}
}

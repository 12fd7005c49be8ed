//go:build foreign

package salesforce

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	myDomain     = "acme.my.salesforce.com"
	knownAddress = "known@acme.example"
)

// watched is an org with the fourteen fields and some thousand contacts, which remembers how it answered.
type watched struct {
	*site
	mu       sync.Mutex
	answered []string // as in "PATCH 201 /services/data/..."
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	contacts := slices.Collect(Generate(2_300, 1))
	for _, text := range awkward {
		contacts = append(contacts, Contact{LastName: strings.TrimSpace(text)})
	}
	contacts = append(contacts, Contact{LastName: "Known", Email: knownAddress})
	w := &watched{site: &site{t: t, Org: New(Options{Contacts: contacts})}}
	t.Cleanup(w.Org.Close)
	w.turn(func(s *Switches) { s.BulkDelay, s.DeployDelay = Duration(time.Second), Duration(time.Second) })
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Server.Close)
	w.client = w.Server.Client()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.makeFields()
	return w
}

// makeFields makes the fourteen fields by the Metadata API, and one more, and shows the fourteen to the administrator.
func (w *watched) makeFields() {
	w.t.Helper()
	token := w.token()
	fields, rights := []string{fieldXML("Contact."+unseenField, textBody)}, ""
	for _, f := range bridge.Fields {
		body := "<met:label>RH " + f.Name + "</met:label><met:type>" + string(f.Type) + "</met:type>"
		switch {
		case f.Type == bridge.NumberField:
			body += fmt.Sprintf("<met:precision>%d</met:precision><met:scale>0</met:scale>", bridge.Digits)
		case f.Type == bridge.TextField:
			body += fmt.Sprintf("<met:length>%d</met:length>", f.Length)
		}
		if f.Key {
			body += "<met:caseSensitive>true</met:caseSensitive><met:externalId>true</met:externalId><met:unique>true</met:unique>"
		}
		fields = append(fields, fieldXML("Contact."+fieldName(f), body))
		rights += "<met:fieldPermissions><met:editable>true</met:editable><met:field>Contact." + fieldName(f) + "</met:field>" +
			"<met:readable>true</met:readable></met:fieldPermissions>"
	}
	for ten := range slices.Chunk(fields, mostComponents) {
		if a := w.soap(token, "createMetadata", strings.Join(ten, "")); strings.Count(a.body, "<success>true</success>") != len(ten) {
			w.t.Fatal(a.body)
		}
	}
	if a := w.soap(token, "createMetadata", `<met:metadata xsi:type="met:PermissionSet"><met:fullName>RH_Integration</met:fullName>`+rights+
		`<met:label>Integration</met:label></met:metadata>`); !strings.Contains(a.body, "<success>true</success>") {
		w.t.Fatal(a.body)
	}
	set := records(w.t, w.query(token, "SELECT Id FROM PermissionSet WHERE Name = 'RH_Integration'"), "Id")
	assignment := `{"AssigneeId":"` + string(w.admin) + `","PermissionSetId":"` + set + `"}`
	if a := w.api(token, "POST", data+"/sobjects/PermissionSetAssignment", assignment); a.status != http.StatusCreated {
		w.t.Fatal(a.body)
	}
}

func fieldName(f bridge.Field) string { return "RH_" + f.Name + "__c" }

// holds is what the org has of its contacts, in the order of their ids.
func (w *watched) holds() []map[string]string {
	w.Org.mu.RLock()
	defer w.Org.mu.RUnlock()
	t := w.table("Contact")
	var contacts []map[string]string
	for _, r := range t.rows {
		held := map[string]string{}
		for _, f := range t.fields {
			held[f.name] = f.value(r)
			if seconds, err := strconv.ParseInt(held[f.name], 10, 64); err == nil && f.kind == kindDatetime {
				held[f.name] = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
			}
		}
		contacts = append(contacts, held)
	}
	return contacts
}

// canonical is a value of JSON or CSV as text that is the same for the same value. It shares no code with the org, which may be wrong.
func canonical(f *field, v any) string {
	text := ""
	if v != nil {
		text = fmt.Sprint(v)
	}
	if f.kind == kindDatetime {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.000-0700"} {
			if when, err := time.Parse(layout, text); err == nil {
				return when.UTC().Format(time.RFC3339)
			}
		}
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && f.kind.number() {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return text
}

// ServeHTTP answers as the org does, and remembers with which status.
func (w *watched) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	answer := &noted{ResponseWriter: to, status: http.StatusOK}
	w.Org.ServeHTTP(answer, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = append(w.answered, fmt.Sprint(r.Method, " ", answer.status, " ", r.URL.Path))
}

type noted struct {
	http.ResponseWriter
	status int
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// statuses are those of the calls of a method to paths with a part in them.
func (w *watched) statuses(method, part string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, line := range w.answered {
		if words := strings.SplitN(line, " ", 3); words[0] == method && strings.Contains(words[2], part) {
			list = append(list, words[1])
		}
	}
	return list
}

// secured serves the org as https://acme.my.salesforce.com to whoever has the environment that it returns: it names an authority that
// vouches for the host, and a proxy that leads to the org, wherever one wants to go.
func (w *watched) secured() (environment []string) {
	w.t.Helper()
	authority, certificate := w.certify()
	server := httptest.NewUnstartedServer(w)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	w.t.Cleanup(server.Close)
	proxy := httptest.NewServer(tunnel(server.Listener.Addr().String()))
	w.t.Cleanup(proxy.Close)
	file := filepath.Join(w.t.TempDir(), "authority.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority}), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return []string{"REQUESTS_CA_BUNDLE=" + file, "https_proxy=" + proxy.URL, "HTTPS_PROXY=" + proxy.URL, "no_proxy=", "NO_PROXY="}
}

// certify makes an authority, and its certificate for the host.
func (w *watched) certify() (authority []byte, certificate tls.Certificate) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "An authority of a test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: myDomain}, DNSNames: []string{myDomain}, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if authority, err = x509.CreateCertificate(rand.Reader, root, root, key.Public(), key); err != nil {
		w.t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(authority); err != nil {
		w.t.Fatal(err)
	}
	signed, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return authority, tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}

// tunnel is a proxy for CONNECT that connects everybody with one address, whatever they ask for.
func tunnel(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		server, err := net.Dial("tcp", to)
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		client, sent, err := http.NewResponseController(w).Hijack()
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n") // whoever hangs up is noticed below
		go func() {
			_, _ = io.Copy(server, sent)
			_ = server.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(client, server)
	}
}

package salesforce

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

func usualPackage() plumbing.Package {
	return plumbing.Package{
		Message: &plumbing.Message{
			Name: "RH_Opportunity_Stage", Label: "RH Opportunity Stage", Endpoint: bridge.NewSecret("https://bridge.example.com/salesforce/outbound/t"),
			Username: "admin@acme.example", Fields: []string{"Amount", "Id", "StageName"},
		},
		Flow: &plumbing.FlowPlan{
			Name: "RH_Opportunity_Stage", Label: "RH Opportunity Stage", Message: "RH_Opportunity_Stage", Condition: plumbing.Condition, Active: true,
		},
	}
}

// unpack returns the files of a zip.
func unpack(t *rapid.T, packed []byte) map[string]string {
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

// TestArchive holds that any name, address or label is text in the metadata, and never becomes a part of them.
func TestArchive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := usualPackage()
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ 9_&<>'\"]]>\t.@é{!$}/")), 1, 40, -1)
		p.Message.Username, p.Message.Label = text.Draw(t, "username"), text.Draw(t, "label")
		p.Message.Endpoint = bridge.NewSecret("https://x/" + text.Draw(t, "endpoint"))
		p.Flow.Condition = text.Draw(t, "condition")
		packed, err := archive(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := archive(p); !bytes.Equal(packed, again) {
			t.Error("the same package gives other bytes")
		}
		files := unpack(t, packed)
		var w struct {
			Messages []struct {
				EndpointURL     string   `xml:"endpointUrl"`
				IntegrationUser string   `xml:"integrationUser"`
				Name            string   `xml:"name"`
				Fields          []string `xml:"fields"`
			} `xml:"outboundMessages"`
		}
		if err := xml.Unmarshal([]byte(files["workflows/Opportunity.workflow"]), &w); err != nil || len(w.Messages) != 1 {
			t.Fatalf("%v, %d messages", err, len(w.Messages))
		}
		m := w.Messages[0]
		got := []string{m.EndpointURL, m.IntegrationUser, m.Name, strings.Join(m.Fields, " ")}
		want := []string{p.Message.Endpoint.Reveal(), p.Message.Username, p.Message.Label, "Amount Id StageName"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
		var f struct {
			Formula string `xml:"start>filterFormula"`
			Status  string `xml:"status"`
		}
		if err := xml.Unmarshal([]byte(files["flows/RH_Opportunity_Stage.flow"]), &f); err != nil || f.Formula != p.Flow.Condition || f.Status != "Active" {
			t.Errorf("the flow is %+v, %v", f, err)
		}
	})
}

func TestArchiveHolds(t *testing.T) {
	t.Parallel()
	both := usualPackage()
	for name, tc := range map[string]struct {
		p    plumbing.Package
		want []string
	}{
		"both":         {both, []string{"package.xml", "workflows/Opportunity.workflow", "flows/RH_Opportunity_Stage.flow"}},
		"message only": {plumbing.Package{Message: both.Message}, []string{"package.xml", "workflows/Opportunity.workflow"}},
		"flow only":    {plumbing.Package{Flow: both.Flow}, []string{"package.xml", "flows/RH_Opportunity_Stage.flow"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packed, err := archive(tc.p)
			if err != nil {
				t.Fatal(err)
			}
			z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range z.File {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// told is a client of an org that answers every call alike.
func told(t *testing.T, status int, body string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	hosts := Hosts{Simulator: server.URL}
	return &Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: fixedToken(server.URL)}
}

// fixedToken is the host of an org whose token never ends.
type fixedToken string

func (f fixedToken) Token(context.Context) (bridge.AccessToken, error) {
	return bridge.AccessToken{Token: bridge.NewSecret("t"), Instance: string(f)}, nil
}

func (f fixedToken) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return f.Token(ctx)
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 600)
	for name, tc := range map[string]struct {
		status int
		body   string
		want   plumbing.Deployment
		err    bridge.Kind
	}{
		"waits":     {200, `{"id":"0Af","deployResult":{"status":"Pending","done":false,"success":false}}`, plumbing.Deployment{}, ""},
		"begun":     {200, `{"deployResult":{"status":"InProgress","done":false}}`, plumbing.Deployment{Begun: true}, ""},
		"succeeded": {200, `{"deployResult":{"status":"Succeeded","done":true,"success":true}}`, plumbing.Deployment{Done: true, Succeeded: true, Begun: true}, ""},
		"in part":   {200, `{"deployResult":{"status":"SucceededPartial","done":true,"success":true}}`, plumbing.Deployment{Done: true, Begun: true}, ""},
		"cancelled": {200, `{"deployResult":{"status":"Canceled","done":true}}`, plumbing.Deployment{Done: true, Begun: true, Canceled: true}, ""},
		"failed": {200, `{"deployResult":{"status":"Failed","done":true,"details":{"componentFailures":[{"fullName":"RH_Opportunity_Stage","problem":"` + long + `","lineNumber":"7"}]}}}`,
			plumbing.Deployment{Done: true, Begun: true, Problems: []plumbing.Problem{{Component: "RH_Opportunity_Stage", Words: long[:1000] + "…"}}}, ""},
		"failed as a whole": {200, `{"deployResult":{"status":"Failed","done":true,"errorMessage":"UNKNOWN_EXCEPTION: (1)"}}`,
			plumbing.Deployment{Done: true, Begun: true, Problems: []plumbing.Problem{{Words: "UNKNOWN_EXCEPTION: (1)"}}}, ""},
		"for want of tests, in the words of a component": {200, `{"deployResult":{"status":"Failed","done":true,"details":{"componentFailures":[{"fullName":"F","problem":"Flow test Coverage is 0%"}]}}}`,
			plumbing.Deployment{Done: true, Begun: true, Uncovered: true, Problems: []plumbing.Problem{{Component: "F", Words: "Flow test Coverage is 0%"}}}, ""},
		"for want of tests, as a warning": {200, `{"deployResult":{"status":"Failed","done":true,"details":{"runTestResult":{"flowCoverageWarnings":[{"message":"too few"}]}}}}`,
			plumbing.Deployment{Done: true, Begun: true, Uncovered: true, Problems: []plumbing.Problem{{Words: "too few"}}}, ""},
		"forgotten":  {404, `[{"errorCode":"NOT_FOUND","message":"x"}]`, plumbing.Deployment{}, bridge.NotFound},
		"an outage":  {503, `<html>`, plumbing.Deployment{}, bridge.Unavailable},
		"not an API": {200, `<html>`, plumbing.Deployment{}, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, tc.status, tc.body).Deployment(t.Context(), "0Af5g0000000001CAA")
			if bridge.KindOf(err) != tc.err {
				t.Fatalf("%v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDeployUnanswered holds that a deployment that may have arrived is told from one that has not.
func TestDeployUnanswered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   bridge.Kind
	}{
		"taken":                {201, `{"id":"0Af5g0000000001CAA"}`, ""},
		"an unreadable answer": {201, `<html>`, bridge.UnknownOutcome},
		"an answer without id": {201, `{}`, bridge.UnknownOutcome},
		"refused":              {403, `[{"errorCode":"INSUFFICIENT_ACCESS","message":"x"}]`, bridge.Denied},
		"a fault":              {500, `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`, bridge.UnknownOutcome},
		"too busy":             {503, ``, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := told(t, tc.status, tc.body).Deploy(t.Context(), usualPackage()); bridge.KindOf(err) != tc.want {
				t.Errorf("%v, want %q", err, tc.want)
			} else if err != nil && strings.Contains(err.Error(), "bridge.example.com") {
				t.Errorf("the error tells the address: %v", err)
			}
		})
	}
}

package ses_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws/ses"
)

func serve(t *testing.T, server *ses.Server) (*client.Client, string) {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return client.New(client.Options{Region: "us-east-1", BaseEndpoint: &web.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("tester", "secret", "")}), web.URL
}

// letter is a mail that is sent; change makes of it one that is not.
func letter(change func(*client.SendEmailInput)) *client.SendEmailInput {
	text := func(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
	in := &client.SendEmailInput{
		FromEmailAddress: aws.String("Referral Bridge <bridge@example.com>"),
		Destination:      &types.Destination{ToAddresses: []string{"ann@example.org"}},
		ReplyToAddresses: []string{"help@example.com"},
		Content: &types.EmailContent{Simple: &types.Message{Subject: text("Import of Ümläut finished"),
			Body: &types.Body{Text: text("1,000 contacts"), Html: text("<p>1,000 <b>contacts</b></p>")}}},
		EmailTags: []types.MessageTag{{Name: aws.String("kind"), Value: aws.String("import-done")}},
	}
	if change != nil {
		change(in)
	}
	return in
}

func TestSendEmail(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := ses.New(ses.Options{Now: func() time.Time { return now }})
	c, _ := serve(t, s)
	out, err := c.SendEmail(t.Context(), letter(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []ses.Mail{{
		ID: *out.MessageId, At: now, From: "Referral Bridge <bridge@example.com>", To: []string{"ann@example.org"}, ReplyTo: []string{"help@example.com"},
		Subject: "Import of Ümläut finished", Text: "1,000 contacts", HTML: "<p>1,000 <b>contacts</b></p>",
		Headers: map[string]string{}, Tags: map[string]string{"kind": "import-done"},
	}}
	if diff := cmp.Diff(want, s.Mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if n := s.Requests()["SendEmail"]; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

const raw = "From: Referral Bridge <bridge@example.com>\r\nTo: ann@example.org, Bob <bob@example.org>\r\n" +
	"Subject: =?utf-8?q?=C3=9Cml=C3=A4ut?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n1=2C000 contacts\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+MSwwMDA8L3A+\r\n--b--\r\n"

func TestSendRawEmail(t *testing.T) {
	t.Parallel()
	s := ses.New(ses.Options{})
	c, _ := serve(t, s)
	if _, err := c.SendEmail(t.Context(), &client.SendEmailInput{Content: &types.EmailContent{Raw: &types.RawMessage{Data: []byte(raw)}}}); err != nil {
		t.Fatal(err)
	}
	got := s.Mails()[0]
	if got.Subject != "Ümläut" || got.Text != "1,000 contacts" || got.HTML != "<p>1,000</p>" {
		t.Errorf("subject %q, text %q, HTML %q", got.Subject, got.Text, got.HTML)
	}
	if want := []string{"<ann@example.org>", `"Bob" <bob@example.org>`}; !slices.Equal(got.To, want) {
		t.Errorf("to %q, want %q", got.To, want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := ses.New(ses.Options{})
	c, _ := serve(t, s)
	for name, tc := range map[string]struct {
		change        func(*client.SendEmailInput)
		code, message string
	}{
		"a recipient without a domain": {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"ann"} }, "BadRequestException", "Missing final '@domain'"},
		"a recipient in Cyrillic":      {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"анна@example.org"} }, "BadRequestException", "ASCII"},
		"a sender with a raw umlaut":   {func(in *client.SendEmailInput) { in.FromEmailAddress = aws.String("Brücke <bridge@example.com>") }, "BadRequestException", "RFC 2047"},
		"a line break in an address": {func(in *client.SendEmailInput) {
			in.Destination.ToAddresses = []string{"ann@example.org\r\nBcc: all@example.org"}
		}, "BadRequestException", "control"},
		"two addresses in one": {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"a@example.org, b@example.org"} }, "BadRequestException", "Illegal address"},
		"nobody to send to":    {func(in *client.SendEmailInput) { in.Destination = nil }, "BadRequestException", "no recipient"},
		"too many to send to": {func(in *client.SendEmailInput) {
			in.Destination.BccAddresses = slices.Repeat([]string{"ann@example.org"}, 50)
		}, "MessageRejected", "Recipient count exceeds 50"},
		"no sender":              {func(in *client.SendEmailInput) { in.FromEmailAddress = nil }, "BadRequestException", "FromEmailAddress"},
		"no body":                {func(in *client.SendEmailInput) { in.Content.Simple.Body = &types.Body{} }, "BadRequestException", "Body"},
		"two contents":           {func(in *client.SendEmailInput) { in.Content.Raw = &types.RawMessage{Data: []byte(raw)} }, "BadRequestException", "exactly one"},
		"no charset for umlauts": {func(in *client.SendEmailInput) { in.Content.Simple.Subject.Charset = nil }, "BadRequestException", "Charset"},
		"a tag with a space":     {func(in *client.SendEmailInput) { in.EmailTags[0].Value = aws.String("import done") }, "BadRequestException", "Invalid tag"},
		"a template":             {func(in *client.SendEmailInput) { in.Content.Template = &types.Template{} }, "ValidationException", "Content.Template"},
		"a configuration set":    {func(in *client.SendEmailInput) { in.ConfigurationSetName = aws.String("x") }, "ValidationException", "ConfigurationSetName"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.SendEmail(t.Context(), letter(tc.change))
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != tc.code || !strings.Contains(api.ErrorMessage(), tc.message) {
				t.Errorf("error = %v, want %s with %q", err, tc.code, tc.message)
			}
		})
	}
	if n := len(s.Mails()); n != 0 {
		t.Errorf("%d mails were kept of refused requests, want 0", n)
	}
}

func TestPeopleCanReadTheMails(t *testing.T) {
	t.Parallel()
	s := ses.New(ses.Options{})
	c, url := serve(t, s)
	get := func(path string) string {
		t.Helper()
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: status %d, %v", path, resp.StatusCode, err)
		}
		return string(b)
	}
	if page := get("/mails"); !strings.Contains(page, "None yet") {
		t.Errorf("the empty page does not say that there are no mails:\n%s", page)
	}
	if list := get("/mails.json"); list != "[]" {
		t.Errorf("the empty list is %q, want []", list)
	}
	for _, subject := range []string{"first", "second <script>"} {
		if _, err := c.SendEmail(t.Context(), letter(func(in *client.SendEmailInput) {
			in.Content.Simple.Subject.Data = &subject
			in.Content.Simple.Body.Html.Data = aws.String(`<a href="https://bridge.example.com/?a=1&amp;b=2">"see"</a>`)
		})); err != nil {
			t.Fatal(err)
		}
	}
	page := get("/mails")
	if strings.Contains(page, "<script>") || strings.Contains(page, `<a href="https://bridge`) {
		t.Errorf("the page runs what a mail says:\n%s", page)
	}
	if first, second := strings.Index(page, "<h2>first"), strings.Index(page, "<h2>second"); second < 0 || second > first {
		t.Errorf("the newest mail is not first:\n%s", page)
	}
	if want := `srcdoc="<base target='_blank'>&lt;a href=&#34;https://bridge.example.com/?a=1&amp;amp;b=2&#34;&gt;&#34;see&#34;&lt;/a&gt;"`; !strings.Contains(page, want) {
		t.Errorf("the frame does not show the HTML as it is; want %s in\n%s", want, page)
	}
	var list []ses.Mail
	if err := json.Unmarshal([]byte(get("/mails.json")), &list); err != nil || len(list) != 2 || list[0].Subject != "second <script>" {
		t.Errorf("the list has %v, %v; want both, newest first", list, err)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	before := ses.New(ses.Options{})
	c, _ := serve(t, before)
	if _, err := c.SendEmail(t.Context(), letter(nil)); err != nil {
		t.Fatal(err)
	}
	snapshot, err := before.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	after := ses.New(ses.Options{})
	if err := after.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Mails(), after.Mails()); diff != "" {
		t.Errorf("mails (-before +after):\n%s", diff)
	}
	if err := after.Restore([]byte(`{"Version":2}`)); err == nil {
		t.Error("a snapshot of a version to come was read")
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, action string }{
		"simple": {`{"FromEmailAddress":"Bridge <bridge@example.com>","Content":{"Simple":{}}}`, "ses:SendEmail"},
		"raw":    {`{"FromEmailAddress":"bridge@example.com","Content":{"Raw":{"Data":""}}}`, "ses:SendRawEmail"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ses.Permissions([]byte(tc.body))
			if want := "arn:aws:ses:us-east-1:000000000000:identity/bridge@example.com"; len(got) != 1 || got[0].Action != tc.action || got[0].Resource != want {
				t.Errorf("permissions = %v, want %s on %s", got, tc.action, want)
			}
		})
	}
}

func FuzzRawMessage(f *testing.F) {
	f.Add([]byte(raw))
	f.Add([]byte("From: a@b.c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x--"))
	f.Add([]byte("To: \r\nSubject: =?utf-8?b?!?=\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := json.Marshal(map[string]any{"FromEmailAddress": "a@example.com", "Destination": map[string]any{"ToAddresses": []string{"b@example.com"}},
			"Content": map[string]any{"Raw": map[string]any{"Data": data}}})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		ses.New(ses.Options{}).ServeHTTP(w, httptest.NewRequest("POST", "/v2/email/outbound-emails", strings.NewReader(string(body))))
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

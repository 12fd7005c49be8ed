package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Browser is one person's browser. It is not safe for concurrent use: a person is in one place.
type Browser struct {
	client *http.Client
	page   *Page
}

// New returns a browser without cookies.
func New() *Browser {
	jar, _ := cookiejar.New(nil) // fails with options only
	return &Browser{client: &http.Client{Jar: jar, Timeout: time.Minute}}
}

// Page returns the page that is shown.
func (b *Browser) Page() *Page { return b.page }

// Open shows the page at an address, which may be relative to the one that is shown. A status of 400 or
// more is an error that quotes what the page says.
func (b *Browser) Open(ctx context.Context, address string) error {
	target, err := b.resolve(address)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	return b.show(request)
}

// Submit fills the values into the form whose id or action is name, as far as they differ from what it
// shows, and sends it. A value that the form has no field for is sent all the same, as a button would.
func (b *Browser) Submit(ctx context.Context, name string, values url.Values) error {
	form, err := b.page.Form(name)
	if err != nil {
		return err
	}
	for field, value := range values {
		form.Values[field] = value
	}
	target, err := b.resolve(form.Action)
	if err != nil {
		return err
	}
	if form.Method == http.MethodGet {
		target.RawQuery = form.Values.Encode()
		return b.Open(ctx, target.String())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Values.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.page.URL.Scheme+"://"+b.page.URL.Host)
	site := "same-origin"
	if target.Host != b.page.URL.Host {
		site = "cross-site"
	}
	request.Header.Set("Sec-Fetch-Site", site)
	return b.show(request)
}

// Fetch returns what is at an address without showing it, such as a file to keep.
func (b *Browser) Fetch(ctx context.Context, address string) ([]byte, error) {
	target, err := b.resolve(address)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", target.Path, response.Status)
	}
	return body, err
}

func (b *Browser) resolve(address string) (*url.URL, error) {
	target, err := url.Parse(address)
	if err != nil || b.page == nil {
		return target, err
	}
	return b.page.URL.ResolveReference(target), nil
}

func (b *Browser) show(request *http.Request) error {
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	page, err := parse(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", response.Request.URL.Path, err)
	}
	page.URL, page.Status = response.Request.URL, response.StatusCode
	b.page = page
	if response.StatusCode >= http.StatusBadRequest {
		said := strings.Join(page.Alerts, " ")
		if said == "" {
			said = page.Text
		}
		if len(said) > 300 {
			said = said[:300] + "…"
		}
		return fmt.Errorf("%s %s answered %s: %s", request.Method, request.URL.Path, response.Status, said)
	}
	return nil
}

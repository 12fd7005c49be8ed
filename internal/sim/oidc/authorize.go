package oidc

import (
	"bytes"
	"crypto/rand"
	"embed"
	"html/template"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeLifetime is how long a code may take from the browser to the token endpoint.
const codeLifetime = time.Minute

// grant is what a code stands for.
type grant struct {
	person      Person
	redirectURI string
	challenge   string // of PKCE, S256
	nonce       string
	at          time.Time
	used        string // the access token that it was exchanged for; empty until then
}

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

func show(w http.ResponseWriter, status int, name string, page any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // fails only if the browser went away
}

// request reads an authorization request. If it is wrong, the answer is written and ok is false: on a page
// while it is not sure where the browser may be sent, and at the client otherwise.
func (s *Service) request(w http.ResponseWriter, r *http.Request) (query url.Values, ok bool) {
	query = r.URL.Query()
	switch {
	case query.Get("client_id") != s.options.ClientID:
		show(w, http.StatusBadRequest, "refused", "There is no client with this client_id.")
		return nil, false
	case !slices.Contains(s.options.RedirectURIs, query.Get("redirect_uri")):
		show(w, http.StatusBadRequest, "refused", "The redirect_uri is not registered for this client.")
		return nil, false
	}
	for _, wrong := range []struct {
		is          bool
		code, words string
	}{
		{query.Get("response_type") != "code", "unsupported_response_type", "response_type must be code"},
		{!slices.Contains(strings.Fields(query.Get("scope")), "openid"), "invalid_scope", "scope must contain openid"},
		{query.Get("code_challenge_method") != "S256", "invalid_request", "code_challenge_method must be S256"},
		{len(query.Get("code_challenge")) != 43, "invalid_request", "code_challenge must have 43 characters"},
		{query.Get("prompt") == "none", "login_required", "there is no session"},
	} {
		if wrong.is {
			s.back(w, r, query, url.Values{"error": {wrong.code}, "error_description": {wrong.words}})
			return nil, false
		}
	}
	return query, true
}

// back sends the browser to the client with an answer.
func (s *Service) back(w http.ResponseWriter, r *http.Request, request, answer url.Values) {
	target, err := url.Parse(request.Get("redirect_uri"))
	if err != nil {
		show(w, http.StatusBadRequest, "refused", "The redirect_uri is no URL.")
		return
	}
	query := target.Query()
	for name, values := range answer {
		query[name] = values
	}
	if state := request.Get("state"); state != "" {
		query.Set("state", state)
	}
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}

// signInPage is what the page that asks shows. Its forms go to its own URL, query included.
type signInPage struct {
	People []Person
	Typed  Person // what was typed before it was found wanting
	Wrong  string
}

func (s *Service) ask(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.request(w, r); ok {
		show(w, http.StatusOK, "sign-in", s.page(Person{}, ""))
	}
}

func (s *Service) page(typed Person, wrong string) signInPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return signInPage{slices.Clone(s.people), typed, wrong}
}

func (s *Service) signIn(w http.ResponseWriter, r *http.Request) {
	query, ok := s.request(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, largestForm)
	if r.PostFormValue("cancel") != "" {
		s.back(w, r, query, url.Values{"error": {"access_denied"}})
		return
	}
	person := Person{strings.TrimSpace(r.PostFormValue("name")), strings.ToLower(strings.TrimSpace(r.PostFormValue("email")))}
	if parsed, err := mail.ParseAddress(person.Email); err != nil || parsed.Address != person.Email {
		show(w, http.StatusUnprocessableEntity, "sign-in", s.page(person, "This is not an e-mail address."))
		return
	}
	if person.Name == "" {
		person.Name = person.Email
	}
	code, now := rand.Text(), s.options.Now()
	s.mu.Lock()
	s.remember(person)
	for old, grant := range s.codes {
		if now.Sub(grant.at) > codeLifetime {
			delete(s.codes, old)
		}
	}
	s.codes[code] = grant{
		person: person, redirectURI: query.Get("redirect_uri"), challenge: query.Get("code_challenge"),
		nonce: query.Get("nonce"), at: now,
	}
	s.mu.Unlock()
	s.back(w, r, query, url.Values{"code": {code}})
}

// mostPeople is how many people the page offers.
const mostPeople = 10

// remember offers a person at the next sign-in. The lock is held.
func (s *Service) remember(person Person) {
	s.people = slices.DeleteFunc(s.people, func(p Person) bool { return p.Email == person.Email })
	s.people = append([]Person{person}, s.people...)
	s.people = s.people[:min(len(s.people), mostPeople)]
}

// logout has no session to end, so it only sends the browser on: to a registered address, never elsewhere.
func (s *Service) logout(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	target := query.Get("post_logout_redirect_uri")
	switch {
	case target == "":
		show(w, http.StatusOK, "signed-out", nil)
	case query.Has("client_id") && query.Get("client_id") != s.options.ClientID:
		show(w, http.StatusBadRequest, "refused", "There is no client with this client_id.")
	case !slices.Contains(s.options.LogoutURIs, target):
		show(w, http.StatusBadRequest, "refused", "The post_logout_redirect_uri is not registered for this client.")
	default:
		s.back(w, r, url.Values{"redirect_uri": {target}, "state": query["state"]}, nil)
	}
}

package signin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// memory is a Store with the conditions of the real one.
type memory struct {
	now      func() time.Time
	mu       sync.Mutex
	sessions map[string]bridge.Session
	signIns  map[string]SignIn
	people   map[string]bridge.AccountID
	accounts []bridge.Account
	touched  int
	fails    error
}

func (m *memory) CreateSession(_ context.Context, token bridge.Secret, s bridge.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[token.Reveal()] = s
	return nil
}

func (m *memory) Session(_ context.Context, token bridge.Secret) (bridge.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return bridge.Session{}, m.fails
	}
	s, ok := m.sessions[token.Reveal()]
	if !ok || !m.now().Before(s.Expires) {
		return s, bridge.E("memory", bridge.NotFound, errors.New("no session"))
	}
	return s, nil
}

func (m *memory) TouchSession(_ context.Context, token bridge.Secret, s bridge.Session, was time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.sessions[token.Reveal()].SeenAt.Equal(was) {
		return bridge.E("memory", bridge.Conflict, errors.New("seen meanwhile"))
	}
	m.sessions[token.Reveal()] = s
	m.touched++
	return nil
}

func (m *memory) DeleteSession(_ context.Context, token bridge.Secret) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, token.Reveal())
	return nil
}

func (m *memory) CreateSignIn(_ context.Context, state bridge.Secret, s SignIn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signIns[state.Reveal()] = s
	return nil
}

func (m *memory) TakeSignIn(_ context.Context, state bridge.Secret) (SignIn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.signIns[state.Reveal()]
	delete(m.signIns, state.Reveal())
	if !ok || !m.now().Before(s.Expires) {
		return s, bridge.E("memory", bridge.NotFound, errors.New("no sign-in"))
	}
	return s, nil
}

func (m *memory) AccountOf(_ context.Context, p bridge.Person) (bridge.AccountID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.people[p.Subject]
	if !ok {
		return "", bridge.E("memory", bridge.NotFound, errors.New("no person"))
	}
	return id, nil
}

func (m *memory) CreateAccount(_ context.Context, a bridge.Account, p bridge.Person) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.people[p.Subject] != "" {
		return bridge.E("memory", bridge.Conflict, errors.New("has one"))
	}
	m.people[p.Subject] = a.ID
	m.accounts = append(m.accounts, a)
	return nil
}

// issuer lets in whoever it is told to, if nonce and verifier are those of the start.
type issuer struct {
	person          bridge.Person
	nonce, verifier bridge.Secret
}

func (i *issuer) SignInURL(_ context.Context, state, nonce, verifier bridge.Secret) (string, error) {
	i.nonce, i.verifier = nonce, verifier
	return "https://issuer.example/?state=" + state.Reveal(), nil
}

func (i *issuer) Person(_ context.Context, _, nonce, verifier bridge.Secret) (bridge.Person, error) {
	if nonce != i.nonce || verifier != i.verifier {
		return bridge.Person{}, bridge.E("issuer", bridge.Denied, errors.New("not of this sign-in"))
	}
	return i.person, nil
}

func (i *issuer) SignOutURL(context.Context) string { return "https://issuer.example/out" }

type rig struct {
	Service
	store  *memory
	issuer *issuer
	now    time.Time
}

func newRig() *rig {
	r := &rig{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return r.now }
	r.store = &memory{now: now, sessions: map[string]bridge.Session{}, signIns: map[string]SignIn{}, people: map[string]bridge.AccountID{}}
	r.issuer = &issuer{person: bridge.Person{Subject: "1", Name: "Dana", Email: "Dana@Example.com"}}
	r.Service = Service{Store: r.store, Issuer: r.issuer, Now: now}
	return r
}

func (r *rig) start(t *testing.T, returnTo string) (state, browser bridge.Secret) {
	t.Helper()
	redirect, browser, err := r.Start(t.Context(), returnTo)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	return bridge.NewSecret(u.Query().Get("state")), browser
}

func (r *rig) signIn(t *testing.T) bridge.Secret {
	t.Helper()
	state, browser := r.start(t, "/account")
	token, returnTo, err := r.Finish(t.Context(), browser, state, bridge.NewSecret("code"))
	if err != nil || returnTo != "/account" {
		t.Fatalf("Finish = %q, %v; want /account", returnTo, err)
	}
	return token
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	r := newRig()
	first, second := r.signIn(t), r.signIn(t)
	if first == second {
		t.Error("two sign-ins gave the same token")
	}
	one, err := r.Session(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Session(t.Context(), second)
	if err != nil || one.Account != two.Account || len(r.store.accounts) != 1 {
		t.Errorf("the same person got the accounts %q and %q, %v", one.Account, two.Account, err)
	}
	if got := r.store.accounts[0]; got.Notify != "dana@example.com" || got.Allowance != bridge.DefaultAllowance {
		t.Errorf("new account = notify %q, allowance %d", got.Notify, got.Allowance)
	}
	r.issuer.person.Subject = "2"
	other, err := r.Session(t.Context(), r.signIn(t))
	if err != nil || other.Account == one.Account {
		t.Errorf("another person got the account %q, %v", other.Account, err)
	}
	for state := range r.store.signIns {
		t.Errorf("a sign-in was left behind: %s", state)
	}
}

func TestFinishRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, r *rig, state, browser *bridge.Secret){
		"a state that nobody began":    func(_ *testing.T, _ *rig, state, _ *bridge.Secret) { *state = bridge.NewToken() },
		"no state":                     func(_ *testing.T, _ *rig, state, _ *bridge.Secret) { *state = bridge.Secret{} },
		"another browser":              func(_ *testing.T, _ *rig, _, browser *bridge.Secret) { *browser = bridge.NewToken() },
		"no browser":                   func(_ *testing.T, _ *rig, _, browser *bridge.Secret) { *browser = bridge.Secret{} },
		"a state after ten minutes":    func(_ *testing.T, r *rig, _, _ *bridge.Secret) { r.now = r.now.Add(pending) },
		"an answer to another sign-in": func(_ *testing.T, r *rig, _, _ *bridge.Secret) { r.issuer.nonce = bridge.NewToken() },
		"a state that was used": func(t *testing.T, r *rig, state, browser *bridge.Secret) {
			if _, _, err := r.Finish(t.Context(), *browser, *state, bridge.NewSecret("code")); err != nil {
				t.Fatal(err)
			}
			clear(r.store.sessions)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			state, browser := r.start(t, "/")
			spoil(t, r, &state, &browser)
			if _, _, err := r.Finish(t.Context(), browser, state, bridge.NewSecret("code")); bridge.KindOf(err) != bridge.Denied {
				t.Errorf("Finish = %v, want denied", err)
			}
			if len(r.store.sessions) != 0 {
				t.Error("there is a session")
			}
		})
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	alive := func(t *testing.T, r *rig, token bridge.Secret) bool {
		t.Helper()
		_, err := r.Session(t.Context(), token)
		if err != nil && bridge.KindOf(err) != bridge.Denied {
			t.Fatal(err)
		}
		return err == nil
	}
	t.Run("after 30 minutes without a request", func(t *testing.T) {
		t.Parallel()
		r := newRig()
		token := r.signIn(t)
		r.now = r.now.Add(idle - time.Second)
		if !alive(t, r, token) {
			t.Error("ended too early")
		}
		r.now = r.now.Add(idle)
		if alive(t, r, token) {
			t.Error("goes on")
		}
	})
	t.Run("after 12 hours of requests", func(t *testing.T) {
		t.Parallel()
		r := newRig()
		token := r.signIn(t)
		requests := 0
		for began := r.now; r.now.Before(began.Add(absolute)); r.now = r.now.Add(time.Minute) {
			if !alive(t, r, token) {
				t.Fatalf("ended after %v", r.now.Sub(began))
			}
			requests++
		}
		if alive(t, r, token) {
			t.Error("goes on after 12 hours")
		}
		if most := int(absolute / touch); r.store.touched > most {
			t.Errorf("%d requests wrote the session %d times, want at most %d", requests, r.store.touched, most)
		}
	})
	t.Run("on signing out, for good", func(t *testing.T) {
		t.Parallel()
		r := newRig()
		token := r.signIn(t)
		if to, err := r.SignOut(t.Context(), token); err != nil || to != "https://issuer.example/out" {
			t.Errorf("SignOut = %q, %v", to, err)
		}
		if alive(t, r, token) {
			t.Error("goes on")
		}
	})
	t.Run("not because the table is away", func(t *testing.T) {
		t.Parallel()
		r := newRig()
		token := r.signIn(t)
		r.store.fails = bridge.E("memory", bridge.Unavailable, errors.New("away"))
		if _, err := r.Session(t.Context(), token); bridge.KindOf(err) != bridge.Unavailable {
			t.Errorf("Session = %v, want unavailable: nobody must be signed out by an outage", err)
		}
	})
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/": "/", "/imports/i_1": "/imports/i_1", "/imports?before=i_1": "/imports?before=i_1", "": "/",
		"//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "imports": "/",
		"/a/../..//evil.example": "/", "/a\r\nSet-Cookie: x=y": "/", "http:/evil": "/", "/%2e%2e//x": "/", "///evil.example": "/", "/x#y": "/x",
	} {
		if got := LocalPath(target); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", target, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/a?b", "//x", `/\x`, "/%2f/x", "/\t/x", "http://x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := LocalPath(target)
		u, err := url.Parse("https://bridge.example" + got)
		if err != nil || u.Host != "bridge.example" || !strings.HasPrefix(got, "/") {
			t.Fatalf("LocalPath(%q) = %q", target, got)
		}
		resolved, err := (&url.URL{Scheme: "https", Host: "bridge.example", Path: "/"}).Parse(got)
		if err != nil || resolved.Host != "bridge.example" || len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
			t.Fatalf("LocalPath(%q) = %q leads away", target, got)
		}
	})
}

func TestJar(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://bridge.example.com": "__Host-session=secret; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax",
		"http://127.0.0.1:8000":      "session=secret; Path=/; Max-Age=60; HttpOnly; SameSite=Lax",
	} {
		w := httptest.NewRecorder()
		JarFor(base).Write(w, SessionCookie, bridge.NewSecret("secret"), time.Minute)
		if got := w.Header().Get("Set-Cookie"); got != want {
			t.Errorf("at %s: %q, want %q", base, got, want)
		}
	}
	jar := Jar{Secure: true}
	for header, want := range map[string]string{
		"__Host-session=a":                   "a",
		"session=planted":                    "",
		"__Host-session=a; session=b":        "a",
		"__Host-session=a; __Host-session=b": "",
		"":                                   "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Cookie", header)
		if got := jar.Read(r, SessionCookie).Reveal(); got != want {
			t.Errorf("Read with %q = %q, want %q", header, got, want)
		}
	}
	w := httptest.NewRecorder()
	jar.Clear(w, SessionCookie)
	if got := w.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-session=;") || !strings.Contains(got, "Max-Age=0") {
		t.Errorf("Clear writes %q", got)
	}
}

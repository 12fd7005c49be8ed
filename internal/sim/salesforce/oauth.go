package salesforce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scopes are what the app may ask for, and what each is for, as the consent page words it.
var scopes = []struct{ name, means string }{
	{"api", "Manage user data via APIs"},
	{"refresh_token", "Perform requests at any time"},
	{"offline_access", "Perform requests at any time"},
	{"id", "Access the identity URL service"},
}

func (o *Org) oauthRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /services/oauth2/authorize", o.authorize)
	mux.HandleFunc("POST /services/oauth2/authorize", o.consent)
	mux.HandleFunc("/services/oauth2/token", o.token)
	mux.HandleFunc("POST /services/oauth2/revoke", o.revokeToken)
	mux.HandleFunc("POST /services/oauth2/introspect", o.introspect)
	mux.HandleFunc("/services/oauth2/userinfo", o.userinfo)
	mux.HandleFunc("GET /id/{org}/{user}", o.identity)
	mux.HandleFunc("GET /id/keys", func(w http.ResponseWriter, r *http.Request) { answerJSON(w, 200, map[string]any{"keys": []any{}}) })
	mux.HandleFunc("GET /.well-known/openid-configuration", o.discovery)
}

// origin is where the org is reached.
func (o *Org) origin(r *http.Request) string {
	switch {
	case o.options.Origin != "":
		return strings.TrimSuffix(o.options.Origin, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// authorization is an authorize request that has been checked.
type authorization struct {
	redirectURI, state, scope, challenge string
}

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// readAuthorize checks an authorize request. What is wrong with the app or its redirect URI is shown to
// the person; what is wrong otherwise goes back to the app. In both cases the answer has been given.
func (o *Org) readAuthorize(w http.ResponseWriter, r *http.Request) (authorization, bool) {
	q := r.URL.Query()
	in := authorization{redirectURI: q.Get("redirect_uri"), state: q.Get("state"), challenge: q.Get("code_challenge")}
	switch {
	case q.Get("client_id") != o.options.ClientID:
		o.loginProblem(w, "invalid_client_id", "client identifier invalid")
		return in, false
	case in.redirectURI == "":
		o.loginProblem(w, "redirect_uri_missing", "redirect_uri must be provided")
		return in, false
	case !o.registered(in.redirectURI):
		o.loginProblem(w, "redirect_uri_mismatch", "redirect_uri must match configuration")
		return in, false
	case !o.Switches().AppInstalled:
		o.notInstalled(w, r)
		return in, false
	case o.Switches().UserNotAllowed, o.Switches().Locked:
		refusal := o.Switches().refusal()
		o.loginProblem(w, refusal.code, refusal.description)
		return in, false
	}
	back := func(code, description string) (authorization, bool) {
		in.redirect(w, r, url.Values{"error": {code}, "error_description": {description}})
		return in, false
	}
	if q.Get("response_type") != "code" {
		return back("unsupported_response_type", "response type not supported")
	}
	asked := strings.Fields(q.Get("scope"))
	if len(asked) == 0 {
		asked = []string{"api", "id", "refresh_token"}
	}
	var granted []string
	for _, s := range asked {
		if !slices.ContainsFunc(scopes, func(known struct{ name, means string }) bool { return known.name == s }) {
			return back("invalid_scope", "the requested scope is not allowed")
		}
		if s == "offline_access" {
			s = "refresh_token"
		}
		if !slices.Contains(granted, s) {
			granted = append(granted, s)
		}
	}
	in.scope = strings.Join(granted, " ")
	for _, p := range strings.Fields(q.Get("prompt")) {
		if p == "none" {
			return back("immediate_unsuccessful", "end-user interaction is required")
		}
		if p != "login" && p != "consent" && p != "select_account" {
			return back("invalid_request", "invalid prompt")
		}
	}
	switch method := q.Get("code_challenge_method"); {
	case in.challenge == "" && !o.options.PKCEOptional:
		return back("invalid_request", "missing required code challenge")
	case in.challenge != "" && (!challengeForm.MatchString(in.challenge) || method != "" && method != "S256"):
		return back("invalid_request", "invalid code challenge")
	}
	return in, true
}

// registered reports whether a redirect URI is one of the app's, byte for byte.
func (o *Org) registered(uri string) bool {
	if o.options.RedirectURIs != nil {
		return slices.Contains(o.options.RedirectURIs, uri)
	}
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// redirect sends the browser back to the app with an answer.
func (in authorization) redirect(w http.ResponseWriter, r *http.Request, answer url.Values) {
	if in.state != "" {
		answer.Set("state", in.state)
	}
	to, err := url.Parse(in.redirectURI)
	if err != nil {
		http.Error(w, "redirect_uri cannot be read", http.StatusBadRequest)
		return
	}
	q := to.Query()
	for name, v := range answer {
		q[name] = v
	}
	to.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

func (o *Org) authorize(w http.ResponseWriter, r *http.Request) {
	if in, ok := o.readAuthorize(w, r); ok {
		o.consentPage(w, in, "")
	}
}

// consent takes what the person chose: the form field decision is allow, deny or not-installed, and
// user is who they are.
func (o *Org) consent(w http.ResponseWriter, r *http.Request) {
	in, ok := o.readAuthorize(w, r)
	if !ok {
		return
	}
	switch r.PostFormValue("decision") {
	case "deny":
		in.redirect(w, r, url.Values{"error": {"access_denied"}, "error_description": {"end-user denied authorization"}})
	case "not-installed":
		o.notInstalled(w, r)
	case "allow":
		o.mu.RLock()
		user, ok := o.user(orElse(r.PostFormValue("user"), o.options.Username))
		o.mu.RUnlock()
		if !ok || o.Switches().UserDeactivated {
			o.consentPage(w, in, "There is no active user of that name in this org.")
			return
		}
		text := o.auth.issueCode(code{User: user.id(), Scope: in.scope, RedirectURI: in.redirectURI, Challenge: in.challenge, Issued: o.options.Now()})
		in.redirect(w, r, url.Values{"code": {text}})
	default:
		o.consentPage(w, in, "Choose Allow or Deny.")
	}
}

// token is the token endpoint.
func (o *Org) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if r.Method != http.MethodPost {
		o.refuseToken(w, &oauthError{"invalid_request", "must use HTTP POST"})
		return
	}
	if err := r.ParseForm(); err != nil {
		o.refuseToken(w, &oauthError{"invalid_request", "the body cannot be read"})
		return
	}
	if err := o.client(r, true); err != nil {
		o.refuseToken(w, err)
		return
	}
	if refusal := o.Switches().refusal(); refusal != nil {
		o.refuseToken(w, refusal)
		return
	}
	form := r.PostForm
	switch form.Get("grant_type") {
	case "authorization_code":
		if !pause(r.Context(), delayOf(r)) {
			return
		}
		name, g, err := o.auth.exchange(form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier"), o.options.Now())
		if err != nil {
			o.refuseToken(w, err)
			return
		}
		o.answerToken(w, r, session{User: g.User, Scope: g.Scope, Grant: name}, g.Refresh)
	case "refresh_token":
		o.refresh(w, r)
	case "client_credentials":
		if !pause(r.Context(), delayOf(r)) {
			return
		}
		o.answerToken(w, r, session{User: o.admin, Scope: "api id"}, "")
	default:
		o.refuseToken(w, &oauthError{"unsupported_grant_type", "grant type not supported"})
	}
}

func (o *Org) refresh(w http.ResponseWriter, r *http.Request) {
	name, err := o.auth.startRefresh(r.PostFormValue("refresh_token"), o.options.Now())
	if err != nil {
		o.refuseToken(w, err)
		return
	}
	pause(r.Context(), delayOf(r)) // a client that hangs up does not stop the refresh
	rotate := o.Switches().Rotation
	g, err := o.auth.finishRefresh(name, rotate, o.options.Now())
	if err != nil {
		o.refuseToken(w, err)
		return
	}
	o.mu.RLock()
	active := o.userValue(g.User, "IsActive") == "true"
	o.mu.RUnlock()
	if !active {
		o.refuseToken(w, &oauthError{"inactive_user", "user is inactive"})
		return
	}
	if !rotate {
		g.Refresh = ""
	}
	o.answerToken(w, r, session{User: g.User, Scope: g.Scope, Grant: name}, g.Refresh)
}

// client checks who calls, by form or Basic authentication.
func (o *Org) client(r *http.Request, secretNeeded bool) error {
	name, secret, ok := r.BasicAuth()
	if !ok {
		name, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	switch {
	case name != o.options.ClientID:
		return &oauthError{"invalid_client_id", "client identifier invalid"}
	case secret != o.options.ClientSecret && (secretNeeded || secret != ""):
		return &oauthError{"invalid_client", "invalid client credentials"}
	}
	return nil
}

// answerToken opens a session and writes the token answer for it.
func (o *Org) answerToken(w http.ResponseWriter, r *http.Request, s session, refresh string) {
	s.Issued = o.options.Now()
	s.Expires = s.Issued.Add(o.options.SessionTimeout)
	switches, org, secret, instance := o.Switches(), o.orgID, o.options.ClientSecret, o.origin(r)
	if switches.OtherOrganization {
		org = org.next()
	}
	if switches.ForgedSignature {
		secret += "-forged"
	}
	if switches.InstanceURL != "" {
		instance = switches.InstanceURL
	}
	identity := o.origin(r) + "/id/" + string(org) + "/" + string(s.User)
	issued := strconv.FormatInt(s.Issued.UnixMilli(), 10)
	answer := map[string]string{
		"access_token": o.auth.open(s, o.orgID),
		"signature":    sign(secret, identity, issued),
		"scope":        s.Scope,
		"instance_url": instance,
		"id":           identity,
		"token_type":   "Bearer",
		"issued_at":    issued,
	}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	answerJSON(w, http.StatusOK, answer)
}

// sign is the signature of a token answer: it binds the identity URL to the moment and the app.
func sign(secret, identity, issuedAt string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(identity + issuedAt))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (o *Org) refuseToken(w http.ResponseWriter, err error) {
	refusal := err.(*oauthError)
	answerJSON(w, http.StatusBadRequest, map[string]string{"error": refusal.code, "error_description": refusal.description})
}

func (o *Org) revokeToken(w http.ResponseWriter, r *http.Request) {
	if !o.auth.revoke(r.FormValue("token")) {
		o.refuseToken(w, &oauthError{"invalid_token", "this token is not known"})
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (o *Org) introspect(w http.ResponseWriter, r *http.Request) {
	if err := o.client(r, true); err != nil {
		o.refuseToken(w, err)
		return
	}
	token, now := r.PostFormValue("token"), o.options.Now()
	answer := map[string]any{"active": false}
	describe := func(user id, scope, kind string, issued, expires time.Time) {
		o.mu.RLock()
		name := o.userValue(user, "Username")
		o.mu.RUnlock()
		answer = map[string]any{"active": true, "scope": scope, "client_id": o.options.ClientID, "username": name, "token_type": kind,
			"sub": o.origin(r) + "/id/" + string(o.orgID) + "/" + string(user), "iat": issued.Unix(), "nbf": issued.Unix(), "exp": expires.Unix()}
	}
	if s, ok := o.auth.session(token, now); ok {
		describe(s.User, s.Scope, "access_token", s.Issued, s.Expires)
	} else if g, ok := o.auth.byRefresh(token, now); ok {
		describe(g.User, g.Scope, "refresh_token", g.Created, g.Used.Add(idleLife))
	}
	answerJSON(w, http.StatusOK, answer)
}

// bearer is the access token of a request.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "OAuth") {
		return strings.TrimSpace(token)
	}
	return ""
}

// person is what the identity services tell about a user.
func (o *Org) person(r *http.Request, user id) map[string]any {
	o.mu.RLock()
	defer o.mu.RUnlock()
	get := func(name string) string { return o.userValue(user, name) }
	base := o.origin(r)
	return map[string]any{
		"user_id": string(user), "organization_id": string(o.orgID), "username": get("Username"), "display_name": get("Name"),
		"email": get("Email"), "email_verified": true, "active": get("IsActive") == "true", "user_type": "STANDARD",
		"language": get("LanguageLocaleKey"), "locale": get("LocaleSidKey"), "timezone": get("TimeZoneSidKey"), "utcOffset": 0,
		"is_app_installed": true, "last_modified_date": wireDatetime(get("LastModifiedDate")),
		"urls": map[string]string{
			"rest": base + "/services/data/v{version}/", "query": base + "/services/data/v{version}/query/",
			"sobjects": base + "/services/data/v{version}/sobjects/", "metadata": base + "/services/Soap/m/{version}/" + o.orgID.short(),
			"tooling_rest": base + "/services/data/v{version}/tooling/",
		},
	}
}

// identity answers at the id URL of a token answer. Its refusals are plain text.
func (o *Org) identity(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, text string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
	token := orElse(bearer(r), r.URL.Query().Get("oauth_token"))
	s, ok := o.auth.session(token, o.options.Now())
	org, orgErr := parseID(r.PathValue("org"))
	user, userErr := parseID(r.PathValue("user"))
	switch {
	case token == "":
		refuse(http.StatusForbidden, "Missing_OAuth_Token")
	case !ok:
		refuse(http.StatusForbidden, "Bad_OAuth_Token")
	case orgErr != nil || userErr != nil:
		refuse(http.StatusNotFound, "Bad_Id")
	case org != o.orgID:
		refuse(http.StatusForbidden, "Wrong_Org")
	case user != s.User:
		refuse(http.StatusNotFound, "No_Access")
	default:
		about := o.person(r, user)
		about["id"] = o.origin(r) + "/id/" + string(org) + "/" + string(user)
		about["asserted_user"] = true
		answerJSON(w, http.StatusOK, about)
	}
}

func (o *Org) userinfo(w http.ResponseWriter, r *http.Request) {
	token := bearer(r)
	s, ok := o.auth.session(token, o.options.Now())
	switch {
	case token == "":
		http.Error(w, "Missing_OAuth_Token", http.StatusForbidden)
		return
	case !ok:
		http.Error(w, "Bad_OAuth_Token", http.StatusForbidden)
		return
	}
	about := o.person(r, s.User)
	about["sub"] = o.origin(r) + "/id/" + string(o.orgID) + "/" + string(s.User)
	about["preferred_username"] = about["username"]
	about["name"] = about["display_name"]
	about["zoneinfo"] = about["timezone"]
	about["updated_at"] = about["last_modified_date"]
	about["is_salesforce_integration_user"] = false
	for _, name := range []string{"username", "display_name", "timezone", "last_modified_date", "is_app_installed"} {
		delete(about, name)
	}
	answerJSON(w, http.StatusOK, about)
}

func (o *Org) discovery(w http.ResponseWriter, r *http.Request) {
	base := o.origin(r)
	var names []string
	for _, s := range scopes {
		names = append(names, s.name)
	}
	answerJSON(w, http.StatusOK, map[string]any{
		"issuer":                                base,
		"authorization_endpoint":                base + "/services/oauth2/authorize",
		"token_endpoint":                        base + "/services/oauth2/token",
		"revocation_endpoint":                   base + "/services/oauth2/revoke",
		"introspection_endpoint":                base + "/services/oauth2/introspect",
		"userinfo_endpoint":                     base + "/services/oauth2/userinfo",
		"jwks_uri":                              base + "/id/keys",
		"scopes_supported":                      names,
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	})
}

// Package oidc is an OpenID Connect issuer that runs on one machine. Anybody may sign in as anybody: it asks
// who one is, and believes it. It is for trying things out and for tests, and must never be reachable from
// elsewhere.
//
// Towards the client it is as strict as a real one: exact redirect addresses, a client secret (as basic
// authentication or in the form), PKCE with S256, codes that work once and for a minute, RS256 signatures.
//
//	GET  /.well-known/openid-configuration
//	GET  /keys                      the public keys
//	GET  /authorize                 asks who signs in
//	POST /authorize?...             the answer: the query of the page, and a form with name and email
//	POST /token
//	GET  /userinfo
//	GET  /logout                    back to post_logout_redirect_uri, if that is registered
//
// The issuer keeps no session: each sign-in asks again. The subject of a person is made from the e-mail
// address, so it is the same each time.
package oidc

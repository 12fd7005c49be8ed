// Package salesforce is a simulated Salesforce org over HTTP, good enough for clients that were written
// for the real one: OAuth, the REST API with SOQL, and a few pages on which a person can look at records
// and change them. New makes an org, which is an http.Handler.
//
// # OAuth
//
// /services/oauth2/authorize shows a consent page, which is posted back to its own address with the
// fields decision (allow, deny or not-installed) and user (a username; the administrator if it is
// missing). /services/oauth2/token knows the grants authorization_code (PKCE with S256), refresh_token
// and client_credentials. There are revoke, introspect, userinfo, the identity URL and discovery too.
// Codes are used once and live 15 minutes; a user's sixth grant ends the oldest; a refresh token that is
// not used for 30 days dies. With rotation, the default, each refresh gives a new refresh token, and the
// use of an old one ends the grant with its access tokens. Two refreshes at a time with one token:
// one is refused. An access token works for a fixed time after it was issued. No token is a JWT, and
// there is no openid scope, hence no id_token.
//
// # REST
//
// Versions 31.0 to 66.0: limits, sobjects, describe, single records (GET, POST, PATCH, DELETE), query,
// queryAll and their locators. Objects: Contact, Account, Opportunity, OpportunityStage,
// OpportunityContactRole, OpportunityHistory, User, Organization. A change of an opportunity's stage,
// amount, probability or close date writes history. A primary contact role is the only primary one, and
// is the opportunity's ContactId.
//
// SOQL: SELECT of fields, also of parents (Contact.Account.Name), or COUNT(); FROM with an alias; WHERE
// with AND, OR, NOT, parentheses, =, !=, <>, <, <=, >, >=, LIKE, IN, NOT IN, and strings with escapes,
// numbers, booleans, null, dates, datetimes, TODAY, YESTERDAY, LAST_N_DAYS:n; ORDER BY several fields,
// ASC, DESC, NULLS FIRST, NULLS LAST; LIMIT; OFFSET. All else is MALFORMED_QUERY.
//
// # Pages
//
// / is the org, /contacts and /opportunities its records, /faults its switches and faults.
//
// # Control
//
// For tools, in JSON, at 400 with {"error": "..."} if something is wrong:
//
//	GET  /__control/               the org's state: users, records, grants, counts, switches, faults
//	POST /__control/tokens         {"user": "..."}: an access token without signing in
//	POST /__control/switches       Switches; those that are not named stay
//	PUT  /__control/faults         [Rule, ...]; [] ends all faults
//	POST /__control/expire-tokens  ends all access tokens; refresh tokens stay
//	POST /__control/revoke-grants  ends all grants
//	POST /__control/reset-counts   begins to count anew
//	POST /__control/visibility     {"user": "...", "object": "Contact", "field": "Email", "visible": false}
package salesforce

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
// Versions 31.0 to 66.0: limits, sobjects, describe, single records (GET, POST, PATCH, DELETE, by id or by an
// external id), query, queryAll and their locators, composite/sobjects (create, update, upsert, delete, read),
// composite (where a part may refer to what earlier ones answered, in its address too), composite/batch. Objects:
// Contact, Lead, Account, Opportunity, OpportunityStage, OpportunityContactRole, OpportunityHistory, User,
// Organization, RecordType, and those of Setup. A change of an opportunity's stage, amount, probability or close date
// writes history. A primary contact role is the only primary one, and is the opportunity's ContactId. With several long
// texts among its columns, a query has pages of 200 rows.
//
// With the switch PersonAccounts, an account of the record type PersonAccount is a person: it has a contact, which only
// the account can change, by fields such as PersonEmail and RH_CODE__pc. These are seen and edited by whoever sees and
// edits those of contacts. Accounts are not found by them for an upsert.
//
// Records are written one after the other, each for itself or all or none. On the way in they meet the rules for
// records (Rule, KindRecord), unique fields, and the duplicate rule: by default it warns of a contact with a known
// e-mail address, which an app overrules by Sforce-Duplicate-Rule-Header; it compares no names.
//
// SOQL: SELECT of fields, also of parents (Contact.Account.Name), of COUNT(field) with GROUP BY, or COUNT(); FROM with an alias; WHERE
// with AND, OR, NOT, parentheses, =, !=, <>, <, <=, >, >=, LIKE, IN, NOT IN, and strings with escapes,
// numbers, booleans, null, dates, datetimes, TODAY, YESTERDAY, LAST_N_DAYS:n; ORDER BY several fields,
// ASC, DESC, NULLS FIRST, NULLS LAST; LIMIT; OFFSET. All else is MALFORMED_QUERY.
//
// # Fields and permissions
//
// A custom field is made by the Metadata API (/services/Soap/m/66.0: createMetadata, updateMetadata, upsertMetadata,
// readMetadata, deleteMetadata of CustomField and PermissionSet, ten of one type at a time), by the Tooling API
// (sobjects/CustomField, and query, which sees all of them), or by hand at /setup. Then it exists, and nobody sees it
// but the org's own pages: a user does who has a permission set with FieldPermissions for it, at once or after the switch
// AccessDelay. A permission set that users have is not deleted. PermissionSet,
// FieldPermissions, ObjectPermissions and PermissionSetAssignment are also records of the data API. ObjectPermissions
// are kept, and give nobody anything: whoever may use the API may use the objects. Editions below Enterprise let no
// app make fields.
//
// # Bulk
//
// The Bulk API 2.0: jobs/ingest (insert, update, upsert, delete) and jobs/query, whose work is done when somebody
// looks at the job after the switch BulkDelay has passed by the org's clock. Columns of parents, as in
// Account.Number__c, are for queries only. Jobs are forgotten after seven days, and by a restart.
//
// # Flows and outbound messages
//
// A package of metadata is deployed by REST (metadata/deployRequest) or by SOAP (deploy, checkDeployStatus, cancelDeploy), one at
// a time, and lands when the switch DeployDelay has passed by the org's clock, also if nobody looks. It may hold outbound
// messages (workflows/Opportunity.workflow) and flows that send them when a record was saved (flows/*.flow), and destructiveChanges.xml. Its
// files are read strictly: any element that such a flow does not need, or that stands elsewhere, fails. Entry conditions are a
// list, or a formula of AND, OR, NOT, ISNEW, ISCHANGED and ISPICKVAL. An active version of a flow is never overwritten, an inactive one is. In
// production, which the org is without the switch Sandbox, flows arrive inactive; FlowsDeployActive, FlowTestsMissing and
// FlowActivationRefused are the other ways. The Tooling API knows FlowDefinition (PATCH activates), Flow and
// WorkflowOutboundMessage (DELETE), and makes none of them.
//
// Whoever saves a record, by any API or by hand, queues a notification when that is committed, if a flow is active and its conditions
// are met. In the background up to 100 notifications of a message go to its endpoint in one envelope, with the values of that moment, as
// far as the message's user sees them. One that is not acknowledged is sent again after 30 seconds, and after twice as
// long each time, at most two hours, until it is a day old and dropped. The switches of Outbound delay, reorder, repeat and
// lose; Options.Speed says how much faster than the world the clock runs. Delivered waits for the end of it all, Close ends it.
//
// With Options.MultiCurrency, or UseCurrencies, opportunities and their history have a CurrencyIsoCode, and there is
// CurrencyType. Opportunities have no record types.
//
// # Pages
//
// / is the org, /contacts, /leads, /accounts and /opportunities its records, /setup its custom fields, permission sets, flows, outbound
// messages, deployments and users, /outbound the queue of notifications and what became of them, /faults its switches and faults. A
// contact can be merged into another one, a lead converted; an opportunity added, deleted and undeleted, and given contact roles.
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
//	POST /__control/merge          {"winner": "003...", "loser": "003..."}
//	POST /__control/convert        {"lead": "00Q..."}: answers with the contact
//	POST /__control/undelete       {"id": "006..."}
//	POST /__control/users          {"user": "...", "active": false}
//	POST /__control/flows          {"flow": "...", "version": 1}: activates by hand; 0 is none
//	POST /__control/currencies     gives the org several currencies, for ever
//	GET  /__control/outbound       counts, the queue, what has ended, and the newest messages
//	POST /__control/outbound/requeue  {"id": "04l..."}: is due now; all without an id
//	POST /__control/outbound/delete   likewise
//	POST /__control/visibility     {"user": "...", "object": "Contact", "field": "Email", "visible": false}
package salesforce

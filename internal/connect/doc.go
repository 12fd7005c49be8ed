// Package connect brings Salesforce orgs to an account and keeps them: consent, tokens, disconnecting.
//
// A person starts a consent in the console (Service.Start), gives it at Salesforce, and comes back
// (Service.Finish). From then on the token broker (Broker) alone holds the refresh token and talks to a
// token endpoint; everybody else holds an access token (Tokens) and asks the broker for a newer one
// when Salesforce refuses it.
//
// Salesforce may rotate refresh tokens: each refresh makes the former token worthless, and showing a
// former token ends the whole grant. So a connection is lost by refreshing twice at a time, or by losing
// an answer. The broker prevents the first by a lease that outlives the process that took it, and makes
// the second as rare as it can be by storing a new token before anybody uses it, in a second place if the
// first does not take it. What remains is a process that dies between Salesforce's answer and the first of
// these writes. internal/local/proof/refresh visits every interleaving of this protocol.
//
// Two sweeps look after connections: KeepAlive refreshes those that nobody uses, which Salesforce would end,
// and Notices tells accounts about those that do not work any more. A customer may bring an app of their own,
// which only the broker can open.
package connect

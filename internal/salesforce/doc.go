// Package salesforce speaks Salesforce's REST API and its OAuth endpoints.
//
// It is where Salesforce's error codes become a bridge.Kind. Salesforce's own words may quote what was
// asked, and with it addresses of people, so they never become part of an error's text.
//
// The REST API is described at
// https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/, the OAuth flows at
// https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm.
package salesforce

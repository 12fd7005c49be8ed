// Package salesforce speaks Salesforce's REST API and its OAuth endpoints.
//
// It is where Salesforce's error codes become a bridge.Kind. Salesforce's own words may quote what was
// asked, and with it addresses of people, so they never become part of an error's text.
//
// Calls of the API are what an org runs out of. Records are written up to 1,000 a call, as collections of 200 in one
// composite call, and read up to 10,000 a call, as five chained queries; whole backfills go by the Bulk API 2.0.
//
// The REST API is described at
// https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/, the OAuth flows at
// https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm.
package salesforce

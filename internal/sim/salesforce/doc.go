// Package salesforce is a simulated Salesforce org over HTTP.
package salesforce

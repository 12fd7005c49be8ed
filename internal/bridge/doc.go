// Package bridge holds the nouns of the product and its one vocabulary of failure. Everything else
// stands on it; it stands on nothing of ours.
//
// The words are the field's own. An Account is a ReferralHero account and the tenant of everything
// below it. A Connection is one Salesforce user's grant in one org. A Campaign is a ReferralHero list
// with the settings that we keep for it. An Import brings the contacts of an org into a campaign, page
// by page, and leaves a Receipt for every chunk of a page.
package bridge

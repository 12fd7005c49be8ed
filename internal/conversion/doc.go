// Package conversion lets deals of a Salesforce org move referrals in ReferralHero: once, provably.
package conversion

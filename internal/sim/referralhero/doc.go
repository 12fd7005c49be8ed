// Package referralhero is a simulated ReferralHero.
package referralhero

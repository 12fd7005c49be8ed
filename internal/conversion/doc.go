// Package conversion lets deals of a Salesforce org move referrals and total spend in ReferralHero: once, provably.
//
// # From a deal to ReferralHero
//
// A message, a poll, a check or a change of the rules names deals; nothing else that it says is believed. The deals are read
// again, with their contact roles and the org's history of their stages, and judged by the rules of each campaign: a pure
// function of the rules, the deal and the org's stages. What it says is an entry of the ledger, one for each rule and deal,
// and says nothing of how it came about. An entry that changes is written together with the effects that follow from
// it: what ReferralHero is asked for one person (to be added, moved one step, or told a total). Then a worker gets
// on with the effects.
//
// A rule acts on a deal that came into its stage since the rule's day, and stands: is still there, or has gone on to a later
// stage and is not lost. Stages that were left within seconds are seen in the history. Of rules with the same trigger,
// the first that a deal fits decides, so that nothing counts twice. A rule that is off, or of which stage or fields cannot
// be seen just now, says nothing, and what it said before stands: an administrator who renames a stage or hides a field
// must not take everybody's spend back.
//
// # Order
//
// An entry gives way to a newer version of the rules and to a newer stamp of Salesforce's, of the deal or of its roles,
// deleted ones included. Our clock decides nothing. Where stamps cannot tell, which is within a second, or when an entry
// is new and a slow worker may have read the deal before, the deal is looked at once more when no such worker is alive.
//
// # Effects
//
// An effect is named by campaign, kind and person, and for spend by the currency; never by a message. See effect.go for
// its way. In short: look first; write before the call that it is made; after a call without an answer, look again,
// and not before two minutes conclude that it did not happen; where no look can tell, let a person decide. The call that
// moves a referral is made when a look says that this very step is to be taken, and by no deal are two steps taken at once:
// a referral that is pending where it should be unconfirmed waits, and then a person is told.
//
// What is planned is dropped if its deals do not stand any more. What was done is not undone by itself: it is listed, and one
// click unqualifies the referral.
//
// # Total spend
//
// ReferralHero cannot be asked for transactions or for the total, and does not take negative amounts. It is not documented
// whether lifetime_spend adds up or replaces, nor what a transaction_id does that comes with another amount (assumed:
// replaces; stored once). So:
//
//   - lifetime_spend is always the whole total: the sum of the entries of the person, in the campaign's currency.
//   - amount is what the deal counts now, less what was ever told of it in the campaign: whatever rule, whatever person. It is
//     never negative. All amounts of a deal add up to the most that it ever counted, so that a reward for it is released
//     once, also if it is reopened, given to somebody else, or its rule is deleted and made again.
//   - a price that falls, and a deal that is lost, are told by an amount of 0 with the lower lifetime_spend. Whichever of the
//     two ReferralHero goes by, nothing is counted twice; if it should go by amounts alone, it stays at the most there was,
//     and people are told of deals whose amount belongs to nobody now.
//   - transaction_id is sf:<deal>:<rule>, and for the n-th transaction of a deal sf:<deal>:<rule>:<n>. An id is never used with
//     other contents: the whole request is written before the call, and made again with the same contents if there was
//     no answer. ReferralHero stores an id once, so this is no blind repetition. Ids of calls that were refused are not used
//     again.
//   - transactions of a person are told one after the other, each with the latest total.
//
// Amounts are decimals. Those in another currency have totals of their own, which ReferralHero is not told.
//
// # Who it is
//
// A contact is the subscriber whose SUB_ID it carries, else the one with its e-mail address. Somebody who was found stays
// found until the contact is found to be another subscriber. Most people of most deals are no subscribers, and ReferralHero
// gives the same answer for somebody who has not confirmed the address yet: such a deal is looked at again after five
// minutes, an hour and six hours, then when the contact changes, and nobody is bothered. People are told if a subscriber
// who was found vanishes.
//
// # Nothing missed
//
// Messages are dropped after a day. Each quarter of an hour, the org's history, its contact roles and its recycle bin are read
// from where the last window ended, less five minutes. A window is closed by the row that says what was found in it, or it
// stays open: that is where work waits for an org that cannot be reached. Once a day every deal with an entry is read
// again. Whatever waits has a row in the index "due", and the sweep sends its job.
//
// The check finds what is normal, such as people who became subscribers, and puts it right. An entry that counted wrongly although a window
// should have told of it is called drift, and operators are told; see observe.go.
//
// Two corners are known. A deal that cannot be seen any more, erased for good or hidden, keeps what it counted, and is
// listed; one that was deleted is seen for two weeks, which is enough. And where Salesforce deletes the contact of a
// deal, the deal has nobody, and its spend is taken off.
package conversion

// Package syncer keeps the fourteen fields of Salesforce records equal to what ReferralHero says of its subscribers.
//
// # Hints
//
// A webhook, an import or a conversion is a hint that a subscriber changed, and nothing more. Hints are
// coalesced by subscriber, the truth is read from ReferralHero, and it is written if it differs from what was written
// last: a link keeps which record belongs to a subscriber, and the fingerprint of its values. So hints may come
// twice, late or in any order, and our own writes cause none that would do anything.
//
// # Turns
//
// Of one connection at most one batch is on its way to Salesforce: it has the turn. Whoever reads notes first how many
// turns were over; whoever then has the turn reads those subscribers again that were written meanwhile. So a value
// that was read earlier never overwrites one that was read later, whatever the clocks say. A turn names the
// subscribers that it writes; if its worker dies, the next one does not believe their links. Live work asks for the next
// turn, and bulk work leaves it to it. Whoever has it looks whether the campaign is still synced as it was when the work began.
//
// A link says of which connection and object it speaks. When a campaign is moved to another org, or to leads, nothing but
// ReferralHero's side of its links counts there, and everybody is matched anew.
//
// # Runs
//
// A run reads the whole campaign, newest subscriber first, compares it with the records in the org, writes what
// differs, and ends with a statement in numbers. It fills in everything when syncing is switched on, and repairs
// what hints have missed, daily and on demand. Read in that order every referral comes before its referrer, so that
// the newest referral of everybody is known when their turn comes, without a call. More than 20,000 changes go by
// the Bulk API; hints about their subscribers wait until the load is over. A load is noted before it begins. If its worker is
// lost before all of it was handed over, nobody knows its jobs: then every load of the org is waited for, and the slice taken
// again. A run whose options were changed waits for its load too, and ends. After a load that was not taken, the next run uses collections.
//
// Whoever ReferralHero has no more, also when asked by name, has the fields emptied; a record is never deleted. A contact that was merged into
// another subscriber's stays merged: no new one is made, and somebody is told.
//
// # Corners
//
// POSITION moves for many people with each referral. It is written along with other changes and by runs, and is no
// reason for a write of its own between them. LAST_REF is the newest sign-up among the people whom the subscriber referred,
// in whatever state the referral is. When Salesforce gives no answer to a write, it may still carry it out: those
// subscribers are looked at again after Salesforce's longest time for a call; so are those of a worker that died.
package syncer

// Package importer brings the contacts of a Salesforce org into a ReferralHero campaign: in the
// background, counted exactly, and resumable for days.
//
// # How an import runs
//
// A pump plans: it reads the ids of the selected contacts in order and lays them out in pages of up to
// 500, in chunks of 50, a few pages ahead of the work. A page job claims its page, reads its contacts,
// adds them to the campaign, and leaves a receipt for each chunk: the ids and one letter each. When
// all chunks have their receipts, one conditional write adds them up into the import's counts and takes the
// page off its list of open ones. The last page finishes the import, with one mail.
//
// What cannot go on waits: a page for up to a minute on the queue, and everything longer as a parked import, which
// says why and until when. No worker sleeps.
//
// # Why the counts are exact
//
// What becomes of a contact is a function of what the org and ReferralHero hold, never of who asked how
// often. Among the selected contacts that share an e-mail address or phone number the one with the
// lowest id is the owner; only the owner is added, and the others "existed". ReferralHero's answer
// to a second attempt tells a subscriber that this import created (by its source and its time) from one
// that was there before. So a worker may die between any two steps, two may work on one page, and
// messages may come twice, late or in any order: the receipts come out the same. Claims only save work. Counts are
// sums of receipts, and are summed once more at the end.
//
// Two corners are known. A contact whose address is changed in the org while the import runs is
// judged by what it was when its chunk was done. And calls that were on their way when an import was
// canceled may still create subscribers; an import that is started within those seconds counts
// them as its own.
package importer

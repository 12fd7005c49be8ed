// Package inbox takes ReferralHero's webhooks: it tells genuine ones from others, and makes hints of them for whoever
// keeps subscribers equal to records.
//
// # What a webhook is worth
//
// A webhook says that somebody changed, and nothing of it is taken for the truth but whom it is about: the subscriber's
// id, and the referral code of the one who referred them. Hints carry these two and no name and no address. A body that
// names a person by an address only becomes the hint that anybody in the campaign may have changed.
//
// # What ReferralHero expects
//
// Only the status 200 counts there. It tries a delivery three times within five minutes, and ten failures in a row, over
// all deliveries, switch the webhook off without a word. So whatever is genuine is answered with 200, also if nothing
// comes of it: events and campaigns that we do not know, and the made-up data of the Test button. And since only a
// delivery that was queued is safe, the answer is the last thing that is done.
//
// # Repetitions
//
// Bodies have no id and no time of their event. The same body a second time may be the same event, tried again, or
// another one: somebody's field was changed, changed back, and changed again. A sign-up and a deletion happen to a
// subscriber once, so their repetition is no news. Any other body that comes again within the five minutes of
// ReferralHero's attempts is queued for their end, once: whatever it was about has happened by then. After that it
// counts as new. Where a worker dies between queueing and taking note of it, one hint is made more than was needed, and
// none is ever lost.
package inbox

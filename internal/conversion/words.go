package conversion

import "github.com/referralbridge/referralbridge/internal/bridge"

// words tell people what a reason means.
var words = map[string]string{
	reasonOff:      "The event is switched off.",
	reasonDeleted:  "The deal was deleted.",
	reasonStage:    "The deal has not reached the stage.",
	reasonHistory:  "Salesforce's history does not say yet when the deal came into its stage.",
	reasonBefore:   "The deal reached the stage before the day from which the event counts.",
	reasonLost:     "The deal is lost.",
	reasonLeft:     "The deal has gone back to an earlier stage.",
	reasonNotWon:   "The deal is not won.",
	reasonType:     "The deal is of another record type.",
	reasonNoAmount: "The deal has no amount.",
	reasonNegative: "The deal's amount is below zero, which ReferralHero does not take.",
	reasonSmall:    "The deal's amount is too small.",
	reasonCurrency: "The amount is in another currency. Currencies are never added together.",
	reasonRule:     "Another event with the same effect comes first, and takes care of the deal.",
	reasonUnlisted: "The org does not have the stage any more. Nothing changes until the event has another one.",
	reasonHidden:   "The deal was erased for good, or is hidden from the connected user. What it has counted stands.",
	reasonUnseen:   "A field that the event needs is hidden from the connected Salesforce user. Nothing changes until an administrator shows it again, in Setup > Field Accessibility.",
	reasonNobody:   "The deal has nobody to act for: no primary contact role, not exactly one role, and no contact. It is looked at again for some hours, and whenever its roles change.",
	reasonNoValue:  "The contact has no usable e-mail address or phone number, whichever this campaign needs.",
	reasonStranger: "The contact is no subscriber of this campaign, or has not confirmed the address yet.",
	reasonUnasked:  "ReferralHero could not be asked yet who the contact is.",

	notReferred: "Nobody referred this subscriber: there is no referral to move.",
	isUnqual:    "The referral was taken out of those that count. Qualify it in ReferralHero first.",
	noSuchStep:  "The campaign's goal has no such step. Check how many conversion events its settings say.",
	already:     "It is so already.",
	isPending:   "The referral is pending. In a goal of three events it has to be unconfirmed first: let an event move it there, or move it in ReferralHero.",
	notThere:    "ReferralHero does not show this subscriber: the address is not confirmed yet, or the subscriber was deleted.",
	noStatus:    "ReferralHero gives the referral a status that is not known here.",
	foundDone:   "No answer came, and a look showed that it was done.",
	contactGone: "The contact was deleted.",
}

// Explain says in words what a reason means; the reason itself if there are none, such as a code of ReferralHero's.
func Explain(reason string) string {
	if text, known := words[reason]; known {
		return text
	}
	return reason
}

// reviewWords tell people what a review is about, and what to do.
var reviewWords = map[bridge.ReviewKind]string{
	bridge.ReviewReversed: "A referral was moved because of a deal that does not stand any more. If the referral should not count, unqualify it.",
	bridge.ReviewUnknown:  "ReferralHero did not answer, and nobody can tell whether it did what it was asked. Look there, and say what happened.",
	bridge.ReviewWaiting:  "This has waited for some time. It is still tried once a day.",
	bridge.ReviewRefused:  "ReferralHero refuses the call. Mend the cause, and try again.",
	bridge.ReviewCurrency: "The deal's amount is in another currency than the campaign's total spend, and is not told to ReferralHero.",
	bridge.ReviewMoved:    "ReferralHero was told an amount of this deal for somebody to whom it does not belong now. Total spend was put right. A reward that the amount may have released is not taken back: look at it in ReferralHero.",
	bridge.ReviewHidden:   "A deal that counts cannot be seen any more. If it was erased, correct the total spend by hand; if it is hidden, give the connected user access.",
}

// Describe says in words what a review is about.
func Describe(r bridge.Review) string {
	text := reviewWords[r.Kind]
	if r.Reason != "" && Explain(r.Reason) != r.Reason {
		text = Explain(r.Reason) + " " + text
	}
	return text
}

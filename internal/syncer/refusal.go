package syncer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// problemOf keeps what Salesforce said about a record that it refused. Records that were refused for the same reason have
// the same cause: the code, the field, and for a rule of the org's own its words.
func problemOf(err error) *Problem {
	p := &Problem{Code: bridge.CodeOf(err)}
	if p.Code == "" {
		p.Code = string(bridge.KindOf(err))
	}
	var e *bridge.Error
	if errors.As(err, &e) {
		p.Field, p.Said = e.Field, firstRunes(e.Message, 300)
	}
	p.Cause = p.Code
	if p.Field != "" {
		p.Cause += "." + p.Field
	}
	if words[p.Code].own {
		sum := sha256.Sum256([]byte(gist(p.Said)))
		p.Cause += "." + hex.EncodeToString(sum[:4])
	}
	return p
}

// gist is what a rule, a flow or code says alike of all records: ids, numbers and addresses are left out, such as the "Error ID" that a
// flow gives each failure anew, and the row and the record that code names.
func gist(said string) string {
	words := strings.Fields(said)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789@") {
			words[i] = "#"
		}
	}
	return strings.Join(words, " ")
}

// renewed counts another try.
func renewed(was, now Problem, at time.Time) Problem {
	now.Tries, now.Since, now.LastTry = was.Tries+1, was.Since, at
	if was.Cause != now.Cause || was.Since.IsZero() {
		now.Tries, now.Since = 1, at
	}
	return now
}

// mostRetried is how many subscribers are tried again at once.
const mostRetried = 1000

// retry has up to limit subscribers looked at again that were refused for a cause, those after one. It returns the last of
// them if there may be more.
func (w Worker) retry(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, after bridge.SubscriberID, limit int) (more bridge.SubscriberID, err error) {
	limit = min(limit, mostRetried)
	ids, err := w.Rows.Needing(ctx, account, campaign, cause, after, limit)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	hints := make([]Hint, len(ids))
	for i, id := range ids {
		hints[i] = w.hint(account, campaign, id, "retry")
		hints[i].Force = true
	}
	if err := w.Changes(ctx, 0, hints...); err != nil {
		return "", err
	}
	if len(ids) == limit {
		more = ids[len(ids)-1]
	}
	return more, nil
}

// advice is what a person reads about a code.
type advice struct {
	title, fix, who string
	setup           string // place in Setup
	own             bool   // the org's own words say what is wrong
}

// words say what Salesforce's codes mean to an administrator.
var words = map[string]advice{
	"FIELD_CUSTOM_VALIDATION_EXCEPTION": {title: "A validation rule of the org refuses the record", own: true, setup: "Object Manager > Validation Rules",
		fix: "Let the rule pass for the connected user, or correct the record so that the rule is content.", who: "An administrator of the org"},
	"REQUIRED_FIELD_MISSING": {title: "The org requires a field that we do not know", setup: "Object Manager > Fields & Relationships",
		fix: "Give the field a default value, or do not require it for the connected user.", who: "An administrator of the org"},
	"DUPLICATES_DETECTED": {title: "A duplicate rule blocks the record", setup: "Duplicate Rules",
		fix: "Merge the duplicates, or set the rule's action on create to Allow for the connected user.", who: "An administrator of the org"},
	"DUPLICATE_VALUE":       {title: "Another record has the same SUB_ID", fix: "Clear the SUB_ID of the record that it does not belong to.", who: "Whoever may edit the records"},
	"DUPLICATE_EXTERNAL_ID": {title: "Several records have the same SUB_ID", fix: "Merge them, or clear the SUB_ID of all but one.", who: "Whoever may edit the records"},
	"INVALID_EMAIL_ADDRESS": {title: "Salesforce does not accept the e-mail address", fix: "Correct the address in ReferralHero.", who: "Whoever runs the campaign"},
	"STRING_TOO_LONG":       {title: "A value is too long for its field", fix: "Make the field as long as the table of fields says.", who: "An administrator of the org"},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {title: "A picklist of the org does not take its default value", own: true,
		fix: "Correct the picklist's default, or give the connected user a record type that has one.", who: "An administrator of the org"},
	"INSUFFICIENT_ACCESS_OR_READONLY": {title: "The connected user may not edit the record", setup: "Sharing Settings",
		fix: "Give the connected user edit access to these records, by sharing or by a role.", who: "An administrator of the org"},
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {title: "The connected user may not use the record's account or owner", setup: "Sharing Settings",
		fix: "Give the connected user access to the account that new contacts are put under.", who: "An administrator of the org"},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": {title: "Apex code of the org failed when the record was saved", own: true, setup: "Apex Jobs",
		fix: "The words below come from that code. Correct it, or let it pass changes of the RH fields.", who: "A developer of the org"},
	"CANNOT_EXECUTE_FLOW_TRIGGER": {title: "A flow of the org failed when the record was saved", own: true, setup: "Flows",
		fix: "The words below come from that flow. Correct it, or let it pass changes of the RH fields.", who: "An administrator of the org"},
	"INVALID_CROSS_REFERENCE_KEY": {title: "Something that the record refers to is not there, or hidden from the connected user", own: true,
		fix: "Look at the account that new contacts are put under, and at the owner and record type that the org's automation chooses: they must exist, and the connected user must see them.", who: "An administrator of the org"},
	"STORAGE_LIMIT_EXCEEDED": {title: "The org's storage is full", setup: "Storage Usage", fix: "Free or buy storage.", who: "An administrator of the org"},
	approval:                 {title: "The record is locked by an approval process", fix: "Nothing: it is tried again until the approval is over.", who: "Nobody has to: it passes by itself"},
	rowLocked:                {title: "The record was locked by others again and again", fix: "Nothing: it is tried again. If it stays, look for jobs that edit many records of one account.", who: "Nobody has to: it passes by itself"},
	"INVALID_FIELD": {title: "A field is not there, or hidden from the connected user", setup: "Object Manager > Fields & Relationships",
		fix: "Repair the fields on the campaign's Salesforce page.", who: "An administrator of the org"},
	"INVALID_FIELD_FOR_INSERT_UPDATE": {title: "A field may not be written by the connected user", setup: "Permission Sets",
		fix: "Repair the fields on the campaign's Salesforce page.", who: "An administrator of the org"},
	otherSubscriber: {title: "The contact with this e-mail address belongs to another subscriber", fix: "Clear the SUB_ID of the contact if it is not that subscriber's any more, then retry.", who: "Whoever may edit the contact"},
	mergedAway: {title: "The contact was merged into another subscriber's", fix: "Nothing, if both are one person: a record has room for one subscriber. " +
		"Else give this subscriber's address to a contact of its own, then retry.", who: "Whoever may edit the contacts"},
	keyHidden: {title: "No record can be made while SUB_ID is hidden", fix: "Repair the fields on the campaign's Salesforce page.", who: "An administrator of the org"},
}

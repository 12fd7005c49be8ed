package inbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// imported is the source of subscribers whom an import of ours has added. What ReferralHero tells of them is an echo.
const imported = "imported_from_salesforce"

// happening is what an event means.
type happening struct {
	why  Why
	once bool // it happens to a subscriber once, so that its repetition is no news
}

// happenings are the events by the names that ReferralHero gives them in "response". Its documents have six;
// bonus_unlocked is what reward_unlocked was called before.
var happenings = map[string]happening{
	"new_registration":    {Registration, true},
	"subscriber_deleted":  {Deletion, true},
	"subscriber_updated":  {Update, false},
	"subscriber_promoted": {Promotion, false},
	"reward_unlocked":     {Reward, false},
	"reward_sent":         {Reward, false},
	"bonus_unlocked":      {Reward, false},
}

// event is what a body says, as far as it is used.
type event struct {
	name       string
	campaign   bridge.CampaignID
	subscriber bridge.SubscriberID // empty if the body has none that can be one
	address    bool                // it has an e-mail address
	imported   bool                // by us
	referred   bool                // it shows who referred the subscriber
	code       string              // referral code of that one; empty if the body has none that can be one
}

// Limits of bodies. That of a registration has some 700 bytes, two levels deep.
const (
	// Largest is how many bytes of a body are taken.
	Largest = 256 << 10
	deepest = 16
)

var errMalformed = errors.New("the body is not what a webhook has")

// read reads a body: strictly as far as it is JSON, so that it cannot mean one thing here and another thing elsewhere, and
// leniently as to what is in it, since only the body of a registration is documented.
func read(body []byte) (event, error) {
	fields, err := object(body)
	if err != nil {
		return event{}, err
	}
	e := event{
		name: text(fields["response"]), campaign: bridge.CampaignID(text(fields["list_uuid"])),
		address: text(fields["email"]) != "", imported: text(fields["source"]) == imported,
	}
	if e.name == "" {
		return event{}, errMalformed
	}
	if id := text(fields["subscriber_id"]); plain(id) {
		e.subscriber = bridge.SubscriberID(id)
	}
	// Who referred them is an object, "" if nobody did, or "subscriber_deleted" if that one is gone.
	var referrer map[string]json.RawMessage
	if json.Unmarshal(fields["referral"], &referrer) == nil && len(referrer) > 0 {
		e.referred = true
		if code := text(referrer["code"]); printable(code) {
			e.code = code
		}
	}
	return e, nil
}

// object returns the members of a body that is one JSON object in UTF-8, with nothing behind it, no name twice in any
// object, and not too deep.
func object(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, errMalformed
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := distinct(decoder, deepest); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, errMalformed
	}
	return fields, nil
}

// distinct reads a value and reports names that are there twice, and objects and lists that are more levels deep.
func distinct(decoder *json.Decoder, levels int) error {
	token, err := decoder.Token()
	if err != nil {
		return errMalformed
	}
	opening, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if levels == 0 {
		return errMalformed
	}
	names := map[json.Token]bool{}
	for decoder.More() {
		if opening == '{' {
			name, err := decoder.Token()
			if err != nil || names[name] {
				return errMalformed
			}
			names[name] = true
		}
		if err := distinct(decoder, levels-1); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return errMalformed
	}
	return nil
}

// text returns a text, or the digits of a number, or nothing.
func text(value json.RawMessage) string {
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(value, &s) == nil:
		return strings.TrimSpace(s)
	case json.Unmarshal(value, &n) == nil:
		return n.String()
	default:
		return ""
	}
}

// longest is more than ids and referral codes have.
const longest = 64

// plain reports whether a text can be an id of ReferralHero's, such as sub_1f0c9a77b3e2.
func plain(id string) bool {
	return id != "" && len(id) <= longest && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// printable reports whether a text can be a referral code. People may choose one, so it is not always plain; what looks
// like an address is none, since no address may go further.
func printable(code string) bool {
	return code != "" && len(code) <= longest && !strings.Contains(code, "@") && !strings.ContainsFunc(code, func(r rune) bool { return !unicode.IsPrint(r) })
}

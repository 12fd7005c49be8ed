package bridge

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/google/uuid"
)

// Our own ids. They sort by the time at which they were made.
type (
	AccountID    string // "a_..."
	ConnectionID string // "c_..."
	ImportID     string // "i_..."
)

// CampaignID is ReferralHero's uuid of a list: "MF" and ten hexadecimal digits.
type CampaignID string

// NewID returns a new id with the given prefix. Ids made later sort later, and none can be guessed.
func NewID(prefix string) string {
	return prefix + "_" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
}

// NewToken returns a text with 256 bits of randomness that is safe in a URL or a cookie.
func NewToken() Secret { return NewSecret(rand.Text() + rand.Text()) }

// SalesforceID is the id of a Salesforce record in its 18-character form. The first 15 characters are
// case-sensitive; the last three are a checksum of their case.
type SalesforceID string

const checksumAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

var errSalesforceID = errors.New("not a Salesforce id")

// ParseSalesforceID reads an id of 15 or 18 characters and returns its 18-character form. It fails on
// any other text, and on a checksum that does not fit.
func ParseSalesforceID(text string) (SalesforceID, error) {
	if len(text) != 15 && len(text) != 18 {
		return "", errSalesforceID
	}
	var sums [3]byte
	for i := range 15 {
		switch c := text[i]; {
		case c >= 'A' && c <= 'Z':
			sums[i/5] |= 1 << (i % 5)
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		default:
			return "", errSalesforceID
		}
	}
	checksum := [3]byte{checksumAlphabet[sums[0]], checksumAlphabet[sums[1]], checksumAlphabet[sums[2]]}
	switch {
	case text[15:] == string(checksum[:]):
		return SalesforceID(text), nil // as nearly all are: nothing has to be copied
	case len(text) == 18 && !strings.EqualFold(text[15:], string(checksum[:])):
		return "", errSalesforceID
	}
	return SalesforceID(text[:15] + string(checksum[:])), nil
}

// Key returns the id's first 15 characters, which identify the record on their own.
func (id SalesforceID) Key() string {
	if len(id) < 15 {
		return string(id)
	}
	return string(id[:15])
}

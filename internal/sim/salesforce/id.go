package salesforce

import (
	"errors"
	"strings"
)

// id is a record id as the org stores it: 18 characters, of which the first 15 identify the record
// and order it (0-9, then A-Z, then a-z, which is the order of their bytes).
type id string

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var errID = errors.New("not a Salesforce id")

// parseID reads an id of 15 or 18 characters. Those of 18 must carry the right checksum, in any case.
func parseID(text string) (id, error) {
	if len(text) != 15 && len(text) != 18 {
		return "", errID
	}
	for _, c := range []byte(text) {
		if strings.IndexByte(digits, c) < 0 {
			return "", errID
		}
	}
	whole := checksummed(text[:15])
	if len(text) == 18 && !strings.EqualFold(text[15:], string(whole[15:])) {
		return "", errID
	}
	return whole, nil
}

// checksummed adds the three characters that let an id survive systems which ignore case: for each
// five characters, the number whose bit k says that character k is a capital letter.
func checksummed(short string) id {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	sum := make([]byte, 0, 18)
	sum = append(sum, short...)
	for group := range 3 {
		bits := 0
		for k := range 5 {
			if c := short[group*5+k]; 'A' <= c && c <= 'Z' {
				bits |= 1 << k
			}
		}
		sum = append(sum, alphabet[bits])
	}
	return id(sum)
}

// short is the 15 characters that decide identity and order.
func (i id) short() string { return string(i[:15]) }

// makeID returns the id of the nth record of the kind that prefix stands for, in the pod "5g".
func makeID(prefix string, n uint64) id {
	short := []byte(prefix + "5g0000000000")
	for at := 14; n > 0; at-- {
		short[at] = digits[n%62]
		n /= 62
	}
	return checksummed(string(short))
}

// next is the id after i: what the org gives to the record after the newest one.
func (i id) next() id {
	short := []byte(i.short())
	for at := 14; at >= 3; at-- {
		d := strings.IndexByte(digits, short[at])
		if d < 61 {
			short[at] = digits[d+1]
			break
		}
		short[at] = digits[0]
	}
	return checksummed(string(short))
}

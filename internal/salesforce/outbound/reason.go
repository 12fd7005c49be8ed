package outbound

import "github.com/referralbridge/referralbridge/internal/bridge"

// Reason says why an envelope was refused. There are few of them, and none quotes the envelope, so that they can be counted
// and logged.
type Reason string

// The reasons.
const (
	TooLarge    Reason = "too_large"   // more bytes than Largest
	MediaType   Reason = "media_type"  // the request says that it is no XML, not in UTF-8, or compressed
	Characters  Reason = "characters"  // not UTF-8, or characters that XML does not have
	Declaration Reason = "declaration" // of another version or encoding than XML 1.0 in UTF-8
	Doctype     Reason = "doctype"
	Comment     Reason = "comment"
	CDATA       Reason = "cdata"
	Instruction Reason = "instruction"
	Truncated   Reason = "truncated" // it ends too early
	Tag         Reason = "tag"       // a tag or an attribute that is not well-formed, or an end tag that fits no start tag
	Namespace   Reason = "namespace" // a prefix that is not declared, or declared against the rules
	Reference   Reason = "reference" // "&" with what is no character
	Text        Reason = "text"      // text where there must be none
	Limit       Reason = "limit"     // too deep, too long or too many
	Structure   Reason = "structure" // elements that are missing, or not where they belong
	Duplicate   Reason = "duplicate" // twice, where once is all that can be meant
	ID          Reason = "id"        // an organization or action that is no id
	Trailing    Reason = "trailing"  // something after the end
)

// Error is the reason itself.
func (r Reason) Error() string { return string(r) }

// Refuse returns the error that says that something is no envelope, and why.
func Refuse(op string, r Reason) error {
	return &bridge.Error{Op: op, Kind: bridge.Invalid, Code: string(r)}
}

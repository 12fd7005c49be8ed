package store

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

// key is the primary key of an item. The functions below are the only place that builds one.
type key struct{ pk, sk string }

func (k key) attributes() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(k.pk), "sk": text(k.sk)}
}

func text(s string) *types.AttributeValueMemberS { return &types.AttributeValueMemberS{Value: s} }

// Families of sort keys, for queries.
const (
	connections = "CONNECTION#"
	campaigns   = "CAMPAIGN#"
	imports     = "IMPORT#"
	reports     = "DOCTOR#"
	traces      = "TRACE#"
	grants      = "GRANT#"
	running     = "RUNNING#"
	setups      = "FIELDS#"

	installations = "PLUMBING#"

	messageHooks      = "MESSAGEHOOK#" // of partition keys
	messageHookTraces = traces + messageHooks
)

func partition(a bridge.AccountID) string { return "ACCOUNT#" + string(a) }

func accountKey(a bridge.AccountID) key { return key{partition(a), "ACCOUNT"} }

// budgetKey has the name of what is rationed, such as "referralhero" or a connection.
func budgetKey(a bridge.AccountID, name string) key { return key{partition(a), "BUDGET#" + name} }

func connectionKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), connections + string(c)}
}

// orgKey reserves a user of an org for one connection of the account.
func orgKey(a bridge.AccountID, org, user bridge.SalesforceID) key {
	return key{partition(a), "ORG#" + string(org) + "#" + string(user)}
}

func grantKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), grants + string(c)}
}

// reportKey is where the doctor's report about a connection is.
func reportKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), reports + string(c)}
}

// installationKey is where it stands how flow and message in the org of a connection are.
func installationKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), installations + string(c)}
}

// setupKey is where it says how a connection's org got its fields, layoutKey where they are on an object.
func setupKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), setups + string(c)}
}

func layoutKey(a bridge.AccountID, c bridge.ConnectionID, object string) key {
	return key{partition(a), "LAYOUT#" + string(c) + "#" + object}
}

// erasureKey is there as long as an account is being erased.
func erasureKey(a bridge.AccountID) key { return key{partition(a), "ERASURE"} }

func campaignKey(a bridge.AccountID, c bridge.CampaignID) key {
	return key{partition(a), campaigns + string(c)}
}

func importKey(a bridge.AccountID, i bridge.ImportID) key {
	return key{partition(a), imports + string(i)}
}

// runningKey reserves a campaign for the one import that may run in it.
func runningKey(a bridge.AccountID, c bridge.CampaignID) key {
	return key{partition(a), running + string(c)}
}

// effectKey names an effect by its business identity: never by a message, never by a time.
func effectKey(a bridge.AccountID, kind, subject string) key {
	return key{partition(a), "EFFECT#" + kind + "#" + subject}
}

func pages(a bridge.AccountID, i bridge.ImportID) string {
	return imports + string(a) + "#" + string(i)
}

// pageKey sorts by number for up to a million pages.
func pageKey(a bridge.AccountID, i bridge.ImportID, page int) key {
	return key{pages(a, i), pagePrefix(page)}
}

func pagePrefix(page int) string { return fmt.Sprintf("PAGE#%06d", page) }

func receiptKey(a bridge.AccountID, i bridge.ImportID, page, chunk int) key {
	return key{pages(a, i), fmt.Sprintf("%s#%02d", pagePrefix(page), chunk)}
}

// personKey hashes, so that neither issuer nor subject can be read off the table's keys.
func personKey(issuer, subject string) key {
	return key{"PERSON#" + hash(issuer+"\n"+subject), "PERSON"}
}

// webhookKey is where it is kept how the account's webhooks come in.
func webhookKey(a bridge.AccountID) key { return key{partition(a), "WEBHOOK"} }

// replayKey has the hash of a webhook's body.
func replayKey(a bridge.AccountID, body inbox.Digest) key {
	return key{partition(a), "REPLAY#" + base64.RawURLEncoding.EncodeToString(body[:])}
}

// traceKey stands for an item of another partition that belongs to the account.
func traceKey(a bridge.AccountID, k key) key { return key{partition(a), traces + k.pk} }

// tracedKey is the key that a trace stands for: such items have the family of their partition as their sort key.
func tracedKey(trace key) key {
	pk := strings.TrimPrefix(trace.sk, traces)
	family, _, _ := strings.Cut(pk, "#")
	return key{pk, family}
}

// importOf is the import that a key is of.
func importOf(k key) bridge.ImportID { return bridge.ImportID(strings.TrimPrefix(k.sk, imports)) }

// The keys of secrets hold their hashes: the secrets have full entropy, so a plain hash is enough.

func sessionKey(token bridge.Secret) key { return key{"SESSION#" + hash(token.Reveal()), "SESSION"} }
func signInKey(state bridge.Secret) key  { return key{"SIGNIN#" + hash(state.Reveal()), "SIGNIN"} }
func consentKey(state bridge.Secret) key { return key{"CONSENT#" + hash(state.Reveal()), "CONSENT"} }

// hookKey is that of an address that webhooks come to.
func hookKey(hook bridge.Secret) key { return key{"WEBHOOK#" + hash(hook.Reveal()), "WEBHOOK"} }

// messageHookKey has the id of a hook, which is its token's hash.
func messageHookKey(id string) key { return key{messageHooks + id, "MESSAGEHOOK"} }

func messageHookID(token bridge.Secret) string { return hash(token.Reveal()) }

// messageHookOf is the id of the hook that a key is of.
func messageHookOf(k key) string { return strings.TrimPrefix(k.pk, messageHooks) }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// line is a kind of work in the index "due". Each has shards of its own, so that none can hide another.
type line string

const (
	importLine       line = "DUE#"
	reportLine       line = "DOCTOR#"
	setupLine        line = "FIELDS#"
	erasureLine      line = "ERASURE#"
	installationLine line = "PLUMBING#"
	idleLine         line = "IDLE#"   // grants that are to be refreshed for their own sake
	untoldLine       line = "UNTOLD#" // connections whose accounts are to be told that they do not work
)

// shards spread a line over partitions, so that many accounts cannot make one of them hot.
const shards = 4

func (l line) shard(a bridge.AccountID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a))
	return l.name(int(h.Sum32() % shards))
}

func (l line) name(n int) string { return fmt.Sprintf("%s%d", l, n) }

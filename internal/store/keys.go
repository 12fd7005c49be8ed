package store

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/letter"
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
	deadLetters   = "LETTER#"

	syncRows  = "SYNC#"  // of sort keys, and of the partition of what a campaign's syncing keeps
	links     = "LINK#"  // of that partition
	needing   = "NEEDS#" // of that partition
	runs      = "RUN#"   // of that partition
	days      = "DAY#"   // of that partition
	causeRows = "CAUSE#"

	ruleSets    = "RULES#"
	ruleEdits   = "EDIT#"
	entries     = "LEDGER#"
	conversions = "CONVERSION#"
	reviews     = "REVIEW#"
	actions     = "ACTION#"
	watches     = "WATCH#"
	windows     = "WINDOW#"
	parked      = "PARKED#"

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

// letterKey has the id of a message. Letters that name no account are in the partition of the empty one, which is nobody's.
func letterKey(a bridge.AccountID, id string) key { return key{partition(a), deadLetters + id} }

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

// syncKey is how a campaign is synced.
func syncKey(a bridge.AccountID, c bridge.CampaignID) key {
	return key{partition(a), syncRows + string(c)}
}

// ownerKey reserves the fields of an object of an org for one campaign.
func ownerKey(a bridge.AccountID, c bridge.ConnectionID, object string) key {
	return key{partition(a), "OWNER#" + string(c) + "#" + object}
}

// turnKey is whose turn it is to write to an org.
func turnKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), "TURN#" + string(c)}
}

// synced is the partition of what a campaign's syncing keeps.
func synced(a bridge.AccountID, c bridge.CampaignID) string {
	return syncRows + string(a) + "#" + string(c)
}

// syncedOf is the campaign that a sort key of the family SYNC# is of.
func syncedOf(sort string) bridge.CampaignID {
	return bridge.CampaignID(strings.TrimPrefix(sort, syncRows))
}

func linkKey(a bridge.AccountID, c bridge.CampaignID, s bridge.SubscriberID) key {
	return key{synced(a, c), links + string(s)}
}

// needPrefix is that of the places of all subscribers that were refused for a cause.
func needPrefix(cause string) string { return needing + cause + "#" }

func needKey(a bridge.AccountID, c bridge.CampaignID, cause string, s bridge.SubscriberID) key {
	return key{synced(a, c), needPrefix(cause) + string(s)}
}

// needOf takes a place apart.
func needOf(sort string) (cause string, s bridge.SubscriberID) {
	text := strings.TrimPrefix(sort, needing)
	at := strings.LastIndexByte(text, '#')
	if at < 0 {
		return text, ""
	}
	return text[:at], bridge.SubscriberID(text[at+1:])
}

// causeKey is when a cause is to be tried again.
func causeKey(a bridge.AccountID, c bridge.CampaignID, cause string) key {
	return key{partition(a), causeRows + string(c) + "#" + cause}
}

// causeOf takes the sort key of a cause apart.
func causeOf(sort string) (bridge.CampaignID, string, bool) {
	text, is := strings.CutPrefix(sort, causeRows)
	campaign, cause, two := strings.Cut(text, "#")
	return bridge.CampaignID(campaign), cause, is && two
}

func runKey(a bridge.AccountID, c bridge.CampaignID, run string) key {
	return key{synced(a, c), runs + run}
}

func seenPrefix(run string) string { return "SEEN#" + run + "#" }

func seenKey(a bridge.AccountID, c bridge.CampaignID, run string, part int) key {
	return key{synced(a, c), fmt.Sprintf("%s%06d", seenPrefix(run), part)}
}

func loadKey(a bridge.AccountID, c bridge.CampaignID, load string) key {
	return key{synced(a, c), "LOAD#" + load}
}

func dayKey(a bridge.AccountID, c bridge.CampaignID, day time.Time) key {
	return key{synced(a, c), days + day.UTC().Format(time.DateOnly)}
}

func ruleSetKey(a bridge.AccountID, c bridge.CampaignID) key {
	return key{partition(a), ruleSets + string(c)}
}

func ruleEditKey(a bridge.AccountID, c bridge.CampaignID, id string) key {
	return key{partition(a), ruleEditsOf(c) + id}
}

func ruleEditsOf(c bridge.CampaignID) string { return ruleEdits + string(c) + "#" }

// entryKey sorts by deal, so that what a deal has come to lies together.
func entryKey(a bridge.AccountID, c bridge.CampaignID, deal bridge.SalesforceID, r bridge.RuleID) key {
	return key{partition(a), entriesOf(c, deal) + string(r)}
}

func entriesOf(c bridge.CampaignID, deal bridge.SalesforceID) string {
	return campaignEntries(c) + deal.Key() + "#"
}

func campaignEntries(c bridge.CampaignID) string { return entries + string(c) + "#" }

// conversionKey names an effect by what it is about: by person and step, never by a message or a time.
func conversionKey(e bridge.EffectID) key {
	return key{partition(e.Account), conversions + strings.Join([]string{string(e.Campaign), string(e.Kind), e.Subject, e.Currency}, "#")}
}

// paidKey has no rule: a deal is paid for once in a campaign.
func paidKey(a bridge.AccountID, c bridge.CampaignID, deal bridge.SalesforceID) key {
	return key{partition(a), "PAID#" + string(c) + "#" + deal.Key()}
}

func reviewKey(a bridge.AccountID, c bridge.CampaignID, id string) key {
	return key{partition(a), reviewsOf(c) + id}
}

func reviewsOf(c bridge.CampaignID) string { return reviews + string(c) + "#" }

func actionKey(a bridge.AccountID, c bridge.CampaignID, id string) key {
	return key{partition(a), actionsOf(c) + id}
}

func actionsOf(c bridge.CampaignID) string { return actions + string(c) + "#" }

func matchKey(a bridge.AccountID, c bridge.CampaignID, contact bridge.SalesforceID) key {
	return key{partition(a), "MATCH#" + string(c) + "#" + contact.Key()}
}

func watchKey(a bridge.AccountID, c bridge.ConnectionID) key {
	return key{partition(a), watches + string(c)}
}

// windowKey sorts by time.
func windowKey(a bridge.AccountID, w bridge.Window) key {
	kind := "poll"
	if w.Check {
		kind = "check"
	}
	return key{partition(a), fmt.Sprintf("%s%013d#%s", windowsOf(w.Connection), w.ClosedAt.UnixMilli(), kind)}
}

func windowsOf(c bridge.ConnectionID) string { return windows + string(c) + "#" }

func parkedKey(a bridge.AccountID, c bridge.ConnectionID, id string) key {
	return key{partition(a), parkedOf(c) + id}
}

func parkedOf(c bridge.ConnectionID) string { return parked + string(c) + "#" }

// parts are those of a sort key behind its family.
func parts(sort string) []string {
	_, rest, _ := strings.Cut(sort, "#")
	return strings.Split(rest, "#")
}

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
	syncLine         line = "SYNC#"
	causeLine        line = "CAUSE#"
	rulesLine        line = "RULES#"      // rules to catch up with
	lookLine         line = "LOOK#"       // deals to look at again
	conversionLine   line = "CONVERSION#" // effects
	watchLine        line = "WATCH#"      // connections to poll, or to check
	parkedLine       line = "PARKED#"     // deals whose message waits
	idleLine         line = "IDLE#"       // grants that are to be refreshed for their own sake
	untoldLine       line = "UNTOLD#"     // connections whose accounts are to be told that they do not work
)

// letterLine has the letters of a queue.
func letterLine(q letter.Queue) line { return line(deadLetters + string(q) + "#") }

// shards spread a line over partitions, so that many accounts cannot make one of them hot.
const shards = 4

func (l line) shard(a bridge.AccountID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a))
	return l.name(int(h.Sum32() % shards))
}

func (l line) name(n int) string { return fmt.Sprintf("%s%d", l, n) }

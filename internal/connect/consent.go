package connect

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Consent is one that was begun: what has to be true of whoever comes back with its state.
type Consent struct {
	Account     bridge.AccountID
	Session     string // hash of the session's token
	Browser     string // hash of the browser's token
	Environment bridge.Environment
	LoginHost   string            // origin where the consent is given and the code redeemed
	Campaign    bridge.CampaignID // where the person came from; may be empty
	Expires     time.Time
	Connection  bridge.ConnectionID // that is to be connected again; may be empty
	App         []byte              // the customer's, sealed by the broker; nil for the operator's
}

// patience is how long a person may take to give consent.
const patience = 10 * time.Minute

// fingerprint identifies a token without giving it away. Tokens have full entropy, so a plain hash does.
func fingerprint(token bridge.Secret) string { return digest(token.Reveal()) }

// verifier derives the PKCE verifier from the browser's token, so that nothing on our side holds it
// while the person is away.
func verifier(browser bridge.Secret) bridge.Secret {
	return bridge.NewSecret(digest("pkce\n" + browser.Reveal()))
}

// challenge is the verifier's S256 challenge.
func challenge(verifier bridge.Secret) string { return digest(verifier.Reveal()) }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

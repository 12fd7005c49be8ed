package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// genuine reports whether a body came with exactly one signature, made with one of the secrets. Without a secret
// nothing is genuine.
func genuine(signatures []string, body []byte, secrets []bridge.Secret) bool {
	if len(signatures) != 1 {
		return false
	}
	signed, found := decode(signatures[0]), false
	for _, secret := range secrets {
		if secret.Empty() {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), signed) {
			found = true
		}
	}
	return found
}

// decode returns the code that a signature says, or nil if it says none. ReferralHero does not document how it writes its
// HMAC-SHA256: base64 is likely, since its example loads that, but base64 for URLs, no padding, hexadecimal digits of
// either case, and "sha256=" before any of them are taken as well. All of them need the key, so this makes nothing weaker.
func decode(signature string) []byte {
	text := strings.TrimPrefix(strings.TrimSpace(signature), "sha256=")
	if len(text) == hex.EncodedLen(sha256.Size) {
		code, err := hex.DecodeString(text)
		if err != nil {
			return nil
		}
		return code
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSuffix(text, "="))
	code, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || len(text) != base64.RawStdEncoding.EncodedLen(sha256.Size) || len(code) != sha256.Size {
		return nil
	}
	return code
}

package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mac is the code of a body under a key.
func mac(key string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return h.Sum(nil)
}

const (
	current = "0f5a0b7c1d2e3f405162738495a6b7c8d9eafb0c"
	old     = "1f5a0b7c1d2e3f405162738495a6b7c8d9eafb0c"
)

func TestGenuine(t *testing.T) {
	t.Parallel()
	body := []byte(`{"response":"new_registration"}`)
	// A body whose code has both characters in which the two alphabets of base64 differ.
	for n := 0; !strings.Contains(base64.StdEncoding.EncodeToString(mac(current, body)), "+") || !strings.Contains(base64.StdEncoding.EncodeToString(mac(current, body)), "/"); n++ {
		body = append(body, ' ')
	}
	sum := mac(current, body)
	std, url, digits := base64.StdEncoding.EncodeToString(sum), base64.URLEncoding.EncodeToString(sum), hex.EncodeToString(sum)
	both := []string{current, old}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	loose := std[:42] + string(alphabet[strings.IndexByte(alphabet, std[42])+1]) + "=" // the same bytes, written otherwise
	for name, tc := range map[string]struct {
		signatures []string
		secrets    []string
		want       bool
	}{
		"base64":                              {[]string{std}, both, true},
		"base64 without padding":              {[]string{strings.TrimRight(std, "=")}, both, true},
		"base64 for URLs":                     {[]string{url}, both, true},
		"base64 for URLs, without padding":    {[]string{strings.TrimRight(url, "=")}, both, true},
		"hexadecimal digits":                  {[]string{digits}, both, true},
		"hexadecimal digits in capitals":      {[]string{strings.ToUpper(digits)}, both, true},
		"a prefix before base64":              {[]string{"sha256=" + std}, both, true},
		"a prefix before digits":              {[]string{"sha256=" + digits}, both, true},
		"spaces around it":                    {[]string{" " + std + "\t"}, both, true},
		"the secret before":                   {[]string{base64.StdEncoding.EncodeToString(mac(old, body))}, both, true},
		"the secret before, after its time":   {[]string{base64.StdEncoding.EncodeToString(mac(old, body))}, []string{current}, false},
		"another secret":                      {[]string{base64.StdEncoding.EncodeToString(mac("x", body))}, both, false},
		"no secret is known":                  {[]string{std}, nil, false},
		"an empty secret is none":             {[]string{base64.StdEncoding.EncodeToString(mac("", body))}, []string{""}, false},
		"no signature":                        {nil, both, false},
		"an empty signature":                  {[]string{""}, both, false},
		"nothing but a prefix":                {[]string{"sha256="}, both, false},
		"two signatures":                      {[]string{std, std}, both, false},
		"two signatures, joined":              {[]string{std + "," + std}, both, false},
		"two signatures, joined with a space": {[]string{std + ", " + digits}, both, false},
		"another prefix":                      {[]string{"sha1=" + digits}, both, false},
		"a prefix twice":                      {[]string{"sha256=sha256=" + digits}, both, false},
		"padding twice":                       {[]string{std + "="}, both, false},
		"bits that say nothing":               {[]string{loose}, both, false},
		"cut off":                             {[]string{std[:40]}, both, false},
		"longer than it should be":            {[]string{digits + "00"}, both, false},
		"a line break inside":                 {[]string{std[:20] + "\n" + std[20:]}, both, false},
		"digits that are none":                {[]string{strings.Repeat("g", 64)}, both, false},
		"of another body":                     {[]string{base64.StdEncoding.EncodeToString(mac(current, append(body, ' ')))}, both, false},
		"the bytes themselves":                {[]string{string(sum)}, both, false},
		"the code of nothing":                 {[]string{strings.Repeat("0", 64)}, both, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var secrets []bridge.Secret
			for _, s := range tc.secrets {
				secrets = append(secrets, bridge.NewSecret(s))
			}
			if got := genuine(tc.signatures, body, secrets); got != tc.want {
				t.Errorf("genuine = %t, want %t", got, tc.want)
			}
		})
	}
}

// FuzzDecode looks for signatures that say something else than a code of 32 bytes.
func FuzzDecode(f *testing.F) {
	sum := mac(current, nil)
	for _, seed := range []string{base64.StdEncoding.EncodeToString(sum), base64.RawURLEncoding.EncodeToString(sum), "sha256=" + hex.EncodeToString(sum), "", "=", "sha256="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, signature string) {
		code := decode(signature)
		if code == nil {
			return
		}
		if len(code) != sha256.Size {
			t.Fatalf("%q says %d bytes", signature, len(code))
		}
		text := strings.TrimPrefix(strings.TrimSpace(signature), "sha256=")
		std := base64.RawStdEncoding.EncodeToString(code)
		same := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSuffix(text, "=")) == std
		if !same && !strings.EqualFold(text, hex.EncodeToString(code)) {
			t.Errorf("%q says %x, which is written otherwise", signature, code)
		}
	})
}

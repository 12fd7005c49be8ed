package secrets

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// KeyRing seals with AES-256-GCM. It holds keys by number: the highest one seals, every one opens, so a
// key is replaced by adding one and, once everything was sealed anew, removing the old one.
type KeyRing struct {
	reader *Reader
	field  string
}

// DataKeys returns the key ring in "dataKeys" of the application's secret: for access tokens and API tokens.
func DataKeys(r *Reader) *KeyRing { return &KeyRing{r, "dataKeys"} }

// RefreshKeys returns the key ring in "refreshKeys" of the token broker's secret: for refresh tokens.
func RefreshKeys(r *Reader) *KeyRing { return &KeyRing{r, "refreshKeys"} }

var errSealed = errors.New("ciphertext does not open here")

// Seal encrypts plain so that only Open with the same associated data gives it back.
func (k *KeyRing) Seal(ctx context.Context, plain bridge.Secret, associated string) ([]byte, error) {
	const op = "secrets.Seal"
	keys, err := k.keys(ctx, false)
	if err != nil {
		return nil, bridge.E(op, "", err)
	}
	newest := 0
	for number := range keys {
		newest = max(newest, number)
	}
	aead, err := gcm(keys[newest])
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	// One byte of key number, then the nonce, then the ciphertext with its tag.
	sealed := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain.Reveal())+aead.Overhead())
	sealed[0] = byte(newest)
	_, _ = rand.Read(sealed[1:]) // never fails
	return aead.Seal(sealed, sealed[1:], []byte(plain.Reveal()), []byte(associated)), nil
}

// Open decrypts what Seal made. It fails if the ciphertext was changed or comes from another place. An
// unknown key number makes it read the secret again, once: the key may have been added just now.
func (k *KeyRing) Open(ctx context.Context, sealed []byte, associated string) (bridge.Secret, error) {
	const op = "secrets.Open"
	if len(sealed) == 0 {
		return bridge.Secret{}, bridge.E(op, bridge.Internal, errSealed)
	}
	keys, err := k.keys(ctx, false)
	if err == nil && keys[int(sealed[0])] == nil {
		keys, err = k.keys(ctx, true)
	}
	if err != nil {
		return bridge.Secret{}, bridge.E(op, "", err)
	}
	aead, err := gcm(keys[int(sealed[0])])
	if err != nil {
		return bridge.Secret{}, bridge.E(op, bridge.Internal, err)
	}
	if len(sealed) < 1+aead.NonceSize() {
		return bridge.Secret{}, bridge.E(op, bridge.Internal, errSealed)
	}
	nonce, box := sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, box, []byte(associated))
	if err != nil {
		return bridge.Secret{}, bridge.E(op, bridge.Internal, errSealed)
	}
	return bridge.NewSecret(string(plain)), nil
}

// keys returns the ring by number.
func (k *KeyRing) keys(ctx context.Context, again bool) (map[int][]byte, error) {
	const op = "secrets.keys"
	text, err := k.reader.read(ctx, again)
	if err != nil {
		return nil, err
	}
	var document map[string]json.RawMessage
	var encoded map[string]string
	if json.Unmarshal([]byte(text), &document) != nil || json.Unmarshal(document[k.field], &encoded) != nil || len(encoded) == 0 {
		return nil, bridge.E(op, bridge.Internal, fmt.Errorf("the secret has no %q", k.field))
	}
	keys := make(map[int][]byte, len(encoded))
	for name, value := range encoded {
		number, err := strconv.Atoi(name)
		key, bad := base64.StdEncoding.DecodeString(value)
		if err != nil || bad != nil || number < 1 || number > 255 || len(key) != 32 {
			return nil, bridge.E(op, bridge.Internal, fmt.Errorf("%q must map numbers from 1 to 255 to 32 bytes in base64", k.field))
		}
		keys[number] = key
	}
	return keys, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	if key == nil {
		return nil, errors.New("no such key in the ring")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Package secrets reads what operators keep in AWS Secrets Manager, and seals with the keys found there.
package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// fresh is how long a secret is used before it is read again.
const fresh = 5 * time.Minute

// Reader reads one secret, at most every five minutes. It is safe for concurrent use.
type Reader struct {
	Client *secretsmanager.Client
	ID     string           // name or ARN
	Now    func() time.Time // time.Now unless set

	mu   sync.Mutex
	text string
	at   time.Time
}

// Load returns the secret's JSON as a T.
func Load[T any](ctx context.Context, r *Reader) (T, error) {
	const op = "secrets.Load"
	var value T
	text, err := r.read(ctx, false)
	if err != nil {
		return value, err
	}
	if json.Unmarshal([]byte(text), &value) != nil {
		// The decoder's own words would quote the secret.
		return value, bridge.E(op, bridge.Internal, errors.New("the secret is not the JSON that it should be"))
	}
	return value, nil
}

// read returns the secret's text; again asks Secrets Manager even if the text at hand is fresh.
func (r *Reader) read(ctx context.Context, again bool) (string, error) {
	const op = "secrets.read"
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !again && r.text != "" && now().Sub(r.at) < fresh {
		return r.text, nil
	}
	result, err := r.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &r.ID})
	if err != nil {
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			return "", bridge.E(op, bridge.Internal, err)
		}
		return "", bridge.E(op, bridge.Unavailable, err)
	}
	if result.SecretString == nil || *result.SecretString == "" {
		return "", bridge.E(op, bridge.Internal, errors.New("the secret is empty: an operator has to fill it in"))
	}
	r.text, r.at = *result.SecretString, now()
	return r.text, nil
}

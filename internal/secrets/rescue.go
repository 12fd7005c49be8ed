package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Rescue keeps the newest tokens of a connection in a secret of its own for as long as the table does not
// take them. The secret's version is computed from what the tokens are, so that whoever comes next finds
// exactly those that it misses, and so that keeping them twice is harmless. They are sealed here too.
type Rescue struct {
	Client *secretsmanager.Client
	Prefix string // of the names of these secrets, and of no others
	Ring   *KeyRing
}

// kept is what lies in the secret, sealed.
type kept struct {
	Refresh        string    `json:"refresh"`
	RefreshVersion int       `json:"refreshVersion"`
	Access         string    `json:"access"`
	Instance       string    `json:"instance"`
	IssuedAt       time.Time `json:"issuedAt"`
}

func (r Rescue) name(account bridge.AccountID, id bridge.ConnectionID) string {
	return r.Prefix + string(account) + "/" + string(id)
}

// place names the tokens of a grant by the versions that they have.
func place(account bridge.AccountID, id bridge.ConnectionID, generation, version int) string {
	return fmt.Sprintf("%s|%s|rescue|%d|%d", account, id, generation, version)
}

func version(place string) string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(place)).String() }

// Keep keeps the tokens of a grant.
func (r Rescue) Keep(ctx context.Context, next bridge.Grant) error {
	const op = "secrets.Keep"
	plain, err := json.Marshal(kept{
		Refresh: next.RefreshToken.Reveal(), RefreshVersion: next.RefreshVersion,
		Access: next.Access.Token.Reveal(), Instance: next.Access.Instance, IssuedAt: next.IssuedAt,
	})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	at := place(next.Account, next.Connection, next.Generation, next.Access.Version)
	sealed, err := r.Ring.Seal(ctx, bridge.NewSecret(string(plain)), at)
	if err != nil {
		return bridge.E(op, "", err)
	}
	name, token := r.name(next.Account, next.Connection), version(at)
	_, err = r.Client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretBinary: sealed, ClientRequestToken: &token})
	var exists *types.ResourceExistsException
	if errors.As(err, &exists) {
		_, err = r.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretBinary: sealed, ClientRequestToken: &token})
	}
	if errors.As(err, &exists) { // this version is there: an answer was lost before
		return nil
	}
	return bridge.E(op, bridge.Unavailable, err)
}

// Kept returns was with the tokens that were kept as its next ones, or NotFound.
func (r Rescue) Kept(ctx context.Context, was bridge.Grant) (bridge.Grant, error) {
	const op = "secrets.Kept"
	next := was
	next.Access.Version++
	at := place(was.Account, was.Connection, was.Generation, next.Access.Version)
	name, id := r.name(was.Account, was.Connection), version(at)
	found, err := r.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionId: &id})
	var missing *types.ResourceNotFoundException
	var deleted *types.InvalidRequestException
	if errors.As(err, &missing) || errors.As(err, &deleted) {
		return bridge.Grant{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	if err != nil {
		return bridge.Grant{}, bridge.E(op, bridge.Unavailable, err)
	}
	plain, err := r.Ring.Open(ctx, found.SecretBinary, at)
	if err != nil {
		return bridge.Grant{}, bridge.E(op, "", err)
	}
	var k kept
	if json.Unmarshal([]byte(plain.Reveal()), &k) != nil {
		return bridge.Grant{}, bridge.E(op, bridge.Internal, errSealed)
	}
	next.RefreshToken, next.RefreshVersion = bridge.NewSecret(k.Refresh), k.RefreshVersion
	next.Access.Token, next.Access.Instance, next.IssuedAt = bridge.NewSecret(k.Access), k.Instance, k.IssuedAt
	return next, nil
}

// Forget deletes the secret of a connection. It succeeds if there is none.
func (r Rescue) Forget(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	name, now := r.name(account, id), true
	_, err := r.Client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: &now})
	if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		return nil
	}
	return bridge.E("secrets.Forget", bridge.Unavailable, err)
}

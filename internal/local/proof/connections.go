package proof

import (
	"context"
	"errors"

	"github.com/referralbridge/referralbridge/internal/local/proof/refresh"
)

// Connections is what the experiments on connections found.
type Connections struct {
	ModelStates    int `json:"model_states"`          // of our protocol for refreshes, each one visited
	ModelLosses    int `json:"model_losses"`          // of a grant that could have been kept
	PlantedFound   int `json:"planted_found"`         // protocols that lose grants, and were found out
	StormRounds    int `json:"storm_rounds"`          // in which 100 workers met one refusal
	TokenCalls     int `json:"token_calls_per_round"` // of the token endpoint
	Revoked        int `json:"revoked"`               // grants, in the storm
	AttacksRefused int `json:"attacks_refused"`
	BytesLeaked    int `json:"marked_bytes_leaked"`
}

// Err says which promise does not hold.
func (c Connections) Err() error {
	return broken(map[string]bool{
		"the model explored":                  c.ModelStates > 0,
		"nothing lost in the model":           c.ModelLosses == 0,
		"all planted protocols found out":     c.PlantedFound == len(refresh.Planted),
		"200 rounds of the storm":             c.StormRounds >= 200,
		"one token call a round":              c.TokenCalls == 1,
		"no grant revoked":                    c.Revoked == 0,
		"at least 30 attacks refused":         c.AttacksRefused >= 30,
		"no marked byte where it must not be": c.BytesLeaked == 0,
	})
}

// ProveConnections runs the experiments on connections, one after the other, and tells how far it is.
func ProveConnections(ctx context.Context, root string, tell func(format string, args ...any)) (Connections, error) {
	var found Connections
	ours, planted := refresh.Check()
	found.ModelStates, found.ModelLosses, found.PlantedFound = ours.States, ours.Losses, planted
	tell("model: %d states, %d losses, %d in the window that nobody can close; %d of %d planted protocols found out",
		ours.States, ours.Losses, ours.Window, planted, len(refresh.Planted))

	var errs [3]error
	found.BytesLeaked, errs[0] = Canary(ctx, root, tell)
	found.AttacksRefused, errs[1] = refuseAttacks(ctx, root, tell)
	var storm Storm
	storm, errs[2] = storms(ctx, root, 200, tell)
	found.StormRounds, found.TokenCalls, found.Revoked = storm.Rounds, storm.TokenCalls, storm.Revoked
	return found, errors.Join(errs[:]...)
}

package secretsmanager

import (
	"encoding/json"
	"fmt"
)

// kept is a snapshot: all secrets with their versions. Counters of requests are not part of it.
type kept struct {
	Version int
	Secrets map[string]*secret
}

// Snapshot returns everything that is kept as JSON that Restore reads. The values of the secrets are in it, in the clear.
func (s *Server) Snapshot() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(kept{Version: 1, Secrets: s.secrets})
}

// Restore replaces everything that is kept by a snapshot. If it returns an error, nothing was changed.
func (s *Server) Restore(snapshot []byte) error {
	k := kept{Secrets: map[string]*secret{}}
	if err := json.Unmarshal(snapshot, &k); err != nil {
		return fmt.Errorf("snapshot of Secrets Manager: %w", err)
	}
	if k.Version != 1 {
		return fmt.Errorf("snapshot of Secrets Manager has version %d, want 1", k.Version)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = k.Secrets
	return nil
}

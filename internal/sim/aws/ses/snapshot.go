package ses

import (
	"encoding/json"
	"fmt"
)

// kept is a snapshot: all mails. Counters of requests are not part of it.
type kept struct {
	Version int
	Mails   []Mail
}

// Snapshot returns everything that is kept as JSON that Restore reads.
func (s *Server) Snapshot() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(kept{Version: 1, Mails: s.mails})
}

// Restore replaces everything that is kept by a snapshot. If it returns an error, nothing was changed.
func (s *Server) Restore(snapshot []byte) error {
	var k kept
	if err := json.Unmarshal(snapshot, &k); err != nil {
		return fmt.Errorf("snapshot of SES: %w", err)
	}
	if k.Version != 1 {
		return fmt.Errorf("snapshot of SES has version %d, want 1", k.Version)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = k.Mails
	return nil
}

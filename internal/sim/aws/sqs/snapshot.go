package sqs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// kept is a snapshot: all queues with their messages and receipts. Counters of requests are not part of it.
type kept struct {
	Version int
	Sent    uint64
	Queues  []keptQueue
}

type keptQueue struct {
	*queue
	Messages []*message
}

// Snapshot returns everything that is kept as JSON that Restore reads.
func (s *Server) Snapshot() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := kept{Version: 1, Sent: s.sent}
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		q := s.queues[name]
		k.Queues = append(k.Queues, keptQueue{q, slices.SortedFunc(maps.Values(q.messages), func(a, b *message) int { return cmp.Compare(a.Number, b.Number) })})
	}
	return json.Marshal(k)
}

// Restore replaces everything that is kept by a snapshot. If it returns an error, nothing was changed.
func (s *Server) Restore(snapshot []byte) error {
	var k kept
	if err := json.Unmarshal(snapshot, &k); err != nil {
		return fmt.Errorf("snapshot of SQS: %w", err)
	}
	if k.Version != 1 {
		return fmt.Errorf("snapshot of SQS has version %d, want 1", k.Version)
	}
	queues := map[string]*queue{}
	for _, each := range k.Queues {
		q := newQueue("", time.Time{})
		each.queue.messages, each.queue.changed = q.messages, q.changed
		for _, m := range each.Messages {
			each.queue.put(m)
		}
		queues[each.Name] = each.queue
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.wake()
	}
	s.queues, s.sent = queues, k.Sent
	return nil
}

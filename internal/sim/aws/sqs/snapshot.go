package sqs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// kept is a snapshot: all queues with their messages and receipts. Counters of requests are not part of it.
type kept struct {
	Version int
	Sent    uint64
	Queues  []keptQueue
}

type keptQueue struct {
	Queue    *queue
	Messages []*message // in the order in which they were sent
}

// Snapshot returns everything that is kept as JSON that Restore reads.
func (s *Server) Snapshot() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := kept{Version: 1, Sent: s.sent}
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		q := s.queues[name]
		messages := slices.SortedFunc(maps.Values(q.messages), func(a, b *message) int { return cmp.Compare(a.Number, b.Number) })
		k.Queues = append(k.Queues, keptQueue{q, messages})
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
		if each.Queue == nil {
			return errors.New("snapshot of SQS: a queue is missing")
		}
		each.Queue.open()
		for _, m := range each.Messages {
			each.Queue.put(m)
		}
		queues[each.Queue.Name] = each.Queue
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.wake()
	}
	s.queues, s.sent = queues, k.Sent
	return nil
}

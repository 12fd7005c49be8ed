package dynamodb

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// snapshotVersion is that of the document that Snapshot writes.
const snapshotVersion = 1

type snapshot struct {
	Version int
	Tables  []savedTable
	Tokens  map[string]remembered
}

type savedTable struct {
	Definition tableDefinition
	Created    time.Time
	Expires    string
	Recovery   bool
	Items      []json.RawMessage
}

// Snapshot returns all tables and items as one JSON document that Restore reads.
func (s *Server) Snapshot() ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := snapshot{Version: snapshotVersion, Tokens: s.tokens}
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		t := s.tables[name]
		saved := savedTable{Definition: t.definition, Created: t.created, Expires: t.expires, Recovery: t.recovery}
		for _, partition := range slices.Sorted(maps.Keys(t.items.partitions)) {
			for e := range t.items.partitions[partition].between("", "", true) {
				saved.Items = append(saved.Items, appendMembers(nil, e.item))
			}
		}
		all.Tables = append(all.Tables, saved)
	}
	return json.Marshal(all)
}

// Restore replaces all that the server holds by a snapshot. If it returns an error, nothing was changed.
func (s *Server) Restore(saved []byte) error {
	var all snapshot
	if err := json.Unmarshal(saved, &all); err != nil {
		return fmt.Errorf("dynamodb snapshot: %w", err)
	}
	if all.Version != snapshotVersion {
		return fmt.Errorf("dynamodb snapshot: version %d, want %d", all.Version, snapshotVersion)
	}
	tables := map[string]*table{}
	for _, from := range all.Tables {
		t, err := newTable(from.Definition, from.Created)
		if err != nil {
			return fmt.Errorf("dynamodb snapshot: table %s: %w", from.Definition.TableName, err)
		}
		t.expires, t.recovery = from.Expires, from.Recovery
		for _, raw := range from.Items {
			var in struct{ Item document }
			err := decode(slices.Concat([]byte(`{"Item":`), raw, []byte(`}`)), &in)
			if err == nil {
				err = t.checkItem(in.Item)
			}
			if err != nil {
				return fmt.Errorf("dynamodb snapshot: table %s: %w", from.Definition.TableName, err)
			}
			t.set(t.address(in.Item), in.Item)
		}
		tables[from.Definition.TableName] = t
	}
	if all.Tokens == nil {
		all.Tokens = map[string]remembered{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables, s.tokens = tables, all.Tokens
	return nil
}

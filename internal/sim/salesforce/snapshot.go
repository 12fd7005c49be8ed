package salesforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// snapshot is an org on disk.
type snapshot struct {
	Version int                      `json:"version"`
	Org     id                       `json:"organization"`
	Tables  map[string]tableSnapshot `json:"tables"`
	Hidden  map[id][]string          `json:"hidden,omitempty"` // fields, by user
	Shown   map[id][]string          `json:"shown,omitempty"`
	Grants  json.RawMessage          `json:"grants"`

	Deployments []deployment   `json:"deployments,omitempty"`
	Outbox      outboxSnapshot `json:"outbox"`
}

// tableSnapshot names the columns, so that it can be read when there are others.
type tableSnapshot struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

const snapshotVersion = 1

// Snapshot returns the org's records, field-level security, grants, deployments and notifications as JSON, for Restore. Switches, fault
// rules, counts and open query locators are not in it. Requests wait only while the rows are noted, not while they are written.
func (o *Org) Snapshot() ([]byte, error) {
	s := snapshot{Version: snapshotVersion, Org: o.orgID, Tables: map[string]tableSnapshot{}, Hidden: map[id][]string{}, Shown: map[id][]string{}}
	o.auth.mu.Lock()
	grants, err := json.Marshal(&o.auth)
	o.auth.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.Grants = grants

	o.mu.RLock()
	rows, columns, places := map[string][]row{}, map[string][]string{}, map[string][]int{}
	for _, t := range o.tables {
		rows[t.name] = slices.Clone(t.rows)
		for _, f := range t.fields {
			if f.derive == nil {
				columns[t.name] = append(columns[t.name], f.name)
				places[t.name] = append(places[t.name], f.at)
			}
		}
	}
	for user, fields := range o.profiles {
		for _, f := range slices.Sorted(maps.Keys(fields)) {
			if fields[f] {
				s.Shown[user] = append(s.Shown[user], f)
			} else {
				s.Hidden[user] = append(s.Hidden[user], f)
			}
		}
	}
	for _, d := range o.deployments {
		s.Deployments = append(s.Deployments, *d)
	}
	s.Outbox = o.outbox.snapshot()
	o.mu.RUnlock()

	for name, list := range rows {
		t := tableSnapshot{Columns: columns[name], Rows: make([][]string, len(list))}
		for i, r := range list {
			values := r.values(0)
			for _, at := range places[name] {
				if at < len(values) {
					t.Rows[i] = append(t.Rows[i], values[at])
				} else {
					t.Rows[i] = append(t.Rows[i], "")
				}
			}
		}
		s.Tables[name] = t
	}
	return json.Marshal(s)
}

// Restore replaces records, field-level security and grants by those of a Snapshot of the same organization. On an
// error nothing has changed.
func (o *Org) Restore(data []byte) error {
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if s.Version != snapshotVersion || s.Org != o.orgID {
		return fmt.Errorf("a snapshot of version %d of organization %q; this is version %d of %s", s.Version, s.Org, snapshotVersion, o.orgID)
	}
	var auth grants
	auth.reset()
	if err := json.Unmarshal(s.Grants, &auth); err != nil {
		return fmt.Errorf("read grants: %w", err)
	}
	if auth.Codes == nil || auth.Grants == nil || auth.Sessions == nil {
		return errors.New("the snapshot has no grants")
	}
	tables := map[string]*table{}
	schema := newSchema()
	custom := newTable(schema["customfield"])
	rows, err := custom.restore(s.Tables["CustomField"])
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := addCustomField(schema, custom.object, r); err != nil {
			return err
		}
	}
	if len(s.Tables["CurrencyType"].Rows) > 0 {
		addCurrencies(schema)
	}
	for name, b := range schema {
		t := newTable(b)
		rows, err := t.restore(s.Tables[b.name])
		if err != nil {
			return err
		}
		t.load(rows)
		tables[name] = t
	}
	if tables["organization"].find(o.orgID) < 0 || tables["user"].find(o.admin) < 0 {
		return errors.New("the snapshot has no organization or no administrator")
	}
	profiles := map[id]map[string]bool{}
	for visible, list := range map[bool]map[id][]string{false: s.Hidden, true: s.Shown} {
		for user, fields := range list {
			if profiles[user] == nil {
				profiles[user] = map[string]bool{}
			}
			for _, f := range fields {
				profiles[user][f] = visible
			}
		}
	}
	o.auth.mu.Lock()
	o.auth.Codes, o.auth.Grants, o.auth.Sessions = auth.Codes, auth.Grants, auth.Sessions
	o.auth.mu.Unlock()
	o.mu.Lock()
	o.adopt(tables)
	o.profiles = profiles
	o.settle()
	o.regrant()
	o.recall(s.Deployments)
	o.outbox.restore(s.Outbox)
	o.mu.Unlock()
	o.cursors.forget()
	return nil
}

// restore packs the rows of a snapshot, whose columns may be fewer or in another order.
func (t *table) restore(from tableSnapshot) ([]row, error) {
	places := make([]int, len(from.Columns))
	for i, name := range from.Columns {
		f := t.field(name)
		if f == nil || f.derive != nil {
			return nil, fmt.Errorf("%s has no column %q", t.name, name)
		}
		places[i] = f.at
	}
	rows := make([]row, len(from.Rows))
	values := make([]string, t.width)
	for i, list := range from.Rows {
		if len(list) != len(places) {
			return nil, fmt.Errorf("%s: row %d has %d values for %d columns", t.name, i, len(list), len(places))
		}
		clear(values)
		for k, v := range list {
			values[places[k]] = v
		}
		of, err := parseID(values[0])
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %q is %w", t.name, i, values[0], err)
		}
		values[0] = string(of)
		rows[i] = packRow(values)
	}
	return rows, nil
}

package store

import (
	"context"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// layoutRecord names the fields, so that their order is not in the table.
type layoutRecord struct {
	Fields  map[string]placeRecord `dynamodbav:"fields"` // by name, such as CODE
	Persons bool                   `dynamodbav:"persons"`
	Version int                    `dynamodbav:"version"`
}

type placeRecord struct {
	Name    string `dynamodbav:"name"`
	Length  int    `dynamodbav:"length,omitempty"`
	Visible bool   `dynamodbav:"visible,omitempty"`
}

// Layout returns where the fields are on an object of a connection's org, or NotFound.
func (s *Store) Layout(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, object string) (bridge.Layout, error) {
	var r layoutRecord
	if err := s.get(ctx, "store.Layout", layoutKey(account, connection, object), &r); err != nil {
		return bridge.Layout{}, err
	}
	l := bridge.Layout{Account: account, Connection: connection, Object: object, Persons: r.Persons, Version: r.Version}
	for i, f := range bridge.Fields {
		at := r.Fields[f.Name]
		l.Names[i], l.Lengths[i] = at.Name, at.Length
		if at.Visible {
			l.Visible = l.Visible.With(i)
		}
	}
	return l, nil
}

// SaveLayout writes a layout. It is a Conflict unless the version is still the one that was read; 0 is that of a first
// one.
func (s *Store) SaveLayout(ctx context.Context, l bridge.Layout) error {
	r := layoutRecord{Fields: map[string]placeRecord{}, Persons: l.Persons, Version: l.Version + 1}
	for i, f := range bridge.Fields {
		if l.Names[i] != "" {
			r.Fields[f.Name] = placeRecord{l.Names[i], l.Lengths[i], l.Visible.Has(i)}
		}
	}
	return s.version(ctx, "store.SaveLayout", layoutKey(l.Account, l.Connection, l.Object), r, l.Version)
}

// version writes an item that carries a version, if the one in the table is still was; 0 if there is none.
func (s *Store) version(ctx context.Context, op string, k key, v any, was int) error {
	if was == 0 {
		return s.put(ctx, op, k, v, absent, nil)
	}
	return s.put(ctx, op, k, v, versioned, map[string]any{":was": was})
}

type setupRecord struct {
	Target      string               `dynamodbav:"target"`
	Persons     bool                 `dynamodbav:"persons,omitempty"`
	Prefix      string               `dynamodbav:"prefix"`
	Readers     readersRecord        `dynamodbav:"readers"`
	Leaving     readersRecord        `dynamodbav:"leaving"`
	Fields      []fieldRecord        `dynamodbav:"fields"`
	Integration setRecord            `dynamodbav:"integrationSet"`
	Reader      setRecord            `dynamodbav:"readerSet"`
	Route       provision.Route      `dynamodbav:"route"`
	Step        provision.Step       `dynamodbav:"step"`
	Problems    []setupProblemRecord `dynamodbav:"problems,omitempty"`
	Wipe        bool                 `dynamodbav:"wipe,omitempty"`
	Deadline    int64                `dynamodbav:"deadline,omitempty"`
	Unannounced bool                 `dynamodbav:"unannounced,omitempty"`
	CheckedAt   int64                `dynamodbav:"checkedAt,omitempty"`
	Version     int                  `dynamodbav:"version"`
	Shard       string               `dynamodbav:"shard,omitempty"`
	DueAt       int64                `dynamodbav:"dueAt,omitempty"`
}

type readersRecord struct {
	Users    []bridge.SalesforceID `dynamodbav:"users,omitempty"`
	Profiles []bridge.SalesforceID `dynamodbav:"profiles,omitempty"`
}

type fieldRecord struct {
	Object string              `dynamodbav:"object"`
	Field  string              `dynamodbav:"field"` // such as CODE
	Name   string              `dynamodbav:"name,omitempty"`
	ID     bridge.SalesforceID `dynamodbav:"id,omitempty"`
	Hand   bool                `dynamodbav:"hand,omitempty"`
	State  provision.State     `dynamodbav:"fieldState"`
	Detail string              `dynamodbav:"detail,omitempty"`
}

type setRecord struct {
	ID   bridge.SalesforceID `dynamodbav:"id,omitempty"`
	Name string              `dynamodbav:"name,omitempty"`
}

type setupProblemRecord struct {
	Code    string   `dynamodbav:"code"`
	Details []string `dynamodbav:"details,omitempty"`
}

// Setup returns how a connection's org got its fields, or NotFound.
func (s *Store) Setup(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (provision.Setup, error) {
	var r setupRecord
	if err := s.get(ctx, "store.Setup", setupKey(account, connection), &r); err != nil {
		return provision.Setup{}, err
	}
	return r.setup(account, connection), nil
}

func (r setupRecord) setup(account bridge.AccountID, connection bridge.ConnectionID) provision.Setup {
	setup := provision.Setup{
		Account: account, Connection: connection, Target: r.Target, Persons: r.Persons, Prefix: r.Prefix,
		Readers: provision.Readers(r.Readers), Leaving: provision.Readers(r.Leaving),
		Integration: provision.Set{ID: r.Integration.ID, Name: r.Integration.Name}, Reader: provision.Set{ID: r.Reader.ID, Name: r.Reader.Name},
		Route: r.Route, Step: r.Step, Wipe: r.Wipe, Deadline: fromMillis(r.Deadline), Unannounced: r.Unannounced,
		CheckedAt: fromMillis(r.CheckedAt), DueAt: fromMillis(r.DueAt), Version: r.Version,
	}
	known := map[string]fieldRecord{}
	var objects []string
	for _, f := range r.Fields {
		if len(objects) == 0 || objects[len(objects)-1] != f.Object {
			objects = append(objects, f.Object)
		}
		known[f.Object+"."+f.Field] = f
	}
	for _, object := range objects {
		for i, field := range bridge.Fields {
			f, is := known[object+"."+field.Name]
			if !is {
				f.State = provision.Planned
			}
			setup.Fields = append(setup.Fields, provision.Field{
				Object: object, Index: i, Name: f.Name, ID: f.ID, Hand: f.Hand, State: f.State, Detail: f.Detail,
			})
		}
	}
	for _, p := range r.Problems {
		setup.Problems = append(setup.Problems, provision.Problem(p))
	}
	return setup
}

// SaveSetup writes a setup. It is a Conflict unless the version is still the one that was read; 0 is that of a first
// one.
func (s *Store) SaveSetup(ctx context.Context, setup provision.Setup) error {
	r := setupRecord{
		Target: setup.Target, Persons: setup.Persons, Prefix: setup.Prefix, Readers: readersRecord(setup.Readers), Leaving: readersRecord(setup.Leaving),
		Integration: setRecord{setup.Integration.ID, setup.Integration.Name}, Reader: setRecord{setup.Reader.ID, setup.Reader.Name},
		Route: setup.Route, Step: setup.Step, Wipe: setup.Wipe, Deadline: millis(setup.Deadline), Unannounced: setup.Unannounced,
		CheckedAt: millis(setup.CheckedAt), Version: setup.Version + 1,
	}
	if !setup.DueAt.IsZero() {
		r.Shard, r.DueAt = setupLine.shard(setup.Account), millis(setup.DueAt)
	}
	for _, f := range setup.Fields {
		r.Fields = append(r.Fields, fieldRecord{
			Object: f.Object, Field: bridge.Fields[f.Index].Name, Name: f.Name, ID: f.ID, Hand: f.Hand, State: f.State, Detail: f.Detail,
		})
	}
	for _, p := range setup.Problems {
		r.Problems = append(r.Problems, setupProblemRecord(p))
	}
	return s.version(ctx, "store.SaveSetup", setupKey(setup.Account, setup.Connection), r, setup.Version)
}

// DueSetups returns up to limit setups of each shard that are to be looked after at now, those that wait longest first.
func (s *Store) DueSetups(ctx context.Context, now time.Time, limit int) ([]provision.Due, error) {
	var found []provision.Due
	err := s.due(ctx, "store.DueSetups", setupLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		id, is := strings.CutPrefix(sort, setups)
		found = append(found, provision.Due{Account: account, Connection: bridge.ConnectionID(id), At: at})
		return is
	})
	return found, err
}

// PostponeSetup moves on the time at which a setup is looked after. It is a Conflict unless it is still due at d.At.
func (s *Store) PostponeSetup(ctx context.Context, d provision.Due, until time.Time) error {
	return s.postpone(ctx, "store.PostponeSetup", setupKey(d.Account, d.Connection), d.At, until)
}

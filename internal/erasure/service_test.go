package erasure

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// estate is an account with what is in it. Each failure happens once.
type estate struct {
	begun       *Begun
	access      bool
	connections []bridge.Connection
	imports     []bridge.Import
	deleted     bool
	failures    map[string]error
	done        []string // what was called, in order
}

func (e *estate) step(name string) error {
	e.done = append(e.done, name)
	err := e.failures[name]
	delete(e.failures, name)
	return err
}

func (e *estate) BeginErasure(_ context.Context, b Begun) error {
	if e.begun != nil {
		return &bridge.Error{Op: "test", Kind: bridge.Conflict}
	}
	e.begun = &b
	return e.step("begin")
}

func (e *estate) DueErasures(_ context.Context, now time.Time, _ int) ([]Begun, error) {
	if e.begun == nil || now.Before(e.begun.Due) {
		return nil, nil
	}
	return []Begun{*e.begun}, nil
}

func (e *estate) PostponeErasure(_ context.Context, b Begun, until time.Time) error {
	if !e.begun.Due.Equal(b.Due) {
		return &bridge.Error{Op: "test", Kind: bridge.Conflict}
	}
	e.begun.Due = until
	return nil
}

func (e *estate) EndAccess(context.Context, bridge.AccountID) error {
	err := e.step("access")
	e.access = e.access && err != nil
	return err
}

func (e *estate) DeleteAccount(context.Context, bridge.AccountID) error {
	if err := e.step("delete"); err != nil {
		return err
	}
	e.deleted, e.begun = true, nil
	return nil
}

// service gives the estate the methods of its neighbours, whose names are the same.
func (e *estate) service(now *time.Time) Service {
	return Service{Rows: e, Connections: neighbours{e}, Imports: office{e}, Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler)}
}

type neighbours struct{ *estate }

func (n neighbours) List(context.Context, bridge.AccountID) ([]bridge.Connection, error) {
	return n.connections, nil
}

func (n neighbours) Disconnect(_ context.Context, _ bridge.AccountID, id bridge.ConnectionID) error {
	err := n.step("disconnect")
	for i, c := range n.connections {
		if c.ID == id && err == nil {
			n.connections[i].Status = bridge.Disconnected
		}
	}
	return err
}

type office struct{ *estate }

func (o office) List(_ context.Context, _ bridge.AccountID, _ bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error) {
	var page []bridge.Import
	for _, i := range o.imports {
		if (before == "" || i.ID < before) && len(page) < limit {
			page = append(page, i)
		}
	}
	return page, nil
}

func (o office) Cancel(_ context.Context, _ bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	err := o.step("cancel")
	for n, i := range o.imports {
		if i.ID == id && err == nil {
			o.imports[n].State = bridge.Canceled
		}
	}
	return bridge.Import{}, err
}

func furnished() *estate {
	return &estate{
		access:      true,
		connections: []bridge.Connection{{ID: "c_1", Status: bridge.Active}, {ID: "c_2", Status: bridge.Disconnected}},
		imports:     []bridge.Import{{ID: "i_3", State: bridge.Paused}, {ID: "i_2", State: bridge.Done}, {ID: "i_1", State: bridge.Running}},
		failures:    map[string]error{},
	}
}

func TestErasure(t *testing.T) {
	t.Parallel()
	outage := &bridge.Error{Op: "test", Kind: bridge.Unavailable, Err: errors.New("down")}
	for name, tc := range map[string]struct {
		fails map[string]error
		ended bool          // access has ended when Begin returns
		gone  time.Duration // after which everything is deleted
	}{
		"all goes well":                      {ended: true, gone: quiet},
		"an import that ends by itself":      {fails: map[string]error{"cancel": &bridge.Error{Op: "test", Kind: bridge.Conflict}}, ended: true, gone: goesOn + quiet},
		"sessions that cannot be ended yet":  {fails: map[string]error{"access": outage}, gone: goesOn + quiet},
		"an org that cannot be disconnected": {fails: map[string]error{"disconnect": outage}, ended: true, gone: goesOn + quiet},
		"a crash in the middle of deleting":  {fails: map[string]error{"delete": outage}, ended: true, gone: quiet + taken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Unix(1_793_613_600, 0)
			now, e := start, furnished()
			for step, err := range tc.fails {
				e.failures[step] = err
			}
			s := e.service(&now)
			for range 2 { // a form that is sent twice
				if err := s.Begin(t.Context(), "a_1"); err != nil {
					t.Fatal(err)
				}
				if e.access == tc.ended {
					t.Errorf("access = %t when Begin returns", e.access)
				}
				if tc.fails != nil {
					break
				}
			}
			for ; !e.deleted && now.Sub(start) < time.Hour; now = now.Add(30 * time.Second) {
				_ = s.Run(t.Context()) // its failures are tried again
			}
			if gone := now.Sub(start) - 30*time.Second; gone != tc.gone {
				t.Errorf("deleted after %s, want %s; steps: %q", gone, tc.gone, e.done)
			}
			last := len(e.done) - 1 - slices.Index(reversed(e.done), "disconnect")
			if e.done[len(e.done)-1] != "delete" || slices.Index(e.done, "delete") < last {
				t.Errorf("steps: %q, want everything ended before anything is deleted", e.done)
			}
			if i := slices.IndexFunc(e.imports, func(i bridge.Import) bool { return !i.State.Ended() }); i >= 0 {
				t.Errorf("import %s is still %s", e.imports[i].ID, e.imports[i].State)
			}
		})
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestBeginFails(t *testing.T) {
	t.Parallel()
	now, e := time.Unix(1_793_613_600, 0), furnished()
	e.failures["begin"] = &bridge.Error{Op: "test", Kind: bridge.Throttled}
	if err := e.service(&now).Begin(t.Context(), "a_1"); bridge.KindOf(err) != bridge.Throttled || !e.access {
		t.Errorf("%v, access = %t: want the error, and everything as it was", err, e.access)
	}
}

package provision

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// save writes a setup, which stays the version that is in the table.
func (s Service) save(ctx context.Context, setup *Setup) error {
	if err := s.Rows.SaveSetup(ctx, *setup); err != nil {
		return err
	}
	setup.Version++
	return nil
}

// settle writes down what was seen of the objects: the layouts, and at last the setup, with its next step. Whoever wants to
// hear of changed layouts has heard of them by then.
func (s Service) settle(ctx context.Context, setup *Setup, seen map[string]sight, next Step) error {
	var changed, all []bridge.Layout
	for object, at := range seen {
		layout, err := s.Rows.Layout(ctx, setup.Account, setup.Connection, object)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return err
		}
		was := layout
		layout.Account, layout.Connection, layout.Object = setup.Account, setup.Connection, object
		for _, f := range setup.of(object) {
			layout.Names[f.Index] = ""
			if next != Removed && setup.ours(f, at) {
				layout.Names[f.Index] = f.Name
			}
		}
		layout = written(setup.of(object), at.Fit(layout))
		if layout != was {
			changed = append(changed, layout)
		}
		if layout.Names != was.Names || layout.Visible != was.Visible {
			setup.Unannounced = true
		}
		all = append(all, layout)
	}
	if setup.Unannounced && len(changed) > 0 {
		if err := s.save(ctx, setup); err != nil {
			return err
		}
	}
	for _, layout := range changed {
		if err := s.Rows.SaveLayout(ctx, layout); err != nil {
			return err
		}
	}
	if setup.Unannounced && s.Changed != nil {
		for _, layout := range all {
			if err := s.Changed(ctx, layout); err != nil {
				return err
			}
		}
	}
	now := s.Now()
	setup.forget(orgWaits)
	setup.Unannounced, setup.Step, setup.CheckedAt, setup.DueAt = false, next, now, now.Add(daily)
	switch {
	case next == Removed:
		setup.DueAt = time.Time{}
	case slices.ContainsFunc(setup.Fields, func(f Field) bool { return !f.State.Written() }):
		setup.DueAt = now.Add(hourly)
	}
	return s.save(ctx, setup)
}

// ours reports whether whatever has the field's name is ours to write, so that others may look for it by its name: a field
// that we have made and that is still there or that nobody has replaced, and one that an administrator is to make.
func (s Setup) ours(f Field, seen sight) bool {
	if !f.made() {
		return s.Route == ByHand
	}
	_, visible := seen.Field(f.Name)
	_, told := seen.named(f.Name)
	return f.State != Missing || !visible && !told
}

// written takes fields out of the layout that are not ours to write, whatever they look like.
func written(fields []Field, l bridge.Layout) bridge.Layout {
	for _, f := range fields {
		if !f.State.Written() {
			l.Visible = l.Visible.Without(f.Index)
			l.Lengths[f.Index] = 0
		}
	}
	return l
}

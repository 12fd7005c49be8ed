package store

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// form sets, or with 0 takes away, what a row says about its form.
func (s *Store) form(t *testing.T, k key, form int) {
	t.Helper()
	update := dynamodb.UpdateItemInput{TableName: &s.table, Key: k.attributes(), UpdateExpression: pointer("REMOVE #form"),
		ExpressionAttributeNames: map[string]string{"#form": "schema"}}
	if form > 0 {
		values, err := bind(map[string]any{":form": form})
		if err != nil {
			t.Fatal(err)
		}
		update.UpdateExpression, update.ExpressionAttributeValues = pointer("SET #form = :form"), values
	}
	if _, err := s.db.UpdateItem(t.Context(), &update); err != nil {
		t.Fatal(err)
	}
}

func TestRowsOfOtherReleases(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	run := syncer.Run{Account: "a_1", Campaign: "MF0a1b2c3d4e", ID: "r_1", StartedAt: began, BeatAt: began}
	for what, err := range map[string]error{
		"an import": s.BeginImport(t.Context(), newImport("i_1"), began),
		"a link":    s.SaveLink(t.Context(), syncer.Link{Account: "a_1", Campaign: "MF0a1b2c3d4e", Subscriber: "sub_000000000001"}, ""),
		"a run":     s.SaveRun(t.Context(), run),
	} {
		if err != nil {
			t.Fatalf("writing %s: %v", what, err)
		}
	}
	for name, read := range map[string]struct {
		row key
		do  func(context.Context) error
	}{
		"one row": {importKey("a_1", "i_1"), func(ctx context.Context) error {
			_, err := s.Import(ctx, "a_1", "i_1")
			return err
		}},
		"some rows": {linkKey("a_1", "MF0a1b2c3d4e", "sub_000000000001"), func(ctx context.Context) error {
			_, err := s.Links(ctx, "a_1", "MF0a1b2c3d4e", []bridge.SubscriberID{"sub_000000000001"})
			return err
		}},
		"all rows": {linkKey("a_1", "MF0a1b2c3d4e", "sub_000000000001"), func(ctx context.Context) error {
			for _, err := range s.EveryLink(ctx, "a_1", "MF0a1b2c3d4e") {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		"newest first": {runKey("a_1", "MF0a1b2c3d4e", "r_1"), func(ctx context.Context) error {
			_, err := s.Runs(ctx, "a_1", "MF0a1b2c3d4e", 9)
			return err
		}},
	} {
		for form, later := range map[int]bool{0: false, written: false, readable + 1: true} { // 0 is what the first releases wrote
			s.form(t, read.row, form)
			err := read.do(t.Context())
			if later && (bridge.KindOf(err) != bridge.Throttled || bridge.AfterOf(err, time.Second) != laterRelease) {
				t.Errorf("%s of a later release: %v, want a wait of %s", name, err, laterRelease)
			}
			if !later && err != nil {
				t.Errorf("%s of form %d: %v", name, form, err)
			}
		}
	}
}

func TestRowsSayTheirForm(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if err := s.BeginImport(t.Context(), newImport("i_1"), began); err != nil {
		t.Fatal(err)
	}
	var row struct{ Schema int }
	if err := s.get(t.Context(), "test", importKey("a_1", "i_1"), &row); err != nil || row.Schema != written {
		t.Errorf("the row says form %d, %v; want %d", row.Schema, err, written)
	}
}

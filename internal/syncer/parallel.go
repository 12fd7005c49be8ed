package syncer

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// abreast is how many small calls to the table a worker has on their way at a time, and hands how many to ReferralHero.
const (
	abreast = 16
	hands   = 5
)

// parallel does something for each of the items, several at a time, until the first error.
func parallel[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	return together(ctx, abreast, items, do)
}

func together[T any](ctx context.Context, most int, items []T, do func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(most)
	for _, item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}

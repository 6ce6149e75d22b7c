package api

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Run does what a door does without being asked: it hands changes on to sinks and
// pulls from sources, until ctx ends. Requests are answered without it.
func (d *Door) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return d.sinks.Run(ctx) })
	g.Go(func() error { return d.sources.Run(ctx) })
	return g.Wait()
}

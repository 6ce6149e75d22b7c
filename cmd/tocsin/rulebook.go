package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// lookEvery is how often the files of the policy are looked at.
const lookEvery = 2 * time.Second

// A rulebook keeps what the files of the policy say in force: all of it or, when
// anything is wrong with them, what they said before.
type rulebook struct {
	dir     directory
	log     *slog.Logger
	enforce func(*node.Rules) policy.Faults
	note    func(context.Context, *node.Rules) error // puts them on record first; nil: nobody does
	refusal func(context.Context, int)               // notes that they were refused, for so many faults
	turn    chan struct{}                            // held by whoever reads
	refused atomic.Pointer[api.PolicyFaults]

	// Of whoever has the turn.
	read  []rulefile // as they were when they were read last
	fresh []rulefile // as they were at the last look, if that was otherwise
}

// openRulebook reads the rules to begin with. Enforce is still to be set.
func openRulebook(dir directory, log *slog.Logger) (*rulebook, *node.Rules, error) {
	set, err := dir.readRules()
	if err != nil {
		return nil, nil, err
	}
	return &rulebook{dir: dir, log: log, turn: make(chan struct{}, 1), read: set.files}, set.rules, nil
}

// files is how the door reaches the rulebook.
func (b *rulebook) files() api.PolicyFiles {
	return api.PolicyFiles{Reload: b.reload, Refused: func() api.PolicyFaults {
		if faults := b.refused.Load(); faults != nil {
			return *faults
		}
		return nil
	}}
}

// reload reads the files and puts them in force. It returns the names that
// nobody has here.
func (b *rulebook) reload(ctx context.Context) (api.PolicyFaults, error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-b.turn }()
	return b.put(ctx)
}

// put is reload for whoever has the turn.
func (b *rulebook) put(ctx context.Context) (api.PolicyFaults, error) {
	set, err := b.dir.readRules()
	if set.files == nil { // the directory itself could not be read
		set.files = b.dir.stat(b.read)
	}
	b.read, b.fresh = set.files, nil
	if err != nil {
		var faults api.PolicyFaults
		if !errors.As(err, &faults) {
			faults = api.PolicyFaults{{File: api.PolicyName, Reason: err.Error()}}
		}
		b.refused.Store(&faults)
		b.noteRefusal(ctx, len(faults))
		return nil, faults
	}
	if err := b.record(ctx, set.rules); err != nil {
		return nil, err
	}
	unknown := b.enforce(set.rules)
	b.refused.Store(nil)
	return api.FaultsIn(api.PolicyName, unknown, true), nil
}

// look reads the files again when they were written to. They must have been the
// same twice: an editor may be half way through.
func (b *rulebook) look() {
	select {
	case b.turn <- struct{}{}:
	default:
		return // they are being read
	}
	defer func() { <-b.turn }()
	now := b.dir.stat(b.read)
	switch {
	case sameFiles(now, b.read):
		b.fresh = nil
	case !sameFiles(now, b.fresh):
		b.fresh = now
	default:
		b.tell(b.put(node.WithActor(context.Background(), "files")))
	}
}

// tell logs what became of a reload that nobody waits for.
func (b *rulebook) tell(unknown api.PolicyFaults, err error) {
	if err != nil {
		b.log.Error("the policy is refused, that from before stays in force: see `tocsin policy check`", "err", err)
		return
	}
	b.log.Info("policy reloaded", "unknown_names", len(unknown))
}

// watch looks at the files every two seconds, and reads them whenever hangup
// brings a signal, until ctx ends.
func (b *rulebook) watch(ctx context.Context, hangup <-chan os.Signal) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.look()
		case <-hangup:
			b.tell(b.reload(node.WithActor(ctx, "signal")))
		}
	}
}

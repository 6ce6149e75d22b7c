package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// auditEvery is how often the whole journal is read again, and pruned.
const auditEvery = 24 * time.Hour

func (d directory) audit() string { return filepath.Join(string(d), "audit") }

// A recorder keeps a daemon's audit journal.
type recorder struct {
	*journal.Journal
	log      *slog.Logger
	verified atomic.Pointer[journal.Report]
	noted    map[journal.Fault]bool // of the watching goroutine
}

// journal is the key the journal is sealed under: of the store's own, so there is
// one where there is a passphrase, and it stays as long as the store does.
func (k keys) journal() ([]byte, error) {
	if k.store == nil {
		return nil, nil
	}
	return hkdf.Key(sha256.New, k.store, nil, "tocsin audit journal v1", journal.KeySize)
}

// openJournal begins to put on record what the node does.
func (d *daemon) openJournal(k keys) error {
	key, err := k.journal()
	if err != nil {
		return err
	}
	j, err := journal.Open(d.dir.audit(), journal.Options{Key: key, Log: d.log})
	if err != nil {
		return hinted(fmt.Errorf("the audit journal: %w", err), "look at %s", d.dir.audit())
	}
	d.audit = &recorder{Journal: j, log: d.log, noted: map[journal.Fault]bool{}}
	d.later(func(context.Context) error { return d.closeJournal() })
	return nil
}

// closeJournal says what was lost, unless the daemon ends for it and says so.
func (d *daemon) closeJournal() error {
	err := d.audit.Close()
	if err != nil && errors.Is(d.ended, journal.ErrFailed) {
		d.log.Error("audit journal: close", "err", err)
		return nil
	}
	return err
}

// journalFault is why the daemon ends when its acts cannot be put on record.
func (d *daemon) journalFault() error {
	return hinted(fmt.Errorf("the audit journal: %w", d.audit.Stats().Failed), "look at the disk of %s; it starts again as soon as %s can be written", d.dir, d.dir.audit())
}

// noteLife notes the start, and at the end the stop and its reason.
func (d *daemon) noteLife() error {
	ctx := node.WithActor(context.Background(), fmt.Sprintf("operator uid %d", os.Getuid()))
	d.node.NoteDone(ctx, journal.Record{Act: journal.ActStart, Peer: d.node.Identity().Node, Words: map[string]string{"version": version()}})
	d.later(func(context.Context) error {
		r := journal.Record{Act: journal.ActStop, Rule: "asked to"}
		if d.ended != nil {
			r.Rule = d.ended.Error()
		}
		d.node.NoteDone(ctx, r)
		return nil
	})
	return nil
}

// version is what was built, as far as it is known.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// watchJournal verifies the journal now and once a day, and drops what the
// policy keeps no longer.
func (d *daemon) watchJournal() error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(auditEvery)
		defer ticker.Stop()
		for {
			rules, _ := d.node.Rules()
			d.audit.look(ctx, time.Now().Add(-rules.Policy.Retention.Journal))
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	d.later(func(context.Context) error { cancel(); <-done; return nil })
	return nil
}

// look prunes and verifies once. Faults are noted when they are new.
func (r *recorder) look(ctx context.Context, before time.Time) {
	removed, err := r.Prune(ctx, journal.Retention{Before: before, Rule: "retention.journal"})
	if err != nil && ctx.Err() == nil {
		r.log.Warn("audit journal: retention", "err", err)
	}
	if removed > 0 {
		r.log.Info("audit journal pruned", "segments", removed)
	}
	report, err := r.Verify()
	if err != nil {
		r.log.Error("audit journal: verify", "err", err)
		return
	}
	r.verified.Store(&report)
	for _, f := range report.Faults {
		if !r.noted[f] {
			r.noted[f] = true
			r.log.Error("the audit journal is damaged", "at", f.String())
			r.Append(f.Record())
		}
	}
}

// door is how the door reaches the journal.
func (r *recorder) door() api.Journal {
	return api.Journal{Open: r.Journal, Verified: r.verified.Load}
}

// record puts another policy on record before it is in force. Where that cannot
// be done the one from before stays.
func (b *rulebook) record(ctx context.Context, next *node.Rules) error {
	if b.note == nil {
		return nil
	}
	if err := b.note(ctx, next); err != nil {
		return fmt.Errorf("the policy from before stays in force: %w", err)
	}
	return nil
}

// noteRefusal puts a policy that was refused on record.
func (b *rulebook) noteRefusal(ctx context.Context, faults int) {
	if b.refusal != nil {
		b.refusal(ctx, faults)
	}
}

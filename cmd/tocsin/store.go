package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/storage"
)

const rebuildHelp = `Makes every index of the store anew from the bulletins in it, which are the
truth. Needed only after damage; harmless at any time, and it may be interrupted.
The daemon must not run meanwhile.

What the store holds then is what it is measured by: losses told until now are
told no more. With --accept-loss also a store whose tables are damaged, and which
does not open for that, is opened with the rows that can be read: look at
` + "`tocsin peer list`" + ` afterwards, a block may be gone.

Prints: rebuilt N objects in M bulletins.`

const checkHelp = `Reads everything in the store again and compares: the hash of every record, every
body with the root its header signs, the index with the objects, the counts with
the head file. Asks the daemon of the directory, or reads the store itself when
none runs. Takes about ten seconds for a million indicators.

Prints what was read, then a line for every fault:

  checked: bulletins:5 bodies:5 objects:12 segments:4 rows:7 lost:0
  fault: 9f8e... "the body: damaged on disk" repair:"fetched from peers"
  sound: no

Exit codes: 0 sound, 1 something is wrong.`

func (c *cli) storeCommand() *cobra.Command {
	var o offline
	rebuild := &cobra.Command{Use: "rebuild", Short: "Make every index anew from the bulletins", Long: rebuildHelp, Args: noArgs}
	rebuild.Flags().BoolVar(&o.acceptLoss, "accept-loss", false, "go on without the rows of tables that are damaged or lost")
	rebuild.RunE = func(cmd *cobra.Command, _ []string) error { return c.rebuild(cmd.Context(), o) }
	check := &cobra.Command{Use: "check", Short: "Read everything again and say what is wrong", Long: checkHelp, Args: noArgs}
	check.RunE = func(cmd *cobra.Command, _ []string) error { return c.check(cmd.Context(), o) }
	for _, cmd := range []*cobra.Command{rebuild, check} {
		o.flags(cmd)
	}
	return group("store", "Care for the store of a node", c.answers(rebuild), c.answers(check))
}

// offline is how to open the store of a node that does not run.
type offline struct {
	passphraseFile string
	acceptLoss     bool
}

func (o *offline) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.passphraseFile, "passphrase-file", "", "file with the passphrase of the keys, instead of what config.toml says")
}

// whileStopped does something to the directory of a node that does not run, and
// keeps one from starting meanwhile.
func (c *cli) whileStopped(o offline, do func(directory, config, keys) error) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	conf, k, err := c.load(dir, runFlags{passphraseFile: o.passphraseFile})
	if err != nil {
		return err
	}
	lock, err := dir.acquire()
	if err != nil {
		return hinted(err, "stop the daemon first")
	}
	defer lock.Close()
	return do(dir, conf, k)
}

// withStore opens the store of a node that does not run, for as long as use
// takes.
func (c *cli) withStore(o offline, use func(*storage.Store) error) error {
	return c.whileStopped(o, func(dir directory, _ config, k keys) error {
		store, err := storage.Open(dir.store(), storage.Options{Key: k.store, AcceptLoss: o.acceptLoss})
		if err != nil {
			return fmt.Errorf("open the store in %s: %w", dir.store(), err)
		}
		defer store.Close()
		if err := use(store); err != nil {
			return err
		}
		return store.Close()
	})
}

func (c *cli) rebuild(ctx context.Context, o offline) error {
	return c.withStore(o, func(store *storage.Store) error {
		bar := c.progress("rebuild", 0)
		err := store.Rebuild(ctx, func(done, total int) { bar.at(done, total) })
		bar.end()
		if err != nil {
			return err
		}
		stats := store.Stats()
		record := struct {
			Objects   int `json:"objects"`
			Bulletins int `json:"bulletins"`
		}{stats.Objects, stats.Headers}
		return c.print(record, "rebuilt %d objects in %d bulletins", record.Objects, record.Bulletins)
	})
}

func (c *cli) check(ctx context.Context, o offline) error {
	var report storage.Report
	err := c.eitherWay(o,
		func(client *api.Client) (err error) { report, err = client.CheckStore(ctx); return err },
		func(store *storage.Store) (err error) { report, err = store.Check(ctx); return err })
	if err != nil {
		return err
	}
	if err := c.print(report, "%s", reportLines(&report)); err != nil {
		return err
	}
	if !report.Sound() {
		return errTold
	}
	return nil
}

// eitherWay asks the daemon of the directory, or does without where none runs.
func (c *cli) eitherWay(o offline, ask func(*api.Client) error, do func(*storage.Store) error) error {
	client, dir, err := c.daemon()
	if err != nil {
		return err
	}
	if err = unreachable(ask(client), string(dir)); errors.Is(err, errNoDaemon) {
		return c.withStore(o, do)
	}
	return err
}

func reportLines(r *storage.Report) string {
	lines := []string{fmt.Sprintf("checked: bulletins:%d bodies:%d objects:%d segments:%d rows:%d lost:%d", r.Headers, r.Bodies, r.Objects, r.Segments, r.Rows, r.Lost)}
	for _, f := range r.Faults {
		id := "-"
		if f.Bulletin != nil {
			id = f.Bulletin.String()
		}
		lines = append(lines, fmt.Sprintf("fault: %s %s repair:%s", id, field(f.What), field(f.Repair)))
	}
	if r.More > 0 {
		lines = append(lines, fmt.Sprintf("more: %d", r.More))
	}
	if r.Sound() {
		return strings.Join(append(lines, "sound: yes"), "\n")
	}
	return strings.Join(append(lines, "sound: no"), "\n")
}

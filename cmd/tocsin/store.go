package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/storage"
)

const rebuildHelp = `Makes every index of the store anew from the bulletins in it, which are the
truth. Needed only after damage; harmless at any time, and it may be interrupted.
The daemon must not run meanwhile.

Prints: rebuilt N objects in M bulletins.`

func (c *cli) storeCommand() *cobra.Command {
	var passphraseFile string
	rebuild := &cobra.Command{Use: "rebuild", Short: "Make every index anew from the bulletins", Long: rebuildHelp, Args: noArgs}
	rebuild.Flags().StringVar(&passphraseFile, "passphrase-file", "", "file with the passphrase of the keys, instead of what config.toml says")
	rebuild.RunE = func(cmd *cobra.Command, _ []string) error { return c.rebuild(cmd.Context(), passphraseFile) }
	return group("store", "Care for the store of a node that is not running", c.answers(rebuild))
}

func (c *cli) rebuild(ctx context.Context, passphraseFile string) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	_, k, err := c.load(dir, runFlags{passphraseFile: passphraseFile})
	if err != nil {
		return err
	}
	lock, err := dir.acquire()
	if err != nil {
		return hinted(err, "stop the daemon first")
	}
	defer lock.Close()
	store, err := storage.Open(dir.store(), storage.Options{Key: k.store})
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", dir.store(), err)
	}
	defer store.Close()
	bar := c.progress("rebuild", 0)
	err = store.Rebuild(ctx, func(done, total int) { bar.at(done, total) })
	bar.end()
	if err != nil {
		return err
	}
	stats := store.Stats()
	record := struct {
		Objects   int `json:"objects"`
		Bulletins int `json:"bulletins"`
	}{stats.Objects, stats.Headers}
	if err := c.print(record, "rebuilt %d objects in %d bulletins", record.Objects, record.Bulletins); err != nil {
		return err
	}
	return store.Close()
}

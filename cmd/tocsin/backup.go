package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/storage"
)

const backupHelp = `Writes everything the store holds at one moment to FILE, or to standard output
for -, while the daemon goes on; without a daemon it reads the store itself. FILE
appears under its name only when it is whole and on the disk.

The keys and the configuration are not in it: copy org.key, node.key, store.key,
node.cert and config.toml once, to a safe place. Where the store is encrypted the
backup is sealed under the store's key and opens only with store.key. Where it is
not, whoever has the file can read everything the node may: keep it accordingly.

Every byte is covered by a hash; what is damaged on the disk is copied as it is,
and counted. Prints: backup FILE records:N damaged:N sealed:no made:TIME`

const restoreHelp = `Makes the node's store of a backup. The daemon must not run, and the store must
be empty: after ` + "`tocsin init`" + ` it is, else move it away first. The directory's keys
must be those of the node the backup was made of.

Nothing is changed until the whole backup is verified. What the node said after
the backup was made comes back from its peers; no number is used twice, because
every start opens a new epoch. Cursors that readers hold are answered with 410.
Tokens ended, peers blocked or names given since are as they were then.

Prints: restored FILE records:N damaged:N made:TIME`

func (c *cli) backupCommand() *cobra.Command {
	var o offline
	cmd := &cobra.Command{Use: "backup FILE|-", Short: "Write everything the store holds to a file", Long: backupHelp, Args: exactArgs("FILE")}
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.backup(cmd.Context(), args[0], o) }
	return c.answers(cmd)
}

func (c *cli) restoreCommand() *cobra.Command {
	var o offline
	cmd := &cobra.Command{Use: "restore FILE|-", Short: "Make the store of a backup", Long: restoreHelp, Args: exactArgs("FILE")}
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.restore(cmd.Context(), args[0], o) }
	return c.answers(cmd)
}

// backupLine is what backup and restore print.
type backupLine struct {
	File string `json:"file"`
	storage.BackupReport
}

func (l backupLine) String() string {
	return fmt.Sprintf("%s records:%d damaged:%d sealed:%s made:%s", field(l.File), l.Records, l.Damaged, yesNo(l.Sealed), l.Made.UTC().Format(time.RFC3339))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (c *cli) backup(ctx context.Context, file string, o offline) error {
	if file == "-" {
		_, err := c.writeBackup(ctx, c.stdout, o)
		return err
	}
	report, err := c.backupFile(ctx, file, o)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	line := backupLine{file, report}
	if err := c.print(line, "backup %s", line); err != nil {
		return err
	}
	if report.Damaged > 0 {
		c.hint("`tocsin store check` says what is damaged")
	}
	return nil
}

// backupFile writes beside the file, and gives it its name at the end.
func (c *cli) backupFile(ctx context.Context, file string, o offline) (report storage.BackupReport, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-") // mode 0600
	if err != nil {
		return report, err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	out := bufio.NewWriterSize(f, 1<<20)
	report, err = c.writeBackup(ctx, out, o)
	if err = errors.Join(err, out.Flush()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return report, err
	}
	return report, os.Rename(f.Name(), file)
}

func (c *cli) writeBackup(ctx context.Context, w io.Writer, o offline) (report storage.BackupReport, err error) {
	err = c.eitherWay(o,
		func(client *api.Client) (err error) { report, err = client.Backup(ctx, w); return err },
		func(store *storage.Store) (err error) { report, err = store.Backup(ctx, w); return err })
	return report, err
}

func (c *cli) restore(ctx context.Context, file string, o offline) error {
	return c.whileStopped(o, func(dir directory, _ config, k keys) error { return c.restoreTo(ctx, dir, k, file) })
}

func (c *cli) restoreTo(ctx context.Context, dir directory, k keys, file string) error {
	in := c.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	report, err := storage.Restore(ctx, dir.store(), bufio.NewReaderSize(in, 1<<20), storage.Options{Key: k.store})
	switch {
	case errors.Is(err, storage.ErrNotEmpty):
		return hinted(err, "mv %s %s.old, then restore again", dir.store(), dir.store())
	case errors.Is(err, storage.ErrKey):
		return hinted(err, "put store.key of the node it was made of into %s", dir)
	case err != nil:
		return err
	}
	line := backupLine{file, report}
	return c.print(line, "restored %s", line)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

const archiveHelp = `Carries bulletins where no connection goes: over an air gap, on a medium that
people hand over. An archive holds what the organisations it is for may all see,
each bulletin signed by who said it, and says itself whom it is for. What is
above GREEN is sealed in it to each node that may read it.`

const archiveExportHelp = `Writes what every organisation named with --for may see, and nothing else. Whoever
holds the medium reads what is CLEAR or GREEN: hand it to these organisations
alone. What is above GREEN and may be seen by any of them is written once for each
of its nodes, which alone can open it; --community leaves that out. ORG is a
confirmed name, a key or a fingerprint. - writes to standard output, and what is
printed below to standard error. An existing file is not overwritten.

--since leaves out what came to this node before: a date, a time (RFC 3339), or
how long ago, such as 7d. The receiver then needs the archives before, too.
Statements about members are always in it.

Prints:

  archive: FILE
  for: hospital,vendor
  communities: isac
  bulletins: 40                 a sealed one counts for each node
  bytes: 31337
  withheld: 3 author-fallen     held here and not for all of them, by the rule;
                                above GREEN for none of them. no-encryption-key:
                                an organisation's nodes have not said yet where
                                to seal for them`

const archiveImportHelp = `Verifies an archive and takes in what this node may hold, as if peers had brought
it. In which order archives come makes no difference, nor does importing one
twice. It must be for this organisation, and joins no community: of those this
node is not in nothing is taken.

Prints:

  archive: FILE
  from: bank
  for: hospital,vendor
  exported: 2026-01-31T12:00:00Z
  community: isac member:yes
  bulletins: 40          that verified
  new: 37
  known: 3
  refused: 0
  reason: 2 not-a-member the rule by which bulletins were refused
  damaged: 0             places that are not what was signed

and sealed-for-others: N (bulletins that only other nodes can read), missing: N
(bulletins of the exporter that did not verify here), truncated: yes, since: TIME
where that is so. Who said something above GREEN gets its receipt with the next
connection. Of a damaged archive everything that verifies is taken in; each place
of damage is named on standard error, and the exit code is 1.`

func (c *cli) archiveCommand() *cobra.Command {
	cmd := group("archive", "Carry bulletins over an air gap", c.archiveExportCommand(), c.archiveImportCommand())
	cmd.Long = archiveHelp
	return cmd
}

func (c *cli) archiveExportCommand() *cobra.Command {
	var o api.ExportOptions
	cmd := &cobra.Command{Use: "export --for ORG... FILE|-", Short: "Write what organisations may see to a file", Long: archiveExportHelp, Args: exactArgs("FILE"),
		Example: "  tocsin archive export --for hospital --for vendor --since 7d /media/usb/week.tocsin"}
	cmd.Flags().StringArrayVar(&o.For, "for", nil, "organisation that may read the archive; repeat for more")
	cmd.Flags().StringVar(&o.Since, "since", "", "leave out what came here before, such as 2026-01-31 or 7d (default: everything)")
	cmd.Flags().StringVar(&o.Community, "community", "", "only this one (default: all that the organisations share with this node)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(o.For) == 0 {
			return hinted(usagef("--for is missing: an archive is for somebody"), "name each organisation that may read the medium")
		}
		return c.exportArchive(cmd.Context(), args[0], o)
	}
	return c.answers(cmd)
}

func (c *cli) exportArchive(ctx context.Context, path string, o api.ExportOptions) error {
	told := *c
	if path == "-" {
		told.stdout = c.stderr
	}
	var e api.Exported
	err := c.ask(func(client *api.Client) (err error) {
		if path == "-" {
			e, err = client.ExportArchive(ctx, c.stdout, o)
			return err
		}
		return createWhole(path, func(w io.Writer) (err error) {
			e, err = client.ExportArchive(ctx, w, o)
			return err
		})
	})
	if err != nil {
		return err
	}
	record := struct {
		Archive string `json:"archive"`
		api.Exported
	}{orStandard(path, "stdout"), e}
	lines := []string{
		"archive: " + clean(record.Archive), "for: " + fields(e.For), "communities: " + fields(e.Communities),
		fmt.Sprintf("bulletins: %d", e.Bulletins), fmt.Sprintf("bytes: %d", e.Bytes),
	}
	return told.print(record, "%s", strings.Join(append(lines, countLines("withheld", e.Withheld)...), "\n"))
}

// createWhole makes a file that only this user reads, and leaves none where it
// could not be written whole.
func createWhole(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return hinted(err, "choose another name, or remove it first")
	}
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func (c *cli) archiveImportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import FILE|-", Short: "Take in what an archive holds", Long: archiveImportHelp, Args: exactArgs("FILE")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.importArchive(cmd.Context(), args[0]) }
	return c.answers(cmd)
}

func (c *cli) importArchive(ctx context.Context, path string) error {
	name, medium := orStandard(path, "stdin"), &medium{r: c.stdin}
	var size int64
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		medium.r = f
	}
	bar := c.progress(name, size)
	var report node.ArchiveReport
	err := c.ask(func(client *api.Client) (err error) {
		report, err = client.ImportArchive(ctx, bar.reader(medium))
		return err
	})
	bar.end()
	if errors.Is(err, node.ErrUsage) { // the file's fault, not the command's
		err = &kinded{errUnread, name + ": " + err.Error()}
	}
	if err == nil {
		err = c.printUnpacked(name, report)
	}
	return cmp.Or(medium.failure(), err)
}

// printUnpacked prints what became of an archive; the error is what was wrong
// with it.
func (c *cli) printUnpacked(name string, report node.ArchiveReport) error {
	record := struct {
		Archive string `json:"archive"`
		node.ArchiveReport
	}{name, report}
	if err := c.print(record, "%s", strings.Join(archiveLines(name, report), "\n")); err != nil {
		return err
	}
	for _, d := range report.Damages {
		fmt.Fprintf(c.stderr, "%s: byte %d: %s\n", clean(name), d.Offset, clean(d.Reason))
	}
	return archiveFault(name, report)
}

func archiveLines(name string, r node.ArchiveReport) []string {
	lines := []string{"archive: " + clean(name), "from: " + field(r.From), "for: " + fields(r.For), "exported: " + r.Exported.UTC().Format(time.RFC3339)}
	if !r.Since.IsZero() {
		lines = append(lines, "since: "+r.Since.UTC().Format(time.RFC3339))
	}
	for _, community := range r.Communities {
		member := "no"
		if community.Member {
			member = "yes"
		}
		lines = append(lines, fmt.Sprintf("community: %s member:%s", field(cmp.Or(community.Name, community.ID.String())), member))
	}
	lines = append(lines, fmt.Sprintf("bulletins: %d", r.Bulletins), fmt.Sprintf("new: %d", r.New), fmt.Sprintf("known: %d", r.Known), fmt.Sprintf("refused: %d", r.Refused))
	lines = append(lines, countLines("reason", r.Reasons)...)
	if r.ForOthers > 0 {
		lines = append(lines, fmt.Sprintf("sealed-for-others: %d", r.ForOthers))
	}
	lines = append(lines, fmt.Sprintf("damaged: %d", r.Damaged))
	if r.Missing > 0 {
		lines = append(lines, fmt.Sprintf("missing: %d", r.Missing))
	}
	if r.Truncated {
		lines = append(lines, "truncated: yes")
	}
	return lines
}

// archiveFault says what was wrong with an archive that was read to its end.
func archiveFault(name string, r node.ArchiveReport) error {
	switch {
	case r.Truncated:
		return hinted(fmt.Errorf("%s ends too early: what else was exported is not known", name), "copy it again; what verified was taken in")
	case !r.Whole():
		return hinted(fmt.Errorf("%s is damaged", name), "copy it again; what verified was taken in")
	case r.New+r.Known == 0 && r.Refused > 0:
		return hinted(fmt.Errorf("nothing of %s may come in here", name), "an archive joins no community: `tocsin join` does")
	}
	return nil
}

// countLines lists counts, the largest first.
func countLines(key string, counts map[string]int) (lines []string) {
	often := func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) }
	for _, what := range slices.SortedFunc(maps.Keys(counts), often) {
		lines = append(lines, fmt.Sprintf("%s: %d %s", key, counts[what], clean(what)))
	}
	return lines
}

func orStandard(path, stream string) string {
	if path == "-" {
		return stream
	}
	return path
}

// A medium ends where it cannot be read any further, so that what stands
// before that place is taken in.
type medium struct {
	r   io.Reader
	mu  sync.Mutex // the client reads in a goroutine of its own
	err error
}

func (m *medium) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		m.mu.Lock()
		m.err = err
		m.mu.Unlock()
		err = io.EOF
	}
	return n, err
}

func (m *medium) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

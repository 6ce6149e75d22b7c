package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
)

const importHelp = `Says what files hold: STIX 2.0 and 2.1, MISP events and feed directories, CSV,
plain lists, hosts and adblock files, and values in free text. The format is
guessed from the content unless --format says it. Of a directory every file in it
is taken, - is standard input; gzip is unpacked.

TLP markings in a file are kept for each object; --tlp is for all that has none,
and must be given where that occurs.

Prints for each file what it was taken for, and at the end the sums:

  FILE: csv, comma, header row, value in column 1
  rows: 40
  accepted: 37
  skipped: 2
  refused: 1
  reason: 2 duplicate in this file

A refused row is named on standard error, as FILE:LINE: reason, and the rest goes
through. Exit code 1 when rows were refused and none was accepted, or a file could
not be read to its end. With --json every event is a line; the last has the sums.`

type importFlags struct {
	issueFlags
	to      audience
	format  string
	context bool
	column  string
}

func (c *cli) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{Use: "import FILE|DIR|-...", Short: "Say what files hold", Long: importHelp, Args: someArgs("FILE"),
		Example: "  tocsin import --tlp green feed.csv\n  zcat list.gz | tocsin import --tlp clear --format list -"}
	f.add(cmd)
	f.to.add(cmd)
	cmd.Flags().StringVar(&f.format, "format", "auto", "auto, stix, misp, csv, list, hosts, adblock, text, crowdsec or eve")
	cmd.Flags().BoolVar(&f.context, "context", false, "also say what the source marks as context only (MISP to_ids false)")
	cmd.Flags().StringVar(&f.column, "column", "", "csv: name or number of the column with the values (default: guessed)")
	complete(cmd, "format", "auto", "stix", "misp", "csv", "list", "hosts", "adblock", "text")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := f.options(cmd)
		if err != nil {
			return err
		}
		return c.importAll(cmd.Context(), args, o)
	}
	return c.answers(cmd)
}

func (f *importFlags) options(cmd *cobra.Command) (api.ImportOptions, error) {
	format, err := intake.ParseFormat(f.format)
	if err != nil {
		return api.ImportOptions{}, usagef("--format: %v", err)
	}
	if err := f.to.check(f.tlp); err != nil {
		return api.ImportOptions{}, err
	}
	confidence, err := f.sure(cmd)
	return api.ImportOptions{
		Format: format, TLP: f.tlp, Group: f.to.group, To: f.to.to, PAP: f.pap, Community: f.community, Context: f.context, Column: f.column,
		Confidence: confidence, Valid: f.valid, Tags: f.tags, Description: f.description,
	}, err
}

// A source is one file to import; the path "-" is standard input.
type source struct {
	path string
	size int64 // 0: unknown
}

// sources finds all files that the arguments name, and refuses what is not
// there before anything is said.
func sources(args []string) ([]source, error) {
	var list []source
	for _, arg := range args {
		if arg == "-" {
			list = append(list, source{path: arg})
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			list = append(list, source{arg, info.Size()})
			continue
		}
		if list, err = appendDir(list, arg); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// appendDir adds the files under a directory, those that begin with a dot left
// out; a feed's index and hash list are no events.
func appendDir(list []source, dir string) ([]source, error) {
	found := len(list)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case !d.Type().IsRegular(), strings.HasPrefix(d.Name(), "."), d.Name() == "manifest.json", d.Name() == "hashes.csv":
			return nil
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, source{path, info.Size()})
		}
		return err
	})
	if err == nil && len(list) == found {
		err = fmt.Errorf("%s holds no file to import", dir)
	}
	return list, err
}

// importAll imports one file after the other and prints the sums.
func (c *cli) importAll(ctx context.Context, args []string, o api.ImportOptions) error {
	files, err := sources(args)
	if err != nil {
		return err
	}
	sum, failed := api.Tally{Reasons: map[string]int{}}, false
	for _, file := range files {
		tally, err := c.importFile(ctx, file, o)
		addTally(&sum, tally)
		if err == nil {
			continue
		}
		if len(files) == 1 || ctx.Err() != nil || stopsAll(err) {
			if sum.Rows > 0 {
				err = errors.Join(err, c.printTally(sum))
			}
			return err
		}
		failed = true
		fmt.Fprintf(c.stderr, "%s: %s\n", clean(file.path), clean(err.Error()))
	}
	if err := c.printTally(sum); err != nil {
		return err
	}
	if failed || sum.Accepted == 0 && sum.Refused > 0 {
		return errTold
	}
	return nil
}

// errUnread is wrapped when a file could not be read to its end.
var errUnread = errors.New("not read to its end")

// stopsAll reports whether an error would be the same for every other file.
func stopsAll(err error) bool {
	var file *fs.PathError
	return !errors.Is(err, errUnread) && !errors.As(err, &file)
}

func (c *cli) importFile(ctx context.Context, file source, o api.ImportOptions) (tally api.Tally, err error) {
	in, o := c.stdin, withName(o, file.path)
	if file.path != "-" {
		f, err := os.Open(file.path)
		if err != nil {
			return tally, err
		}
		defer f.Close()
		in = f
	}
	bar := c.progress(o.Name, file.size)
	defer bar.end()
	var problem *api.Problem
	err = c.ask(func(client *api.Client) error {
		tally, err = client.Import(ctx, bar.reader(in), o, func(e api.ImportEvent) {
			problem = cmp.Or(problem, e.Problem)
			c.printEvent(bar, o.Name, e)
		})
		return err
	})
	if problem != nil { // after it began: the file's fault, not the command's
		err = hinted(&kinded{errUnread, problem.Error()}, "%s", problem.Hint)
	}
	return tally, err
}

func withName(o api.ImportOptions, path string) api.ImportOptions {
	o.Name = path
	if path == "-" {
		o.Name = "stdin"
	}
	return o
}

// printEvent prints what happened to a file and its rows.
func (c *cli) printEvent(bar progress, name string, e api.ImportEvent) {
	switch {
	case c.json:
		if e.Tally == nil { // of one file: the sums come at the end
			c.print(e, "")
		}
	case e.Guess != nil:
		line := clean(name) + ": " + clean(string(e.Guess.Format))
		if e.Guess.Detail != "" {
			line += ", " + clean(e.Guess.Detail)
		}
		bar.note(c.stdout, line)
	case e.Row != nil:
		bar.note(c.stderr, rowLine(*e.Row))
	}
}

func rowLine(r api.ImportRow) string {
	line := fmt.Sprintf("%s:%d: %s", clean(r.File), r.Line, clean(r.Reason))
	if r.Status == "partial" {
		line = fmt.Sprintf("%s:%d: in part: %s", clean(r.File), r.Line, clean(r.Reason))
	}
	if r.Place != "" {
		line += " (at " + clean(r.Place) + ")"
	}
	if r.Text != "" {
		line += ": " + clean(r.Text)
	}
	return line
}

func addTally(sum *api.Tally, t api.Tally) {
	sum.Rows += t.Rows
	sum.Accepted += t.Accepted
	sum.Skipped += t.Skipped
	sum.Refused += t.Refused
	sum.Objects += t.Objects
	sum.Unlisted += t.Unlisted
	for reason, n := range t.Reasons {
		sum.Reasons[reason] += n
	}
}

func (c *cli) printTally(t api.Tally) error {
	if c.json {
		return c.print(api.ImportEvent{Tally: &t}, "")
	}
	lines := []string{
		fmt.Sprintf("rows: %d", t.Rows), fmt.Sprintf("accepted: %d", t.Accepted),
		fmt.Sprintf("skipped: %d", t.Skipped), fmt.Sprintf("refused: %d", t.Refused),
	}
	often := func(a, b string) int { return cmp.Or(cmp.Compare(t.Reasons[b], t.Reasons[a]), cmp.Compare(a, b)) }
	for _, reason := range slices.SortedFunc(maps.Keys(t.Reasons), often) {
		lines = append(lines, fmt.Sprintf("reason: %d %s", t.Reasons[reason], clean(reason)))
	}
	if t.Unlisted > 0 {
		fmt.Fprintf(c.stderr, "%d more refused rows were not listed\n", t.Unlisted)
	}
	_, err := io.WriteString(c.stdout, strings.Join(lines, "\n")+"\n")
	return err
}

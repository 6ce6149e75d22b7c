package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

const auditHelp = `The audit journal says what the node did, in whose name and by which rule: what it
took in, declined, refused, released, delivered and handed out, revoked, erased,
who was blocked, which policy was in force, what tokens did. Each line names the
hash of the line before, so what is changed, cut or left out shows.

It holds ids, keys, rules and counts, never what a bulletin says. Of what is under
TLP:RED it holds the act and its time alone; whoever may see such a bulletin finds
its records with --bulletin. Retention: retention.journal in policy.toml; on by
default: audit.enabled.

An auditor's token:

  tocsin token create --role auditor --clearance amber+strict --pap red`

const auditListHelp = `Prints the last records that were asked for, the newest last:

  SEQ TIME ACT ACTOR org:NAME peer:NODE community:NAME bulletin:ID tlp:LABEL
    rule:RULE count:N ...

what does not apply is left out. Names are those the node uses now; --json also has
the keys. ACTOR is node, token ID ROLE, or operator with the user's uid.`

const auditVerifyHelp = `Reads the whole journal: of the node; or, without it, in DIR (a node's directory or
its audit directory), or one exported FILE (- is standard input). In DIR it asks for
the passphrase where the node has one: its journal is sealed. Prints

  ok: 812 records, 1 to 812, from 2026-11-01 to 2026-11-22
  mark: 812:3fa9...

and, for each place that is not what was written, with exit code 1,

  fault: 00000001-2026-11.jsonl:17: WHAT

Whoever can write all of the files can write another history, or, where the journal
is sealed under a passphrase, bring back the files of an earlier day. Both show
against a mark kept elsewhere: note the mark where nobody of this host can write, and
give it with --mark.`

const auditExportHelp = `Writes the lines of the journal as they are to standard output, to be kept elsewhere
and verified there: tocsin audit verify FILE. Also of a node with a passphrase they
are plain JSON: whoever keeps them keeps them safe.`

func (c *cli) auditCommand() *cobra.Command {
	cmd := group("audit", "What the node did, by whom and by which rule", c.auditListCommand(), c.auditVerifyCommand(), c.auditExportCommand())
	cmd.Long = auditHelp
	return cmd
}

func (c *cli) auditListCommand() *cobra.Command {
	var q api.AuditQuery
	cmd := &cobra.Command{Use: "list", Short: "List acts", Long: auditListHelp, Args: noArgs}
	flags := cmd.Flags()
	spanFlags(cmd, &q.Since, &q.Until)
	flags.StringSliceVar(&q.Acts, "act", nil, "such as admit, deliver, erase; may be repeated")
	flags.StringVar(&q.Actor, "actor", "", "in whose name, as it is listed")
	flags.StringVar(&q.Org, "org", "", "whom it concerns: name, key or fingerprint")
	flags.StringVar(&q.Peer, "peer", "", "the node it came from or went to: its peer id")
	flags.StringVar(&q.Community, "community", "", "community or sharing group")
	flags.StringVar(&q.Bulletin, "bulletin", "", "id of a bulletin")
	flags.IntVar(&q.Limit, "limit", 0, "records at most, 1 to 10000 (default 100)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			answer, err := client.Audit(cmd.Context(), q)
			if err != nil {
				return err
			}
			return c.printAudit(answer)
		})
	}
	return c.answers(cmd)
}

func spanFlags(cmd *cobra.Command, since, until *string) {
	cmd.Flags().StringVar(since, "since", "", "from then on: a date, a time, or how long ago, such as 7d")
	cmd.Flags().StringVar(until, "until", "", "before then")
}

func (c *cli) printAudit(answer api.AuditAnswer) error {
	for _, r := range answer.Records {
		if err := c.print(r, "%s", auditLine(r)); err != nil {
			return err
		}
	}
	if answer.Damaged > 0 {
		c.hint("%d damaged lines were passed over: see `tocsin audit verify`", answer.Damaged)
	}
	if answer.More {
		c.hint("there are earlier records: give --limit, --since or --until")
	}
	return nil
}

// auditLine is a record as people read it.
func auditLine(r api.AuditRecord) string {
	parts := []string{fmt.Sprint(r.Seq), r.At.UTC().Format("2006-01-02T15:04:05.000Z"), field(string(r.Act)), field(r.Actor)}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+":"+field(value))
		}
	}
	called := func(name, key string) string {
		if r.Names[name] != "" {
			return r.Names[name]
		}
		return key
	}
	add("org", called("org", r.Org))
	add("peer", called("peer", r.Peer))
	add("community", called("community", r.Community))
	add("bulletin", r.Bulletin)
	add("tlp", r.TLP)
	add("rule", r.Rule)
	if r.Count != 0 {
		add("count", fmt.Sprint(r.Count))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Numbers)) {
		add(name, fmt.Sprint(r.Numbers[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Words)) {
		add(name, r.Words[name])
	}
	return strings.Join(parts, " ")
}

func (c *cli) auditVerifyCommand() *cobra.Command {
	var texts []string
	var file string
	cmd := &cobra.Command{Use: "verify [DIR|FILE]", Short: "Read the whole journal and say what is wrong with it", Long: auditVerifyHelp, Args: oneArgAtMost}
	cmd.Flags().StringSliceVar(&texts, "mark", nil, "SEQ:HASH that was noted before; may be repeated")
	cmd.Flags().StringVar(&file, "passphrase-file", "", "with DIR: file with the passphrase of the keys, instead of what config.toml says")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var marks []journal.Mark
		for _, text := range texts {
			m, err := api.ParseMark(text)
			if err != nil {
				return usagef("--mark %v", err)
			}
			marks = append(marks, m)
		}
		report, err := c.verifyAudit(cmd.Context(), args, file, marks)
		if err != nil {
			return err
		}
		return c.printReport(&report)
	}
	return c.answers(cmd)
}

// verifyAudit asks the node, or reads what was named without it.
func (c *cli) verifyAudit(ctx context.Context, args []string, passphrase string, marks []journal.Mark) (report journal.Report, err error) {
	if len(args) == 0 {
		err = c.ask(func(client *api.Client) error {
			report, err = client.VerifyAudit(ctx, marks...)
			return err
		})
		return report, err
	}
	path := args[0]
	if path == "-" {
		return journal.VerifyStream(c.stdin, marks...)
	}
	info, err := os.Stat(path)
	if err != nil {
		return report, missing(err)
	}
	if !info.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return report, err
		}
		defer f.Close()
		return journal.VerifyStream(f, marks...)
	}
	home := directory(filepath.Dir(filepath.Clean(path)))
	if inside := directory(path).audit(); isDir(inside) {
		home, path = directory(path), inside
	}
	key, err := c.journalKey(home, passphrase)
	if err != nil {
		return report, err
	}
	report, err = journal.Files{Dir: path, Key: key}.Verify(marks...)
	if errors.Is(err, journal.ErrKey) {
		err = hinted(err, "name the node's own directory: its store.key and its passphrase open the journal")
	}
	return report, missing(err)
}

// journalKey opens the key of a journal that is read without its node; nil where
// the node has no passphrase, or none lives there.
func (c *cli) journalKey(home directory, passphrase string) ([]byte, error) {
	if _, err := os.Stat(home.storeKey()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if conf, err := home.readConfig(); passphrase == "" && err == nil {
		passphrase = home.within(conf.PassphraseFile)
	}
	word, err := c.passphrase(passphrase)
	if err != nil {
		return nil, err
	}
	store, err := home.openStoreKey(word)
	if err != nil {
		return nil, err
	}
	return keys{store: store}.journal()
}

func isDir(path string) bool {
	info, err := os.Stat(filepath.Clean(path))
	return err == nil && info.IsDir()
}

// missing tells what is not there from what cannot be read.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return notFoundf("%v", err)
	}
	return err
}

func (c *cli) printReport(r *journal.Report) error {
	if c.json {
		if err := c.print(r, ""); err != nil {
			return err
		}
	} else {
		c.printReportLines(r)
	}
	if r.Err() != nil {
		return errTold
	}
	return nil
}

func (c *cli) printReportLines(r *journal.Report) {
	for _, f := range r.Faults {
		fmt.Fprintf(c.stdout, "fault: %s\n", clean(f.String()))
	}
	if r.More > 0 {
		fmt.Fprintf(c.stdout, "fault: and %d more\n", r.More)
	}
	word := "ok"
	if len(r.Faults) > 0 {
		word = "damaged"
	}
	fmt.Fprintf(c.stdout, "%s: %d records, %d to %d, from %s to %s\n", word, r.Records, r.First, r.Head.Seq, r.From.UTC().Format("2006-01-02"), r.To.UTC().Format("2006-01-02"))
	if r.Dropped > 0 {
		fmt.Fprintf(c.stdout, "dropped: %d records the node could not write\n", r.Dropped)
	}
	if r.Noted > 0 {
		fmt.Fprintf(c.stdout, "noted: %d faults the node met itself\n", r.Noted)
	}
	if p := r.Pruned; p != nil {
		fmt.Fprintf(c.stdout, "pruned: records up to %d, on %s by %s\n", p.Last, p.At.UTC().Format("2006-01-02"), field(p.Actor))
	}
	fmt.Fprintf(c.stdout, "mark: %d:%s\n", r.Head.Seq, r.Head.Hash)
}

func (c *cli) auditExportCommand() *cobra.Command {
	var since, until string
	cmd := &cobra.Command{Use: "export", Short: "Write the journal's lines as they are", Long: auditExportHelp, Args: noArgs}
	spanFlags(cmd, &since, &until)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			// What is cut short has no last line: whoever verifies it is told.
			return client.ExportAudit(cmd.Context(), c.stdout, since, until)
		})
	}
	return cmd
}

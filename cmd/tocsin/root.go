package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const rootHelp = `Tocsin shares threat intelligence between organisations. Each runs a node;
nodes exchange signed, TLP-labelled indicators with no hub in between.

A first node:      tocsin init --org bank
                   tocsin run
                   tocsin community create isac
Letting one in:    tocsin invite --community isac        prints a token
Coming in:         tocsin join TOKEN                     on the other node
Sharing:           tocsin submit --tlp green 203.0.113.7
Asking:            tocsin lookup 203.0.113.7

See it at work with nothing set up:  tocsin demo

A record is a line of fields separated by single spaces; fields with blanks are
quoted; --json prints one JSON object a line. What a script captures is the last
line of standard output. Control characters are escaped in everything printed.

Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 not found.`

// A cli is one call of the command.
type cli struct {
	env
	dirFlag string
	json    bool
}

// run plays one command line and returns the exit code.
func run(ctx context.Context, e env) int {
	c := &cli{env: e.withDefaults()}
	root := c.root()
	root.SetArgs(c.args)
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	command, err := root.ExecuteContextC(ctx)
	report(c.stderr, strings.TrimPrefix(strings.TrimPrefix(command.CommandPath(), "tocsin"), " "), err)
	return exitCode(err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "tocsin", Short: "Peer-to-peer threat intelligence, signed and labelled", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true,
		Args: noArgs, RunE: needsCommand,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted(usagef("%v", err), "see `%s --help`", cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&c.dirFlag, "dir", "", "directory of the node (default $TOCSIN_DIR, else $XDG_STATE_HOME/tocsin, else ~/.local/state/tocsin)")
	root.AddCommand(
		c.initCommand(), c.runCommand(), c.demoCommand(),
		c.statusCommand(), c.idCommand(), c.doctorCommand(),
		c.communityCommand(), c.inviteCommand(), c.joinCommand(), c.peerCommand(),
		c.submitCommand(), c.importCommand(), c.lookupCommand(), c.whyCommand(), c.sightCommand(), c.searchCommand(), c.watchCommand(), c.feedCommand(),
		c.groupCommand(), c.whoCommand(), c.revokeCommand(), c.eraseCommand(),
		c.archiveCommand(),
		c.policyCommand(), c.reviewCommand(), c.auditCommand(),
		c.keyCommand(), c.certifyCommand(), c.tokenCommand(), c.collectionCommand(), c.sinkCommand(), c.sourceCommand(), c.storeCommand(), c.backupCommand(), c.restoreCommand(), c.versionCommand(),
	)
	return root
}

// needsCommand answers a command that only holds others.
func needsCommand(cmd *cobra.Command, args []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(args) > 0 {
		return hinted(usagef("unknown command %q", args[0]), "one of %s; see `%s --help`", strings.Join(names, ", "), cmd.CommandPath())
	}
	return hinted(usagef("which command?"), "one of %s; see `%s --help`", strings.Join(names, ", "), cmd.CommandPath())
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: needsCommand}
	cmd.AddCommand(commands...)
	return cmd
}

// noArgs, someArgs and oneArg say how many values a command takes.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return needsCommand(cmd, args)
	}
	return hinted(usagef("unexpected %q", args[0]), "see `%s --help`", cmd.CommandPath())
}

func oneArgAtMost(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return hinted(usagef("unexpected %q", args[1]), "see `%s --help`", cmd.CommandPath())
}

func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return hinted(usagef("%s is missing", what), "see `%s --help`", cmd.CommandPath())
		}
		return nil
	}
}

func exactArgs(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(what) {
			return hinted(usagef("%s is missing", what[len(args)]), "see `%s --help`", cmd.CommandPath())
		}
		if len(args) > len(what) {
			return hinted(usagef("unexpected %q", args[len(what)]), "see `%s --help`", cmd.CommandPath())
		}
		return nil
	}
}

// dir is the node's directory, absolute.
func (c *cli) dir() (directory, error) {
	dir := c.dirFlag
	if dir == "" {
		var err error
		if dir, err = c.stateDir(); err != nil {
			return "", err
		}
	}
	abs, err := filepath.Abs(dir)
	return directory(abs), err
}

// daemon returns a client of the directory's daemon. A token is taken from the
// environment alone: flags are for everybody to see in the list of processes.
func (c *cli) daemon() (*api.Client, directory, error) {
	dir, err := c.dir()
	if err != nil && !c.unhoused {
		return nil, "", err
	}
	client := c.dial(string(dir))
	if token := c.getenv("TOCSIN_TOKEN"); token != "" {
		as := *client
		as.Token, client = token, &as
	}
	return client, dir, nil
}

// ask lets talk speak to the daemon of the directory.
func (c *cli) ask(talk func(*api.Client) error) error {
	client, dir, err := c.daemon()
	if err != nil {
		return err
	}
	return unreachable(talk(client), string(dir))
}

// answers gives a command the flag for programs.
func (c *cli) answers(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "print one JSON object a line")
	return cmd
}

// print writes one record: as a line for people, or as JSON.
func (c *cli) print(record any, line string, args ...any) error {
	if !c.json {
		_, err := fmt.Fprintf(c.stdout, line+"\n", args...)
		return err
	}
	text, err := jsonLine(record)
	if err != nil {
		return err
	}
	_, err = c.stdout.Write(text)
	return err
}

// hint tells a person what comes next.
func (c *cli) hint(format string, args ...any) {
	fmt.Fprintf(c.stderr, "hint: "+format+"\n", args...)
}

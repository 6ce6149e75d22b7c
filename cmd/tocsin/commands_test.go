package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write what the commands print into testdata")

// TestCommands plays testdata/*.golden, which are drills about the command line
// itself: what each command prints, says and refuses, and its exit code.
func TestCommands(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script := strings.NewReplacer("${ESC}", "\x1b", "${BIDI}", "\u202e")
			back := strings.NewReplacer("\x1b", "${ESC}", "\u202e", "${BIDI}")
			var got string
			synctest.Test(t, func(t *testing.T) { got = playDrill(t, script.Replace(string(text))) })
			for line := range strings.Lines(got) {
				if !strings.Contains(line, "$ tocsin ") && strings.ContainsFunc(strings.TrimSuffix(line, "\n"), hidden) {
					t.Errorf("printed raw: %q", line)
				}
			}
			got = back.Replace(got)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// TestUsage: wrong usage is told on standard error with code 2, prints nothing
// a script could take for an answer, and reaches no daemon.
func TestUsage(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"", "which command?"},
		{"frobnicate", `unknown command "frobnicate"`},
		{"--frobnicate", "unknown flag: --frobnicate"},
		{"peer", "which command?"},
		{"peer frobnicate", `unknown command "frobnicate"`},
		{"peer name hospital", "NAME is missing"},
		{"peer name a b c", `unexpected "c"`},
		{"peer add", "ADDR is missing"},
		{"peer show", "ORG is missing"},
		{"community create", "NAME is missing"},
		{"community list all", `unexpected "all"`},
		{"status 203.0.113.7 now", `unexpected "now"`},
		{"archive", "which command?"},
		{"archive export x", "--for is missing"},
		{"id --jason", "unknown flag: --jason"},
		{"join", "TOKEN is missing"},
		{"lookup", "VALUE is missing"},
		{"submit --tlp green", "VALUE is missing"},
		{"submit 203.0.113.7", "--tlp is missing"},
		{"submit --tlp", "flag needs an argument"},
		{"submit --tlp tlp:ex:chr x.example", "not a TLP 2.0 label"},
		{"submit --tlp green --pap blue x.example", "not a PAP level"},
		{"submit --tlp green --confidence high x.example", "invalid argument"},
		{"submit --tlp green --confidence -1 x.example", "0 to 100"},
		{"submit --tlp green --valid -3d x.example", "duration"},
		{"submit --tlp clear --group ir x.example", "TLP:CLEAR goes to more than ir"},
		{"import", "FILE is missing"},
		{"import --format fax x", "unknown format"},
		{"search --limit 0", "at least 1"},
		{"token create", "--role is missing"},
		{"token create --role king", "unknown role"},
		{"token delete", "ID is missing"},
		{"invite --valid tomorrow", "duration"},
		{"store", "which command?"},
		{"key", "which command?"},
		{"key load", "FILE is missing"},
		{"key revoke", "NODE is missing"},
		{"certify", "NODE is missing"},
		{"certify bank2", "is no node"},
		{"run --log-level loud --dir $DIR", "one of debug, info, warn, error"},
		{"init --org", "flag needs an argument"},
	} {
		dir := newDirectory(t, nil)
		code, stdout, stderr := play(t, env{getenv: func(string) string { return string(dir) }}, strings.Fields(strings.ReplaceAll(row.args, "$DIR", string(dir)))...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "tocsin: ") || !strings.Contains(stderr, row.want) {
			t.Errorf("%q: exit %d, printed %q, said %q, want %q", row.args, code, stdout, stderr, row.want)
		}
	}
}

// TestNoDaemon: every command that needs one says so, and how to start it.
func TestNoDaemon(t *testing.T) {
	dir := newDirectory(t, nil)
	file := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(file, []byte("evil.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"status", "doctor", "community list", "community create c", "invite", "join x", "peer list", "peer add x", "peer show x", "peer name x y",
		"peer block x", "peer release x", "peer remove x", "peer trust x 10", "policy reload", "submit --tlp green evil.example", "import --tlp green " + file, "lookup evil.example",
		"search", "watch", "token create --role reader", "token list", "token delete x", "key revoke x",
	} {
		code, stdout, stderr := play(t, env{}, append(strings.Fields(args), "--dir", string(dir))...)
		if code != exitFailed || !strings.Contains(stderr, "no daemon answers for "+string(dir)) || !strings.Contains(stderr, "hint: start it") {
			t.Errorf("%s: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

func TestStateDirectory(t *testing.T) {
	for _, row := range []struct {
		vars map[string]string
		want string
	}{
		{map[string]string{"TOCSIN_DIR": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"},
		{map[string]string{"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/tocsin"},
		{map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/c"}, "/c/.local/state/tocsin"},
		{map[string]string{"HOME": "/c"}, "/c/.local/state/tocsin"},
	} {
		got, err := env{getenv: func(name string) string { return row.vars[name] }}.stateDir()
		if err != nil || got != row.want {
			t.Errorf("%v: %q, %v, want %q", row.vars, got, err, row.want)
		}
	}
	if code, _, stderr := play(t, env{}, "status"); code != exitUsage || !strings.Contains(stderr, "give --dir") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestCompletion(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "submit", "--tlp", ""}, "amber+strict\n"},
		{[]string{"__complete", "import", "--format", "m"}, "misp\n"},
		{[]string{"__complete", "token", "create", "--role", "re"}, "reader\n"},
		{[]string{"__complete", "peer", "re"}, "release\t"},
		{[]string{"completion", "bash"}, "__start_tocsin"},
		{[]string{"completion", "zsh"}, "#compdef tocsin"},
		{[]string{"completion", "fish"}, "complete -c tocsin"},
	} {
		code, stdout, stderr := play(t, env{}, row.args...)
		if code != exitDone || !strings.Contains(stdout, row.want) {
			t.Errorf("%v: exit %d, %q, %s", row.args, code, stdout, stderr)
		}
	}
}

// TestHelp: every command has a page that fits a terminal and says what it
// prints, and --json where a program would read the answer.
func TestHelp(t *testing.T) {
	c := &cli{env: env{}.withDefaults()}
	silent := map[string]bool{"tocsin": true, "tocsin run": true, "tocsin demo": true, "tocsin help": true,
		"tocsin audit export": true /* its lines are JSON */}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		var page bytes.Buffer
		cmd.SetOut(&page)
		if err := cmd.Help(); err != nil || cmd.Short == "" {
			t.Errorf("%s: no help: %v", cmd.CommandPath(), err)
		}
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 86 {
				t.Errorf("%s: a line of %d characters: %s", cmd.CommandPath(), len(line), line)
			}
		}
		if cmd.HasSubCommands() || silent[cmd.CommandPath()] {
			return
		}
		if cmd.Flags().Lookup("json") == nil || cmd.Long == "" {
			t.Errorf("%s: no --json, or nothing in its help", cmd.CommandPath())
		}
	}
	visit(c.root())
}

func TestVersion(t *testing.T) {
	if code, stdout, stderr := play(t, env{}, "version"); code != exitDone || !strings.HasPrefix(stdout, "tocsin ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit %d, %q, %s", code, stdout, stderr)
	}
}

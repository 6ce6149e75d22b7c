package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
)

var updateDrills = flag.Bool("update-drills", false, "write what the drills print into their files")

// TestDrills plays examples/drills. examples/drills/README.md has the grammar.
func TestDrills(t *testing.T) {
	files, err := filepath.Glob("../../examples/drills/*.drill")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d drills, want at least 10 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".drill"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = playDrill(t, string(script)) })
			if *updateDrills {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(strings.Split(string(script), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// A drill is being played: what it printed so far, and what it remembers.
type drill struct {
	t     *testing.T
	fed   *nodetest.Federation
	out   strings.Builder
	words map[string]string // captured with > NAME
	disks map[string]string // copied with copy ORG
	files map[string]string // written with NAME:
}

// playDrill returns the drill with the output it had.
func playDrill(t *testing.T, script string) string {
	d := &drill{t: t, fed: nodetest.New(t, script), words: map[string]string{}, disks: map[string]string{}, files: map[string]string{}}
	var file string
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if content, ok := strings.CutPrefix(line, "    "); ok && file != "" {
			d.files[file] += content + "\n"
			d.print(line)
			continue
		}
		file = ""
		if name, ok := strings.CutSuffix(line, ":"); ok && !strings.ContainsAny(name, " $#") {
			file = name
			d.print(line)
			continue
		}
		d.line(line)
	}
	return d.out.String()
}

func (d *drill) print(line string) { d.out.WriteString(line + "\n") }

// line plays one line that is no file. Lines it does not know are the output of
// the command above; they are made anew.
func (d *drill) line(line string) {
	d.t.Helper()
	org, command, isCommand := strings.Cut(line, "$ tocsin ")
	f := strings.Fields(line)
	wait, err := time.ParseDuration(strings.TrimPrefix(strings.TrimSpace(line), "+"))
	switch {
	case isCommand && d.fed.Names(org):
		d.print(line)
		d.command(org, command)
	case strings.HasPrefix(line, "+") && err == nil:
		d.print(line)
		time.Sleep(wait)
	case line == "" || strings.HasPrefix(line, "#") || nodetest.IsGraph(line):
		d.print(line)
	case len(f) > 0 && d.event(f):
		d.print(line)
	}
}

// event plays what happens to links and nodes.
func (d *drill) event(f []string) bool {
	for _, org := range f[1:] {
		if !d.fed.Names(org) {
			return false
		}
	}
	switch {
	case f[0] == "cut" && len(f) == 3:
		d.fed.Cut(f[1], f[2])
	case f[0] == "heal" && len(f) == 3:
		d.fed.Heal(f[1], f[2])
	case f[0] == "kill" && len(f) == 2:
		d.fed.Kill(f[1])
	case f[0] == "stop" && len(f) == 2:
		d.fed.Stop(f[1])
	case f[0] == "restart" && len(f) == 2:
		d.fed.Restart(f[1])
	case f[0] == "copy" && len(f) == 2:
		d.disks[f[1]] = d.fed.Copy(f[1])
	case f[0] == "revert" && len(f) == 2 && d.disks[f[1]] != "":
		d.fed.Revert(f[1], d.disks[f[1]])
	default:
		return false
	}
	return true
}

// longID is what no two runs print alike.
var longID = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// command runs one command line of the real CLI against an organisation's node.
func (d *drill) command(org, command string) {
	var stdout, stderr bytes.Buffer
	args := splitWords(os.Expand(command, func(name string) string { return d.words[name] }))
	var capture string
	var stdin io.Reader = strings.NewReader("")
	for len(args) > 2 {
		op, name := args[len(args)-2], args[len(args)-1]
		if op == ">" {
			capture = name
		} else if op == "<" {
			stdin = strings.NewReader(d.files[name])
		} else {
			break
		}
		args = args[:len(args)-2]
	}
	code := run(d.t.Context(), env{
		args: args, stdin: stdin, stdout: &stdout, stderr: &stderr,
		getenv: func(string) string { return "" },
		dial:   func(string) *api.Client { return d.fed.Client(org) },
	})
	if capture != "" && code == 0 {
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		d.words[capture], d.files[capture] = lines[len(lines)-1], stdout.String()
	} else {
		d.out.WriteString(longID.ReplaceAllString(stdout.String()+stderr.String(), "ID"))
	}
	if code != 0 {
		d.print("exit " + string(rune('0'+code)))
	}
}

// splitWords splits a command line at blanks, outside of quotes.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, inside := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inside = r, true
		case quote == 0 && r == ' ':
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}

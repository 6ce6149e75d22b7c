package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	words map[string]string    // captured with > NAME
	disks map[string]string    // copied with copy ORG
	files map[string]string    // written with NAME:
	homes map[string]directory // of those who use key files
	books map[string]*rulebook // of those who have a policy
}

// playDrill returns the drill with the output it had.
func playDrill(t *testing.T, script string) string {
	d := &drill{t: t, words: map[string]string{}, disks: map[string]string{}, files: map[string]string{}, homes: map[string]directory{}, books: map[string]*rulebook{}}
	d.fed = nodetest.New(t, script, d.rules)
	d.fed.Doors(d.door)
	var file string
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if content, ok := strings.CutPrefix(line, "    "); ok && file != "" {
			d.files[file] += content + "\n"
			d.print(line)
			continue
		}
		d.save(file)
		file = ""
		if name, ok := strings.CutSuffix(line, ":"); ok && !strings.ContainsAny(name, " $#") {
			file, d.files[name] = name, ""
			d.print(line)
			continue
		}
		d.line(line)
	}
	d.save(file)
	return d.out.String()
}

func (d *drill) print(line string) { d.out.WriteString(line + "\n") }

// line plays one line that is no file. Lines it does not know are the output of
// the command above; they are made anew.
func (d *drill) line(line string) {
	d.t.Helper()
	org, command, isCommand := strings.Cut(line, "$ ")
	token := ""
	if rest, set := strings.CutPrefix(command, "TOCSIN_TOKEN=$"); set {
		token, command, _ = strings.Cut(rest, " ")
	}
	command, typed := strings.CutPrefix(command, "tocsin ")
	isCommand = isCommand && typed
	f := strings.Fields(line)
	wait, err := time.ParseDuration(strings.TrimPrefix(strings.TrimSpace(line), "+"))
	switch {
	case isCommand && d.fed.Names(org):
		d.print(line)
		d.command(org, d.words[token], command)
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
	case (f[0] == "start" || f[0] == "restart") && len(f) == 2:
		d.restart(f[1])
	case f[0] == "copy" && len(f) == 2:
		d.disks[f[1]] = d.fed.Copy(f[1])
	case f[0] == "revert" && len(f) == 2 && d.disks[f[1]] != "":
		d.fed.Revert(f[1], d.disks[f[1]])
	default:
		return false
	}
	return true
}

// restart brings a node up, with the key files that it has by now.
func (d *drill) restart(org string) {
	d.t.Helper()
	home, ok := d.homes[org]
	if !ok {
		d.fed.Restart(org)
		return
	}
	k, err := home.readKeys(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.fed.Equip(org, k.node, k.cert, k.entry)
	d.fed.Restart(org)
	if err := home.entered(); err != nil {
		d.t.Fatal(err)
	}
}

// home returns an organisation's directory of key files. One that is set up by
// the drill itself begins with none.
func (d *drill) home(org string) directory {
	d.t.Helper()
	if dir, ok := d.homes[org]; ok {
		return dir
	}
	dir := directory(filepath.Join(d.t.TempDir(), org))
	d.homes[org] = dir
	key, nodeKey, cert := d.fed.Keys(org)
	if d.fed.Node(org) == nil {
		return dir
	}
	orgFile, err := encodeKey("org", key, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	nodeFile, err := encodeKey("node", nodeKey, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	conf := defaultConfig()
	conf.Org = org
	rest, err := commonFiles(dir, conf, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	files := append(rest, newFile{dir.orgKey(), orgFile}, newFile{dir.nodeKey(), nodeFile}, newFile{dir.cert(), encodeCertificate(cert)})
	if err := firstError(os.Mkdir(string(dir), 0o700), writeAll(files)); err != nil {
		d.t.Fatal(err)
	}
	return dir
}

// getenv is the environment of a command: those that use key files have a
// directory.
func (d *drill) getenv(org, token string, args []string) func(string) string {
	vars := map[string]string{"TOCSIN_TOKEN": token}
	if len(args) > 0 && slices.Contains([]string{"certify", "init", "key", "policy"}, args[0]) {
		vars["TOCSIN_DIR"] = string(d.home(org))
	}
	return func(name string) string { return vars[name] }
}

// What no two runs print alike.
var (
	longID      = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	peerID      = regexp.MustCompile(`\b12D3KooW[1-9A-HJ-NP-Za-km-z]{44}\b`)
	fingerprint = regexp.MustCompile(`\b([0-9]{5} ){5}[0-9]{5}\b`)
	kept        = regexp.MustCompile(`(kept ID .* issued:)\S+`)
	took        = regexp.MustCompile(`(receipts: \d+ of \d+ in) [0-9.]+ s`)
	bearer      = regexp.MustCompile(`tocsin_[A-Za-z0-9_-]{43}`)
)

// steady returns what was printed, without what no two runs have in common.
func (d *drill) steady(text string) string {
	for _, home := range d.homes {
		text = strings.ReplaceAll(text, string(home), "DIR")
	}
	text = kept.ReplaceAllString(longID.ReplaceAllString(text, "ID"), "${1}TIME")
	text = bearer.ReplaceAllString(took.ReplaceAllString(text, "$1 TIME"), "TOKEN")
	text = steadyAudit(text)
	return fingerprint.ReplaceAllString(peerID.ReplaceAllString(text, "NODE"), "FINGERPRINT")
}

// command runs one command line of the real CLI against an organisation's node.
func (d *drill) command(org, token, command string) {
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
		getenv: d.getenv(org, token, args),
		dial:   func(string) *api.Client { return d.fed.Client(org) },
	})
	if capture != "" && code == 0 {
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		d.words[capture], d.files[capture] = lines[len(lines)-1], stdout.String()
	} else {
		d.out.WriteString(d.steady(stdout.String() + stderr.String()))
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

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// What no two runs of a drill have in common in a journal.
var (
	recordAt   = regexp.MustCompile(`(?m)^\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z `)
	recordTime = regexp.MustCompile(`signed:\S+`)
	tokenIDs   = regexp.MustCompile(`\b(token[: ])[0-9a-f]{12}\b`)
	howMany    = regexp.MustCompile(`(?m)^(ok|damaged): \d+ records, 1 to \d+`)
	markAt     = regexp.MustCompile(`\b(mark:?) \d+:`)
)

func steadyAudit(text string) string {
	text = recordTime.ReplaceAllString(recordAt.ReplaceAllString(text, "SEQ TIME "), "signed:TIME")
	text = tokenIDs.ReplaceAllString(text, "${1}TOKEN")
	return markAt.ReplaceAllString(howMany.ReplaceAllString(text, "$1: N records, 1 to N"), "$1 N:")
}

// TestChangedLineIsNamed: a word changed in a journal shows, without the node, in
// its directory and in what was exported before; and marks noted before it.
func TestChangedLineIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- vendor")
		fed.Submit("bank", "203.0.113.7", protocol.Green)
		if err := fed.Client("bank").BlockPeer(t.Context(), "vendor", "no reason"); err != nil {
			t.Fatal(err)
		}
		report, err := fed.Client("bank").VerifyAudit(t.Context())
		if err != nil || report.Err() != nil {
			t.Fatal(err, report.Err())
		}
		var exported bytes.Buffer
		if err := fed.Client("bank").ExportAudit(t.Context(), &exported, "", ""); err != nil {
			t.Fatal(err)
		}
		fed.Stop("bank")
		dir := fed.Audit("bank")
		play := func(want int, args ...string) string {
			t.Helper()
			var out bytes.Buffer
			code := run(t.Context(), env{args: append([]string{"audit", "verify"}, args...), stdout: &out, stderr: &out, stdin: bytes.NewReader(exported.Bytes()),
				dial: func(string) *api.Client { t.Error("it asks the node"); return nil }})
			if code != want {
				t.Fatalf("audit verify %v: exit %d\n%s", args, code, &out)
			}
			return out.String()
		}
		mark := "--mark=" + regexp.MustCompile(`mark: (\S+)`).FindStringSubmatch(play(exitDone, dir))[1]
		play(exitDone, dir, mark)
		play(exitDone, "-")
		play(exitDone, "--mark", strings.ReplaceAll(mark, "--mark=", ""), dir)

		file, line := rewrite(t, dir, `"rule":"block"`, `"rule":"grant"`)
		place := "fault: " + file + ":" + line + ":"
		if out := play(exitFailed, dir); !strings.Contains(out, place) {
			t.Errorf("want %s in\n%s", place, out)
		}
		exported = *bytes.NewBuffer(bytes.Replace(exported.Bytes(), []byte(`"rule":"block"`), []byte(`"rule":"grant"`), 1))
		if out := play(exitFailed, "-"); !strings.Contains(out, "fault: line ") {
			t.Errorf("an export that was changed:\n%s", out)
		}
		rewrite(t, dir, `"rule":"grant"`, `"rule":"block"`)
		play(exitNotFound, filepath.Join(dir, "nothing"))
		play(exitUsage, "--mark", "nonsense", dir)
		if out := play(exitFailed, dir, "--mark", "3:"+strings.Repeat("ab", 32)); !strings.Contains(out, "fault:") {
			t.Errorf("a mark of another history:\n%s", out)
		}
	})
}

// rewrite changes a word in the segments of a journal, and returns where.
func rewrite(t *testing.T, dir, old, word string) (file, line string) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		i := bytes.Index(b, []byte(old))
		if i < 0 {
			continue
		}
		if err := os.WriteFile(name, bytes.Replace(b, []byte(old), []byte(word), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Base(name), strconv.Itoa(1 + bytes.Count(b[:i], []byte("\n")))
	}
	t.Fatalf("no record says %s", old)
	return "", ""
}

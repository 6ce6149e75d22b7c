package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// at returns the world of an organisation of a federation.
func at(fed *nodetest.Federation, org string, stdin io.Reader) env {
	return env{stdin: stdin, dial: func(string) *api.Client { return fed.Client(org) }}
}

// TestArchiveFiles: what a person does with a stick, and what may be wrong with it.
func TestArchiveFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- vendor\nhospital -- university")
		fed.Submit("vendor", "203.0.113.7", protocol.Green)
		fed.Submit("bank", "evil.example", protocol.Clear)
		fed.Settle()
		stick := filepath.Join(t.TempDir(), "stick.tocsin")
		code, stdout, stderr := play(t, at(fed, "bank", nil), "archive", "export", "--for", "hospital", stick)
		if code != exitDone || !strings.HasPrefix(stdout, "archive: "+stick+"\nfor: hospital\ncommunities: isac\nbulletins: ") {
			t.Fatalf("exit %d, %s%s", code, stdout, stderr)
		}
		if info, err := os.Stat(stick); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		whole, err := os.ReadFile(stick)
		if err != nil {
			t.Fatal(err)
		}
		broken := bytes.Clone(whole)
		broken[len(broken)/2] ^= 1
		damaged := filepath.Join(t.TempDir(), "damaged.tocsin")
		if err := os.WriteFile(damaged, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		unreadable := io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(errors.New("input/output error")))
		for _, c := range []struct {
			name           string
			org            string
			stdin          io.Reader
			args           string
			code           int
			stdout, stderr string
		}{
			{"over an existing file", "bank", nil, "export --for hospital " + stick, exitFailed, "", "hint: choose another name"},
			{"a name others gave", "hospital", nil, "export --for vendor@bank -", exitFailed, "", "vendor@bank is a name others gave"},
			{"not for us", "university", nil, "import " + stick, exitFailed, "", "this archive is for hospital"},
			{"cut off", "hospital", bytes.NewReader(whole[:len(whole)-1]), "import -", exitFailed, "truncated: yes\n", "stdin ends too early"},
			{"damaged", "hospital", nil, "import " + damaged, exitFailed, "damaged: 1\nmissing: 1\n", damaged + ": byte "},
			{"a broken stick", "hospital", unreadable, "import -", exitFailed, "truncated: yes\n", "input/output error"},
			{"whole", "hospital", nil, "import --json " + stick, exitDone, `"damaged":0`, ""},
			{"no such file", "hospital", nil, "import " + stick + ".old", exitFailed, "", "no such file"},
			{"nobody", "bank", nil, "export -", exitUsage, "", "--for is missing"},
			{"nothing", "bank", nil, "import", exitUsage, "", "FILE is missing"},
		} {
			code, stdout, stderr := play(t, at(fed, c.org, c.stdin), append([]string{"archive"}, strings.Fields(c.args)...)...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) || c.stdout == "" && stdout != "" {
				t.Errorf("%s: exit %d, printed %q, said %q", c.name, code, stdout, stderr)
			}
		}
	})
}

// TestArchiveToStandardOutput: the bytes go there and nothing else; where the
// export fails no file is left.
func TestArchiveToStandardOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		fed.Submit("bank", "evil.example", protocol.Green)
		code, archive, stderr := play(t, at(fed, "bank", nil), "archive", "export", "--for", "hospital", "-")
		if code != exitDone || !strings.HasPrefix(stderr, "archive: stdout\nfor: hospital\n") {
			t.Fatalf("exit %d, %s", code, stderr)
		}
		code, stdout, stderr := play(t, at(fed, "hospital", strings.NewReader(archive)), "archive", "import", "-")
		if code != exitDone || !strings.Contains(stdout, "damaged: 0\n") {
			t.Errorf("exit %d, %s%s", code, stdout, stderr)
		}
		file := filepath.Join(t.TempDir(), "none.tocsin")
		if code, _, _ := play(t, at(fed, "bank", nil), "archive", "export", "--for", "nobody", file); code != exitNotFound {
			t.Errorf("exit %d", code)
		}
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file is left: %v", err)
		}
	})
}

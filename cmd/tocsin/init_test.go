package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/storage"
)

func TestInit(t *testing.T) {
	dir := directory(filepath.Join(t.TempDir(), "deep", "node"))
	code, stdout, stderr := play(t, env{}, "init", "--org", "bank", "--dir", string(dir), "--listen", "/ip4/127.0.0.1/tcp/4001", "--http", "", "--json")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var record struct{ Org, Fingerprint, Node, Dir string }
	if err := json.Unmarshal([]byte(stdout), &record, json.MatchCaseInsensitiveNames(true)); err != nil || record.Org != "bank" || record.Dir != string(dir) {
		t.Errorf("%s: %v", stdout, err)
	}
	filepath.WalkDir(string(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
			return err
		}
		info, err := d.Info()
		if err != nil || private(path, info) != nil && filepath.Dir(path) == string(dir) && path != dir.store() {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	before, err := os.ReadFile(dir.orgKey())
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr = play(t, env{}, "init", "--org", "bank", "--dir", string(dir))
	after, err := os.ReadFile(dir.orgKey())
	if code != exitFailed || !strings.Contains(stderr, "is there already") || err != nil || string(before) != string(after) {
		t.Errorf("a second init: exit %d, %s", code, stderr)
	}
	if err := dir.check(); err != nil {
		t.Error(err)
	}
}

func TestInitSealsStore(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(secret, []byte("correct horse\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := directory(filepath.Join(t.TempDir(), "n"))
	if code, _, stderr := play(t, env{}, "init", "--org", "bank", "--dir", string(dir), "--passphrase-file", secret); code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	c, err := dir.readConfig()
	if err != nil || c.PassphraseFile != secret {
		t.Errorf("passphrase_file = %q, %v", c.PassphraseFile, err)
	}
	if s, err := storage.Open(dir.store(), storage.Options{}); err == nil {
		s.Close()
		t.Error("the store opens without its key")
	}
	if code, stdout, stderr := play(t, env{}, "store", "rebuild", "--dir", string(dir)); code != exitDone || stdout == "" {
		t.Errorf("rebuild: exit %d, %s", code, stderr)
	}
}

func TestInitAsks(t *testing.T) {
	answers := func(list ...string) func(string) ([]byte, error) {
		return func(string) ([]byte, error) {
			next := list[0]
			list = list[1:]
			return []byte(next), nil
		}
	}
	for _, row := range []struct {
		name   string
		prompt func(string) ([]byte, error)
		code   int
		want   string
	}{
		{"the same twice", answers("correct horse", "correct horse"), exitDone, ""},
		{"a slip", answers("correct horse", "correct house"), exitFailed, "differ"},
		{"too short", answers("horse", "horse"), exitFailed, "at least 8 bytes"},
		{"nobody", nil, exitUsage, "no terminal"},
	} {
		dir := directory(filepath.Join(t.TempDir(), "n"))
		code, _, stderr := play(t, env{prompt: row.prompt}, "init", "--org", "bank", "--dir", string(dir), "--passphrase")
		if code != row.code || !strings.Contains(stderr, row.want) {
			t.Errorf("%s: exit %d, %s", row.name, code, stderr)
		}
		if _, err := os.Lstat(dir.orgKey()); (err == nil) != (row.code == exitDone) {
			t.Errorf("%s: org.key: %v", row.name, err)
		}
	}
}

func TestInitRefuses(t *testing.T) {
	open := t.TempDir()
	if err := firstError(os.Chmod(open, 0o755), os.WriteFile(filepath.Join(open, "letter"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no name", []string{"--org", ""}, exitUsage, "--org is missing"},
		{"hidden name", []string{"--org", "ba\u202enk"}, exitUsage, "cannot be shown"},
		{"long name", []string{"--org", strings.Repeat("n", 200)}, exitUsage, "name"},
		{"no multiaddr", []string{"--org", "bank", "--listen", "4001"}, exitUsage, "not a multiaddr"},
		{"HTTP for all", []string{"--org", "bank", "--http", "0.0.0.0:80"}, exitUsage, "not a loopback address"},
		{"no passphrase file", []string{"--org", "bank", "--passphrase-file", "/nowhere"}, exitFailed, "no such file"},
		{"open directory with things in it", []string{"--org", "bank", "--dir", open}, exitFailed, "open to others"},
		{"a file in the way", []string{"--org", "bank", "--dir", filepath.Join(open, "letter")}, exitFailed, "not a directory"},
		{"an argument", []string{"--org", "bank", "more"}, exitUsage, "unexpected"},
	} {
		dir := filepath.Join(t.TempDir(), "n")
		code, stdout, stderr := play(t, env{}, append([]string{"init", "--dir", dir}, row.args...)...)
		if code != row.code || stdout != "" || !strings.Contains(stderr, row.want) {
			t.Errorf("%s: exit %d, %q, %s", row.name, code, stdout, stderr)
		}
		if _, err := os.Lstat(directory(dir).config()); err == nil {
			t.Errorf("%s: something was set up", row.name)
		}
	}
}

// TestInitTakesBack: what was written goes again when the rest fails, and the
// next try goes through.
func TestInitTakesBack(t *testing.T) {
	dir := directory(t.TempDir())
	c := defaultConfig()
	c.Org = "bank"
	files, _, err := newFiles(dir, c, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(append(files, newFile{filepath.Join(string(dir), "no", "such"), nil})); err == nil {
		t.Fatal("a file was written where it cannot be")
	}
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil {
			t.Errorf("%s is left over", f.path)
		}
	}
	if _, err := dir.create(c, nil, time.Now()); err != nil {
		t.Error(err)
	}
}

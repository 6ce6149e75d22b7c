package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/storage"
)

// TestBackupAndRestore makes a backup of a running node, and of the same one
// stopped, and restores both into a node set up anew with the old keys.
func TestBackupAndRestore(t *testing.T) {
	dir := newDirectory(t, nil)
	_, down := up(t, dir)
	must := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := play(t, env{}, append(args, "--dir", string(dir))...)
		if code != exitDone {
			t.Fatalf("%s: exit %d, %s", strings.Join(args, " "), code, stderr)
		}
		return stdout
	}
	must("community", "create", "isac")
	must("submit", "--tlp", "green", "203.0.113.7")
	files := t.TempDir()
	online, offline := filepath.Join(files, "online"), filepath.Join(files, "offline")
	if line := must("backup", online); !strings.HasPrefix(line, "backup "+online+" records:") || !strings.Contains(line, " damaged:0 sealed:no made:") {
		t.Errorf("backup: %q", line)
	}
	if line := must("store", "check"); !strings.HasSuffix(line, "lost:0\nsound: yes\n") {
		t.Errorf("check: %q", line)
	}
	if code, _, stderr := play(t, env{}, "restore", online, "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "stop the daemon first") {
		t.Errorf("restore under a daemon: exit %d, %s", code, stderr)
	}
	if code, log := down(); code != exitDone {
		t.Fatal(log)
	}
	must("backup", offline)
	if info, err := os.Stat(offline); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if code, _, stderr := play(t, env{}, "restore", online, "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "hint: mv ") {
		t.Errorf("restore over a store: exit %d, %s", code, stderr)
	}
	for _, file := range []string{online, offline} {
		if err := os.RemoveAll(dir.store()); err != nil {
			t.Fatal(err)
		}
		if line := must("restore", file); !strings.HasPrefix(line, "restored "+file+" records:") {
			t.Errorf("restore: %q", line)
		}
		if line := must("store", "check"); !strings.Contains(line, "sound: yes") {
			t.Errorf("check: %q", line)
		}
		_, down := up(t, dir)
		if line := must("lookup", "203.0.113.7"); !strings.Contains(line, "bank") {
			t.Errorf("lookup: %q", line)
		}
		down()
	}
	left, _ := filepath.Glob(filepath.Join(files, "*.part-*"))
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestBackupThroughPipes: - is standard output, which carries nothing but the
// backup, and standard input.
func TestBackupThroughPipes(t *testing.T) {
	dir := newDirectory(t, nil)
	code, stdout, stderr := play(t, env{}, "backup", "-", "--dir", string(dir))
	if code != exitDone {
		t.Fatal(stderr)
	}
	if _, err := storage.VerifyBackup(strings.NewReader(stdout)); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = play(t, env{stdin: bytes.NewReader([]byte(stdout))}, "restore", "-", "--dir", string(dir))
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	cut := stdout[:len(stdout)-1]
	if code, _, stderr = play(t, env{stdin: strings.NewReader(cut)}, "restore", "-", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "not a whole backup") {
		t.Fatalf("a cut backup: exit %d, %s", code, stderr)
	}
	if code, _, _ = play(t, env{}, "backup", "--dir", string(dir)); code != exitUsage {
		t.Errorf("no file: exit %d", code)
	}
}

// TestCheckTellsDamage: what a fault looks like, and the store of a node whose
// head file knows of more than it holds.
func TestCheckTellsDamage(t *testing.T) {
	report := storage.Report{Headers: 1, Faults: []storage.Fault{{What: "the body: damaged on disk", Repair: "fetched from peers at the next sync"}}, More: 2}
	want := "checked: bulletins:1 bodies:0 objects:0 segments:0 rows:0 lost:0\n" +
		"fault: - \"the body: damaged on disk\" repair:\"fetched from peers at the next sync\"\nmore: 2\nsound: no"
	if got := reportLines(&report); got != want {
		t.Errorf("%s", got)
	}
	dir := newDirectory(t, nil)
	if err := os.WriteFile(filepath.Join(dir.store(), "store.head"), oldHead(t), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := play(t, env{}, "store", "check", "--json", "--dir", string(dir))
	if code != exitFailed || !strings.Contains(stdout, `"lost":1`) || !strings.Contains(stdout, `"repair":"fetched from peers at the next sync"`) {
		t.Errorf("exit %d: %s", code, stdout)
	}
}

// oldHead is the head file of a node that has kept more than this one.
func oldHead(t *testing.T) []byte {
	t.Helper()
	later := newDirectory(t, nil)
	s, err := storage.Open(later.store(), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Table("x").Set(t.Context(), []byte("k"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Table("x").Delete(t.Context(), []byte("k")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	b, err := os.ReadFile(filepath.Join(later.store(), "store.head"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

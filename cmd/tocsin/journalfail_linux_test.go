package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRunEndsWhenTheJournalFails: what must be on record before it is done is not
// done, and the node ends and says why. Started again it records again.
func TestRunEndsWhenTheJournalFails(t *testing.T) {
	dir := newDirectory(t, nil)
	ready, down := up(t, dir)
	breakFiles(t, dir.audit())
	for deadline := time.Now().Add(20 * time.Second); ; {
		code, stdout, stderr := play(t, env{}, "audit", "export", "--dir", string(dir))
		if code == exitDone {
			t.Fatalf("exported, and not on record: %s", stdout)
		}
		if strings.Contains(stderr, "no daemon answers") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s still runs: exit %d, %s", ready, code, stderr)
		}
	}
	code, log := down()
	if code != exitFailed || !strings.Contains(log, "tocsin: run: the audit journal: ") || !strings.Contains(log, "bad file descriptor") || strings.Count(log, "hint: look at the disk of") != 1 {
		t.Errorf("exit %d: %s", code, log)
	}
	up(t, dir)
	if code, stdout, stderr := play(t, env{}, "audit", "verify", "--dir", string(dir)); code != exitDone {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

// breakFiles makes every write to the open files of a directory an error, as of a
// disk that went away.
func breakFiles(t *testing.T, dir string) {
	t.Helper()
	null, err := os.Open(os.DevNull) // to read alone
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc to find the open files in")
	}
	broken := 0
	for _, e := range open {
		path, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || filepath.Dir(path) != dir {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		if err == nil {
			err = syscall.Dup3(int(null.Fd()), fd, syscall.O_CLOEXEC)
		}
		if err != nil {
			t.Fatal(err)
		}
		broken++
	}
	if broken != 2 { // the segment and the head file
		t.Fatalf("%d files of %s are open", broken, dir)
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	fullDiskEnv = "TOCSIN_TEST_FULL_DISK" // set in the namespace of the small disk
	smallDisk   = "size=480m"             // above the space a store wants for itself
	fillStep    = 4 << 20                 // bytes, and a pause after each: the store looks every second
	fillEvery   = 40 * time.Millisecond
)

// TestFullDisk fills the disk of a daemon under load. It must read on, say that
// it takes nothing in and why, outlive a kill on the full disk, and go on by
// itself when there is space again. It runs in a mount namespace of its own.
func TestFullDisk(t *testing.T) {
	if os.Getenv(fullDiskEnv) != "" {
		fullDisk(t)
		return
	}
	if testing.Short() {
		t.Skip("builds the command and fills a disk")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullDiskEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), bytes.Contains(out, []byte("no mount here")):
		t.Skipf("TestFullDisk: no mount namespace here: %v %s", err, out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// fullDisk is the test inside the namespace, where mounts are private.
func fullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("none", disk, "tmpfs", 0, smallDisk)); err != nil {
		t.Fatalf("no mount here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	bank := &process{t: t, binary: buildBinary(t), dir: directory(filepath.Join(disk, "bank"))}
	bank.must("init", "--org", "bank", "--listen", freeAddr(t, "tcp"), "--http", "127.0.0.1:"+freePort(t, "tcp"))
	bank.start()
	bank.must("community", "create", "isac")
	work := &load{every: loadEvery}
	stop := work.run(bank.dir, 3, 1)
	filler := bank.fill(filepath.Join(disk, "filler"))
	stop()
	said, problems := work.sums()
	t.Logf("%d values acknowledged before the disk was full; refused: %v", len(said), problems)
	bank.checkFull(said)

	bank.kill()
	if ready := bank.launch(); bank.refusesFull(ready) {
		t.Log("on the full disk it does not start")
	} else {
		t.Log("on the full disk it starts")
		bank.checkFull(said)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if bank.cmd == nil {
		bank.start()
	}
	eventually(t, "it takes in again", func() (bool, string) {
		code, _, stderr := bank.play("submit", "--tlp", "green", "again.example")
		return code == exitDone, stderr
	})
	bank.answers(append(said, "again.example"), "bank")
	bank.terminate()
	walkLogs(t, bank.dir, map[place]protocol.ID{})
}

// fill takes space until the node says that there is too little, and then the
// rest of it.
func (p *process) fill(path string) string {
	p.t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	step, full := make([]byte, fillStep), false
	for n := 0; len(step) > 0; n++ {
		if !full {
			full = p.full(n)
			pause(p.t.Context(), fillEvery)
		}
		_, err := f.Write(step)
		switch {
		case errors.Is(err, syscall.ENOSPC) && !full:
			p.t.Fatalf("%s takes in values until the disk is full", p.dir)
		case errors.Is(err, syscall.ENOSPC):
			step = step[:len(step)/2]
		case err != nil:
			p.t.Fatal(err)
		}
	}
	return path
}

// full submits a value and reports whether it was refused for want of space.
func (p *process) full(n int) bool {
	p.t.Helper()
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	_, err := client.Submit(p.t.Context(), api.SubmitRequest{TLP: protocol.Green, Values: []string{fmt.Sprintf("full-%d.example", n)}})
	var problem *api.Problem
	switch {
	case errors.As(err, &problem) && problem.Status == http.StatusInsufficientStorage:
		return true
	case err != nil:
		p.t.Fatalf("%s: submit: %v", p.dir, err)
	}
	return false
}

// checkFull demands that a node on a full disk answers, takes nothing in, and
// says so wherever one looks.
func (p *process) checkFull(said []string) {
	p.t.Helper()
	if missing := p.unanswered(said, "bank"); len(missing) > 0 {
		p.t.Errorf("on the full disk %d values have no answer, such as %s", len(missing), missing[0])
	}
	if code, _, stderr := p.play("submit", "--tlp", "green", "full.example"); code != exitFailed || !strings.Contains(stderr, "free") {
		p.t.Errorf("submit on a full disk: exit %d: %s", code, stderr)
	}
	if _, stdout, _ := p.play("status"); !strings.Contains(stdout, "read-only") {
		p.t.Errorf("status on a full disk does not say read-only:\n%s", stdout)
	}
}

// refusesFull reports whether the daemon ended for want of space; else it is
// ready.
func (p *process) refusesFull(ready <-chan string) bool {
	p.t.Helper()
	select {
	case <-ready:
		return false
	case <-p.ended:
	case <-time.After(startWithin):
		p.t.Fatalf("%s is neither ready nor ended after %s", p.dir, startWithin)
	}
	if said := p.log.String(); p.cmd.ProcessState.ExitCode() != exitFailed || crashed(said) || !strings.Contains(said, "free space") {
		p.t.Fatalf("%s ended with %s: %s", p.dir, p.cmd.ProcessState, said)
	}
	p.cmd = nil
	return true
}

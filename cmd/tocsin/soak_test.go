//go:build unix

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 5*time.Second, "how long TestSoak submits")

const (
	soakRate    = 2000 // submissions a second
	soakClients = 16
	slowTurn    = 50 * time.Millisecond // of which a slowed process runs
	slowShare   = 5 * time.Millisecond
	maxMemory   = 512 << 20
)

// TestSoak says more than a slow receiver takes from gossip. It must have all
// of it soon after it is quick again, and neither side may grow without bound.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and keeps two processes busy")
	}
	bank, hospital := newPair(t, buildBinary(t))
	work := &load{every: time.Second * soakClients / soakRate}
	quicken := hospital.slow()
	stop := work.run(bank.dir, soakClients, 0)
	began := time.Now()
	<-time.After(*soak)
	stop()
	took := time.Since(began)
	quicken()
	said, problems := work.sums()
	if len(said) == 0 || len(problems) > 0 {
		t.Errorf("%d values acknowledged; refused: %v", len(said), problems)
	}
	began = time.Now()
	hospital.answers(said, "bank")
	t.Logf("%d submissions in %s (%.0f/s), all answered by the receiver %s later", len(said), took.Round(time.Millisecond),
		float64(len(said))/took.Seconds(), time.Since(began).Round(time.Millisecond))
	for _, p := range []*process{bank, hospital} {
		p.checkMemory()
		t.Logf("%s: %s", p.dir, counted(p.status().Counts))
	}
	sameLogs(t, bank, hospital)
}

// counted lists what was counted at least once.
func counted(counts map[string]uint64) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			list = append(list, fmt.Sprintf("%s:%d", name, counts[name]))
		}
	}
	return strings.Join(list, " ")
}

// slow lets the daemon run a share of the time only, until quicken is called.
func (p *process) slow() (quicken func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done, daemon := make(chan struct{}), p.cmd.Process
	go func() {
		defer close(done)
		defer daemon.Signal(syscall.SIGCONT)
		for ctx.Err() == nil {
			daemon.Signal(syscall.SIGSTOP)
			pause(ctx, slowTurn-slowShare)
			daemon.Signal(syscall.SIGCONT)
			pause(ctx, slowShare)
		}
	}()
	return func() { cancel(); <-done }
}

// checkMemory prints the most memory the daemon ever held, where the system
// tells it, and fails above the limit.
func (p *process) checkMemory() {
	p.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Logf("%s: memory is not told here: %v", p.dir, err)
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		peak, is := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !is {
			continue
		}
		kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(peak, "kB")))
		if err != nil || kib<<10 > maxMemory {
			p.t.Errorf("%s held%s, at most %d MiB are allowed (%v)", p.dir, peak, maxMemory>>20, err)
		}
		p.t.Logf("%s held %d MiB at most", p.dir, kib>>10)
		return
	}
	p.t.Errorf("%s: the system does not tell its memory (%v)", p.dir, lines.Err())
}

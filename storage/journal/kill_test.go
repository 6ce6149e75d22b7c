package journal

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var kills = flag.Int("journal.kills", 30, "how often TestKilled kills a process that appends")

const (
	killEnv   = "TOCSIN_JOURNAL_TEST_KILL" // directory and round, in the child process
	appenders = 4
)

// TestKilled kills a process that appends, rotates and prunes, at any time. What
// it acknowledged is there and the chain verifies, before the next start and
// after it; nothing but an unfinished line is ever noted.
func TestKilled(t *testing.T) {
	if work := os.Getenv(killEnv); work != "" {
		appendForEver(t, work)
		return
	}
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	dir := t.TempDir()
	acknowledged, torn := make([][]int, appenders), 0
	for round := range *kills {
		out := killOne(t, dir, round)
		for line := range strings.Lines(out) {
			var who, n int
			if _, err := fmt.Sscanf(line, "%d %d\n", &who, &n); err == nil {
				acknowledged[who] = append(acknowledged[who], n)
			}
		}
		r := whole(t, dir, -1)
		if r.Torn > 0 {
			torn++
		}
		if r.Noted > 0 || r.Dropped > 0 {
			t.Fatalf("round %d: %d faults noted, %d dropped", round, r.Noted, r.Dropped)
		}
		demandAll(t, dir, acknowledged)
	}
	total := 0
	for _, a := range acknowledged {
		total += len(a)
	}
	if total == 0 {
		t.Fatal("nothing was acknowledged")
	}
	r := whole(t, dir, -1)
	t.Logf("%d kills, %d records acknowledged, none lost; %d lines torn, %d segments left, pruned up to %+v", *kills, total, torn, len(r.Segments), r.Pruned)
}

// killOne runs the child for a while and returns what it printed.
func killOne(t *testing.T, dir string, round int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", killEnv, round, dir))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(20+rand.IntN(150)) * time.Millisecond)
	cmd.Process.Kill()
	cmd.Wait()
	if cmd.ProcessState.Exited() {
		t.Fatalf("it ended by itself: %s", out.String())
	}
	return out.String()
}

// appendForEver is the child: it says what is durable.
func appendForEver(t *testing.T, work string) {
	var dir string
	var round int
	if _, err := fmt.Sscanf(work, "%d %s", &round, &dir); err != nil {
		t.Fatal(err)
	}
	j, err := Open(dir, Options{SegmentSize: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	for who := range appenders {
		go func() {
			for n := round * 1_000_000; ; n++ {
				r := act(n)
				r.Actor = fmt.Sprint(who)
				if err := j.AppendSync(t.Context(), r); err != nil {
					failed <- err
					return
				}
				fmt.Printf("%d %d\n", who, n)
				for range 5 {
					j.Append(Record{Act: ActToken, Actor: "reader:k1", Rule: "used"})
				}
			}
		}()
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case err := <-failed:
			t.Fatal(err)
		case <-tick.C:
			if _, err := j.Prune(t.Context(), Retention{Bytes: 600_000}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// demandAll looks for what was acknowledged, from the first that was not pruned.
func demandAll(t *testing.T, dir string, acknowledged [][]int) {
	t.Helper()
	held := make([]map[int]bool, appenders)
	first := make([]int, appenders)
	for who := range appenders {
		held[who], first[who] = map[int]bool{}, -1
		for _, n := range acts(t, dir, Query{Actor: fmt.Sprint(who)}) {
			if held[who][n] = true; first[who] < 0 {
				first[who] = n
			}
		}
		for _, n := range acknowledged[who] {
			if n >= first[who] && first[who] >= 0 && !held[who][n] {
				t.Fatalf("%d of %d was acknowledged and is lost", n, who)
			}
		}
		if len(acknowledged[who]) > 0 && first[who] < 0 {
			t.Fatalf("nothing of %d is left", who)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

var (
	seed     = flag.Uint64("seed", 0, "what the crash harness draws its choices from; 0: something new")
	kills    = flag.Int("kills", 25, "how often TestKilledDaemon kills the daemon")
	killsFor = flag.Duration("kills-for", 25*time.Second, "after which TestKilledDaemon kills no more; 0: no limit")
)

const (
	catchUpWithin = time.Minute
	latestKill    = 600  // milliseconds after a start, or after the ready line
	askAtOnce     = 2000 // values
	importRows    = 20
	retryEvery    = 2 * time.Millisecond
	loadEvery     = 4 * time.Millisecond
)

// TestKilledDaemon kills the daemon under load, coming up included, again and
// again. It must come up by itself each time, answer all it acknowledged, and
// never give two bulletins one number, not even towards a peer that stayed up.
func TestKilledDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and kills it many times")
	}
	dice := harnessDice(t, "-kills", fmt.Sprint(*kills), "-kills-for", killsFor.String())
	binary := buildBinary(t)
	bank, hospital := newPair(t, binary)
	bank.terminate()
	work := &load{every: loadEvery}
	began, early, lives := time.Now(), 0, 0
	for ; lives < *kills && (*killsFor == 0 || time.Since(began) < *killsFor); lives++ {
		starting, after := dice.IntN(2) == 0, time.Duration(2+dice.IntN(1+dice.IntN(latestKill-2)))*time.Millisecond // mostly early
		if bank.live(work, starting, after) {
			early++
		}
	}
	said, problems := work.sums()
	t.Logf("killed %d of %d times in %s, %d of them before it was ready; %d values acknowledged", lives, *kills, time.Since(began).Round(time.Second), early, len(said))
	if len(said) == 0 || len(problems) > 0 {
		t.Errorf("%d values acknowledged; refused: %v", len(said), problems)
	}
	bank.start()
	bank.answers(said, "bank")
	hospital.answers(said, "bank")
	sameLogs(t, bank, hospital)
	bank.recorded(len(said))
}

// recorded checks that the audit journal is whole after all that happened to it,
// and has every submission that was acknowledged, a value each.
func (p *process) recorded(values int) {
	p.t.Helper()
	p.must("audit", "verify", string(p.dir))
	submitted := int64(0)
	for r, err := range (journal.Files{Dir: p.dir.audit()}).List(journal.Query{Acts: []journal.Act{node.ActSubmit}}) {
		if err != nil {
			p.t.Fatal(err)
		}
		submitted += r.Count
	}
	if submitted < int64(values) {
		p.t.Errorf("%d values acknowledged, %d on record", values, submitted)
	}
}

// harnessDice returns what a test draws from. One that fails says how to run
// it with the same choices; what the kernel does meanwhile is drawn anew.
func harnessDice(t *testing.T, sizes ...string) *rand.Rand {
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: go test -timeout 0 -run '^%s$' ./cmd/tocsin -args -seed %d %s", t.Name(), from, strings.Join(sizes, " "))
		}
	})
	return rand.New(rand.NewPCG(from, 0))
}

// newPair returns two members of a community that are connected.
func newPair(t testing.TB, binary string) (bank, hospital *process) {
	t.Helper()
	bank, hospital = newProcess(t, binary, "bank", "tcp"), newProcess(t, binary, "hospital", "tcp")
	bank.must("community", "create", "isac")
	hospital.joins(bank)
	bank.meets(1)
	hospital.meets(1)
	return bank, hospital
}

// A firstLine takes a daemon's standard output and hands its first line on.
type firstLine chan string

func (f firstLine) Write(b []byte) (int, error) {
	select {
	case f <- string(b):
	default:
	}
	return len(b), nil
}

// launch runs the daemon without waiting for its ready line.
func (p *process) launch() (ready <-chan string) {
	p.t.Helper()
	cmd, first, ended := exec.Command(p.binary, "run", "--dir", string(p.dir)), make(firstLine, 1), make(chan struct{})
	p.log, p.ended = new(bytes.Buffer), ended
	cmd.Stdout, cmd.Stderr = first, p.log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd = cmd
	p.t.Cleanup(func() { p.end(cmd) })
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	return first
}

// live is one life of the daemon under load, killed some time after its start
// (starting) or after its ready line, before which it answers what the lives
// before it acknowledged. It reports whether it was never ready.
func (p *process) live(work *load, starting bool, after time.Duration) (early bool) {
	p.t.Helper()
	before, _ := work.sums()
	ready := p.launch()
	stop := work.run(p.dir, 3, 1)
	defer stop()
	if !starting {
		p.up(ready)
		p.answers(before[max(0, len(before)-askAtOnce):], "bank")
	}
	select {
	case <-p.ended:
	case <-time.After(after):
	}
	p.kill()
	return starting && len(ready) == 0
}

// up waits for the ready line.
func (p *process) up(ready <-chan string) {
	p.t.Helper()
	select {
	case p.ready = <-ready:
	case <-p.ended:
		p.t.Fatalf("%s ended before it was ready: %s\n%s", p.dir, p.cmd.ProcessState, p.log)
	case <-time.After(startWithin):
		p.t.Fatalf("%s is not ready after %s", p.dir, startWithin)
	}
}

// kill ends the daemon with SIGKILL. One that ended by itself is a failure.
func (p *process) kill() {
	p.t.Helper()
	p.cmd.Process.Kill()
	<-p.ended
	if state := p.cmd.ProcessState; state.Exited() {
		p.t.Fatalf("%s ended by itself: %s\n%s", p.dir, state, p.log)
	}
	p.cmd = nil
}

// answers waits until the node answers every one of the values as said by an
// organisation, a minute and a millisecond for each at most.
func (p *process) answers(values []string, org string) {
	p.t.Helper()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	within := catchUpWithin + time.Duration(len(values))*time.Millisecond
	late := time.After(within)
	for {
		if values = p.unanswered(values, org); len(values) == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-late:
			p.t.Fatalf("%s: %d values of %s have no answer after %s, such as %s; %+v", p.dir, len(values), org, within, values[0], p.status())
		}
	}
}

// unanswered returns the values that the node does not answer.
func (p *process) unanswered(values []string, org string) (missing []string) {
	p.t.Helper()
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	for len(values) > 0 {
		n := min(len(values), askAtOnce)
		answers, err := client.Lookup(p.t.Context(), api.LookupRequest{Values: values[:n]})
		if err != nil {
			p.t.Fatalf("%s: lookup: %v", p.dir, err)
		}
		for _, a := range answers {
			if !saidBy(a, org) {
				missing = append(missing, a.Value)
			}
		}
		values = values[n:]
	}
	return missing
}

func saidBy(a api.Lookup, org string) bool {
	for _, c := range a.Claims {
		if c.Org == org && c.Value == a.Value && c.Relation == "exact" {
			return true
		}
	}
	return false
}

// A load says values through a node's door, several at a time, whatever
// becomes of the node. It notes a value only when the answer is here.
type load struct {
	every    time.Duration // a client waits after each submission; zero: not at all
	mu       sync.Mutex
	next     int
	said     []string
	problems map[string]int // what the node refused, by reason
}

// run starts clients that submit one value at a time and others that import a
// few. Stop ends them and waits.
func (l *load) run(dir directory, singles, imports int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range singles + imports {
		rows, say := 1, submitValues
		if i >= singles {
			rows, say = importRows, importValues
		}
		wg.Go(func() {
			client := api.Unix(dir.socket())
			defer client.HTTP.CloseIdleConnections()
			l.work(ctx, rows, func(values []string) (bool, error) { return say(ctx, client, values) })
		})
	}
	return func() { cancel(); wg.Wait() }
}

func submitValues(ctx context.Context, c *api.Client, values []string) (all bool, err error) {
	answer, err := c.Submit(ctx, api.SubmitRequest{TLP: protocol.Green, Values: values})
	return err == nil && len(answer.Receipts) == len(values), err
}

func importValues(ctx context.Context, c *api.Client, values []string) (all bool, err error) {
	tally, err := c.Import(ctx, strings.NewReader(strings.Join(values, "\n")), api.ImportOptions{Name: "feed.txt", Format: intake.Text, TLP: protocol.Green}, nil)
	return err == nil && tally.Accepted == len(values), err
}

// work says rows values at a time until ctx ends.
func (l *load) work(ctx context.Context, rows int, say func([]string) (bool, error)) {
	ticker := time.NewTicker(max(l.every, time.Microsecond))
	defer ticker.Stop()
	for {
		values := l.take(rows)
		all, err := say(values)
		var problem *api.Problem
		switch {
		case all:
			l.note(values, "")
		case ctx.Err() != nil:
			return
		case errors.As(err, &problem):
			l.note(nil, fmt.Sprintf("%d %s", problem.Status, problem.Title))
		case err == nil:
			l.note(nil, "accepted in part")
		default: // nobody there
			pause(ctx, retryEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l *load) take(n int) (values []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.next++
		values = append(values, fmt.Sprintf("v%d.example", l.next))
	}
	return values
}

func (l *load) note(values []string, problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, values...)
	if problem == "" {
		return
	}
	if l.problems == nil {
		l.problems = map[string]int{}
	}
	l.problems[problem]++
}

// sums returns what was acknowledged so far, and why other values were not.
func (l *load) sums() (said []string, problems map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.said), maps.Clone(l.problems)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

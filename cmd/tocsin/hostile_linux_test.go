package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const (
	hostileEnv = "TOCSIN_TEST_HOSTILE" // set in the hostile member's process: what it does
	inviteEnv  = "TOCSIN_TEST_INVITE"  // and the invite it joins with

	honestCPU, hostileCPU = "0", "1"
	ticksPerSecond        = 100 // of /proc/PID/stat, on every Linux

	probeEvery    = 100 // no bulletin of an import holds fewer values
	hostileWithin = time.Minute

	keepsQuiet          = "quiet" // what the hostile member does in the other half of a round
	saysReady, saysDone = "hostile: ready", "hostile: sent "
)

var (
	hostileHeld   = flag.Int("hostile.import", 20_000, "indicators of an import of BenchmarkHostilePeer")
	hostileTimes  = flag.Int("hostile.times", 7, "imports in each half of a round")
	hostileSettle = flag.Duration("hostile.settle", 3*time.Second, "how long an attack lasts before the import begins: what may come at once is used up by then")
)

// BenchmarkHostilePeer imports a list on one node until another holds it all,
// with a hostile member connected to the second: in one half of each round it
// keeps quiet, in the other it attacks as fast as it can. The two honest
// processes share one processor, the hostile member has another to itself, which
// it keeps as busy when it is quiet. A
// benchmark's iteration is a round; figures are medians over the rounds. What an
// attack has a node hold in memory is in package node's tests, where garbage can be
// told from what is held.
//
//	ratio        throughput under attack over throughput alone
//	cost-ratio   processor time of both nodes for an indicator, under attack over alone
//	took-%       what the attack took of the processor during the import
//	alone-ind/s  throughput while the hostile member is quiet
//	alone-us/ind processor time of both nodes for an indicator then
//	burst-ms     processor time that the attack takes from both before the imports begin
//	steady-%     what the attack takes of the processor after the imports, when nobody else wants it
//	sent         messages, streams or connections of the attack
func BenchmarkHostilePeer(b *testing.B) {
	if kind := os.Getenv(hostileEnv); kind != "" {
		beHostile(b, kind, os.Getenv(inviteEnv))
		return
	}
	if err := exec.Command("taskset", "-c", honestCPU+","+hostileCPU, "true").Run(); err != nil {
		b.Skipf("BenchmarkHostilePeer: processors %s and %s cannot be chosen: %v", honestCPU, hostileCPU, err)
	}
	binary := buildBinary(b)
	for _, a := range attacks {
		if a.name == keepsQuiet {
			continue
		}
		b.Run(a.name, func(b *testing.B) { benchmarkAttack(b, binary, a.name) })
	}
}

func benchmarkAttack(b *testing.B, binary, attack string) {
	bank := &process{t: b, binary: binary, dir: directory(filepath.Join(b.TempDir(), "bank"))}
	bank.must("init", "--org", "bank", "--listen", outerAddr(b), "--http", "127.0.0.1:"+freePort(b, "tcp"))
	bank.start()
	hospital := newProcess(b, binary, "hospital", "tcp")
	bank.must("community", "create", "isac")
	hospital.joins(bank)
	bank.meets(1)
	hospital.meets(1)
	s := &siege{b: b, author: hospital, attacked: bank}
	for _, p := range []*process{bank, hospital} {
		pin(b, p.cmd.Process.Pid)
	}
	s.importNew() // the first of all is slower
	figures := map[string][]float64{}
	for b.Loop() {
		alone, under := s.half(keepsQuiet), s.half(attack)
		figures["ratio"] = append(figures["ratio"], alone.took/under.took)
		figures["cost-ratio"] = append(figures["cost-ratio"], under.cpu/alone.cpu)
		figures["took-%"] = append(figures["took-%"], 100*(under.cpu-alone.cpu)/under.took)
		figures["alone-ind/s"] = append(figures["alone-ind/s"], float64(*hostileHeld)/alone.took)
		figures["alone-us/ind"] = append(figures["alone-us/ind"], 1e6*alone.cpu/float64(*hostileHeld))
		figures["burst-ms"] = append(figures["burst-ms"], float64((under.burst - alone.burst).Milliseconds()))
		figures["steady-%"] = append(figures["steady-%"], 100*(under.after-alone.after))
		figures["sent"] = append(figures["sent"], float64(under.sent))
	}
	b.ReportMetric(0, "ns/op")
	for unit, values := range figures {
		b.ReportMetric(median(values), unit)
	}
	var counts []string
	for name, count := range bank.status().Counts {
		if count > 0 {
			counts = append(counts, fmt.Sprintf("%s=%d", name, count))
		}
	}
	slices.Sort(counts)
	b.Logf("the attacked node counts %s", strings.Join(counts, " "))
}

// A siege is two honest nodes and, one after the other, members that are not.
type siege struct {
	b                *testing.B
	author, attacked *process
	lists            int
}

// A half is what one import took, and what the hostile member did meanwhile.
type half struct {
	took, cpu float64       // seconds, and those of both processors
	burst     time.Duration // of processor time, before the imports
	after     float64       // of a processor, after them
	sent      int
}

// half imports some lists while a new member does one thing, and returns the
// medians of what an import took.
func (s *siege) half(attack string) (h half) {
	s.b.Helper()
	m := s.member(attack)
	before := s.cpu()
	m.begin()
	pause(s.b.Context(), *hostileSettle)
	h.burst = s.cpu() - before
	var took, cpu []float64
	for range *hostileTimes {
		each, of := s.importNew()
		took, cpu = append(took, each.Seconds()), append(cpu, of.Seconds())
	}
	h.took, h.cpu = median(took), median(cpu)
	pause(s.b.Context(), time.Second) // what imports leave to do
	after := s.cpu()
	pause(s.b.Context(), *hostileSettle)
	h.after = (s.cpu() - after).Seconds() / hostileSettle.Seconds()
	h.sent = m.end()
	return h
}

// importNew imports a list that is new, until the attacked node knows it all.
func (s *siege) importNew() (took, cpu time.Duration) {
	s.b.Helper()
	s.lists++
	var list strings.Builder
	var probes []string // one at least of each bulletin
	for i := range *hostileHeld {
		value := fmt.Sprintf("list%d-%d.example", s.lists, i)
		if i%probeEvery == 0 || i == *hostileHeld-1 {
			probes = append(probes, value)
		}
		fmt.Fprintln(&list, value)
	}
	feed := filepath.Join(s.b.TempDir(), "list.txt")
	if err := os.WriteFile(feed, []byte(list.String()), 0o600); err != nil {
		s.b.Fatal(err)
	}
	before, at := s.cpu(), time.Now()
	if accepted := importFeed(s.b, s.author, feed); accepted != *hostileHeld {
		s.b.Fatalf("%d of %d were accepted", accepted, *hostileHeld)
	}
	s.known(probes)
	return time.Since(at), s.cpu() - before
}

func median(values []float64) float64 {
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// known waits until the attacked node answers for all values. What the hostile
// member says is of no interest.
func (s *siege) known(values []string) {
	s.b.Helper()
	client := api.Unix(s.attacked.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	late := time.After(hostileWithin)
	for {
		answers, err := client.Lookup(s.b.Context(), api.LookupRequest{Values: values})
		if err != nil {
			s.b.Fatal(err)
		}
		if values = unclaimed(answers); len(values) == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-late:
			s.b.Fatalf("not within %s: %d values are not known, such as %s", hostileWithin, len(values), values[0])
		}
	}
}

// unclaimed returns the values that nobody says.
func unclaimed(answers []api.Lookup) (values []string) {
	for _, a := range answers {
		if len(a.Claims) == 0 {
			values = append(values, a.Value)
		}
	}
	return values
}

// cpu returns the processor time of both honest nodes.
func (s *siege) cpu() (sum time.Duration) {
	s.b.Helper()
	for _, p := range []*process{s.author, s.attacked} {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			s.b.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold blanks
		fields := strings.Fields(rest)
		user, err := strconv.Atoi(fields[11])
		system, err2 := strconv.Atoi(fields[12])
		if err := errors.Join(err, err2); err != nil {
			s.b.Fatal(err)
		}
		sum += time.Duration(user+system) * time.Second / ticksPerSecond
	}
	return sum
}

// pin keeps a process, with all its threads, on the processor of the honest.
func pin(b *testing.B, pid int) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), "taskset", "-a", "-c", "-p", honestCPU, strconv.Itoa(pid)).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// A hostileProcess is a member in a process of its own, on its own processor.
type hostileProcess struct {
	b     *testing.B
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// member lets a new member in, and waits until it stands.
func (s *siege) member(attack string) *hostileProcess {
	s.b.Helper()
	cmd := exec.CommandContext(s.b.Context(), "taskset", "-c", hostileCPU, os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkHostilePeer$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), hostileEnv+"="+attack, inviteEnv+"="+s.attacked.must("invite", "--community", "isac"))
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		s.b.Fatal(err)
	}
	m := &hostileProcess{s.b, cmd, in, bufio.NewScanner(out)}
	m.hears(saysReady)
	return m
}

// hears reads up to a line that begins so, and returns the rest of it.
func (m *hostileProcess) hears(begin string) string {
	m.b.Helper()
	var said []string
	for m.lines.Scan() {
		if _, rest, ok := strings.Cut(m.lines.Text(), begin); ok {
			return rest
		}
		said = append(said, m.lines.Text())
	}
	m.b.Fatalf("the hostile member never said %q: %s", begin, strings.Join(said, "\n"))
	return ""
}

// begin has it attack.
func (m *hostileProcess) begin() {
	m.b.Helper()
	if _, err := io.WriteString(m.in, "begin\n"); err != nil {
		m.b.Fatal(err)
	}
}

// end has it stop, and returns how much it sent.
func (m *hostileProcess) end() int {
	m.b.Helper()
	m.in.Close()
	sent, err := strconv.Atoi(m.hears(saysDone))
	for m.lines.Scan() { // what the test binary says at its end
	}
	if err := errors.Join(err, m.cmd.Wait()); err != nil {
		m.b.Fatal(err)
	}
	return sent
}

// outerAddr returns a multiaddr on an address of this machine that is not its
// loopback, where it has one: on the latter no rate of connections is kept.
func outerAddr(b *testing.B) string {
	b.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		b.Fatal(err)
	}
	for _, a := range addrs {
		if ip, is := a.(*net.IPNet); is && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return fmt.Sprintf("/ip4/%s/tcp/%s", ip.IP, freePort(b, "tcp"))
		}
	}
	b.Log("this machine has no address but its loopback, where no rate of connections is kept")
	return freeAddr(b, "tcp")
}

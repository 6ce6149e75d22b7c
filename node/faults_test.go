package node_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	seeds   = flag.Int("seeds", 0, "how many seeds TestFaults plays (0: as many as fit its time)")
	oneSeed = flag.Uint64("seed", 0, "the one seed TestFaults plays")
)

// faultsTime is how long TestFaults goes on when nobody says how many seeds.
const faultsTime = 20 * time.Second

// TestFaults plays one federation a seed: topology, what is said, and what goes
// wrong are drawn from it. Links are cut and flap, the network falls apart,
// nodes are stopped, killed and brought back on what they had, and gossip is
// lost, all of it in some. When all is well again everything that was
// acknowledged is held by everybody, and all hold the same.
func TestFaults(t *testing.T) {
	play := func(seed uint64) bool {
		return t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playFaults(t, seed) })
			if t.Failed() {
				t.Logf("replay with: go test ./node -run '^TestFaults$' -seed %d", seed)
			}
		})
	}
	if *oneSeed != 0 {
		play(*oneSeed)
		return
	}
	limit, begun, count := *seeds, time.Now(), 0
	if limit == 0 && testing.Short() {
		limit = 3
	}
	base := uint64(begun.UnixNano())
	for ; limit > 0 && count < limit || limit == 0 && time.Since(begun) < faultsTime; count++ {
		if !play(base + uint64(count)) {
			break
		}
	}
	t.Logf("%d seeds", count)
}

// A trouble is one federation and what happens to it.
type trouble struct {
	t     *testing.T
	rng   *rand.Rand
	fed   *nodetest.Federation
	orgs  []string
	all   [][2]string        // links that are drawn
	cut   map[[2]string]bool // of them, those that are down
	down  map[string]bool    // organisations
	said  []node.Receipt     // acknowledged
	trace []string

	mu    sync.Mutex               // guards what the nodes ask
	keys  map[protocol.Node]string // organisations
	walls map[[2]string]bool       // who cannot dial whom, though the other way is open
}

func playFaults(t *testing.T, seed uint64) {
	f := &trouble{t: t, rng: rand.New(rand.NewPCG(seed, 1)), cut: map[[2]string]bool{}, down: map[string]bool{}, keys: map[protocol.Node]string{}, walls: map[[2]string]bool{}}
	graph := f.draw()
	loss := map[string]float64{} // of what each hears: some are heard and deaf
	for _, org := range f.orgs {
		loss[org] = []float64{0, 0.1, 0.5, 1}[f.rng.IntN(4)]
	}
	f.note("graph %s, gossip loss %v", strings.Join(strings.Fields(graph), " "), loss)
	f.fed = nodetest.New(t, graph, func(org string, c *node.Config) {
		node.Lose(c, func() bool { return rand.Float64() < loss[org] })
		f.mu.Lock()
		defer f.mu.Unlock()
		f.keys[c.Certificate.Node] = org
		node.Wall(c, func(to protocol.Node) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.walls[[2]string{org, f.keys[to]}]
		})
	})
	for range 15 + f.rng.IntN(25) {
		f.step()
		time.Sleep(time.Duration(f.rng.IntN(12000)) * time.Millisecond)
	}
	f.recover()
	time.Sleep(10 * time.Minute)
	f.check()
	if t.Failed() {
		t.Log(strings.Join(f.trace, "\n"))
	}
}

func (f *trouble) note(format string, args ...any) {
	f.trace = append(f.trace, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// draw makes a connected graph of three to six organisations.
func (f *trouble) draw() string {
	var b strings.Builder
	count := 3 + f.rng.IntN(4)
	link := func(i, j int) {
		l := [2]string{f.orgs[i], f.orgs[j]}
		if !slices.Contains(f.all, l) {
			f.all = append(f.all, l)
			fmt.Fprintf(&b, "%s -- %s\n", l[0], l[1])
		}
	}
	for i := range count {
		f.orgs = append(f.orgs, fmt.Sprintf("org%d", i))
		if i > 0 {
			link(f.rng.IntN(i), i)
		}
	}
	for range f.rng.IntN(count + 1) {
		i, j := f.rng.IntN(count), f.rng.IntN(count)
		if i != j {
			link(min(i, j), max(i, j))
		}
	}
	return b.String()
}

// step does one thing.
func (f *trouble) step() {
	org := f.orgs[f.rng.IntN(len(f.orgs))]
	link := f.all[f.rng.IntN(len(f.all))]
	switch n := f.rng.IntN(21); {
	case n < 10:
		f.submit(org)
	case n < 12:
		f.setLink(link, false)
	case n < 14:
		f.setLink(link, true)
	case n == 14:
		for range 6 { // it flaps
			f.setLink(link, f.cut[link])
			time.Sleep(time.Duration(f.rng.IntN(3000)) * time.Millisecond)
		}
	case n == 15:
		f.partition(2 + f.rng.IntN(2))
	case n == 16:
		f.takeDown(org, f.fed.Stop, "stop")
	case n == 17:
		f.takeDown(org, f.fed.Kill, "kill")
	case n == 18:
		f.oneWay(link)
	default:
		f.bringUp(org)
	}
}

// oneWay lets a link be dialled from one end only, from now on: a firewall. It
// stays to the end, since the other way is enough.
func (f *trouble) oneWay(l [2]string) {
	from, to := l[0], l[1]
	if f.rng.IntN(2) == 0 {
		from, to = to, from
	}
	f.note("%s cannot dial %s", from, to)
	f.mu.Lock()
	f.walls[[2]string{from, to}], f.walls[[2]string{to, from}] = true, false
	f.mu.Unlock()
	if !f.cut[l] { // what stands ends, and has to be dialled anew
		f.setLink(l, false)
		f.setLink(l, true)
	}
}

func (f *trouble) submit(org string) {
	if f.down[org] {
		return
	}
	value := fmt.Sprintf("v%d.%s.example", len(f.said), org)
	f.note("%s says %s", org, value)
	f.said = append(f.said, f.fed.Submit(org, value, protocol.Green))
}

func (f *trouble) setLink(l [2]string, up bool) {
	if f.cut[l] == !up {
		return
	}
	if f.cut[l] = !up; f.down[l[0]] || f.down[l[1]] {
		return // it is cut as it is, and comes up with the node unless it is cut by then
	}
	f.note("link %v up %v", l, up)
	if up {
		f.fed.Heal(l[0], l[1])
	} else {
		f.fed.Cut(l[0], l[1])
	}
}

// partition cuts every link between groups.
func (f *trouble) partition(groups int) {
	of := map[string]int{}
	for _, org := range f.orgs {
		of[org] = f.rng.IntN(groups)
	}
	f.note("partition %v", of)
	for _, l := range f.all {
		f.setLink(l, of[l[0]] == of[l[1]])
	}
}

func (f *trouble) takeDown(org string, how func(string), word string) {
	if f.down[org] || len(f.down) >= len(f.orgs)-1 {
		return
	}
	f.note("%s %s", word, org)
	how(org)
	f.down[org] = true
}

func (f *trouble) bringUp(org string) {
	if !f.down[org] {
		return
	}
	f.note("restart %s", org)
	f.fed.Restart(org)
	delete(f.down, org)
	for l, cut := range f.cut {
		if cut && slices.Contains(l[:], org) && !f.down[l[0]] && !f.down[l[1]] {
			f.fed.Cut(l[0], l[1])
		}
	}
}

// recover makes everything well again.
func (f *trouble) recover() {
	for _, l := range f.all {
		f.setLink(l, true)
	}
	for _, org := range f.orgs {
		f.bringUp(org)
	}
	f.note("all is well")
}

// check is what must be so whatever happened.
func (f *trouble) check() {
	f.t.Helper()
	for _, r := range f.said {
		f.fed.HeldBy(r, f.orgs...)
	}
	first := protocol.SummariesDigest(f.fed.Node(f.orgs[0]).Store().Summaries(nil))
	for _, org := range f.orgs {
		n := f.fed.Node(org)
		if protocol.SummariesDigest(n.Store().Summaries(nil)) != first {
			f.t.Errorf("%s holds something else than %s", org, f.orgs[0])
		}
		for _, s := range n.Store().Streams() {
			if len(s.Gaps) > 0 {
				f.t.Errorf("%s has gaps: %v", org, s.Gaps)
			}
		}
		if wanted := n.Store().Wanted(10); len(wanted) > 0 {
			f.t.Errorf("%s lacks %d bodies", org, len(wanted))
		}
		if n.Counts()["equivocations"] > 0 {
			f.t.Errorf("%s saw somebody say two things at one place", org)
		}
	}
}

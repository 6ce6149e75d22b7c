package node_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	spreadSeeds = flag.Int("spread.seeds", 0, "how many seeds TestSpread plays (0: as many as fit its time)")
	spreadSeed  = flag.Uint64("spread.seed", 0, "the one seed TestSpread plays")
)

// How long TestSpread goes on when nobody says how many seeds.
const (
	spreadTime  = 25 * time.Second
	spreadShort = 8 * time.Second
)

const (
	calmSteps = 60 // looks at whether all hold what they must
	calmStep  = 20 * time.Second
)

// TestSpread plays one federation a seed. The graph, communities, sharing
// groups, clients, hostile members, what is said under which label and taken
// back, who blocks, removes and leaves out whom, and what goes wrong are all
// drawn from it, in rounds. At the end of each round all is well: then everybody
// holds what the rules of spreadmodel_test.go give him, and nobody holds, or was
// ever sent, anything else.
func TestSpread(t *testing.T) {
	play := func(seed uint64) bool {
		return t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playSpread(t, seed) })
			if t.Failed() {
				t.Logf("replay with: go test ./node -run '^TestSpread$' -spread.seed %d", seed)
			}
		})
	}
	if *spreadSeed != 0 {
		play(*spreadSeed)
		return
	}
	begun, count, lasts := time.Now(), 0, spreadTime
	if testing.Short() {
		lasts = spreadShort
	}
	base := uint64(begun.UnixNano())
	for ; *spreadSeeds > 0 && count < *spreadSeeds || *spreadSeeds == 0 && time.Since(begun) < lasts; count++ {
		if !play(base + uint64(count)) {
			break
		}
	}
	t.Logf("%d seeds", count)
}

// A spread is one federation and what happens in it.
type spread struct {
	t       *testing.T
	rng     *rand.Rand
	fed     *nodetest.Federation
	m       *model
	honest  []string
	names   []string // all
	keys    map[string]protocol.Org
	byz     []*nodetest.Byzantine
	drawn   [][2]string // links between honest nodes
	cut     map[[2]string]bool
	down    map[string]bool
	next    int
	trace   []string
	tallies map[string]int
}

func playSpread(t *testing.T, seed uint64) {
	s := &spread{t: t, rng: rand.New(rand.NewPCG(seed, 2)), m: newModel(), keys: map[string]protocol.Org{}, cut: map[[2]string]bool{}, down: map[string]bool{}, tallies: map[string]int{}}
	defer func() {
		t.Logf("%v", s.tallies)
		if t.Failed() {
			t.Log(strings.Join(s.trace, "\n"))
		}
	}()
	s.draw()
	s.settle()
	for range 3 {
		for range 12 + s.rng.IntN(8) {
			s.step()
			time.Sleep(time.Duration(1+s.rng.IntN(6000)) * time.Millisecond)
		}
		s.settle()
		if t.Failed() {
			return
		}
	}
}

func (s *spread) note(format string, args ...any) {
	s.trace = append(s.trace, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *spread) chance(percent int) bool { return s.rng.IntN(100) < percent }

func pick[T any](s *spread, list []T) T { return list[s.rng.IntN(len(list))] }

// some returns a few of a list, in its order.
func some[T any](s *spread, list []T, most int) []T {
	order := s.rng.Perm(len(list))[:1+s.rng.IntN(min(most, len(list)))]
	slices.Sort(order)
	var few []T
	for _, i := range order {
		few = append(few, list[i])
	}
	return few
}

// draw makes the federation.
func (s *spread) draw() {
	var graph strings.Builder
	for i := range 4 + s.rng.IntN(4) {
		s.honest = append(s.honest, fmt.Sprintf("org%d", i))
		if i > 0 {
			s.link(&graph, s.rng.IntN(i), i)
		}
	}
	for range s.rng.IntN(2 * len(s.honest)) {
		i, j := s.rng.IntN(len(s.honest)), s.rng.IntN(len(s.honest))
		if i != j {
			s.link(&graph, min(i, j), max(i, j))
		}
	}
	s.fed = nodetest.New(s.t, graph.String())
	isac := &society{name: nodetest.Community, id: s.fed.Community(), founder: s.honest[0], members: slices.Clone(s.honest), removed: map[string]*removal{}}
	s.m.societies = append(s.m.societies, isac)
	for range pick(s, []int{0, 1, 1, 2}) {
		s.drawByzantine(isac)
	}
	s.names = append(slices.Clone(s.honest), isac.members[len(s.honest):]...)
	for _, a := range s.honest {
		s.keys[a] = s.fed.Node(a).Org()
	}
	for _, b := range s.byz {
		s.keys[b.Name] = b.Cert.Org
	}
	for _, a := range s.honest {
		for _, b := range s.names {
			if a != b {
				s.check(s.fed.Node(a).SetName(s.t.Context(), s.keys[b], b))
			}
		}
	}
	if len(s.honest) > 2 && s.chance(50) {
		s.drawSociety()
	}
	for range s.rng.IntN(3) {
		s.createGroup(pick(s, s.honest))
	}
	for range s.rng.IntN(3) {
		s.changeClient(pick(s, s.honest))
	}
}

func (s *spread) link(graph *strings.Builder, i, j int) {
	l := [2]string{s.honest[i], s.honest[j]}
	if slices.Contains(s.drawn, l) {
		return
	}
	s.drawn = append(s.drawn, l)
	s.m.link(l[0], l[1])
	fmt.Fprintf(graph, "%s -- %s\n", l[0], l[1])
	s.note("link %v", l)
}

func (s *spread) drawByzantine(isac *society) {
	reaches := some(s, s.honest, 3)
	b := s.fed.Byzantine(reaches...)
	b.Silent.Store(s.chance(30))
	b.Lies.Store(s.chance(30))
	s.note("%s is hostile, reaches %v, silent %v, lies %v", b.Name, reaches, b.Silent.Load(), b.Lies.Load())
	isac.members = append(isac.members, b.Name)
	s.byz = append(s.byz, b)
	s.m.hostile[b.Name] = true
	for _, org := range reaches {
		s.m.link(b.Name, org)
	}
}

func (s *spread) drawSociety() {
	members := some(s, s.honest, len(s.honest))
	founder, others := members[0], members[1:]
	id := s.fed.Found("wing", founder, others...)
	s.note("community wing of %v", members)
	s.m.societies = append(s.m.societies, &society{name: "wing", id: id, founder: founder, members: members, removed: map[string]*removal{}})
}

func (s *spread) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle makes everything well again, waits until all hold what they must, and
// checks that nobody has more.
func (s *spread) settle() {
	s.t.Helper()
	for _, l := range s.drawn {
		s.setLink(l, true)
	}
	for _, org := range s.honest {
		s.bringUp(org)
	}
	s.note("all is well")
	musts, signs := s.m.musts()
	for range calmSteps {
		if s.lacking(musts, signs) == "" {
			break
		}
		time.Sleep(calmStep)
	}
	if lacks := s.lacking(musts, signs); lacks != "" {
		s.t.Errorf("after %v: %s", calmSteps*calmStep, lacks)
		return
	}
	time.Sleep(2 * time.Minute)
	for _, b := range s.byz {
		for _, org := range s.near(b) {
			s.askAll(b, org)
		}
	}
	s.checkHolders()
	s.checkRevoked(musts)
	s.checkCanaries(musts)
	s.checkReceipts()
	s.checkShown()
	s.m.begin(s.holders)
}

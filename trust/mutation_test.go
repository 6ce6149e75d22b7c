package trust

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// killed reports whether the package's tests fail on a mutant ("": on none).
func killed(ctx context.Context, binary, mutant string) (bool, string) {
	c := exec.CommandContext(ctx, binary, "-test.failfast", "-test.timeout=60s", "-test.skip=^TestEveryConditionIsNeeded$",
		"-rapid.seed=1", "-rapid.shrinktime=1ns", "-rapid.nofailfile")
	c.Env = append(os.Environ(), "TOCSIN_MUTANT="+mutant)
	out, err := c.CombinedOutput()
	return err != nil, string(out)
}

// readEquivalent reads the mutants that change nothing, each with the reason.
func readEquivalent(t *testing.T) map[string]bool {
	text, err := os.ReadFile("testdata/equivalent.txt")
	if err != nil {
		t.Fatal(err)
	}
	equivalent := map[string]bool{}
	var name string
	for line := range strings.Lines(string(text)) {
		switch reason := strings.HasPrefix(line, " "); {
		case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "":
		case reason:
			equivalent[name] = true
		default:
			name = strings.TrimSpace(line)
		}
	}
	return equivalent
}

// TestEveryConditionIsNeeded changes every condition of the rules, one at a
// time, and wants the other tests of this package to fail. Those that nothing
// can tell apart stand in testdata/equivalent.txt with the reason.
func TestEveryConditionIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the package's tests several hundred times")
	}
	m := &mutator{t: t}
	binary := m.build(t.TempDir())
	if failed, out := killed(t.Context(), binary, ""); failed {
		t.Fatalf("the tests fail with no condition changed:\n%s", out)
	}
	survived := make([]bool, len(m.mutants))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				dead, _ := killed(t.Context(), binary, fmt.Sprintf("%d %s", m.mutants[i].site, m.mutants[i].change))
				survived[i] = !dead
			}
		})
	}
	for i := range m.mutants {
		next <- i
	}
	close(next)
	wg.Wait()
	judge(t, m.mutants, survived)
}

func judge(t *testing.T, mutants []mutant, survived []bool) {
	equivalent, alive, times := readEquivalent(t), map[string]bool{}, map[string]int{}
	for i, m := range mutants {
		name := m.String()
		if times[name]++; times[name] > 1 {
			name += fmt.Sprintf(" (%d)", times[name])
		}
		if !survived[i] {
			continue
		}
		alive[name] = true
		if !equivalent[name] {
			t.Errorf("no test fails on\n%s", name)
		}
	}
	for name := range equivalent {
		if !alive[name] && (*moreMutants || times[strings.TrimSuffix(name, " (2)")] > 0) {
			t.Errorf("testdata/equivalent.txt lists what a test tells apart, or what is gone:\n%s", name)
		}
	}
	t.Logf("%d mutants, %d of them equivalent", len(mutants), len(alive))
}

package score

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestReputation asks every line of testdata/reputation.txt.
func TestReputation(t *testing.T) {
	text, err := os.ReadFile("testdata/reputation.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := Default()
	for line := range strings.Lines(string(text)) {
		row, want, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		l, o := reputationOf(t, strings.Fields(row))
		tr := m.Trust(l, o, testNow)
		sound := "unsound"
		if tr.Sound() {
			sound = "sound"
		}
		got := fmt.Sprintf("%d %.1f/%.1f %s %.3f %.3f", tr.Prior, tr.Value, tr.Ceiling, sound, m.Weigh(Confirmed, &tr), m.Weigh(FalsePositive, &tr))
		if got != want {
			t.Errorf("%s => %s, want %s", row, got, want)
		}
	}
}

func reputationOf(t *testing.T, f []string) (Level, Outcomes) {
	role := map[string]Role{"stranger": Stranger, "chosen": Chosen, "anchor": Anchor, "own": Own}[f[0]]
	level := Unstated
	if f[1] != "-" {
		level = number(t, f[1])
	}
	confirmed, err := strconv.ParseFloat(f[2], 64)
	if err != nil {
		t.Fatal(err)
	}
	positives, err := strconv.ParseFloat(f[3], 64)
	if err != nil {
		t.Fatal(err)
	}
	return Level{role, level}, Outcomes{Confirmed: confirmed, False: positives, At: testNow}
}

// TestAdd: outcomes of any order sum up and halve each month; a weight that is
// none adds nothing.
func TestAdd(t *testing.T) {
	m := Default()
	month := m.OutcomeHalfLife.Milliseconds()
	for _, weight := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if o := m.Add(Outcomes{}, Confirmed, weight, testNow); o != (Outcomes{}) {
			t.Errorf("a weight of %v: %+v", weight, o)
		}
	}
	early := m.Add(m.Add(Outcomes{}, FalsePositive, 1, testNow-month), Confirmed, 1, testNow)
	late := m.Add(m.Add(Outcomes{}, Confirmed, 1, testNow), FalsePositive, 1, testNow-month)
	want := Outcomes{Confirmed: 1, False: 0.5, At: testNow}
	if early != want || late != want {
		t.Errorf("%+v and %+v, want %+v", early, late, want)
	}
	if o := m.at(Outcomes{Confirmed: 1, At: testNow}, testNow-month); o.Confirmed != 1 || o.At != testNow {
		t.Errorf("before its moment: %+v", o)
	}
}

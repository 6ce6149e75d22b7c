package score

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestJudge judges the values of testdata/judge.txt.
func TestJudge(t *testing.T) {
	text, err := os.ReadFile("testdata/judge.txt")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for line := range strings.Lines(string(text)) {
		row, want, ok := strings.Cut(strings.TrimSpace(line), "=>")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		asked++
		if got := judged(t, row); got != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s=> %s, want%s", row, got, want)
		}
	}
	if asked < 60 {
		t.Errorf("only %d rows", asked)
	}
}

func judged(t *testing.T, row string) string {
	c := town()
	v := Value{Type: stix.IPv4Addr}
	for item := range strings.SplitSeq(row, ",") {
		f := strings.Fields(item)
		switch {
		case f[0] == "type":
			v.Type = stix.Type(f[1])
		case f[0] == "listed":
			v.Floor = "public resolver"
		case f[0] == "least":
			c.model.Least = number(t, f[1])
		case f[0] == "k":
			c.model.Corroboration = number(t, f[1])
		case strings.HasSuffix(f[0], "'s"):
			c.outcomes[orgNamed(strings.TrimSuffix(f[0], "'s"))] = Outcomes{Confirmed: float64(number(t, f[1])), False: float64(number(t, f[2])), At: testNow}
		default:
			v.Evidence = append(v.Evidence, evidenceOf(t, f))
		}
	}
	e := c.judge(testNow).Explain(v, testNow)
	in := "nothing"
	for _, tier := range AllTiers() {
		if e.In(tier) {
			in = tier.String()
		}
	}
	rule := e.Verdicts[Block].Rule
	if !e.In(Alert) {
		rule = e.Verdicts[Alert].Rule
	}
	return fmt.Sprintf("%d %s %s", e.Score, in, rule)
}

func evidenceOf(t *testing.T, f []string) Evidence {
	e := Evidence{Org: orgNamed(f[0]), Confidence: Unstated, At: testNow, Until: forever, TLP: protocol.Green}
	for _, word := range f[1:] {
		n, err := strconv.Atoi(word)
		age, old := strconv.Atoi(strings.TrimSuffix(word, "d"))
		switch {
		case word == "met":
			e.Kind = Sighting
		case word == "harmless":
			e.Kind = Harmless
		case word == "drill":
			e.Drill = true
		case word == "over":
			e.Until = testNow
		case word == "unlabelled":
			e.TLP = protocol.Unlabelled
		case err == nil:
			e.Confidence = n
		case old == nil:
			e.At = testNow - int64(age)*day
		case strings.HasPrefix(word, "pap:"):
			if e.PAP, err = protocol.ParsePAP(word); err != nil {
				t.Fatal(err)
			}
		default:
			if e.TLP, err = protocol.ParseTLP(word); err != nil {
				t.Fatal(err)
			}
		}
	}
	return e
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExplain(t *testing.T) {
	v := Value{Type: stix.IPv4Addr}
	for _, words := range []string{"bank 90 15d", "amy 80", "abe 70", "cody", "nobody 90", "hospital harmless", "vendor 80 over", "ben 99 red"} {
		v.Evidence = append(v.Evidence, evidenceOf(t, strings.Fields(words)))
	}
	c := town()
	e := c.judge(testNow).Explain(v, testNow)
	got := map[protocol.Org]string{}
	for _, p := range e.Parts {
		got[p.Org] = fmt.Sprintf("%s %.2f own=%v", p.Rule, p.Weight, p.Own)
		if p.Door != nil {
			got[p.Org] += " door"
		}
	}
	for name, want := range map[string]string{
		"bank": "counted 0.36 own=true", "amy": "counted 0.16 own=false door", "abe": "same-door 0.14 own=false", "cody": "counted 0.10 own=false door",
		"nobody": "no-door 0.18 own=false", "hospital": "doubts 0.50 own=false", "vendor": "out-of-season 0.00 own=false", "ben": "may-not-act 0.00 own=false",
	} {
		if got[orgNamed(name)] != want {
			t.Errorf("%s: %s, want %s", name, got[orgNamed(name)], want)
		}
	}
	if e.Parts[1].Decay != 0.5 && e.Parts[0].Decay != 0.5 {
		t.Errorf("the bank's claim is one half-life old: %+v", e.Parts[:2])
	}
}

func TestTier(t *testing.T) {
	for _, tier := range AllTiers() {
		if got, err := ParseTier(strings.ToUpper(tier.String())); got != tier || err != nil {
			t.Errorf("%s: %v, %v", tier, got, err)
		}
	}
	if _, err := ParseTier("blocked"); err == nil {
		t.Error("read blocked")
	}
}

func TestCheckRefuses(t *testing.T) {
	m := Default()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Model){
		"zero":               func(m *Model) { *m = Model{} },
		"alert above block":  func(m *Model) { m.Alert = 70 },
		"no alert":           func(m *Model) { m.Alert = 0 },
		"block above 100":    func(m *Model) { m.Block = 101 },
		"no corroboration":   func(m *Model) { m.Corroboration = 0 },
		"weightless voices":  func(m *Model) { m.Least = 0 },
		"negative":           func(m *Model) { m.Confidence = -1 },
		"corroboration 101":  func(m *Model) { m.Corroboration = 101 },
		"newcomer above cap": func(m *Model) { m.Newcomer = 31 },
		"newcomers block":    func(m *Model) { m.NewcomerCap = 60 },
		"strangers block":    func(m *Model) { m.StrangersCap = 60 },
		"slow down":          func(m *Model) { m.Up = 9 },
		"no strength":        func(m *Model) { m.Strength = 0 },
		"no strikes":         func(m *Model) { m.Strikes = 0 },
		"heavy witness":      func(m *Model) { m.Witness = 2 },
		"no forgetting":      func(m *Model) { m.OutcomeHalfLife = 0 },
		"short half-life":    func(m *Model) { m.HalfLives = map[stix.Type]time.Duration{stix.URL: time.Minute} },
	} {
		m := Default()
		if change(&m); m.Check() == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// TestCheckAccepts: each number as far as it may go.
func TestCheckAccepts(t *testing.T) {
	for name, change := range map[string]func(*Model){
		"alert at block":        func(m *Model) { m.Alert = m.Block },
		"least alert":           func(m *Model) { m.Alert = 1 },
		"block 100":             func(m *Model) { m.Block = 100 },
		"one principal":         func(m *Model) { m.Corroboration = 1 },
		"a hundred":             func(m *Model) { m.Corroboration = 100 },
		"light voices":          func(m *Model) { m.Least = 1 },
		"newcomer at the cap":   func(m *Model) { m.Newcomer = m.NewcomerCap },
		"cap below block":       func(m *Model) { m.NewcomerCap = m.Block - 1 },
		"strangers below block": func(m *Model) { m.StrangersCap = m.Block - 1 },
		"up as fast as down":    func(m *Model) { m.Up = m.Down },
		"a full witness":        func(m *Model) { m.Witness = 1 },
		"most weight":           func(m *Model) { m.Strength = 1e6 },
		"an hour":               func(m *Model) { m.OutcomeHalfLife = time.Hour },
		"a half-life of one":    func(m *Model) { m.HalfLives = map[stix.Type]time.Duration{stix.URL: time.Hour} },
	} {
		m := Default()
		if change(&m); m.Check() != nil {
			t.Errorf("%s: %v", name, m.Check())
		}
	}
}

// TestAgain: a score rises by itself when evidence begins and when a false
// positive ends.
func TestAgain(t *testing.T) {
	j := town().judge(testNow)
	later, doubt := claim("cert", 90), claim("bank", 0)
	later.At = testNow + 3*day
	doubt.Kind, doubt.Until = Harmless, testNow+2*day
	v := Value{Type: stix.SHA256, Evidence: []Evidence{claim("cert", 70), later, doubt}}
	for i, want := range []int64{doubt.Until, doubt.Until, later.At, 0} {
		if got := j.Tiers(v, testNow+int64(i)*day); got.Again != want {
			t.Errorf("on day %d: again at %d, want %d", i, got.Again-testNow, want-testNow)
		}
	}
	if before, after := j.Tiers(v, doubt.Until-1), j.Tiers(v, doubt.Until); before.In(Block) || !after.In(Block) {
		t.Errorf("before the doubt ends %+v, after %+v", before, after)
	}
}

// TestThresholdInSteps: a score of exactly half a point holds in whatever steps
// it was reached. 0.81 x 0.5 leaves 59.5 after one half-life.
func TestThresholdInSteps(t *testing.T) {
	j := town().judge(testNow)
	drill := claim("csirt", 100) // changes nothing but that one has to look anew
	drill.Drill = true
	v := Value{Type: stix.DomainName, Evidence: []Evidence{claim("we", 100), claim("hospital", 76), drill}}
	life := j.Model.HalfLife(v.Type).Milliseconds()
	for step := range int64(100) {
		v.Evidence[2].At = testNow + 1 + step*(life/100)
		if got := j.Tiers(v, testNow); got.Until(Block) != testNow+life {
			t.Errorf("looked at anew after %d: block until %d, want %d", v.Evidence[2].At-testNow, got.Until(Block)-testNow, life)
		}
	}
}

// TestSameDoorOtherPrincipal: two strangers who came in by one door corroborate
// when two chosen organisations answer for that door, although one is not heard.
func TestSameDoorOtherPrincipal(t *testing.T) {
	c := town()
	c.model.Corroboration = 3
	c.level("lab", Chosen, 90)
	for by, of := range map[string]string{"we": "lab", "bank": "zed", "zed": "zia"} {
		c.introduce("isac", by, of)
	}
	v := Value{Type: stix.IPv4Addr, Evidence: []Evidence{claim("lab", 100), claim("zed", 100), claim("zia", 90)}}
	if e := c.judge(testNow).Explain(v, testNow); e.In(Block) {
		t.Error("the bank alone answers for two")
	}
	c.introduce("isac", "hospital", "zed")
	c.voices = nil
	if e := c.judge(testNow).Explain(v, testNow); !e.In(Block) || e.Verdicts[Block].Rule != "corroborated" {
		t.Errorf("bank and hospital answer for one each: %+v", e.Verdicts[Block])
	}
}

// TestMostVoices: of strangers who each came in by a door of their own 64 are
// heard, the strongest.
func TestMostVoices(t *testing.T) {
	c := town()
	v := Value{Type: stix.IPv4Addr}
	for i := range 70 {
		name := fmt.Sprint("stranger ", i)
		c.introduce("isac", "we", name)
		v.Evidence = append(v.Evidence, claim(name, 100-i))
	}
	for _, p := range c.judge(testNow).Explain(v, testNow).Parts {
		want := Counted
		if p.Evidence.Confidence <= 100-64 {
			want = TooMany
		}
		if p.Rule != want {
			t.Errorf("a word of %d: %s, want %s", p.Evidence.Confidence, p.Rule, want)
		}
	}
}

// TestStandsWithoutABreak: a value is observed until the first moment at which
// nothing stands, whatever begins later; what is of no kind never stands.
func TestStandsWithoutABreak(t *testing.T) {
	span := func(from, to int64) Evidence {
		e := claim("cert", 90)
		e.At, e.Until = testNow+from*day, testNow+to*day
		return e
	}
	strange := span(0, 9)
	strange.Kind = Harmless + 1
	for _, c := range []struct {
		what     string
		evidence []Evidence
		until    int64
	}{
		{"a gap", []Evidence{span(0, 1), span(3, 5)}, testNow + day - 1},
		{"one after the other", []Evidence{span(1, 5), span(0, 1)}, testNow + 5*day - 1},
		{"not yet", []Evidence{span(3, 5)}, 0},
		{"of no kind", []Evidence{strange}, 0},
	} {
		j := town().judge(testNow)
		if got := j.Tiers(Value{Type: stix.SHA256, Evidence: c.evidence}, testNow); got.Until(Observe) != c.until {
			t.Errorf("%s: until %d, want %d", c.what, got.Until(Observe), c.until)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Claim.String(): "claim", Sighting.String(): "sighting", Harmless.String(): "false-positive", Confirmed.String(): "confirmed",
		FalsePositive.String() + "!": "false-positive!", Stranger.String(): "stranger", Chosen.String(): "chosen", Anchor.String(): "anchor", Own.String(): "own",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

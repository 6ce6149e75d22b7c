package policy

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestLimits sets every number of testdata/limits/numbers.txt to its bounds, which are
// accepted, and one beyond each, which is refused for the range.
func TestLimits(t *testing.T) {
	for line := range strings.Lines(string(read(t, "testdata/limits/numbers.txt"))) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		beside := strings.Join(f[3:], " ")
		tryLimit(t, f[0], f[1], -1, beside)
		tryLimit(t, f[0], f[2], +1, beside)
	}
}

func tryLimit(t *testing.T, key, bound string, beyond int, beside string) {
	if bound == "-" {
		return
	}
	unit := strings.TrimLeft(bound, "0123456789")
	n, err := strconv.Atoi(strings.TrimSuffix(bound, unit))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		n    int
		fits bool
	}{{n, true}, {n + beyond, false}} {
		value := strconv.Itoa(c.n)
		if unit != "" {
			value = strconv.Quote(value + unit)
		}
		_, err := Parse(fmt.Appendf(nil, "%s = %s\n%s\n", key, value, beside))
		if (err == nil) != c.fits {
			t.Errorf("%s = %s: %v", key, value, err)
		}
	}
}

// TestListLimits fills each list of names to its end, and by one more.
func TestListLimits(t *testing.T) {
	for key, most := range map[string]int{"clients": 4096, "never-block.lists": 256} {
		var list []string
		for i := range most + 1 {
			list = append(list, fmt.Sprintf("\"a%d\"", i))
		}
		for n, fits := range map[int]bool{most: true, most + 1: false} {
			if _, err := Parse([]byte(key + " = [" + strings.Join(list[:n], ",") + "]")); (err == nil) != fits {
				t.Errorf("%s with %d entries: %v", key, n, err)
			}
		}
	}
	const rule = "[[share]]\nname = 'a'\nwhen = 'tlp == \"amber\"'\nto = ["
	for n, fits := range map[int]bool{64: true, 65: false} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("'o%d'", i))
		}
		if _, err := Parse([]byte(rule + strings.Join(list, ",") + "]")); (err == nil) != fits {
			t.Errorf("a rule to %d organisations: %v", n, err)
		}
	}
}

// TestDefaultFile: the default policy as a file, every key with its words. What
// it says is what an operator who wrote nothing has.
func TestDefaultFile(t *testing.T) {
	if got := Default().Show(); string(got) != string(read(t, "testdata/default.toml")) {
		t.Errorf("the default is no longer testdata/default.toml:\n%s", got)
	}
}

// TestNewcomerFollows: newcomers are never believed further than those one knows.
func TestNewcomerFollows(t *testing.T) {
	for text, want := range map[string]int{"": 25, "trust.default = 25": 25, "trust.default = 24": 24, "trust.default = 0": 0, "trust.default = 90": 25} {
		if p, err := Parse([]byte(text)); err != nil || p.Trust.Newcomer != want {
			t.Errorf("%q: %+v, %v, want %d", text, p, err, want)
		}
	}
}

// TestNoJournalNoTokens: where no journal is kept the use of tokens is in none.
func TestNoJournalNoTokens(t *testing.T) {
	for text, want := range map[string]Audit{
		"audit.enabled = false": {}, "audit.tokens = false": {Enabled: true}, "": {Enabled: true, Tokens: true},
	} {
		if p, err := Parse([]byte(text)); err != nil || p.Audit != want {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}

// TestReasons: a ruling gives the words of its rule, and else its name.
func TestReasons(t *testing.T) {
	p, err := Parse([]byte(`
[[admit]]
name = "old"
when = "bulletin.age >= 72"
do = "decline"
why = "three days are too many"
[[admit]]
name = "many"
when = "bulletin.count > 3"
do = "hold"
[[share]]
name = "no"
when = "count == 1"
refuse = "one is too few"
[[share]]
name = "look"
when = "count == 2"
hold = true
[[share]]
name = "go"
when = "count == 3"
allow = true
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want Ruling }{
		{p.Admit(Arrival{Age: 72 * time.Hour}), Ruling{Do: Decline, Rule: "old", Reason: "three days are too many"}},
		{p.Admit(Arrival{Age: 72*time.Hour - time.Millisecond}), Ruling{Do: Admit, Rule: "default", Reason: "no rule holds or declines it"}},
		{p.Admit(Arrival{Count: 4}), Ruling{Do: Hold, Rule: "many", Reason: "rule many"}},
		{p.Share(Submission{Count: 1}), Ruling{Do: Refuse, Rule: "no", Reason: "one is too few"}},
		{p.Share(Submission{Count: 2}), Ruling{Do: Hold, Rule: "look", Reason: "rule look wants a second pair of eyes"}},
		{p.Share(Submission{Count: 3}), Ruling{Do: Allow, Rule: "go", Reason: "rule go"}},
		{p.Share(Submission{TLP: protocol.Green}), Ruling{Do: Allow, Rule: "default", Reason: "no rule says otherwise"}},
	} {
		if c.got.Do != c.want.Do || c.got.Rule != c.want.Rule || c.got.Reason != c.want.Reason {
			t.Errorf("%+v, want %+v", c.got, c.want)
		}
	}
	for n, rule := range map[int]string{256: "default", 257: "limit"} { // the longest name that rules are asked about
		if r := p.Admit(Arrival{Community: strings.Repeat("a", n)}); r.Rule != rule {
			t.Errorf("with a name of %d bytes: %+v", n, r)
		}
	}
}

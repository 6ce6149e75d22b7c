package trust

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestLifetime asks every line of testdata/lifetimes.txt, which has every type.
func TestLifetime(t *testing.T) {
	text, err := os.ReadFile("testdata/lifetimes.txt")
	if err != nil {
		t.Fatal(err)
	}
	times := map[stix.Type]int{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		for _, name := range f[1:] {
			kind := stix.Type(name)
			times[kind]++
			if got, want := Lifetime(kind), time.Duration(number(f[0]))*24*time.Hour; got != want {
				t.Errorf("%s stands for %v, want %v", kind, got, want)
			}
		}
	}
	for _, kind := range stix.Types() {
		if times[kind] != 1 {
			t.Errorf("the table has %s %d times", kind, times[kind])
		}
		delete(times, kind)
	}
	for kind := range times {
		t.Errorf("the table has %s, which is no type", kind)
	}
}

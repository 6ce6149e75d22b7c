package policy

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the faults into testdata/faults")

// Each file of testdata/faults is a policy with something wrong in it. What is
// reported stands at its end, in lines that begin with "#=".
func TestFaults(t *testing.T) {
	files, _ := filepath.Glob("testdata/faults/*.toml")
	if len(files) < 40 {
		t.Fatalf("%d files", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := read(t, file)
			body, want, _ := bytes.Cut(text, []byte("#="))
			p, err := Parse(body)
			if err == nil || p != nil {
				t.Fatal("it was accepted")
			}
			got := "#= " + strings.ReplaceAll(err.Error(), "\n", "\n#= ") + "\n"
			if *update {
				if err := os.WriteFile(file, append(body, got...), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := "#=" + string(want); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// What is reported at once is bounded, by line, and tells what it is.
func TestFaultsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("[trust.org]\n")
	for i := range 3 * maxFaults {
		fmt.Fprintf(&b, "o%d = 101\n", i)
	}
	_, err := Parse([]byte(b.String()))
	var faults Faults
	if !errors.As(err, &faults) || !errors.Is(err, ErrPolicy) {
		t.Fatalf("%T: %v", err, err)
	}
	var one *Fault
	if !errors.As(err, &one) || one.Line != 2 || one.Key != "trust.org.o0" {
		t.Errorf("the first is %+v", one)
	}
	if len(faults) != maxFaults+1 || faults[maxFaults].Reason != "200 more faults from here on" {
		t.Errorf("%d faults, the last %v", len(faults), faults[len(faults)-1])
	}
}

func TestTooLarge(t *testing.T) {
	_, err := Parse(bytes.Repeat([]byte("#"), MaxText+1))
	if err == nil || !strings.Contains(err.Error(), "at most 262144 are allowed") {
		t.Error(err)
	}
	if _, err := Parse(bytes.Repeat([]byte("#"), MaxText)); err != nil {
		t.Error(err)
	}
	if _, err := Parse([]byte("clients = [\"\xff\"]")); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
		t.Error(err)
	}
	if _, err := Parse(rules(maxRules)); err != nil {
		t.Error(err)
	}
	if _, err := Parse(rules(maxRules + 1)); err == nil || !strings.Contains(err.Error(), "257 rules, at most 256 are allowed") {
		t.Error(err)
	}
}

func rules(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[[admit]]\nname = \"r%d\"\nwhen = 'bulletin.count == %d'\ndo = \"hold\"\n", i, i)
	}
	return []byte(b.String())
}

package policy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whatever a file holds, it is a policy that can be written and read again, or
// there are faults that stand within the file.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.toml")
	broken, _ := filepath.Glob("testdata/faults/*.toml")
	for _, file := range append(files, broken...) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(Default().Show())
	f.Add([]byte("[[admit]]\n[admit.x]\n[[share.to]]\n[quota.org]\n\"\" = {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err == nil {
			again(t, p)
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 || len(faults) > maxFaults+1 || p != nil {
			t.Fatalf("%T %v, policy %v", err, err, p != nil)
		}
		lines := 1
		for _, c := range text {
			if c == '\n' {
				lines++
			}
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > lines || fault.Column < 1 || fault.Reason == "" {
				t.Fatalf("%+v in a file of %d lines", *fault, lines)
			}
		}
	})
}

// Whatever a table holds, it is run as a whole or not at all, and what the
// policy says passes when it is what the table wants.
func FuzzTable(f *testing.F) {
	p, err := Parse([]byte("[[admit]]\nname = 'x'\nwhen = 'bulletin.drill'\ndo = 'hold'\n[[share]]\nname = 'y'\nwhen = '\"a\" in tags'\nto = ['b']\n"))
	if err != nil {
		f.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("admit drill=true tags=\"a b\",c -> hold rule=x # why\nshare tlp=amber tags=a -> to b\n")
	f.Fuzz(func(t *testing.T, text string) {
		results, err := RunTable(p, []byte(text))
		if err != nil {
			if results != nil || !errors.Is(err, ErrPolicy) {
				t.Fatal(results, err)
			}
			return
		}
		for _, r := range results {
			again, err := RunTable(p, []byte(r.Case+" -> "+r.Got))
			if err != nil || len(again) != 1 || !again[0].Pass || again[0].Got != r.Got {
				t.Fatalf("%q -> %q: %+v, %v", r.Case, r.Got, again, err)
			}
		}
	})
}

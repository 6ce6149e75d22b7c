package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func fail(t *testing.T, file string, results []Result) {
	t.Helper()
	for _, r := range results {
		if !r.Pass {
			t.Errorf("%s:%d: %s\n\twant %s\n\tgot  %s (%s)", file, r.Line, r.Case, r.Want, r.Got, r.Reason)
		}
	}
}

// testdata/NAME.txt is a table about testdata/NAME.toml. Lines that begin with
// ! must fail.
func TestTables(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) < 4 {
		t.Fatalf("%d tables", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p := parseFile(t, strings.TrimSuffix(file, ".txt")+".toml")
			text := read(t, file)
			wrong := map[int]bool{}
			lines := strings.Split(string(text), "\n")
			for i, line := range lines {
				if rest, ok := strings.CutPrefix(line, "!"); ok {
					wrong[i+1], lines[i] = true, rest
				}
			}
			results, err := RunTable(p, []byte(strings.Join(lines, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			for i := range results {
				results[i].Pass = results[i].Pass != wrong[results[i].Line]
			}
			fail(t, file, results)
		})
	}
}

func parseFile(t *testing.T, file string) *Policy {
	t.Helper()
	p, err := Parse(read(t, file))
	if err != nil {
		t.Fatalf("%s:\n%v", file, err)
	}
	return p
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTableFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"admit tlp=green", "line 1, column 16: there is no outcome; -> and what is expected, at the end of the line"},
		{"\n  -> admit", "line 2, column 3: it does not say what is asked; admit, share or trust comes first"},
		{"admit tlp=green ->", "line 1, column 17: nothing is behind the arrow; such as -> hold rule=finance"},
		{"admits -> admit", `line 1, column 1: "admits" is no question; did you mean admit?`},
		{"admit tpl=green -> admit", "line 1, column 7: tpl: there is no such key; did you mean tlp?"},
		{"admit tlp=orange -> admit", `line 1, column 7: tlp: "orange" cannot be read; one of clear, green, amber, amber+strict, red`},
		{"admit green -> admit", `line 1, column 7: "green" has no equals sign; KEY=VALUE`},
		{"admit tlp=green tlp=red -> admit", "line 1, column 17: tlp: it stands here twice; several values stand between commas"},
		{"admit types=ip -> admit", `line 1, column 7: types: it is never "ip"; did you mean ipv4-addr?`},
		{"admit count=x -> admit", `line 1, column 7: count: "x" cannot be read; a whole number`},
		{"admit age=3 -> admit", `line 1, column 7: age: "3" cannot be read; such as 12h or 3d`},
		{"admit drill=si -> admit", `line 1, column 7: drill: "si" cannot be read; true or false`},
		{"admit tags=\"a -> admit", "line 1, column 12: tags: a quotation mark is open; close it; nothing is escaped within"},
		{"admit -> refuse", `line 1, column 10: "refuse" is no outcome of admit; known here: admit, hold, decline`},
		{"share -> group", "line 1, column 10: group names nobody; group NAME"},
		{"share -> allow now", `line 1, column 16: "now" is too much; one outcome, and after it rule=NAME`},
		{"share -> group a b", `line 1, column 18: "b" is too much; one outcome, and after it rule=NAME`},
		{"share -> allow why=x", "line 1, column 16: why: it has no place behind the arrow; an outcome, and after it rule=NAME"},
		{"share -> rule=x", "line 1, column 10: rule: it has no place behind the arrow; an outcome, and after it rule=NAME"},
		{"trust org=a -> 200", `line 1, column 16: "200" is no outcome of trust; a level of 0 to 100, or anchor`},
		{"trust org=a -> high\nadmit", "line 1, column 16: \"high\" is no outcome of trust; a level of 0 to 100, or anchor\n" +
			"line 2, column 6: there is no outcome; -> and what is expected, at the end of the line"},
		{strings.Repeat("x", maxLine+1), "line 1, column 1: the line is too long"},
		{strings.Repeat(" ", maxTable+1), "line 1, column 1: the table has 1048577 bytes, at most 1048576 are allowed; split it"},
	} {
		results, err := RunTable(Default(), []byte(c.text))
		if err == nil || err.Error() != c.want || results != nil || !errors.Is(err, ErrPolicy) {
			t.Errorf("%.60q\n\twant %s\n\tgot  %v", c.text, c.want, err)
		}
	}
}

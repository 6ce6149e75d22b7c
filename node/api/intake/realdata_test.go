package intake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// testdata is the directory with real files, or skips the test.
func realData(t testing.TB) string {
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA names no directory of real files")
	}
	return dir
}

func green() Options {
	return Options{TLP: protocol.Green, Confidence: -1, Now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
}

// collect reads a whole input.
func collect(t testing.TB, text []byte, o Options) (g Guess, rows []Row, tally Tally, err error) {
	t.Helper()
	g, seq := Read(t.Context(), bytes.NewReader(text), o)
	for row, e := range seq {
		if e != nil {
			err = e
			break
		}
		set := 0
		for _, is := range []bool{len(row.Drafts) > 0, row.Skipped != "", row.Refused != ""} {
			if is {
				set++
			}
		}
		if set != 1 {
			t.Errorf("line %d: %d drafts, skipped %q, refused %q: want exactly one of them", row.Line, len(row.Drafts), row.Skipped, row.Refused)
		}
		tally.Add(row)
		rows = append(rows, row)
	}
	if tally.Accepted+tally.Skipped+tally.Refused != tally.Rows {
		t.Errorf("%+v does not add up", tally)
	}
	return g, rows, tally, err
}

// TestRealFiles imports every file of the formats we read. None of them ends
// in an error: what is broken in a file is a row of it, refused.
func TestRealFiles(t *testing.T) {
	dir := realData(t)
	var sum Tally
	for _, group := range []string{"lists", "csv", "text", "stix20", "stix21", "stix21-invalid", "misp"} {
		files, err := filepath.Glob(filepath.Join(dir, group, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", group, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o := green()
			o.Name = filepath.Base(file)
			g, rows, tally, err := collect(t, data, o)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			finishAll(t, file, rows)
			t.Logf("%-14s %-50.50s %-60.60s rows %7d accepted %7d (objects %7d) skipped %7d refused %5d %s", group, o.Name, g, tally.Rows, tally.Accepted, tally.Objects, tally.Skipped, tally.Refused, reasons(tally))
			sum.Rows += tally.Rows
			sum.Accepted += tally.Accepted
			sum.Skipped += tally.Skipped
			sum.Refused += tally.Refused
			sum.Objects += tally.Objects
		}
	}
	t.Logf("all: %+v", sum)
}

// TestLargeFiles counts the rows of the load-test lists.
func TestLargeFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 900,000 rows")
	}
	files, err := filepath.Glob(filepath.Join(realData(t), "large", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		g, rows := Read(t.Context(), in, green())
		var tally Tally
		for row, err := range rows {
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			tally.Add(row)
		}
		t.Logf("%-40s %s, rows %d accepted %d skipped %d refused %d %s", filepath.Base(file), g, tally.Rows, tally.Accepted, tally.Skipped, tally.Refused, reasons(tally))
		if tally.Accepted+tally.Skipped+tally.Refused != tally.Rows || tally.Refused*1000 > tally.Rows {
			t.Errorf("%s: %+v", file, tally)
		}
	}
}

// finishAll checks that every draft becomes bytes that could be signed.
func finishAll(t *testing.T, file string, rows []Row) {
	t.Helper()
	isTLP := func(id string) bool { _, ok := protocol.MarkingTLP(id); return ok }
	failed := 0
	for _, row := range rows {
		for _, d := range row.Drafts {
			if _, err := d.Finish([]byte("scope"), green().Now, isTLP); err != nil && failed < 5 {
				t.Errorf("%s:%d: %v", filepath.Base(file), row.Line, err)
				failed++
			}
		}
	}
}

func reasons(t Tally) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(t.Reasons)) {
		out = append(out, fmt.Sprintf("%s %d", k, t.Reasons[k]))
	}
	return strings.Join(out, "; ")
}

// said lists what rows say, as type:value.
func said(rows []Row) []string {
	var out []string
	for _, row := range rows {
		for _, d := range row.Drafts {
			if d.Object == nil {
				out = append(out, d.Indicator.Observable.String())
				continue
			}
			o, err := stix.Parse(d.Object)
			if err != nil {
				out = append(out, err.Error())
			}
			for _, c := range o.Claims {
				out = append(out, c.String())
			}
			if len(o.Claims) == 0 {
				out = append(out, "object:"+o.Type)
			}
		}
	}
	return out
}

// truthRow is a row of truth.tsv.
type truthRow struct {
	id, unit, found, verdict, kind, canonical, alt, flags, source string
}

func truthTable(t *testing.T) []truthRow {
	raw, err := os.ReadFile(filepath.Join(realData(t), "truth", "truth.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []truthRow
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		f := strings.Split(strings.TrimRight(line, "\r"), "\t")
		if i == 0 || len(f) < 9 {
			continue
		}
		var found string
		if err := json.Unmarshal([]byte(f[2]), &found); err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		rows = append(rows, truthRow{f[0], f[1], found, f[3], f[4], f[5], f[6], f[7], f[8]})
	}
	return rows
}

// TestTruthTable reads every row of unit line, cell and token the way an
// importer meets it.
func TestTruthTable(t *testing.T) {
	exceptions := map[string]string{
		"D165": "a benign host: that takes warning lists, which are the node's",
	}
	for _, row := range truthTable(t) {
		if row.unit == "value" || exceptions[row.id] != "" {
			continue
		}
		got := importRow(t, row)
		if why := judge(row, got); why != "" {
			t.Errorf("%s %s %s %q: got %q: %s", row.id, row.unit, row.verdict, row.found, got, why)
		}
	}
}

// importRow gives a row to the importer as its unit says.
func importRow(t *testing.T, row truthRow) []string {
	o, text := green(), row.found
	switch row.unit {
	case "cell":
		header := "indicator"
		if strings.Contains(row.flags, "not-an-ioc") {
			header = "Observable (not an IOC!)"
		}
		o.Format = CSV
		text = header + ",note\n\"" + strings.ReplaceAll(row.found, `"`, `""`) + "\",x\n"
		if row.found == "," {
			text = header + ",note\n,\n"
		}
	case "token":
		o.Format = Text
		text = "The attackers also used " + row.found + " in this campaign.\n"
	case "line":
		if strings.HasPrefix(row.source, "text/") {
			o.Format = Text
		}
		if row.kind == "multi" || row.id == "D101" || row.id == "D103" {
			o.Format = CSV
		}
	}
	_, rows, _, err := collect(t, []byte(text), o)
	if err != nil {
		t.Logf("%s: %v", row.id, err)
	}
	return said(rows)
}

// judge says what is wrong with what was imported, "" where nothing is.
func judge(row truthRow, got []string) string {
	var wanted, tolerated []string
	add := func(list *[]string, kind, values string) {
		for _, v := range strings.Split(values, " || ") {
			k, rest, typed := strings.Cut(v, ":")
			if typed && ours(k, rest) != "" {
				*list = append(*list, ours(k, rest))
			}
			*list = append(*list, ours(kind, v))
		}
	}
	add(&tolerated, row.kind, row.alt)
	switch row.verdict {
	case "ignore", "reject":
		if len(got) > 0 && (row.verdict == "ignore" || row.flags == "") && !subset(got, tolerated) {
			return "want nothing"
		}
		if len(got) > 0 && row.id != "D037" {
			return "want nothing"
		}
		return ""
	}
	add(&wanted, row.kind, row.canonical)
	if row.verdict == "either" && len(got) == 0 && strings.Contains(row.alt, "reject") {
		return ""
	}
	if row.flags == "defanged,not-an-ioc" || strings.Contains(row.flags, "not-an-ioc") {
		if len(got) == 0 {
			return ""
		}
	}
	if len(got) == 0 {
		return fmt.Sprintf("want %q", wanted)
	}
	if !subset(got, append(wanted, tolerated...)) {
		return fmt.Sprintf("want %q or %q", wanted, tolerated)
	}
	if row.kind == "multi" && len(got) < len(strings.Split(row.canonical, " || ")) {
		return fmt.Sprintf("want all of %q", row.canonical)
	}
	return ""
}

func subset(got, of []string) bool {
	return !slices.ContainsFunc(got, func(g string) bool { return !slices.Contains(of, g) })
}

// ours writes a type and value of the table the way we do, "" for no type.
func ours(kind, value string) string {
	switch kind {
	case "multi", "":
		return ""
	case "ipv4-cidr":
		kind = "ipv4-addr"
	case "ipv6-cidr":
		kind = "ipv6-addr"
	case "domain-wildcard":
		kind, value = "domain-name", "*."+value
	}
	t, err := stix.ParseType(kind)
	if err != nil {
		return ""
	}
	if t == stix.IPv4Addr && strings.Contains(value, ":") {
		t = stix.IPv6Addr
	}
	return string(t) + ":" + value
}

package intake

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// seeds adds the golden inputs whose names begin so.
func seeds(f *testing.F, prefixes ...string) {
	for _, prefix := range prefixes {
		files, err := filepath.Glob("testdata/" + prefix + "*.golden")
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds %s: %v", prefix, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(data), "-- input --\n")
			input, _, _ := strings.Cut(rest, "-- want --\n")
			f.Add([]byte(input))
		}
	}
}

// check holds for every input of every format: each row is one of accepted,
// skipped and refused, an accepted row has a label and drafts that can be
// signed, a refused one a text fit to print, and reading again says the same.
func check(t *testing.T, data []byte, format Format) []Row {
	o := green()
	o.Format, o.TLP = format, protocol.Unlabelled
	if len(data) > 0 && data[0]&1 == 1 {
		o.TLP = protocol.Amber
		o.Context = true
	}
	_, rows, _, err := collect(t, data, o)
	for _, row := range rows {
		if len(row.Drafts) > 0 && !row.TLP.Valid() {
			t.Fatalf("line %d: accepted without a label", row.Line)
		}
		if len(row.Text) > maxExcerpt || strings.ContainsAny(row.Text, "\x1b\n\r\t") {
			t.Fatalf("line %d: text %q", row.Line, row.Text)
		}
		if row.Line < 1 {
			t.Fatalf("row without a line: %+v", row)
		}
	}
	finishAll(t, "fuzz", rows)
	_, again, _, err2 := collect(t, data, o)
	if strings.Join(said(rows), "\n") != strings.Join(said(again), "\n") || (err == nil) != (err2 == nil) {
		t.Fatal("reading twice says two things")
	}
	return rows
}

// lineFormat checks besides that every line is a row, in order.
func lineFormat(t *testing.T, data []byte, format Format) {
	if bytes.ContainsRune(data, 0) || bytes.HasPrefix(data, []byte("\x1f\x8b")) || bytes.HasPrefix(data, []byte("\xff\xfe")) ||
		bytes.HasPrefix(data, []byte("\xfe\xff")) || bytes.HasPrefix(data, []byte("PK")) || bytes.HasPrefix(data, []byte("%PDF")) {
		return
	}
	rows := check(t, data, format)
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	lines := bytes.Count(data, []byte("\n"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		lines++
	}
	if len(rows) != lines {
		t.Fatalf("%d rows of %d lines", len(rows), lines)
	}
	for i, row := range rows {
		if row.Line != i+1 {
			t.Fatalf("row %d says line %d", i+1, row.Line)
		}
	}
}

func FuzzList(f *testing.F) {
	seeds(f, "list", "hosts", "adblock", "rules", "labelled")
	f.Fuzz(func(t *testing.T, data []byte) { lineFormat(t, data, List) })
}

func FuzzText(f *testing.F) {
	seeds(f, "text", "mail")
	f.Fuzz(func(t *testing.T, data []byte) { lineFormat(t, data, Text) })
}

func FuzzCSV(f *testing.F) {
	seeds(f, "csv")
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data, CSV) })
}

func FuzzSTIX(f *testing.F) {
	seeds(f, "stix", "json")
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data, STIX) })
}

func FuzzMISP(f *testing.F) {
	seeds(f, "misp")
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data, MISP) })
}

func FuzzAuto(f *testing.F) {
	seeds(f, "")
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data, Auto) })
}

// FuzzDetections: of an alert only what is meant to be taken comes out.
func FuzzDetections(f *testing.F) {
	seeds(f, "crowdsec", "eve")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []Format{CrowdSec, EVE} {
			for _, row := range check(t, data, format) {
				for _, d := range row.Drafts {
					if len(row.Drafts) != 1 || len(d.Indicator.Labels) > 1 || !strings.HasPrefix(d.Indicator.Description, "detected by ") {
						t.Fatalf("%+v", row)
					}
				}
			}
		}
	})
}

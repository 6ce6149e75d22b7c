package intake

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestGolden reads the inputs in testdata and compares what they say. A file
// is options, "-- input --", the input, "-- want --" and the rows, one per
// line. TOCSIN_UPDATE=1 writes the rows anew.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, want, ok := strings.Cut(string(data), "-- want --\n")
			options, input, ok2 := strings.Cut(head, "-- input --\n")
			if !ok || !ok2 {
				t.Fatal("no input or no want")
			}
			got := goldenRows(t, input, goldenOptions(t, options))
			if os.Getenv("TOCSIN_UPDATE") != "" {
				if err := os.WriteFile(file, []byte(head+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func goldenOptions(t *testing.T, text string) Options {
	o := Options{Name: "f", Confidence: -1, Now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "tlp":
			o.TLP, err = protocol.ParseTLP(value)
		case "format":
			o.Format, err = ParseFormat(value)
		case "context":
			o.Context = true
		case "column":
			o.Column = value
		case "confidence":
			_, err = fmt.Sscan(value, &o.Confidence)
		case "valid":
			o.Valid, err = time.ParseDuration(value)
		case "label":
			o.Labels = append(o.Labels, value)
		case "description":
			o.Description = value
		default:
			t.Fatalf("option %q", word)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func goldenRows(t *testing.T, input string, o Options) string {
	input = strings.NewReplacer("<BOM>", "\ufeff", "<A0>", "\xa0", "<CA>", "\xca", "<ZWSP>", "\u200b", "<ESC>", "\x1b", "<CR>", "\r").Replace(input)
	g, rows, _, err := collect(t, []byte(input), o)
	finishAll(t, "golden", rows)
	var b strings.Builder
	fmt.Fprintln(&b, g)
	for _, row := range rows {
		fmt.Fprintf(&b, "%d", row.Line)
		if row.Place != "" {
			fmt.Fprintf(&b, " (%s)", row.Place)
		}
		switch {
		case row.Skipped != "":
			fmt.Fprintf(&b, " skipped %s", row.Skipped)
		case row.Refused != "":
			fmt.Fprintf(&b, " refused %s | %s", row.Refused, row.Text)
		default:
			fmt.Fprintf(&b, " %s", row.TLP)
			for _, d := range row.Drafts {
				b.WriteString(goldenDraft(d))
			}
			if row.Note != "" {
				fmt.Fprintf(&b, " (%s)", row.Note)
			}
		}
		b.WriteByte('\n')
	}
	if err != nil {
		fmt.Fprintf(&b, "error %v\n", err)
	}
	return b.String()
}

func goldenDraft(d stix.Draft) string {
	if d.Object != nil {
		return " " + strings.Join(said([]Row{{Drafts: []stix.Draft{d}}}), " ")
	}
	i := d.Indicator
	out := " " + i.Observable.String()
	if !i.ValidFrom.IsZero() {
		out += " from " + i.ValidFrom.Format(time.DateOnly)
	}
	if !i.ValidUntil.IsZero() {
		out += " until " + i.ValidUntil.Format(time.DateOnly)
	}
	if i.Confidence >= 0 {
		out += fmt.Sprintf(" confidence %d", i.Confidence)
	}
	if len(i.Labels) > 0 {
		out += fmt.Sprintf(" labels %q", i.Labels)
	}
	if i.Description != "" {
		out += fmt.Sprintf(" %q", i.Description)
	}
	return out
}

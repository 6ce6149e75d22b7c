package main

import (
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestSample: every row of the demo's feed says something, or is skipped for a
// reason; nothing in it is refused.
func TestSample(t *testing.T) {
	for file, want := range map[string]int{"bank.csv": 10, "hospital.txt": 8, "cert.json": 6, "cert-event.json": 7} {
		f, err := sample.Open("sample/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, rows := intake.Read(t.Context(), f, intake.Options{Name: file, TLP: protocol.Green, Confidence: -1, Now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)})
		said := 0
		for row, err := range rows {
			if err != nil || row.Refused != "" {
				t.Errorf("%s:%d: %v, %s", file, row.Line, err, row.Refused)
			}
			said += len(row.Drafts)
		}
		if said != want {
			t.Errorf("%s says %d things, want %d", file, said, want)
		}
		f.Close()
	}
}

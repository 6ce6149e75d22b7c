package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
)

func green() ImportOptions { return ImportOptions{TLP: protocol.Green, Name: "feed"} }

// checkTally checks that the sums add up.
func checkTally(t *testing.T, tally Tally) {
	t.Helper()
	reasons := 0
	for _, n := range tally.Reasons {
		reasons += n
	}
	if tally.Accepted+tally.Skipped+tally.Refused != tally.Rows || reasons != tally.Skipped+tally.Refused {
		t.Errorf("the sums do not add up: %+v", tally)
	}
}

func TestImportManyRows(t *testing.T) {
	r := member(t)
	var file strings.Builder
	const rows = 3*batchDrafts + 17
	for i := range rows {
		fmt.Fprintf(&file, "h%d.evil.example\n", i)
		if i%1000 == 0 {
			fmt.Fprintf(&file, "10.0.%d.1\n# comment\n", i/1000)
		}
	}
	events := map[string]int{}
	tally, err := r.Import(t.Context(), strings.NewReader(file.String()), green(), func(e ImportEvent) {
		switch {
		case e.Guess != nil:
			events["guess "+string(e.Guess.Format)]++
		case e.Row != nil:
			events["row "+e.Row.Reason]++
		case e.Tally != nil:
			events["tally"]++
		}
	})
	r.check(err)
	checkTally(t, tally)
	if tally.Accepted != rows || tally.Objects != rows || tally.Refused != 16 || tally.Skipped != 16 || events["guess list"] != 1 || events["row private address"] != 16 || events["tally"] != 1 {
		t.Errorf("%+v %v", tally, events)
	}
	if n := r.store.Stats().Claims; n != rows {
		t.Errorf("%d claims in the store", n)
	}
}

func TestImportReportsAreBounded(t *testing.T) {
	r := member(t)
	file := strings.Repeat("10.0.0.1 private\n", MaxReported+5)
	reported := 0
	tally, err := r.Import(t.Context(), strings.NewReader(file), ImportOptions{TLP: protocol.Green, Format: intake.List}, func(e ImportEvent) {
		if e.Row != nil {
			reported++
		}
	})
	r.check(err)
	checkTally(t, tally)
	if reported > MaxReported || reported+tally.Unlisted != tally.Refused {
		t.Errorf("%d reported, %+v", reported, tally)
	}
}

// Rows that only the node refuses count as refused.
func TestImportUnderALabelWithoutARoad(t *testing.T) {
	r := member(t)
	file := "indicator,tlp\n203.0.113.1,green\n203.0.113.2,amber\n203.0.113.3,red\n203.0.113.4,clear\n203.0.113.5,nonsense\n"
	var refused []string
	tally, err := r.Import(t.Context(), strings.NewReader(file), ImportOptions{Name: "feed.csv"}, func(e ImportEvent) {
		if e.Row != nil {
			refused = append(refused, fmt.Sprintf("%s:%d %s", e.Row.File, e.Row.Line, e.Row.Reason))
		}
	})
	r.check(err)
	checkTally(t, tally)
	if tally.Accepted != 2 || tally.Refused != 3 || tally.Skipped != 1 {
		t.Errorf("%+v", tally)
	}
	if len(refused) != 3 || !strings.HasPrefix(refused[0], "feed.csv:3 TLP:AMBER") || !strings.HasPrefix(refused[1], "feed.csv:4 TLP:RED") || !strings.HasPrefix(refused[2], "feed.csv:6 ") {
		t.Errorf("%q", refused)
	}
	if n := r.store.Stats().Claims; n != 2 {
		t.Errorf("%d claims in the store", n)
	}
}

func TestImportOfNonsense(t *testing.T) {
	r := member(t)
	for name, c := range map[string]struct {
		options ImportOptions
		body    string
		status  int
	}{
		"no such format":     {ImportOptions{TLP: protocol.Green, Format: "nonsense"}, "x", 400},
		"no such column":     {ImportOptions{TLP: protocol.Green, Format: intake.CSV, Column: "nonsense"}, "a,b\n203.0.113.1,x\n", 400},
		"no such community":  {ImportOptions{TLP: protocol.Green, Community: "nonsense"}, "203.0.113.1\n", 404},
		"AMBER":              {ImportOptions{TLP: protocol.Amber}, "203.0.113.1\n", 403},
		"confidence too big": {ImportOptions{TLP: protocol.Green, Confidence: new(101)}, "203.0.113.1\n", 400},
		"broken JSON":        {ImportOptions{TLP: protocol.Green, Format: intake.STIX}, `{"type":"bundle","objects":[{"type`, 400},
		"broken gzip":        {ImportOptions{TLP: protocol.Green}, "\x1f\x8b\x08nonsense", 400},
	} {
		tally, err := r.Import(t.Context(), strings.NewReader(c.body), c.options, nil)
		var p *Problem
		if !errors.As(err, &p) || p.Status != c.status || p.Detail == "" {
			t.Errorf("%s: %v", name, err)
		}
		checkTally(t, tally)
	}
}

// What came before the place where a file breaks off is taken.
func TestImportOfACutFile(t *testing.T) {
	r := member(t)
	whole := `{"type":"indicator","spec_version":"2.1","id":"indicator--00000001-0000-4000-8000-000000000000","created":"2026-01-01T00:00:00.000Z",
		"modified":"2026-01-01T00:00:00.000Z","pattern":"[ipv4-addr:value = '203.0.113.1']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`
	tally, err := r.Import(t.Context(), strings.NewReader(`{"type":"bundle","id":"bundle--1","objects":[`+whole+`,{"type":"ind`), green(), nil)
	if !errors.Is(err, node.ErrUsage) || tally.Accepted != 1 {
		t.Errorf("%+v %v", tally, err)
	}
	checkTally(t, tally)
}

// A caller that goes away in the middle leaves nothing running, and what it
// was told of is there.
func TestImportCutOff(t *testing.T) {
	r := member(t)
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	defer in.Close()
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(out, "h%d.evil.example\n", i); err != nil {
				return
			}
		}
	}()
	told := 0
	_, err := r.Import(ctx, in, green(), func(e ImportEvent) {
		if e.Progress != nil {
			told = e.Progress.Accepted
			cancel()
		}
	})
	if err == nil {
		t.Fatal("an endless import ended")
	}
	if n := r.store.Stats().Claims; n < told || told == 0 {
		t.Errorf("told of %d, %d are there", told, n)
	}
}

// slowReader gives a file in small pieces, as a pipe does.
type slowReader struct {
	r    io.Reader
	done chan struct{}
}

func (s slowReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p[:min(len(p), 100)])
	if err != nil {
		<-s.done // not before the answer has begun
	}
	return n, err
}

// The guess comes back while the file is still being sent.
func TestImportStreamsBothWays(t *testing.T) {
	r := member(t)
	file := strings.Repeat("x", 10) + ".evil.example\n" + strings.Repeat("# comment\n", 10_000)
	s := slowReader{strings.NewReader(file), make(chan struct{})}
	tally, err := r.Import(t.Context(), s, green(), func(e ImportEvent) {
		if e.Guess != nil {
			close(s.done)
		}
	})
	if err != nil || tally.Accepted != 1 {
		t.Errorf("%+v %v", tally, err)
	}
	checkTally(t, tally)
}

// TestImportRealFiles sends real feeds through the whole door.
func TestImportRealFiles(t *testing.T) {
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA is not set")
	}
	for _, kind := range []string{"lists", "csv", "text", "stix20", "stix21", "misp"} {
		r := member(t)
		var sum Tally
		files, err := filepath.Glob(filepath.Join(dir, kind, "*"))
		r.check(err)
		if len(files) == 0 {
			t.Errorf("%s: no files", kind)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				continue // a directory
			}
			o := green()
			o.Name = filepath.Base(file)
			tally, err := r.Import(t.Context(), bytes.NewReader(b), o, nil)
			var p *Problem
			if err != nil && (!errors.As(err, &p) || p.Status != 400) {
				t.Errorf("%s: %v", file, err)
			}
			checkTally(t, tally)
			sum.Rows += tally.Rows
			sum.Accepted += tally.Accepted
			sum.Refused += tally.Refused
			sum.Skipped += tally.Skipped
			sum.Objects += tally.Objects
		}
		t.Logf("%s: %d files, %+v, %d claims", kind, len(files), sum, r.store.Stats().Claims)
		if sum.Accepted == 0 {
			t.Errorf("%s: nothing accepted", kind)
		}
	}
}

// BenchmarkImport goes the whole way from bytes to durable, and compares that
// with reading alone and with the node alone.
func BenchmarkImport(b *testing.B) {
	const rows = 100_000
	var file bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&file, "h%d.evil.example\n", i)
	}
	var all, reading, saying time.Duration
	for b.Loop() {
		r := member(b)
		begun := time.Now()
		tally, err := r.Import(b.Context(), bytes.NewReader(file.Bytes()), green(), nil)
		if err != nil || tally.Accepted != rows {
			b.Fatalf("%+v %v", tally, err)
		}
		all += time.Since(begun)

		r = member(b)
		t, err := r.door.terms(&SubmitRequest{TLP: protocol.Green}, "")
		r.check(err)
		begun = time.Now()
		batches := []*batch{newBatch()}
		_, seq := intake.Read(b.Context(), bytes.NewReader(file.Bytes()), t.intake("feed"))
		for row, err := range seq {
			r.check(err)
			last := batches[len(batches)-1]
			if last.add(row); last.full() {
				batches = append(batches, newBatch())
			}
		}
		reading += time.Since(begun)
		begun = time.Now()
		for _, batch := range batches {
			r.door.say(b.Context(), t, batch)
			r.check(batch.err)
		}
		saying += time.Since(begun)
	}
	n := float64(b.N)
	b.ReportMetric(rows*n/all.Seconds(), "rows/s")
	b.ReportMetric(rows*n/reading.Seconds(), "rows/s-reading")
	b.ReportMetric(rows*n/saying.Seconds(), "rows/s-saying")
	b.ReportMetric(float64(all)/float64(reading+saying), "of-both-in-turn")
}

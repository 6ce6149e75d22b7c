package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api/intake"
)

const progressEvery = 200 * time.Millisecond

func importParams() []param {
	return append(termParams(),
		param{name: "format", about: "auto, stix, misp, csv, list, hosts, adblock, text, crowdsec or eve"},
		param{name: "name", about: "of the file, for reports"},
		param{name: "context", about: "true: also take what the source marks as context"},
		param{name: "column", about: "csv: name or number of the value column"})
}

// importTypes leaves out what a form on a web page can send, which is also
// what curl sends unless told otherwise.
func importTypes() []string {
	return []string{"application/octet-stream", "text/plain", "text/csv", typeJSON, typeSTIX, typeLines, "application/gzip", "application/x-gzip"}
}

// serveImport says what a file holds. Reading the next batch overlaps with
// signing and storing those before it, and the answer streams meanwhile; a
// caller that reads it only at the end is no trouble, since it is short until
// then.
func (d *Door) serveImport(w *answerWriter, req *http.Request) error {
	o, t, err := d.importOptions(w.caller, req)
	if err != nil {
		return err
	}
	if err := w.control.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	guess, rows := intake.Read(ctx, req.Body, o)
	if guess.Format == "" || guess.Format == intake.Auto { // it could not be told
		for _, err := range rows {
			return readError(ctx, err)
		}
	}
	w.Header().Set("Content-Type", typeLines)
	w.Header().Set("Connection", "close") // an end before the body's makes it of no use to another request
	out := &importAnswer{lines: newLines(w)}
	out.lines.send(ImportEvent{Guess: &ImportGuess{guess.Format, guess.Detail}})
	out.lines.flush()
	out.run(func() {
		cancel()
		w.control.SetReadDeadline(time.Unix(1, 0)) // the rest is of no use
	}, d.importBatches(ctx, t, rows))
	if p := problemOf(out.err); out.err != nil && p.Status == http.StatusInternalServerError {
		d.log.Error("import", "err", out.err)
	}
	out.finish()
	return nil
}

func (d *Door) importOptions(c caller, req *http.Request) (o intake.Options, t terms, err error) {
	q := req.URL.Query()
	r, err := readTerms(q)
	if err != nil {
		return o, t, err
	}
	if t, err = d.mayTerms(req.Context(), c, &r); err != nil {
		return o, t, err
	}
	o = t.intake(q.Get("name"))
	o.Column = q.Get("column")
	if o.Format, err = intake.ParseFormat(q.Get("format")); err != nil {
		return o, t, kindUsage.errorf("format: %v", err)
	}
	if text := q.Get("context"); text != "" {
		if o.Context, err = strconv.ParseBool(text); err != nil {
			return o, t, kindUsage.errorf("context %q: true or false", text)
		}
	}
	return o, t, nil
}

// importBatches yields batches in the order of the file, each being said. At
// most four are in memory: one being read, two being said, one that was.
func (d *Door) importBatches(ctx context.Context, t terms, rows iter.Seq2[intake.Row, error]) iter.Seq[*batch] {
	return func(yield func(*batch) bool) {
		order := make(chan *batch, 1)
		var wg sync.WaitGroup
		defer wg.Wait()
		start := func(b *batch) {
			order <- b
			wg.Go(func() { d.say(ctx, t, b) })
		}
		wg.Go(func() {
			defer close(order)
			b := newBatch()
			for row, err := range rows {
				if err != nil {
					b.err = readError(ctx, err)
					break
				}
				if b.add(row); b.full() {
					start(b)
					b = newBatch()
				}
			}
			start(b)
		})
		for b := range order { // to the end, or the reader would wait for ever
			yield(b)
		}
	}
}

// An importAnswer tells how an import goes.
type importAnswer struct {
	lines    *lines
	tally    intake.Tally
	reports  []ImportRow
	unlisted int
	err      error
	told     time.Time
}

// run takes batches as they are done. A failure ends the reading; batches
// under way are still counted.
func (a *importAnswer) run(stop func(), batches iter.Seq[*batch]) {
	for b := range batches {
		<-b.done
		b.count(&a.tally)
		a.report(b)
		if b.err != nil && a.err == nil {
			a.err = b.err
			stop()
		}
		if time.Since(a.told) >= progressEvery {
			a.told = time.Now()
			t := &a.tally
			a.lines.send(ImportEvent{Progress: &Progress{t.Rows, t.Accepted, t.Skipped, t.Refused}})
			a.lines.flush()
		}
	}
}

func (a *importAnswer) report(b *batch) {
	for _, row := range b.rows {
		status, reason := "refused", row.Refused
		if reason == "" {
			status, reason = "partial", row.Note
		}
		switch {
		case reason == "":
		case len(a.reports) == MaxReported:
			a.unlisted++
		default:
			a.reports = append(a.reports, ImportRow{row.File, row.Line, row.Place, status, reason, row.Text})
		}
	}
}

// finish sends the rows to report, what broke the import off, and the tally.
func (a *importAnswer) finish() {
	for i := range a.reports {
		a.lines.send(ImportEvent{Row: &a.reports[i]})
	}
	if a.err != nil {
		a.lines.send(ImportEvent{Problem: problemOf(a.err)})
	}
	t := &a.tally
	a.lines.send(ImportEvent{Tally: &Tally{t.Rows, t.Accepted, t.Skipped, t.Refused, t.Objects, t.Reasons, a.unlisted}})
	a.lines.flush()
}

// readError tells whose fault it is that a body could not be read.
func readError(ctx context.Context, err error) error {
	var large *http.MaxBytesError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the import was cut off: %w", ctx.Err())
	case errors.As(err, &large):
		return err
	}
	return kindUsage.problem(plain(err, intake.ErrFormat), "")
}

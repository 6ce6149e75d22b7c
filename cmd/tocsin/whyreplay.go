package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// maxReplay bounds what is read of a file of answers.
const maxReplay = 256 << 20

// A replayed is one value that was judged again.
type replayed struct {
	Value       string   `json:"value"`
	Same        bool     `json:"same"`
	Differences []string `json:"differences,omitempty"`
}

// replay judges again what a file holds.
func (c *cli) replay(path string) error {
	in := c.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	found, differ := 0, false
	for answers := jsontext.NewDecoder(io.LimitReader(in, maxReplay)); ; found++ {
		var w api.Why
		err := json.UnmarshalDecode(answers, &w, json.RejectUnknownMembers(true))
		if errors.Is(err, io.EOF) && found > 0 {
			break
		}
		if err != nil {
			return hinted(fmt.Errorf("%s: no answer of `tocsin why --json`: %w", path, err), "give a file that `tocsin why --json VALUE` wrote")
		}
		r := replayed{Value: w.Case.Value.Value}
		if r.Differences, err = w.Replay(); err != nil {
			return fmt.Errorf("%s: %s: %w", path, clean(r.Value), err)
		}
		r.Same = len(r.Differences) == 0
		differ = differ || !r.Same
		if err := c.printReplay(&r, &w); err != nil {
			return err
		}
	}
	if differ {
		return errTold
	}
	return nil
}

func (c *cli) printReplay(r *replayed, w *api.Why) error {
	if c.json || r.Same {
		return c.print(r, "same: %s", clean(w.Conclusion))
	}
	for _, d := range r.Differences {
		fmt.Fprintf(c.stdout, "differs: %s %s\n", field(r.Value), clean(d))
	}
	return nil
}

// whyOffline explains values by an exported journal and the store of a node that
// does not run.
func (c *cli) whyOffline(ctx context.Context, values []string, q *whyQuery) error {
	in, end, err := c.open(q.replay)
	if err != nil {
		return err
	}
	defer end()
	return c.whileStopped(q.offline, func(dir directory, conf config, k keys) error {
		store, err := storage.Open(dir.store(), storage.Options{Key: k.store, AcceptLoss: q.acceptLoss})
		if err != nil {
			return fmt.Errorf("open the store in %s: %w", dir.store(), err)
		}
		defer store.Close()
		set, err := dir.readRules()
		if err != nil {
			return err
		}
		cfg := node.Config{Key: k.node, Certificate: k.cert, Name: conf.Org, Store: store, Log: slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Rules: set.rules}
		return errors.Join(c.whyPast(ctx, values, q, cfg, in), store.Close())
	})
}

// whyPast explains values by a node's store and an exported journal.
func (c *cli) whyPast(ctx context.Context, values []string, q *whyQuery, cfg node.Config, exported io.Reader) error {
	e := newExported(exported)
	defer e.end()
	cfg.History = e.records
	n, report, err := node.Consult(ctx, cfg)
	if err != nil {
		return err
	}
	if err := e.end(); err != nil {
		return hinted(fmt.Errorf("%s: %w", q.replay, err), "give a file that `tocsin audit export` wrote, as it is; `tocsin audit verify` says what is wrong with it")
	}
	if report.Damaged > 0 || report.Dropped > 0 {
		c.hint("the journal lacks records: %d cannot be read, %d were never written", report.Damaged, report.Dropped)
	}
	asked := *q
	if asked.at == "" {
		asked.at = report.Ends.Format(time.RFC3339Nano)
	}
	door := api.New(api.Config{Node: n, Log: cfg.Log})
	return c.why(ctx, api.InProcess(door.Local()), values, &asked)
}

// open opens a file, or standard input.
func (c *cli) open(path string) (in io.Reader, end func() error, err error) {
	if path == "-" {
		return c.stdin, func() error { return nil }, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, missing(err)
	}
	return file, file.Close, nil
}

// maxExported bounds what is read of an exported journal.
const maxExported = 64 << 30

// An exported journal is read and verified at once.
type exported struct {
	lines *bufio.Reader
	pipe  *io.PipeWriter
	done  chan struct{}

	report journal.Report
	err    error
}

func newExported(in io.Reader) *exported {
	r, w := io.Pipe()
	e := &exported{lines: bufio.NewReaderSize(io.TeeReader(io.LimitReader(in, maxExported), w), 64<<10), pipe: w, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.report, e.err = journal.VerifyStream(r)
		r.CloseWithError(errors.New("it is no journal"))
	}()
	return e
}

// exportedMark is what the first and the last line begin with, which are no
// records.
const exportedMark = `{"journal":"`

// records yields the records in it. It chooses none: the query is as the reader
// of a journal in a directory has it.
func (e *exported) records(journal.Query) iter.Seq2[journal.Record, error] {
	return func(yield func(journal.Record, error) bool) {
		for {
			line, err := e.lines.ReadSlice('\n')
			if err != nil {
				e.pipe.CloseWithError(err)
				return
			}
			if bytes.HasPrefix(line, []byte(exportedMark)) {
				continue
			}
			if r, err := journal.DecodeRecord(line); !yield(r, err) {
				return
			}
		}
	}
}

// end ends the reading, and says what is wrong with what was read.
func (e *exported) end() error {
	e.pipe.Close()
	<-e.done
	return errors.Join(e.err, e.report.Err())
}

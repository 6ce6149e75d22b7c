package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	maxWait   = time.Minute
	heartbeat = 15 * time.Second
)

func changesParams() []param {
	return append(watchParams(),
		param{name: "limit", about: "at most so many; all when left out"},
		param{name: "wait", about: "how long to wait when there is nothing new, such as 30s; at most a minute"})
}

func watchParams() []param {
	return []param{{name: "after", about: "cursor; from the beginning when left out; now: what comes from now on"}}
}

// walk sends every change after a position and returns the position to go on
// from. A limit of 0 is none.
func (d *Door) walk(ctx context.Context, who caller, after uint64, limit int, send func(Change)) (uint64, error) {
	store, n := d.node.Store(), d.names()
	last, sent := max(after, store.Position()), 0
	for c, err := range store.Changes(after, d.query(who)) {
		switch {
		case ctx.Err() != nil:
			return last, ctx.Err()
		case errors.Is(err, storage.ErrDamaged):
			d.log.Warn("changes: left out until it was fetched again", "err", err)
			continue
		case err != nil:
			return last, err
		}
		op, claim := OpAdd, n.claim(&c.Claim)
		if c.Removed {
			op = OpRemove
		}
		send(Change{op, d.cursors.text(c.Arrival), &claim})
		last = max(last, c.Arrival)
		if sent++; sent == limit {
			return c.Arrival, nil
		}
	}
	return last, nil
}

// serveChanges answers a change a line, and ends with the cursor to go on from.
func (d *Door) serveChanges(w *answerWriter, req *http.Request) error {
	q := req.URL.Query()
	position, err := d.cursors.position(q.Get("after"), d.node.Store())
	if err != nil {
		return err
	}
	limit, err := readLimit(q.Get("limit"), 0, 1<<30)
	if err != nil {
		return err
	}
	var wait Duration
	if text := q.Get("wait"); text != "" {
		if err := wait.UnmarshalText([]byte(text)); err != nil || time.Duration(wait) > maxWait {
			return kindUsage.errorf("wait %q: at most a minute, such as 30s", text)
		}
	}
	w.Header().Set("Content-Type", typeLines)
	out, sent := newLines(w), 0
	waiting, cancel := context.WithTimeout(req.Context(), time.Duration(wait))
	defer cancel()
	for {
		position, err = d.walk(req.Context(), w.caller, position, limit, func(c Change) { out.send(c); sent++ })
		if err != nil {
			return err
		}
		if sent > 0 || d.node.Store().Wait(waiting, position) != nil {
			break
		}
	}
	out.send(Change{Cursor: d.cursors.text(position)})
	out.flush()
	return nil
}

// readLimit reads a limit between 1 and most; "" is otherwise.
func readLimit(text string, otherwise, most int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, kindUsage.errorf("limit %q: a number from 1 to %d", text, most)
	}
	return n, nil
}

// serveWatch answers an event a change, until the caller or the node goes, or
// the caller's token is ended.
func (d *Door) serveWatch(w *answerWriter, req *http.Request) error {
	after := req.URL.Query().Get("after")
	if last := req.Header.Get("Last-Event-ID"); last != "" { // a browser's reconnection
		after = last
	}
	position, err := d.cursors.position(after, d.node.Store())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeEvents)
	out := newLines(w)
	out.buf.WriteString(": what comes is an event of its own; the id is the cursor to go on from\n\n")
	out.flush()
	for out.err == nil {
		position, err = d.walk(req.Context(), w.caller, position, 0, func(c Change) {
			out.sendWith("id: "+c.Cursor+"\nevent: "+c.Op+"\ndata: ", c, "\n\n")
		})
		if err != nil {
			return err
		}
		out.flush()
		if err := d.waitForMore(w, req, out, position); err != nil {
			return nil // it is over, in good order
		}
	}
	return nil
}

// waitForMore waits for news, beating its heart, and checks now and then that
// the caller is still let in.
func (d *Door) waitForMore(w *answerWriter, req *http.Request, out *lines, position uint64) error {
	for out.err == nil {
		ctx, cancel := context.WithTimeout(req.Context(), heartbeat)
		err := d.node.Store().Wait(ctx, position)
		cancel()
		if who, bad := w.who(req); bad != nil || who != w.caller {
			return errors.New("the token was ended")
		}
		if err == nil {
			return nil
		}
		if req.Context().Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		out.buf.WriteString(":\n\n")
		out.flush()
	}
	return out.err
}

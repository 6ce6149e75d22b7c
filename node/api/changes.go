package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
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

// walk sends every change after a spot, with what it is of, and returns the spot to
// go on from. A limit of 0 is none.
func (d *Door) walk(ctx context.Context, who caller, at spot, limit int, send func(Change, *stix.Object)) (spot, error) {
	store, n := d.node.Store(), d.names()
	end, sent := store.Position(), 0
	for c, err := range store.Changes(at.arrival, d.query(who)) {
		switch {
		case ctx.Err() != nil:
			return at, ctx.Err()
		case errors.Is(err, storage.ErrDamaged):
			d.log.Warn("changes: left out until it was fetched again", "err", err)
			continue
		case err != nil:
			return at, err
		}
		op, claim := OpAdd, n.claim(&c.Claim)
		if c.Removed {
			op = OpRemove
		}
		at = at.behind(&c.Claim)
		send(Change{op, d.cursors.text(at.mark), &claim}, &c.Claim.Object)
		if sent++; sent == limit {
			return at, nil
		}
	}
	at.arrival = max(at.arrival, end)
	return at, nil
}

// serveChanges answers a change a line, and ends with the cursor to go on from.
func (d *Door) serveChanges(w *answerWriter, req *http.Request) error {
	q := req.URL.Query()
	at, err := d.spot(q.Get("after"), w.caller)
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
		at, err = d.walk(req.Context(), w.caller, at, limit, func(c Change, _ *stix.Object) { out.send(c); sent++ })
		if err != nil {
			return err
		}
		if sent > 0 || d.node.Store().Wait(waiting, at.arrival) != nil {
			break
		}
	}
	out.send(Change{Cursor: d.cursor(at, w.caller)})
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

// serveWatch answers an event a change, until the caller or the node goes, the
// caller's token is ended, or somebody's word ceases to count.
func (d *Door) serveWatch(w *answerWriter, req *http.Request) error {
	after := req.URL.Query().Get("after")
	if last := req.Header.Get("Last-Event-ID"); last != "" { // a browser's reconnection
		after = last
	}
	at, err := d.spot(after, w.caller)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeEvents)
	out := newLines(w)
	out.buf.WriteString(": what comes is an event of its own; the id is the cursor to go on from\n\n")
	out.flush()
	for beat := time.Now().Add(heartbeat); out.err == nil; {
		sent := false
		at, err = d.walk(req.Context(), w.caller, at, 0, func(c Change, _ *stix.Object) {
			out.sendWith("id: "+c.Cursor+"\nevent: "+c.Op+"\ndata: ", c, "\n\n")
			sent = true
		})
		if err != nil {
			return err
		}
		if sent {
			d.cursor(at, w.caller) // for when it comes back
			out.flush()
			beat = time.Now().Add(heartbeat)
		}
		if beat, err = d.waitForMore(w, req, out, at, beat); err != nil {
			return nil // it is over, in good order
		}
	}
	return nil
}

// waitForMore waits for news, beating its heart, and checks now and then that
// the caller is still let in. The beats keep time with what the caller was sent:
// news that it may not see delays none. It returns when the next is due.
func (d *Door) waitForMore(w *answerWriter, req *http.Request, out *lines, at spot, beat time.Time) (time.Time, error) {
	for out.err == nil {
		if !time.Now().Before(beat) {
			out.buf.WriteString(":\n\n")
			out.flush()
			beat = beat.Add(heartbeat)
		}
		ctx, cancel := context.WithDeadline(req.Context(), beat)
		err := d.node.Store().Wait(ctx, at.arrival)
		cancel()
		if who, bad := w.who(req); bad != nil || who != w.caller {
			return beat, errors.New("the token was ended")
		}
		if at.silence != d.node.Silence() {
			return beat, errors.New("its cursor leads nowhere any more") // as it is told when it comes back
		}
		if err == nil {
			return beat, nil
		}
		if req.Context().Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return beat, err
		}
	}
	return beat, out.err
}

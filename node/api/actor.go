package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
)

// This file puts on record what callers do, and in whose name.

// inName returns a request whose acts are on record in its caller's name.
func (c caller) inName(req *http.Request) *http.Request {
	actor := fmt.Sprintf("token %s %s", c.token, c.role)
	switch uid, known := req.Context().Value(peerKey{}).(uint32); {
	case c.nobody || c.role == "":
		return req
	case c.loopback:
		actor = "loopback"
	case c.token != "":
	case known:
		actor = fmt.Sprintf("operator uid %d", uid)
	default:
		actor = string(Operator)
	}
	return req.WithContext(node.WithActor(req.Context(), actor))
}

// changes reports whether a route does something, beside answering.
func (r *route) changes() bool { return r.method != "GET" && r.right != read && r.right != anyone }

// noteUse puts on record what a token was used for: every change it asked for,
// and what came of it; of reading the first in an hour on each route, and how
// many there were.
func (d *Door) noteUse(w *answerWriter, req *http.Request, r *route, err error) {
	if w.caller.token == "" || !d.node.RecordsTokens() {
		return
	}
	status := w.status
	if status == 0 && err != nil {
		status = problemOf(err).Status
	}
	record := journal.Record{Act: journal.ActToken, Rule: r.pattern(), Numbers: map[string]int64{"status": int64(max(status, http.StatusOK))}}
	if r.changes() {
		d.node.Note(req.Context(), record)
		return
	}
	if strings.HasPrefix(r.path, "/v1/audit") {
		return // on record each time
	}
	record.Act = node.ActRead
	d.node.NoteOften(req.Context(), "read "+w.caller.token+" "+record.Rule, 1, record)
}

// tokenMade is the record of a token: what it lets in, and to what. Whose it is
// the list of tokens tells: no name stands in a file that is not encrypted.
func tokenMade(t *Token) journal.Record {
	words := map[string]string{"token": t.ID, "role": string(t.Role), "clearance": t.Clearance.String(), "pap": t.PAP.String()}
	if t.Person != "" {
		words["person"] = "named"
	}
	if t.Path {
		words["path"] = "feeds"
	}
	return journal.Record{Act: journal.ActToken, Rule: "create", Words: words}
}

// noteFetch puts on record that a feed went out, and how often it had not changed.
// Of a caller cleared for RED it does not say how much there was.
func (d *Door) noteFetch(w *answerWriter, req *http.Request, name, tier string, r *rendering) {
	record := journal.Record{Act: journal.ActExport, Rule: "feed " + name + " " + tier}
	if r.unchanged(req) {
		record.Rule += " unchanged"
		d.node.NoteOften(req.Context(), record.Rule+" "+node.Actor(req.Context()), 0, record)
		return
	}
	if trust.Counted(w.caller.reader.Clearance) {
		record.Count, record.Words = int64(r.lines), map[string]string{"etag": r.sum}
	}
	d.node.Note(req.Context(), record)
}

// checkJournal says how the journal is, and what to note of it elsewhere.
func (d *Door) checkJournal() []Check {
	if d.journal.Open == nil {
		return nil
	}
	const check = "audit"
	s := d.journal.Open.Stats()
	rules, _ := d.node.Rules()
	switch {
	case s.Failed != nil:
		return []Check{{check, false, s.Failed.Error(), "look at the disk, then start the node again: what must be on record is refused until then"}}
	case !rules.Policy.Audit.Enabled:
		return []Check{{check, false, "nothing is recorded: the policy says so", "audit.enabled = true"}}
	case s.Dropped > 0:
		return []Check{{check, false, fmt.Sprintf("records dropped since the start: %d", s.Dropped), "is the disk full, or too slow? the journal says where they are missing"}}
	}
	if d.journal.Verified != nil {
		if r := d.journal.Verified(); r != nil && r.Err() != nil {
			return []Check{{check, false, fmt.Sprintf("faults: %d, the first: %s", len(r.Faults)+r.More, r.Faults[0]), "somebody or something changed it: `tocsin audit verify` lists all of it"}}
		}
	}
	return []Check{{check, true, fmt.Sprintf("mark %d:%s, to be noted where nobody of this host can write", s.Durable.Seq, s.Durable.Hash), ""}}
}

// peerKey is the context's key of the user at the other end of the local socket.
type peerKey struct{}

// WithPeer keeps which user is at the other end of a connection by the local
// socket, where the kernel says so. It is for [http.Server.ConnContext].
func WithPeer(ctx context.Context, c net.Conn) context.Context {
	if uid, ok := peerUID(c); ok {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

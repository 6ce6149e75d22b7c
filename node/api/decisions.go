package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node/api/crowdsec"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file serves CrowdSec's bouncers: package crowdsec has the contract. They
// are told the tier block of the list ip, guarded as the list is.

// usageBody is how much a bouncer may say of itself.
const usageBody = 1 << 20

func (d *Door) decisionRoutes() []route {
	filters := []param{{name: "origins"}, {name: "scopes"}, {name: "scenarios_containing"}, {name: "scenarios_not_containing"}}
	for i := range filters {
		filters[i].about = "with commas: decisions of these alone"
	}
	filters[3].about = "with commas: no decisions of these"
	one := append(slices.Clone(filters), param{name: "ip", about: "what covers this address"}, param{name: "range", about: "what covers this block"},
		param{name: "contains", about: "false: what lies within instead"}, param{name: "scope", about: "Ip or Range"}, param{name: "value"}, param{name: "type", about: "ban"})
	list := []route{
		{method: "GET", path: "/v1/decisions", summary: "What CrowdSec's bouncers are to ban", query: one, answer: []crowdsec.Decision{}, serve: d.serveDecisions},
		{method: "GET", path: "/v1/decisions/stream", summary: "What has changed of it since the last answer to this token",
			query:  append(filters, param{name: "startup", about: "true: all of it, to begin with"}),
			answer: crowdsec.Changes{}, serve: d.serveDecisionStream},
		{method: "POST", path: "/v1/usage-metrics", summary: "What CrowdSec's bouncers say of themselves: taken, and dropped", takes: []string{typeJSON}, limit: usageBody, serve: serveUsage},
	}
	for i := range list {
		list[i].right, list[i].lenient, list[i].refuse = read, true, refuseBouncer
	}
	return list
}

// refuseBouncer tells a failure as bouncers read it: who shows no token in force
// gets 403.
func refuseBouncer(w http.ResponseWriter, p *Problem) {
	status, message := p.Status, strings.ToValidUTF8(p.Error(), "\ufffd")
	if status == http.StatusUnauthorized {
		status, message = http.StatusForbidden, "access forbidden"
	}
	body, _ := json.Marshal(map[string]string{"message": message})
	w.Header().Del("WWW-Authenticate")
	w.Header().Set("Content-Type", bouncerJSON)
	w.WriteHeader(status)
	w.Write(body)
}

const bouncerJSON = "application/json; charset=utf-8"

func serveUsage(w *answerWriter, req *http.Request) error {
	var any struct{}
	if err := bodyError(json.UnmarshalRead(req.Body, &any)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (d *Door) serveDecisions(w *answerWriter, req *http.Request) error {
	filter, stands, err := d.asked(w, req)
	if err != nil {
		return err
	}
	if req.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	w.Header().Set("Content-Type", bouncerJSON)
	sent, err := crowdsec.Decisions(w, &filter, &stands, time.Now())
	d.noteDecisions(w, req, "", sent)
	return err
}

// serveDecisionStream remembers what each token was told; at the socket all are one.
func (d *Door) serveDecisionStream(w *answerWriter, req *http.Request) error {
	filter, stands, err := d.asked(w, req)
	if err != nil {
		return err
	}
	d.past.tidy(time.Now())
	w.Header().Set("Content-Type", bouncerJSON)
	sent, err := d.bouncers.Stream(req.Context(), w, &crowdsec.Pull{
		Key: w.caller.token, Startup: req.URL.Query().Get("startup") == "true", Filter: filter, Now: time.Now(), Stands: stands,
		Past: func() (crowdsec.Past, error) { return d.past.told(req.Context(), d, w.caller) },
	})
	d.noteDecisions(w, req, " stream", sent)
	if err == nil {
		d.noteTold(req.Context(), w.caller.token, stands.Position)
	}
	return err
}

// toldTable keeps up to which position of the store a token has been told what to
// ban, or an earlier one.
const (
	toldTable = "bouncers" // token id, or - for the socket -> position and Unix time, in decimal
	toldEvery = 5 * time.Minute
)

func toldKey(token string) []byte { return []byte(cmp.Or(token, "-")) }

// lastTold is what was noted for a token; 0 for nothing.
func (d *Door) lastTold(token string) (position uint64, at time.Time) {
	row, _, err := d.node.Store().Table(toldTable).Load(toldKey(token))
	if err != nil {
		return 0, at
	}
	var seconds int64
	if _, err := fmt.Sscanf(string(row), "%d %d", &position, &seconds); err != nil {
		return 0, at
	}
	return position, time.Unix(seconds, 0)
}

// noteTold notes it now and then. Where it cannot, the earlier one is right too.
func (d *Door) noteTold(ctx context.Context, token string, position uint64) {
	if last, at := d.lastTold(token); last == position || time.Since(at) < toldEvery {
		return
	}
	row := fmt.Appendf(nil, "%d %d", position, time.Now().Unix())
	if err := d.node.Store().Table(toldTable).Set(ctx, toldKey(token), row); err != nil {
		d.log.Debug("decisions: the position of a bouncer was not noted", "err", err)
	}
}

// asked reads the filters of a request, and what stands for its caller.
func (d *Door) asked(w *answerWriter, req *http.Request) (filter crowdsec.Filter, stands crowdsec.Standing, err error) {
	if filter, err = crowdsec.ReadFilter(req.URL.Query()); err != nil {
		return filter, stands, kindUsage.problem(plain(err, crowdsec.ErrFilter), "")
	}
	stands.Position = d.node.Store().Position()
	entries, err := d.shelf(w.caller).Entries(req.Context(), feed.Types("ip"), score.Block, d.query(w.caller))
	if err != nil {
		return filter, stands, feedError(err)
	}
	stands.Changed, stands.Len, stands.All = entries.Changed, entries.Len, bans(entries.All)
	return filter, stands, nil
}

func bans(entries iter.Seq[feed.Entry]) iter.Seq[crowdsec.Entry] {
	return func(yield func(crowdsec.Entry) bool) {
		for e := range entries {
			if !yield(crowdsec.Entry{Value: e.Value, Until: e.Until}) {
				return
			}
		}
	}
}

// noteDecisions puts on record that decisions went out, and how often there were none.
func (d *Door) noteDecisions(w *answerWriter, req *http.Request, what string, sent int) {
	record := journal.Record{Act: journal.ActExport, Rule: "decisions" + what}
	if sent == 0 {
		record.Rule += " unchanged"
		d.node.NoteOften(req.Context(), record.Rule+" "+w.caller.token, 0, record)
		return
	}
	if trust.Counted(w.caller.reader.Clearance) {
		record.Count = int64(sent)
	}
	d.node.Note(req.Context(), record)
}

// A pastBans is every address and block that somebody may have been told to ban,
// for the one reader who asked last. It is found by reading all that is held,
// about 20 s of processor time per million objects, then kept up to date, and
// dropped when nobody has asked for a while.
type pastBans struct {
	mu          sync.Mutex
	reader      trust.Reader
	position    uint64
	withdrawals uint64
	values      map[string]uint64 // and the last arrival that speaks of each
	used        time.Time
}

// pastFor is how long it is kept.
const pastFor = 10 * time.Minute

// told returns what a caller may have been told. Whose word counts now does not
// matter: it may have counted then.
func (p *pastBans) told(ctx context.Context, d *Door, c caller) (crowdsec.Past, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	store := d.node.Store()
	if w := store.Withdrawals(); p.values == nil || p.reader != c.reader || p.withdrawals != w {
		p.reader, p.withdrawals, p.position, p.values = c.reader, w, 0, map[string]uint64{}
	}
	end, may := store.Position(), d.mayShow(c)
	q := storage.Query{Now: time.Now(), Visible: func(h *protocol.Header) bool { return trust.Listed(h) && h.PAP <= protocol.PAPGreen && may(h) }}
	for c, err := range store.Changes(p.position, q) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && !errors.Is(err, storage.ErrDamaged) {
			return nil, fmt.Errorf("decisions: %w", err)
		}
		for _, o := range c.Claim.Object.Claims {
			if o.Type == stix.IPv4Addr || o.Type == stix.IPv6Addr {
				p.values[strings.Clone(o.Value)] = c.Arrival
			}
		}
	}
	p.position = end
	p.used = q.Now
	past := crowdsec.Past{}
	last, _ := d.lastTold(c.token)
	for value, arrival := range p.values {
		past[value] = arrival > last
	}
	return past, nil
}

// tidy drops what nobody has asked for for a while.
func (p *pastBans) tidy(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.used) > pastFor {
		p.values = nil
	}
}

package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	searchPage = 100
	searchMost = 1000
	searchScan = 100_000 // objects looked at for one page
)

func searchParams() []param {
	return []param{
		{name: "type", about: "of a value, such as ipv4-addr, or of a STIX object, such as malware"},
		{name: "org", about: "who says it: name, key or fingerprint"},
		{name: "tag", about: "one of its labels"},
		{name: "text", about: "in its values, name, description or labels; case does not matter"},
		{name: "after", about: "cursor of the page before"},
		{name: "limit", about: "1 to 1000 claims; 100 when left out"},
	}
}

// A filter is what a search asks for. Empty parts match everything.
type filter struct {
	kind string
	org  *protocol.Org
	tag  string
	text string // in small letters
}

func (f *filter) matches(c *storage.Claim) bool {
	o := &c.Object
	switch {
	case f.org != nil && c.Org != *f.org:
		return false
	case f.tag != "" && !slices.Contains(o.Labels, f.tag):
		return false
	case f.kind != "" && o.Type != f.kind && !slices.ContainsFunc(o.Claims, func(v stix.Observable) bool { return string(v.Type) == f.kind }):
		return false
	}
	return f.text == "" || f.textIn(o)
}

func (f *filter) textIn(o *stix.Object) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), f.text) }
	return has(o.Name) || has(o.Description) || slices.ContainsFunc(o.Labels, has) ||
		slices.ContainsFunc(o.Claims, func(v stix.Observable) bool { return has(v.Value) })
}

func (d *Door) readFilter(req *http.Request) (filter, error) {
	q := req.URL.Query()
	f := filter{kind: q.Get("type"), tag: q.Get("tag"), text: strings.ToLower(q.Get("text"))}
	if t, err := stix.ParseType(f.kind); err == nil {
		f.kind = string(t)
	}
	if name := q.Get("org"); name != "" {
		org, err := d.node.Resolve(name, true)
		if err != nil {
			return f, err
		}
		f.org = &org
	}
	return f, nil
}

// serveSearch looks through what is held in order of arrival. A page ends when
// it is full, or when enough was looked at for one request.
func (d *Door) serveSearch(w *answerWriter, req *http.Request) error {
	f, err := d.readFilter(req)
	if err != nil {
		return err
	}
	limit, err := readLimit(req.URL.Query().Get("limit"), searchPage, searchMost)
	if err != nil {
		return err
	}
	at, err := d.spot(req.URL.Query().Get("after"), w.caller)
	if err != nil {
		return err
	}
	store := d.node.Store()
	answer, n, seen := SearchAnswer{Claims: []Claim{}}, d.names(), 0
	end := store.Position()
	for c, err := range store.Changes(at.arrival, d.query(w.caller)) {
		if req.Context().Err() != nil {
			return req.Context().Err()
		}
		if err != nil {
			return err
		}
		if seen++; !c.Removed && f.matches(&c.Claim) {
			answer.Claims = append(answer.Claims, n.claim(&c.Claim))
		}
		at = at.behind(&c.Claim)
		if answer.More = len(answer.Claims) == limit || seen == searchScan; answer.More {
			break
		}
	}
	if !answer.More {
		at.arrival = max(at.arrival, end)
	}
	answer.Cursor = d.cursor(at, w.caller)
	return sendJSON(w, answer)
}

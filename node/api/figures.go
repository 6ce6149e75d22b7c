package api

import (
	"errors"
	"slices"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// What is under RED is in no figure: a count that moves when it comes would tell
// those it does not name. So it is counted apart, and taken off. There is little
// of it, and it is read again for every answer.

// stats are the store's figures without what is under RED. Sizes in bytes are
// those of the whole store, in MiB.
func (d *Door) stats() (storage.Stats, error) {
	store := d.node.Store()
	all := store.Stats()
	red, err := countRed(store)
	all.Headers -= red.Headers
	all.Bodies -= red.Bodies
	all.Objects -= red.Objects
	all.Live -= red.Live
	all.Claims -= red.Claims
	all.Streams -= red.Streams
	all.Wanted -= red.Wanted
	all.DiskBytes, all.IndexBytes = all.DiskBytes>>20<<20, all.IndexBytes>>20<<20
	return all, err
}

// statusWithoutRed is the node's status without what is under RED. The highest
// arrival counts all that ever came, and is nobody's to know.
func (d *Door) statusWithoutRed() (node.Status, error) {
	s := d.node.Status()
	s.Policy = d.policyProblem()
	st, err := d.stats()
	s.Objects, s.Claims, s.Bulletins, s.Position = st.Live, st.Claims, st.Headers, 0
	s.Origins = slices.DeleteFunc(s.Origins, func(o node.Origin) bool { return !trust.Counted(o.TLP) })
	return s, err
}

// A redVersion is the newest that was said of a value, or under a STIX id, in
// one scope.
type redVersion struct {
	issued   uint64
	bulletin protocol.ID
	index    int
	stands   bool
}

func (v redVersion) newer(than redVersion) bool {
	if v.issued != than.issued {
		return v.issued > than.issued
	}
	if order := v.bulletin.Compare(than.bulletin); order != 0 {
		return order > 0
	}
	return v.index > than.index
}

// A redCount counts what is under RED as the store counts everything.
type redCount struct {
	storage.Stats
	names  map[[2]string]redVersion // by scope and id
	values map[[2]string]redVersion
}

func countRed(store *storage.Store) (storage.Stats, error) {
	c := redCount{names: map[[2]string]redVersion{}, values: map[[2]string]redVersion{}}
	var failed error
	for _, s := range store.Streams() {
		if trust.Counted(s.Stream.TLP) {
			continue
		}
		c.Streams++
		c.Headers += s.Headers
		c.Bodies += s.Bodies[storage.Held]
		c.Wanted += s.Bodies[storage.Absent]
		if s.Stream.Kind == protocol.Objects {
			failed = errors.Join(failed, c.stream(store, &s))
		}
	}
	c.Live, c.Claims = standing(c.names), standing(c.values)
	return c.Stats, failed
}

func standing(versions map[[2]string]redVersion) (n int) {
	for _, v := range versions {
		if v.stands {
			n++
		}
	}
	return n
}

// stream counts the objects of a stream. What is damaged is left to the store's
// own report.
func (c *redCount) stream(store *storage.Store, s *storage.StreamState) error {
	for header, err := range store.Headers(s.ID, protocol.Range{To: s.Last}) {
		if errors.Is(err, storage.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		b, state, err := store.Bulletin(header.ID())
		switch {
		case err != nil && !errors.Is(err, storage.ErrDamaged) && !errors.Is(err, storage.ErrNotFound):
			return err
		case err == nil && state == storage.Held:
			c.bulletin(b, scopeOf(&b.Header))
		}
	}
	return nil
}

// scopeOf names the scope of a bulletin under RED: who says it, to whom, in
// which drill.
func scopeOf(h *protocol.Header) string {
	org := h.Org()
	scope := string(org[:]) + h.Drill
	for _, r := range h.Audience {
		scope += "\x00" + string(r.Org[:]) + r.Person
	}
	return scope
}

func (c *redCount) bulletin(b *protocol.Bulletin, scope string) {
	c.Objects += int(b.Header.Count)
	for i, raw := range b.Objects() {
		o, err := stix.Parse(raw)
		if err != nil {
			continue // erased
		}
		v := redVersion{b.Header.Issued, b.ID(), i, !o.Revoked}
		keep(c.names, [2]string{scope, o.ID}, v)
		for _, claim := range o.Claims {
			keep(c.values, [2]string{scope, string(claim.Type) + "\x00" + claim.Value}, v)
		}
	}
}

func keep(versions map[[2]string]redVersion, key [2]string, v redVersion) {
	if old, known := versions[key]; !known || v.newer(old) {
		versions[key] = v
	}
}

package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// An archive is a way out that no later verdict can take back, so trust is
// asked for every bulletin, at the moment it is written: of the whole audience
// for what lies on the medium in the clear, and above GREEN of each organisation
// and node alone, since it is sealed to each. What comes in by one passes
// receive like all else. What clients of ours may have is not sealed to them
// here: the road onward is a connection.

// archiveOverlap is how far an export goes back behind --since: what was on its
// way to the disk during the export before.
const archiveOverlap = 10 * time.Minute

// An Export is an archive about to be written.
type Export struct {
	// Withheld counts the bulletins held here that not all of the audience may
	// see, or above GREEN none of it, by the rule that keeps them; those for an
	// organisation of which no node has said where to seal for it by ruleNoKey. It
	// is for the exporter alone.
	Withheld map[string]int

	n           *Node
	audience    []protocol.Org
	communities []protocol.ID
	named       bool // what is said above GREEN goes along: no community was asked for
	since       time.Time
	readers     readers
	labels      map[string]int64 // bulletins written, by label
}

// ExportArchive prepares an archive for organisations, of one community or
// (zero) of all they share with us: what each of them may see, and, unless one
// community was named, what any of them may above GREEN, sealed to its nodes.
// With since, objects that came here before are left out; statements never are,
// since they decide who is known. Errors wrap [ErrUsage], and [ErrRefused] where
// one of the organisations is blocked or shares no community with all the others.
func (n *Node) ExportArchive(audience []protocol.Org, community protocol.ID, since time.Time) (*Export, error) {
	audience = slices.Clone(audience)
	slices.SortFunc(audience, protocol.Org.Compare)
	audience = slices.Compact(audience)
	if len(audience) == 0 || len(audience) > protocol.MaxArchiveAudience {
		return nil, fmt.Errorf("%w: an archive is for 1 to %d organisations", ErrUsage, protocol.MaxArchiveAudience)
	}
	e := &Export{n: n, audience: audience, since: since, Withheld: map[string]int{}}
	o := n.look()
	for _, org := range audience {
		if o.Blocked[org] {
			return nil, fmt.Errorf("%w: %s is blocked here: nothing goes to it", ErrRefused, o.name(org))
		}
	}
	if err := e.choose(o, community); err != nil {
		return nil, err
	}
	e.named = community.IsZero()
	e.count(o, community)
	return e, nil
}

// choose takes the communities that all of the audience may read: of any other
// not even the name may be told.
func (e *Export) choose(o *outlook, community protocol.ID) error {
	var asked int
	var no error
	for _, id := range slices.SortedFunc(maps.Keys(o.Communities), protocol.ID.Compare) {
		if !community.IsZero() && id != community {
			continue
		}
		asked++
		if err := e.mayRead(o, id); err != nil {
			no = err
			continue
		}
		e.communities = append(e.communities, id)
	}
	switch n := len(e.communities); {
	case n > protocol.MaxArchiveAudience:
		return fmt.Errorf("%w: %d communities, at most %d fit into one archive: name one", ErrUsage, n, protocol.MaxArchiveAudience)
	case n > 0:
		return nil
	case asked == 0:
		return fmt.Errorf("%w: this node is in no community it could export", ErrNotFound)
	case asked == 1:
		return no
	}
	return fmt.Errorf("%w: no community of this node has all of the audience as members", ErrRefused)
}

// mayRead says by whom of the audience a community may not be read.
func (e *Export) mayRead(o *outlook, community protocol.ID) error {
	for _, org := range e.audience {
		if v := o.MayReadOf(community, org); !v.Allowed {
			return fmt.Errorf("%w: %s: %s (%s)", ErrRefused, o.name(org), v.Reason, v.Rule)
		}
	}
	return nil
}

// count counts what will be left out whatever its date.
func (e *Export) count(o *outlook, community protocol.ID) {
	for _, s := range e.n.store.Streams() {
		if !community.IsZero() && s.Stream.Community != community {
			continue // not asked for
		}
		if rule := e.withholds(o, s); rule != "" {
			e.Withheld[rule] += s.Headers
		}
	}
}

// withholds returns the rule that keeps a stream from the audience, "" for none.
func (e *Export) withholds(o *outlook, s storage.StreamState) (rule string) {
	if !trust.Named(s.Stream.TLP) {
		if v := o.MayCarryStream(s.Stream, s.Org, e.audience); !v.Allowed {
			rule = v.Rule
		}
		return rule
	}
	goes := false
	for _, org := range e.audience {
		switch v := o.MayCarryStream(s.Stream, s.Org, []protocol.Org{org}); {
		case !v.Allowed:
			rule = v.Rule
		case len(e.keys(o)[org]) == 0:
			return ruleNoKey
		default:
			goes = true
		}
	}
	if goes {
		return ""
	}
	return rule
}

// Write writes the archive, statements first. An archive that ends with an
// error has no trailer: whoever imports it is told.
func (e *Export) Write(ctx context.Context, w io.Writer) error {
	if err := e.noteReaders(ctx); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 256<<10)
	h := protocol.ArchiveHeader{Certificate: e.n.certificate(), Exported: protocol.Millis(time.Now()), Communities: e.communities, Audience: e.audience}
	if !e.since.IsZero() {
		h.Since = protocol.Millis(e.since)
	}
	a, err := protocol.NewArchiveWriter(out, e.n.key, h)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	for _, community := range e.communities {
		if err := e.writeCharter(a, community); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	parts := e.communities
	if e.named {
		parts = append(slices.Clip(parts), protocol.ID{}) // what is said above GREEN is in none
	}
	for _, write := range []func(context.Context, *protocol.ArchiveWriter, protocol.ID) error{e.writeStatements, e.writeObjects} {
		for _, part := range parts {
			if err := write(ctx, a, part); err != nil {
				return fmt.Errorf("archive: %w", err)
			}
		}
	}
	if err := errors.Join(a.Close(), out.Flush()); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	e.noteWritten(ctx)
	return nil
}

func (e *Export) writeCharter(a *protocol.ArchiveWriter, community protocol.ID) error {
	charter, err := e.n.Charter(community)
	if err != nil {
		return err
	}
	return a.Charter(charter)
}

// writeStatements writes statements in the order in which they came here, when
// each author was known by those before; then those of which only the header is
// held.
func (e *Export) writeStatements(ctx context.Context, a *protocol.ArchiveWriter, community protocol.ID) error {
	for b, err := range e.n.store.Statements(community) {
		if err != nil { // damaged on disk: its header follows below
			continue
		}
		if b.Header.Community != community { // zero asks for all, and stands here for those above GREEN
			continue
		}
		if err := e.write(ctx, a, b); err != nil {
			return err
		}
	}
	return e.eachHeader(protocol.Statements, community, func(b *protocol.Bulletin) error {
		if _, body := e.n.store.Has(b.ID()); body == storage.Held {
			return nil
		}
		return e.write(ctx, a, b)
	})
}

func (e *Export) writeObjects(ctx context.Context, a *protocol.ArchiveWriter, community protocol.ID) error {
	return e.eachHeader(protocol.Objects, community, func(b *protocol.Bulletin) error {
		if !e.since.IsZero() {
			r, err := e.n.store.Receipt(b.ID())
			if err == nil && protocol.Time(r.Received).Before(e.since.Add(-archiveOverlap)) {
				return nil
			}
		}
		return e.write(ctx, a, b)
	})
}

// eachHeader walks the headers of one kind in a community, or of those above
// GREEN. One that is damaged on disk is a gap here, as it will be there.
func (e *Export) eachHeader(kind protocol.Kind, community protocol.ID, do func(*protocol.Bulletin) error) error {
	for _, s := range e.n.store.Streams() {
		if s.Stream.Kind != kind || s.Stream.Community != community {
			continue
		}
		for b, err := range e.n.store.Headers(s.ID, protocol.Range{To: s.Last}) {
			if err != nil {
				e.n.log.Warn("archive: a header cannot be read", "err", err)
				continue
			}
			if err := do(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// write asks trust and writes one bulletin, with its body where it is held.
func (e *Export) write(ctx context.Context, a *protocol.ArchiveWriter, b *protocol.Bulletin) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := e.n.look()
	if trust.Named(b.Header.TLP) {
		return e.writeSealed(o, a, b)
	}
	if v := o.MayCarry(&b.Header, e.audience); !v.Allowed {
		e.n.counters.withheld.Add(1)
		return nil
	}
	e.wrote(&b.Header)
	return a.Bulletin(e.whole(b))
}

// whole returns a bulletin with its body, where that is held.
func (e *Export) whole(b *protocol.Bulletin) *protocol.Bulletin {
	if b.HasBody() {
		return b
	}
	if whole, body, err := e.n.store.Bulletin(b.ID()); err == nil && body == storage.Held {
		return whole
	}
	return b
}

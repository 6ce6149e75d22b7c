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
)

// An archive is a way out that no later verdict can take back, so trust is
// asked of the whole audience for every bulletin, at the moment it is written.
// What comes in by one passes receive like all else.

// archiveOverlap is how far an export goes back behind --since: what was on its
// way to the disk during the export before.
const archiveOverlap = 10 * time.Minute

// An Export is an archive about to be written.
type Export struct {
	// Withheld counts the bulletins held here that not all of the audience may
	// see, by the rule that keeps them. It is for the exporter alone.
	Withheld map[string]int

	n           *Node
	audience    []protocol.Org
	communities []protocol.ID
	since       time.Time
}

// ExportArchive prepares an archive for organisations: all that each of them
// may see, of one community or (zero) of all they share with us. With since,
// objects that came here before are left out; statements never are, since they
// decide who is known. Errors wrap [ErrUsage], and [ErrRefused] where one of
// the organisations is blocked or may see nothing.
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
			continue
		}
		if v := o.MayCarryStream(s.Stream, s.Org, e.audience); !v.Allowed {
			e.Withheld[v.Rule] += s.Headers
		}
	}
}

// Write writes the archive, statements first. An archive that ends with an
// error has no trailer: whoever imports it is told.
func (e *Export) Write(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	h := protocol.ArchiveHeader{Certificate: e.n.cert, Exported: protocol.Millis(time.Now()), Communities: e.communities, Audience: e.audience}
	if !e.since.IsZero() {
		h.Since = protocol.Millis(e.since)
	}
	a, err := protocol.NewArchiveWriter(out, e.n.key, h)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	for _, write := range []func(context.Context, *protocol.ArchiveWriter, protocol.ID) error{e.writeCharter, e.writeStatements, e.writeObjects} {
		for _, community := range e.communities {
			if err := write(ctx, a, community); err != nil {
				return fmt.Errorf("archive: %w", err)
			}
		}
	}
	if err := errors.Join(a.Close(), out.Flush()); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

func (e *Export) writeCharter(_ context.Context, a *protocol.ArchiveWriter, community protocol.ID) error {
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
		if err != nil {
			continue // damaged on disk: its header follows below
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
		if whole, body, err := e.n.store.Bulletin(b.ID()); err == nil && body == storage.Held {
			b = whole
		}
		return e.write(ctx, a, b)
	})
}

// eachHeader walks the headers of one kind in a community. One that is damaged
// on disk is a gap here, as it will be there.
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

// write asks trust and writes one bulletin.
func (e *Export) write(ctx context.Context, a *protocol.ArchiveWriter, b *protocol.Bulletin) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v := e.n.look().MayCarry(&b.Header, e.audience); !v.Allowed {
		e.n.counters.withheld.Add(1)
		return nil
	}
	return a.Bulletin(b)
}

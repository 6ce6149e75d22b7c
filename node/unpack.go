package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	maxAwaiting     = 4096     // bulletins of unknown authors an import keeps until statements name them
	maxAwaitingSize = 16 << 20 // bytes of them
	maxDamages      = 100      // places of damage an import lists
)

// An ArchiveReport says what an archive is and what became of its bulletins.
type ArchiveReport struct {
	From        string             `json:"from"`
	For         []string           `json:"for"`
	Exported    time.Time          `json:"exported"`
	Since       time.Time          `json:"since,omitzero"`
	Communities []ArchiveCommunity `json:"communities"`
	Bulletins   int                `json:"bulletins"`         // that verified: new, known or refused
	ForOthers   int                `json:"sealed_for_others"` // bulletins only other nodes can read, passed over
	New         int                `json:"new"`               // or with a body that was missing
	Known       int                `json:"known"`
	Refused     int                `json:"refused"`
	Reasons     map[string]int     `json:"reasons,omitempty"` // rules by which bulletins were refused
	Damaged     int                `json:"damaged"`           // places that are not what was signed
	Missing     int                `json:"missing"`           // bulletins that were exported and did not verify here
	Truncated   bool               `json:"truncated"`         // it ends too early; nobody knows what is missing
	Damages     []ArchiveDamage    `json:"damages,omitempty"` // the first 100
}

// An ArchiveCommunity is a community an archive speaks of.
type ArchiveCommunity struct {
	ID     protocol.ID `json:"id"`
	Name   string      `json:"name"`
	Member bool        `json:"member"` // we are; else nothing of it was taken
}

// An ArchiveDamage is one place that is not what was signed.
type ArchiveDamage struct {
	Offset int64  `json:"offset"` // in bytes
	Reason string `json:"reason"`
}

// Whole reports whether all that was exported came and verified.
func (r *ArchiveReport) Whole() bool { return r.Damaged == 0 && r.Missing == 0 && !r.Truncated }

// ImportArchive verifies an archive and takes in what may come in, through the
// same judgement as what peers bring. It never joins a community. Damage costs
// what stands there and is reported; the error is for what ends the import:
// [ErrRefused] when the archive is not for us or of a later version,
// [protocol.ErrInvalid] when it does not say whom it is for, and the reader's
// and the store's failures. What came before an error stays.
func (n *Node) ImportArchive(ctx context.Context, r io.Reader) (ArchiveReport, error) {
	a, err := protocol.NewArchiveReader(r)
	switch {
	case errors.Is(err, protocol.ErrUnsupported):
		return ArchiveReport{}, fmt.Errorf("%w: a later version of tocsin made this archive: %v", ErrRefused, err)
	case errors.Is(err, protocol.ErrInvalid):
		return ArchiveReport{}, fmt.Errorf("no archive, or one whose header is damaged: %w", err)
	case err != nil:
		return ArchiveReport{}, fmt.Errorf("archive: %w", err)
	}
	u := n.unpacker(a.Header())
	if err := u.mayRead(a.Header()); err != nil {
		return u.report, err
	}
	if err = u.run(ctx, a); err == nil {
		err = u.settle(ctx)
	}
	u.describe(a.Header())
	n.noteUnpacked(ctx, a.Header(), &u.report)
	if u.report.New > 0 {
		n.log.Info("archive", "peer", u.report.From, "new", u.report.New)
		n.syncAllSoon()
	}
	return u.report, err
}

// An unpacker takes in one archive.
type unpacker struct {
	n            *Node
	from         peer.ID
	report       ArchiveReport
	names        map[protocol.ID]string // by the archive's charters
	batch        []arrival
	size         int
	statements   bool      // there are some in the batch
	awaiting     []waiting // later statements may let them in
	awaitingSize int
	unopened     int             // sealed for us, and not opened: damaged, or with another key
	unopenedAt   []ArchiveDamage // the first of them
}

// A waiting bulletin may not come in by what is known so far.
type waiting struct {
	bulletin *protocol.Bulletin
	rule     string
}

func (n *Node) unpacker(h protocol.ArchiveHeader) *unpacker {
	o := n.look()
	u := &unpacker{n: n, from: PeerID(h.Certificate.Node), names: map[protocol.ID]string{}}
	u.report = ArchiveReport{From: o.name(h.Certificate.Org), Exported: protocol.Time(h.Exported), Reasons: map[string]int{}}
	if h.Since > 0 {
		u.report.Since = protocol.Time(h.Since)
	}
	for _, org := range h.Audience {
		u.report.For = append(u.report.For, o.name(org))
	}
	slices.Sort(u.report.For)
	return u
}

// mayRead keeps what is not for us unread.
func (u *unpacker) mayRead(h protocol.ArchiveHeader) error {
	switch {
	case !slices.Contains(h.Audience, u.n.cert.Org):
		return fmt.Errorf("%w: this archive is for %s", ErrRefused, strings.Join(u.report.For, ", "))
	case u.n.look().Blocked[h.Certificate.Org]:
		return fmt.Errorf("%w: %s, who made this archive, is blocked here", ErrRefused, u.report.From)
	}
	return nil
}

// describe names the archive's communities.
func (u *unpacker) describe(h protocol.ArchiveHeader) {
	o := u.n.look()
	for _, id := range h.Communities {
		view := ArchiveCommunity{ID: id, Name: u.names[id]}
		if c := o.Communities[id]; c != nil {
			view.Name = c.Charter.Name
			_, view.Member = c.Members[u.n.cert.Org]
		}
		u.report.Communities = append(u.report.Communities, view)
	}
}

// run reads the archive to its end.
func (u *unpacker) run(ctx context.Context, a *protocol.ArchiveReader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := a.Next()
		switch {
		case err == io.EOF:
			u.compare(a)
			return nil
		case err == io.ErrUnexpectedEOF:
			u.report.Truncated = true
			u.blame(false)
			return nil
		case errors.Is(err, protocol.ErrInvalid):
			u.damage(a, err)
			continue
		case err != nil:
			return fmt.Errorf("archive, at byte %d: %w", a.Offset(), err)
		}
		if err := u.frame(ctx, a, f); err != nil {
			return err
		}
	}
}

func (u *unpacker) frame(ctx context.Context, a *protocol.ArchiveReader, f protocol.ArchiveFrame) error {
	switch {
	case f.Charter != nil:
		u.charter(a, f.Charter)
		return nil
	case f.Sealed != nil:
		return u.sealed(ctx, a, f.Sealed)
	}
	return u.bulletin(ctx, a, f.Bulletin)
}

// compare holds what came against what the trailer says was exported.
func (u *unpacker) compare(a *protocol.ArchiveReader) {
	u.blame(a.Intact())
	if n, came := a.Trailer().Count, uint64(u.report.Bulletins+u.report.ForOthers); n > came {
		u.report.Missing = int(min(n-came, 1<<53))
	}
	if !a.Intact() && u.report.Whole() {
		u.damage(a, errors.New("something was added or exchanged since it was exported"))
	}
}

func (u *unpacker) damage(a *protocol.ArchiveReader, err error) {
	u.report.Damaged++
	if len(u.report.Damages) < maxDamages {
		u.report.Damages = append(u.report.Damages, ArchiveDamage{a.Offset(), err.Error()})
	}
}

// charter takes the name of a community from its charter, and nothing else.
func (u *unpacker) charter(a *protocol.ArchiveReader, b []byte) {
	charter, err := protocol.DecodeCharter(b)
	switch {
	case err != nil:
		u.damage(a, err)
	case !slices.Contains(a.Header().Communities, charter.ID()):
		u.damage(a, fmt.Errorf("the charter of %s, a community the header does not name", charter.Charter.Name))
	default:
		u.names[charter.ID()] = charter.Charter.Name
	}
}

func (u *unpacker) bulletin(ctx context.Context, a *protocol.ArchiveReader, wire []byte) error {
	b, err := protocol.Open(wire)
	switch {
	case errors.Is(err, protocol.ErrUnsupported):
		u.report.Bulletins++
		u.refuse("unsupported", 1)
		return nil
	case err != nil:
		u.damage(a, err)
		return nil
	}
	u.report.Bulletins++
	if trust.Named(b.Header.TLP) {
		u.refuse("not-sealed", 1)
		return nil
	}
	return u.judge(ctx, b)
}

// judge sorts a bulletin: known, to be stored, to wait for statements that may
// let it in, or refused.
func (u *unpacker) judge(ctx context.Context, b *protocol.Bulletin) error {
	v := u.ask(b)
	if v.Outcome != trust.Admit && u.statements && b.Header.Kind == protocol.Objects { // those before it come first
		if err := u.flush(ctx); err != nil {
			return err
		}
		return u.judge(ctx, b)
	}
	switch {
	case v.Outcome == trust.Admit || v.Outcome == trust.Decline:
		if u.n.have(b.ID(), b.HasBody()) {
			u.report.Known++
			return nil
		}
		u.batch, u.size = append(u.batch, arrival{bulletin: b, from: u.from}), u.size+int(b.Header.Size)
		u.statements = u.statements || b.Header.Kind == protocol.Statements
		if len(u.batch) >= maxBatch || u.size > 2<<20 {
			return u.flush(ctx)
		}
	case v.Outcome == trust.Unknown || v.Outcome == trust.Refuse && toGroup(&b.Header):
		size := u.awaitingSize + int(b.Header.Size)
		if len(u.awaiting) >= maxAwaiting || size > maxAwaitingSize {
			u.refuse(v.Rule, 1)
			return nil
		}
		u.awaiting, u.awaitingSize = append(u.awaiting, waiting{b, v.Rule}), size
	default:
		u.refuse(v.Rule, 1)
	}
	return nil
}

// ask asks trust. A roster that is not known yet says itself whom it is for.
func (u *unpacker) ask(b *protocol.Bulletin) trust.Admission {
	o, now := u.n.look(), time.Now()
	v := o.MayUnpack(&b.Header, now)
	if v.Outcome == trust.Unknown && b.Header.Kind == protocol.Statements && trust.Named(b.Header.TLP) {
		v = o.AdmitRoster(b, now)
	}
	return v
}

func (u *unpacker) refuse(rule string, n int) {
	if n > 0 {
		u.report.Refused += n
		u.report.Reasons[rule] += n
	}
}

// flush stores the batch. Where it held statements, whoever waits is judged anew.
func (u *unpacker) flush(ctx context.Context) error {
	batch, statements := u.batch, u.statements
	u.batch, u.size, u.statements = nil, 0, false
	news, err := u.n.receive(ctx, batch)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	kept := 0
	for _, a := range batch {
		if held, _ := u.n.store.Has(a.bulletin.ID()); held {
			kept++
		}
	}
	u.report.New += news
	u.report.Known += kept - news
	u.refuse("not-admitted", len(batch)-kept)
	if !statements {
		return nil
	}
	again := u.awaiting
	u.awaiting, u.awaitingSize = nil, 0
	for _, w := range again {
		if err := u.judge(ctx, w.bulletin); err != nil {
			return err
		}
	}
	return nil
}

// settle stores what is left, and refuses what nothing let in to the end.
func (u *unpacker) settle(ctx context.Context) error {
	for len(u.batch) > 0 {
		if err := u.flush(ctx); err != nil {
			return err
		}
	}
	for _, w := range u.awaiting {
		u.refuse(w.rule, 1)
	}
	u.awaiting = nil
	return nil
}

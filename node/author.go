package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// An author writes this node's own streams. One goroutine numbers, signs and
// commits, in this order: sign, commit, head file, acknowledge, gossip. So a
// number is never used twice, and none is missing below one that was stored.
type author struct {
	n         *Node
	epoch     atomic.Uint64 // the author's goroutine alone opens another
	issued    uint64        // never goes back within an epoch
	next      map[protocol.ID]protocol.Head
	surpassed atomic.Uint64 // the highest epoch shown to us that we have not spoken in
	began     time.Time
	double    atomic.Pointer[protocol.Bulletin] // signed with our key since we began, and not by us
	jobs      chan job
}

type job struct {
	issue protocol.Header // kind, community, label, audience, drill, pap; issued, when it must not be earlier
	parts []part
	done  chan result
}

// A part is what one bulletin will carry.
type part struct {
	objects [][]byte
	parsed  []stix.Object // of STIX objects, what they say
}

type result struct {
	bulletins []*protocol.Bulletin
	err       error
}

// ownReason is the receipt of what the author wrote, as against what came back
// to us from others.
const ownReason = "own"

// maxFold is how many objects one commit of several bulletins may hold, which
// keeps it within one transaction of the store.
const maxFold = 4000

func newAuthor(n *Node) *author {
	a := &author{n: n, began: time.Now(), jobs: make(chan job, 64), next: map[protocol.ID]protocol.Head{}}
	last := n.store.MaxEpoch(n.cert.Node)
	if a.open(last); seeded == "number" && last > 0 {
		a.epoch.Store(last)
	}
	return a
}

// open begins a new epoch above last: its high half is the larger of last's
// plus one and Unix seconds, its low half is random. Above the highest there is
// no other; whoever has our key and spoke in that one does not silence us.
func (a *author) open(last uint64) {
	var low [4]byte
	rand.Read(low[:])
	high := uint64(time.Now().Unix())
	if last>>32 < math.MaxUint32 {
		high = max(last>>32+1, high)
	}
	a.epoch.Store(high<<32 | uint64(binary.BigEndian.Uint32(low[:])))
	a.issued = 0
}

// surpass notes that our own streams were seen in an epoch: the next signature
// is made in one above it, and follows the newest header held by then.
func (a *author) surpass(epoch uint64) {
	for seen := a.surpassed.Load(); epoch > seen; seen = a.surpassed.Load() {
		if a.surpassed.CompareAndSwap(seen, epoch) {
			return
		}
	}
}

// catchUp opens another epoch when ours was seen elsewhere. It is called between
// commits: until then a.next alone knows the numbers in use.
func (a *author) catchUp() {
	if seen := a.surpassed.Load(); seen >= a.epoch.Load() {
		a.n.log.Warn("our own log was seen further on than we are: speaking in a new epoch", "seen", seen)
		a.open(seen)
		clear(a.next)
		a.surpassed.CompareAndSwap(seen, 0)
	}
}

// publish says something under our own name and returns once it is durable.
func (a *author) publish(ctx context.Context, issue protocol.Header, parts []part) ([]*protocol.Bulletin, error) {
	j := job{issue, parts, make(chan result, 1)}
	select {
	case a.jobs <- j:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.n.ctx.Done():
		return nil, ErrClosed
	}
	select { // once taken it is signed and stored, whatever happens to the caller
	case r := <-j.done:
		return r.bulletins, r.err
	case <-a.n.ctx.Done():
		return nil, ErrClosed
	}
}

func (a *author) run() {
	for {
		select {
		case <-a.n.ctx.Done():
			return
		case j := <-a.jobs:
			a.write(a.more(j))
		}
	}
}

// more takes what else is waiting, as far as one commit goes.
func (a *author) more(first job) []job {
	jobs, objects := []job{first}, first.objects()
	for objects < maxFold {
		select {
		case j := <-a.jobs:
			jobs, objects = append(jobs, j), objects+j.objects()
		default:
			return jobs
		}
	}
	return jobs
}

func (j job) objects() (count int) {
	for _, p := range j.parts {
		count += len(p.objects)
	}
	return count
}

func (a *author) write(jobs []job) {
	err := a.n.store.Writable() // before a number is used
	if err == nil && a.n.revoked() {
		err = fmt.Errorf("%w: %s", ErrRefused, revokedText)
	}
	if err != nil {
		for _, j := range jobs {
			j.done <- result{err: err}
		}
		return
	}
	a.catchUp()
	results := make([]result, len(jobs))
	var entries []storage.Entry
	for i, j := range jobs {
		for _, p := range j.parts {
			b, err := a.sign(j.issue, p.objects)
			if err != nil {
				results[i].err = err
				break
			}
			results[i].bulletins = append(results[i].bulletins, b)
			entries = append(entries, storage.Entry{
				Bulletin: b, Body: storage.Held, Reason: ownReason, Received: time.Now(), Own: true, Objects: p.parsed,
			})
		}
	}
	_, err = a.n.admit(a.n.ctx, entries)
	if err != nil { // numbers were used that may or may not be stored
		a.open(a.epoch.Load())
		clear(a.next)
	}
	for i, j := range jobs {
		if err != nil {
			results[i] = result{err: err}
		}
		j.done <- results[i]
	}
	for _, e := range entries {
		if err == nil {
			a.n.announce(e.Bulletin)
		}
	}
}

// sign gives a bulletin its place.
func (a *author) sign(h protocol.Header, objects [][]byte) (*protocol.Bulletin, error) {
	s := protocol.Stream{Node: a.n.cert.Node, Kind: h.Kind, Community: h.Community, TLP: h.TLP, Audience: h.Audience}
	id := s.ID()
	last, known := a.next[id]
	if !known {
		last, _, known = a.n.store.Last(s)
	}
	now := max(protocol.Millis(time.Now()), h.Issued)
	if now < a.issued { // the clock stepped back
		a.open(a.epoch.Load())
	}
	h.Epoch, h.Seq, h.Issued = a.epoch.Load(), 1, now
	if known {
		h.Prev = last.ID
		if last.Position.Epoch == h.Epoch {
			h.Seq = last.Position.Seq + 1
		}
	}
	b, err := protocol.Sign(a.n.key, a.n.certificate(), h, objects)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	a.issued, a.next[id] = now, protocol.Head{Position: b.Header.Position(), ID: b.ID()}
	return b, nil
}

// state publishes statements to a community.
func (n *Node) state(ctx context.Context, community protocol.ID, statements ...protocol.Statement) ([]*protocol.Bulletin, error) {
	if v := n.look().MaySubmit(protocol.Green, community); !v.Allowed {
		return nil, refusal(v)
	}
	objects := make([][]byte, len(statements))
	for i, s := range statements {
		objects[i] = s.Encode()
	}
	return n.author.publish(ctx, protocol.Header{Kind: protocol.Statements, Community: community, TLP: protocol.Green}, []part{{objects: objects}})
}

func refusal(v trust.Verdict) error { return fmt.Errorf("%w: %s (%s)", ErrRefused, v.Reason, v.Rule) }

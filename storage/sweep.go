package storage

import (
	"context"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const sweepAtOnce = 4000 // bodies; what is left waits for the next sweep

// Sweep drops the bodies of which nothing counts any more at the moment now:
// every claim, sighting and opinion in them has expired, and none of them
// supersedes or takes back an older one that would still count without it. Their
// headers stay, in state Expired. It returns how many went. Writes wait while the files are
// rewritten, a second or so at a million indicators: call it every few hours.
func (s *Store) Sweep(ctx context.Context, now time.Time) (int, error) {
	dropped := 0
	err := s.do(ctx, &job{run: func() (err error) {
		dropped, err = s.sweep(now)
		return err
	}})
	if err != nil {
		return 0, err // the writer may still be at it
	}
	return dropped, nil
}

func (s *Store) sweep(now time.Time) (int, error) {
	var gone []expired
	for _, ref := range s.cat.bodies {
		b := s.cat.bulletins[ref]
		if b.body.expires >= seconds(now) || b.damaged || s.cat.streams[b.stream].desc.Kind != protocol.Objects {
			continue
		}
		postings, err := s.postings(b)
		if err != nil || s.cat.shields(ref, postings) {
			continue
		}
		if gone = append(gone, expired{ref, postings}); len(gone) == sweepAtOnce {
			break
		}
	}
	if len(gone) == 0 {
		return 0, nil
	}
	return len(gone), s.dropBodies(gone, Expired)
}

// An expired body, with its postings.
type expired struct {
	ref      uint32
	postings []posting
}

// shields reports whether a held version that is older, and would be valid for
// longer, is superseded by one of these postings.
func (c *catalogue) shields(ref uint32, postings []posting) bool {
	for _, p := range postings {
		if !p.isVersion() {
			continue
		}
		x := c.under(p.flags)
		me := node{bulletin: ref, index: p.index}
		for n := range x.chain(p.hash) {
			if n.bulletin != ref && n.flags&aliasFlag == 0 && n.expires > p.expires && c.bulletins[n.bulletin].scope == c.bulletins[ref].scope && c.newer(&me, n) {
				return true
			}
		}
	}
	return false
}

// postings reads a body's postings back.
func (s *Store) postings(b held) ([]posting, error) {
	var list []posting
	for part := range int(b.body.parts) {
		value, err := s.get(b.body.segmentKey(part, s.index.Load().gen))
		if err != nil {
			return nil, err
		}
		if list, err = decodeSegment(list, value); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// dropBodies writes the new state, then drops the bodies: a crash between the two
// leaves parts that no held body accounts for, dropped at the next start.
func (s *Store) dropBodies(gone []expired, state BodyState) error {
	w := s.newWriter()
	defer w.discard()
	w.set(dirtyKey(), []byte{1})
	var keys [][]byte
	for _, e := range gone {
		b := s.cat.bulletins[e.ref]
		r, err := s.record(b)
		if err != nil {
			return err
		}
		after := *r
		after.state = state
		w.set(headerKey(b.number), after.encode())
		keys = append(keys, bodyPrefix(chunkPrefix, b.body.number), bodyPrefix(segmentPrefix, b.body.number))
	}
	if w.flush(); w.err != nil {
		return s.fail(w.err)
	}
	s.mu.Lock()
	for _, e := range gone {
		s.cat.dropBody(e.ref, e.postings)
		s.cat.setState(e.ref, state)
	}
	s.mu.Unlock()
	if err := s.dropPrefix(keys); err != nil {
		return err
	}
	return s.tidy()
}

package api

import (
	"bytes"
	"container/list"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"sync"
	"time"
)

// Limits of what is written for feeds.
const (
	maxKept    = 16 << 20 // bytes of one rendering that are kept; more is written anew each time
	maxKeptAll = 64 << 20 // of all together
	renderers  = 2        // renderings that are made at a time
)

// A rendering is what an answer of bytes consists of.
type rendering struct {
	media   string
	sum     string // SHA-256 of the bytes, in hex
	md5     string // "" where it was not asked for
	size    int64
	changed time.Time // whole seconds; zero: not known
	lines   int       // values in it
	bytes   []byte    // all of them; nil: there are too many, write writes them
	write   func(io.Writer) error
}

// render finds out what a rendering is of which only how to write it is known.
func render(r rendering) (rendering, error) {
	m := meter{sha: sha256.New(), md5: md5.New(), kept: &bytes.Buffer{}}
	if err := r.write(&m); err != nil {
		return r, err
	}
	r.sum, r.md5, r.size = hex.EncodeToString(m.sha.Sum(nil)), hex.EncodeToString(m.md5.Sum(nil)), m.size
	if m.kept != nil {
		r.bytes, r.write = append([]byte{}, m.kept.Bytes()...), nil // and all that it was written of
	}
	return r, nil
}

// writeTo writes the bytes.
func (r *rendering) writeTo(w io.Writer) error {
	if r.bytes == nil {
		return r.write(w)
	}
	for rest := r.bytes; len(rest) > 0; {
		n := min(len(rest), piece)
		if _, err := w.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// A meter measures what is written to it, and keeps it while it is not too much.
type meter struct {
	sha, md5 hash.Hash
	size     int64
	kept     *bytes.Buffer
}

func (m *meter) Write(p []byte) (int, error) {
	m.sha.Write(p)
	m.md5.Write(p)
	m.size += int64(len(p))
	switch {
	case m.kept == nil:
	case m.size > maxKept:
		m.kept = nil
	default:
		m.kept.Write(p)
	}
	return len(p), nil
}

// renderings keeps the latest of each kind, those that were asked for last, up to
// so many bytes. The zero value is not ready; see newRenderings.
type renderings struct {
	turn chan struct{} // held while one is made

	mu    sync.Mutex
	byKey map[any]*list.Element
	order *list.List // of *keptRendering, the last one asked for in front
	size  int64
}

// A keptRendering is what was made under a key at a moment. Another moment is
// another rendering in its place.
type keptRendering struct {
	key, moment any
	rendering   rendering
}

// overhead is what one takes beside its bytes, about.
const overhead = 4 << 10

// weight is what keeping a rendering takes: its bytes, or what it is written of.
func (r *rendering) weight() int64 {
	if r.bytes == nil {
		return overhead + maxKept
	}
	return overhead + int64(cap(r.bytes))
}

func newRenderings() *renderings {
	return &renderings{turn: make(chan struct{}, renderers), byKey: map[any]*list.Element{}, order: list.New()}
}

// find returns what is kept under a key for a moment.
func (s *renderings) find(key, moment any) (rendering, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	if e == nil || e.Value.(*keptRendering).moment != moment {
		return rendering{}, false
	}
	s.order.MoveToFront(e)
	return e.Value.(*keptRendering).rendering, true
}

func (s *renderings) keep(key, moment any, r rendering) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byKey[key]; e != nil {
		s.drop(e)
	}
	s.byKey[key] = s.order.PushFront(&keptRendering{key, moment, r})
	s.size += r.weight()
	for s.size > maxKeptAll {
		s.drop(s.order.Back())
	}
}

func (s *renderings) drop(e *list.Element) {
	k := s.order.Remove(e).(*keptRendering)
	delete(s.byKey, k.key)
	s.size -= k.rendering.weight()
}

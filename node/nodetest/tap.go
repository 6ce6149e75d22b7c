package nodetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	canarySize = 64
	// alphabet of canaries: text, so that it fits a description, with characters
	// that JSON, HTML and shells write in other ways.
	alphabet = `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789<>"&\/+`
	block    = 8 // any 16 bytes in a row hold a whole block
	overlap  = 6 * block
)

// taps see every byte that reaches a host, honest or hostile, on any stream
// opened for a protocol, and every line that a node logs.
type taps struct {
	mu      sync.Mutex
	needles map[string][][]byte        // canary -> blocks of it, in every form
	seen    map[string]map[string]bool // canary -> "who: where"
}

// Canary returns 64 random characters that are watched for from now on, to be
// put where content goes.
func (f *Federation) Canary() string {
	f.t.Helper()
	b := make([]byte, canarySize)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	canary := string(b)
	f.taps.mu.Lock()
	defer f.taps.mu.Unlock()
	if f.taps.needles == nil {
		f.taps.needles, f.taps.seen = map[string][][]byte{}, map[string]map[string]bool{}
	}
	f.taps.needles[canary], f.taps.seen[canary] = forms(canary), map[string]bool{}
	return canary
}

// forms cuts a canary into blocks as they look raw, in hex, in base64 at each
// of three alignments, and escaped.
func forms(canary string) (blocks [][]byte) {
	add := func(text string, size int) {
		for i := 0; i+size <= len(text); i += size {
			blocks = append(blocks, []byte(text[i:i+size]))
		}
	}
	add(canary, block)
	add(hex.EncodeToString([]byte(canary)), 2*block)
	add(strings.ToUpper(hex.EncodeToString([]byte(canary))), 2*block)
	for skip := range 3 { // as if this many bytes before it were part of a group of three
		whole := canary[(3-skip)%3:]
		whole = whole[:len(whole)/3*3]
		add(base64.StdEncoding.EncodeToString([]byte(whole)), block)
		add(base64.URLEncoding.EncodeToString([]byte(whole)), block)
	}
	for i := 0; i < len(canary); i += block {
		part := canary[i : i+block]
		quoted, _ := json.Marshal(part)
		add(string(quoted[1:len(quoted)-1]), len(quoted)-2)
		var plain bytes.Buffer
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		e.Encode(part)
		quoted = bytes.TrimSpace(plain.Bytes())
		add(string(quoted[1:len(quoted)-1]), len(quoted)-2)
		var lower, upper strings.Builder
		for _, c := range part {
			fmt.Fprintf(&lower, `\u%04x`, c)
			fmt.Fprintf(&upper, `\u%04X`, c)
		}
		add(lower.String(), lower.Len())
		add(upper.String(), upper.Len())
		add(url.QueryEscape(part), len(url.QueryEscape(part)))
	}
	return blocks
}

// scan looks for all canaries in what reached somebody.
func (t *taps) scan(who, where string, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for canary, blocks := range t.needles {
		if slices.ContainsFunc(blocks, func(block []byte) bool { return bytes.Contains(b, block) }) {
			t.seen[canary][who+": "+where] = true
		}
	}
}

// Leaked lists who saw a canary, but those who may, and where: on a stream, in
// the answers of its door, its metrics, its log, the bulletins of its store or
// any file of its directory. In logs and metrics nobody may see it.
func (f *Federation) Leaked(canary string, except ...string) (list []string) {
	f.t.Helper()
	for _, m := range f.orgs {
		f.scanMember(m)
	}
	f.taps.mu.Lock()
	defer f.taps.mu.Unlock()
	for seen := range f.taps.seen[canary] {
		who, where, _ := strings.Cut(seen, ": ")
		if !slices.Contains(except, who) || where == sinkLog || where == sinkMetrics {
			list = append(list, seen)
		}
	}
	slices.Sort(list)
	return list
}

const (
	sinkLog     = "log"
	sinkMetrics = "metrics"
)

// scanMember looks at all that a member's node would show and keeps.
func (f *Federation) scanMember(m *member) {
	f.t.Helper()
	if m.running {
		for _, path := range []string{"/v1/search", "/v1/changes?wait=0s", "/v1/status", "/v1/peers", "/v1/communities", "/v1/doctor", "/openapi.json"} {
			f.taps.scan(m.name, "GET "+path, f.get(m, path))
		}
		f.taps.scan(m.name, sinkMetrics, f.get(m, "/metrics"))
		f.scanStore(m)
	}
	f.scanFiles(m, m.dir)
	f.scanFiles(m, m.audit)
}

// scanFiles looks at the files of one of a member's directories.
func (f *Federation) scanFiles(m *member, dir string) {
	f.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		f.taps.scan(m.name, "file "+filepath.Ext(path), bytes.TrimRight(b, "\x00")) // made longer than they are full
		return err
	})
	if !os.IsNotExist(err) { // files come and go
		f.check(err)
	}
}

func (f *Federation) get(m *member, path string) []byte {
	f.t.Helper()
	w := httptest.NewRecorder()
	m.door.ServeHTTP(w, httptest.NewRequestWithContext(f.t.Context(), http.MethodGet, path, nil))
	return w.Body.Bytes()
}

// scanStore looks at the bulletins themselves: in files they are compressed.
func (f *Federation) scanStore(m *member) {
	f.t.Helper()
	for _, s := range m.store.Streams() {
		for b, err := range m.store.Headers(s.ID, protocol.Range{To: s.Last}) {
			f.check(err)
			whole, _, err := m.store.Bulletin(b.ID())
			f.check(err)
			f.taps.scan(m.name, "store", whole.Wire())
		}
	}
}

// writer returns a log's writer with a tap on it.
func (t *taps) writer(org string, w io.Writer) io.Writer { return tappedLog{t, org, w} }

type tappedLog struct {
	taps *taps
	org  string
	w    io.Writer
}

// Write is called with a whole line.
func (l tappedLog) Write(b []byte) (int, error) {
	l.taps.scan(l.org, sinkLog, b)
	return l.w.Write(b)
}

// tapped puts taps on all that reaches a host over streams.
func (t *taps) tapped(who string, h host.Host) host.Host { return tappedHost{h, t, who} }

type tappedHost struct {
	host.Host
	taps *taps
	who  string
}

// NewStream opens a stream with a tap on it.
func (h tappedHost) NewStream(ctx context.Context, p peer.ID, ids ...libp2p.ID) (network.Stream, error) {
	s, err := h.Host.NewStream(ctx, p, ids...)
	if err != nil {
		return nil, err
	}
	return h.tap(s), nil
}

// SetStreamHandler puts taps on the streams that others open.
func (h tappedHost) SetStreamHandler(id libp2p.ID, serve network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) { serve(h.tap(s)) })
}

// SetStreamHandlerMatch puts taps on the streams that others open.
func (h tappedHost) SetStreamHandlerMatch(id libp2p.ID, match func(libp2p.ID) bool, serve network.StreamHandler) {
	h.Host.SetStreamHandlerMatch(id, match, func(s network.Stream) { serve(h.tap(s)) })
}

func (h tappedHost) tap(s network.Stream) network.Stream { return &tappedStream{Stream: s, host: h} }

type tappedStream struct {
	network.Stream
	host tappedHost
	last []byte // the end of what was read before
}

// Read reads, and looks at what came.
func (s *tappedStream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	if n > 0 {
		s.last = append(s.last, b[:n]...)
		s.host.taps.scan(s.host.who, "stream "+string(s.Protocol()), s.last)
		s.last = slices.Clone(s.last[max(0, len(s.last)-overlap):])
	}
	return n, err
}

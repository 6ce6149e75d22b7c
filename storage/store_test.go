package storage

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// start is the moment tests count from.
var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// An author is an organisation with one node that signs bulletins for a test.
type author struct {
	key  ed25519.PrivateKey
	cert protocol.Certificate
	org  ed25519.PrivateKey
	prev map[protocol.ID]protocol.ID // by stream
	seq  map[protocol.ID]uint64
}

func newAuthor(name string) *author {
	orgSeed, nodeSeed := sha256.Sum256([]byte("org "+name)), sha256.Sum256([]byte("node "+name))
	org, key := ed25519.NewKeyFromSeed(orgSeed[:]), ed25519.NewKeyFromSeed(nodeSeed[:])
	return &author{
		key: key, org: org, prev: map[protocol.ID]protocol.ID{}, seq: map[protocol.ID]uint64{},
		cert: protocol.Certify(org, protocol.NodeOf(key), start.Add(-time.Hour), start.Add(100*365*24*time.Hour)),
	}
}

var isac = protocol.ID{1}

// green is the header of a GREEN bulletin issued some time after the start.
func green(after time.Duration) protocol.Header {
	return protocol.Header{Kind: protocol.Objects, Community: isac, TLP: protocol.Green, Issued: protocol.Millis(start.Add(after))}
}

// issue signs the next bulletin of the header's stream in epoch 1, unless the
// header says where it stands.
func (a *author) issue(t testing.TB, h protocol.Header, objects ...[]byte) *protocol.Bulletin {
	t.Helper()
	h.Certificate = a.cert
	stream := h.Stream().ID()
	if h.Epoch == 0 {
		a.seq[stream]++
		h.Epoch, h.Seq, h.Prev = 1, a.seq[stream], a.prev[stream]
	}
	b, err := protocol.Sign(a.key, a.cert, h, objects)
	if err != nil {
		t.Fatal(err)
	}
	a.prev[stream] = b.ID()
	return b
}

// indicator is an object that claims one value.
func indicator(t testing.TB, value string, change ...func(*stix.Indicator)) []byte {
	t.Helper()
	o, err := stix.Detect(value)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(value))
	i := stix.Indicator{
		ID:         fmt.Sprintf("indicator--%x-%x-4%03x-8%03x-%x", sum[:4], sum[4:6], int(sum[6])<<4|7, int(sum[7])<<4|3, sum[8:14]),
		Observable: o, Confidence: 80,
		Created: start, Modified: start, ValidFrom: start, ValidUntil: start.Add(30 * 24 * time.Hour),
	}
	for _, c := range change {
		c(&i)
	}
	return i.AppendJSON(nil)
}

func until(d time.Duration) func(*stix.Indicator) {
	return func(i *stix.Indicator) { i.ValidUntil = start.Add(d) }
}

func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Small: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func keep(t testing.TB, s *Store, entries ...Entry) []Result {
	t.Helper()
	for i := range entries {
		if entries[i].Received.IsZero() {
			entries[i].Received = start
		}
	}
	r, err := s.Put(context.Background(), entries...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func whole(b *protocol.Bulletin) Entry { return Entry{Bulletin: b, Body: Held} }

func lookup(t testing.TB, s *Store, value string, now time.Time) []Claim {
	t.Helper()
	o, err := stix.Detect(value)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := s.Lookup(o, Query{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestPutAndRead(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank := newAuthor("bank")
	b := bank.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "evil.example"))
	r := keep(t, s, whole(b))
	if !r[0].New || !r[0].BodyNew || r[0].Arrival != 1<<indexBits || r[0].Equivocation != nil {
		t.Fatalf("first put: %+v", r[0])
	}
	if r := keep(t, s, whole(b)); r[0].New || r[0].BodyNew {
		t.Fatalf("second put: %+v", r[0])
	}
	check := func(s *Store) {
		t.Helper()
		got, state, err := s.Bulletin(b.ID())
		if err != nil || state != Held || string(got.Wire()) != string(b.Wire()) {
			t.Fatalf("bulletin: %v, %v", state, err)
		}
		claims := lookup(t, s, "203.0.113.7", start)
		if len(claims) != 1 || claims[0].Bulletin != b.ID() || claims[0].Relation != Exact || claims[0].Org != b.Header.Org() {
			t.Fatalf("lookup: %+v", claims)
		}
		if claims := lookup(t, s, "mail.evil.example", start); len(claims) != 1 || claims[0].Relation != ParentDomain {
			t.Fatalf("lookup below: %+v", claims)
		}
		n := 0
		for c, err := range s.Changes(0, Query{Now: start}) {
			if err != nil || c.Arrival != 1<<indexBits+uint64(n) || c.Removed {
				t.Fatalf("change %d: %+v, %v", n, c, err)
			}
			n++
		}
		if n != 2 || s.Position() != 1<<indexBits+1 {
			t.Fatalf("%d changes up to %d", n, s.Position())
		}
		head, issued, ok := s.Last(b.Header.Stream())
		if !ok || head.ID != b.ID() || issued != b.Header.Issued {
			t.Fatalf("last: %+v", head)
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(openTest(t, dir))
}

func testLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestDeclinedIsWantedAgain: only an entry that says so turns a declined body
// into a wanted one; the same header coming by again does not.
func TestDeclinedIsWantedAgain(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Small: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := newAuthor("bank").issue(t, green(0), indicator(t, "203.0.113.7")).HeaderOnly()
	for _, step := range []struct {
		entry Entry
		want  BodyState
	}{
		{Entry{Bulletin: b, Body: Declined}, Declined},
		{Entry{Bulletin: b, Body: Absent}, Declined},
		{Entry{Bulletin: b, Body: Absent, Again: true}, Absent},
	} {
		if _, err := s.Put(context.Background(), step.entry); err != nil {
			t.Fatal(err)
		}
		if _, state := s.Has(b.ID()); state != step.want {
			t.Errorf("after %+v: %s, want %s", step.entry.Body, state, step.want)
		}
	}
	if wanted := s.Wanted(10); len(wanted) != 1 || wanted[0].ID != b.ID() {
		t.Errorf("wanted %v", wanted)
	}
}

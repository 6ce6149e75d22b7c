package taxii

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// start is the moment the clock of a bubble begins with.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const stamped = "2006-01-02T15:04:05.000Z"

// A speaker is an organisation with one node that signs bulletins for a test.
type speaker struct {
	key  ed25519.PrivateKey
	cert protocol.Certificate
	prev map[protocol.ID]protocol.ID // by stream
	seq  map[protocol.ID]uint64
}

func newSpeaker(name string) *speaker {
	orgSeed, nodeSeed := sha256.Sum256([]byte("org "+name)), sha256.Sum256([]byte("node "+name))
	org, key := ed25519.NewKeyFromSeed(orgSeed[:]), ed25519.NewKeyFromSeed(nodeSeed[:])
	return &speaker{
		key: key, prev: map[protocol.ID]protocol.ID{}, seq: map[protocol.ID]uint64{},
		cert: protocol.Certify(org, protocol.NodeOf(key), start.Add(-time.Hour), start.Add(100*365*24*time.Hour)),
	}
}

// A saying is the header of a bulletin, without what most have in common.
type saying struct {
	tlp   protocol.TLP
	pap   protocol.PAP
	drill string
}

func (s *speaker) sign(t testing.TB, w saying, objects ...string) *protocol.Bulletin {
	t.Helper()
	h := protocol.Header{
		Kind: protocol.Objects, Community: protocol.ID{1}, Certificate: s.cert, TLP: w.tlp, PAP: w.pap, Drill: w.drill, Issued: protocol.Millis(time.Now()), Epoch: 1,
	}
	if h.TLP > protocol.Green {
		h.Community, h.Audience = protocol.ID{}, []protocol.Recipient{{Org: newSpeaker("self").cert.Org}}
	}
	if h.TLP == protocol.Red {
		h.Audience[0].Person = "alice"
	}
	stream := h.Stream().ID()
	s.seq[stream]++
	h.Seq, h.Prev = s.seq[stream], s.prev[stream]
	raw := make([][]byte, len(objects))
	for i := range objects {
		raw[i] = []byte(objects[i])
	}
	b, err := protocol.Sign(s.key, s.cert, h, raw)
	if err != nil {
		t.Fatal(err)
	}
	s.prev[stream] = b.ID()
	return b
}

// tool is an object of a version, counted in days.
func tool(number, version int, more string) string {
	at := start.Add(time.Duration(version) * 24 * time.Hour).Format(stamped)
	return fmt.Sprintf(`{"type":"tool","spec_version":"2.1","id":"tool--%08d-0000-4000-8000-000000000000","created":"2000-01-01T00:00:00.000Z","modified":"%s","name":"x"%s}`, number, at, more)
}

func toolID(number int) string { return fmt.Sprintf("tool--%08d-0000-4000-8000-000000000000", number) }

// A desk is a server and its store.
type desk struct {
	t testing.TB
	*Server
	store   *storage.Store
	silence uint64
	blocked map[protocol.Org]bool
	speak   map[string]*speaker
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	store, err := storage.Open(t.TempDir(), storage.Options{Small: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d := &desk{t: t, store: store, blocked: map[protocol.Org]bool{}, speak: map[string]*speaker{}}
	d.Server = New(Config{
		Store: store, Silence: func() uint64 { return d.silence },
		Orgs: func() (orgs []protocol.Org) {
			for _, name := range []string{"bank", "hospital", "mallory"} {
				orgs = append(orgs, newSpeaker(name).cert.Org)
			}
			return orgs
		},
		Bound: func(_ *protocol.Header, o *stix.Object) bool { return o.Name == "bound" },
	})
	return d
}

// say keeps a bulletin of an organisation.
func (d *desk) say(org string, w saying, objects ...string) *protocol.Bulletin {
	d.t.Helper()
	if d.speak[org] == nil {
		d.speak[org] = newSpeaker(org)
	}
	b := d.speak[org].sign(d.t, w, objects...)
	d.keep(b)
	return b
}

func (d *desk) keep(b *protocol.Bulletin) {
	d.t.Helper()
	if _, err := d.store.Put(d.t.Context(), storage.Entry{Bulletin: b, Body: storage.Held, Reason: "member"}); err != nil {
		d.t.Fatal(err)
	}
}

var (
	whole     = Collection{ID: "11111111-1111-4111-8111-111111111111", Title: everything}
	community = Collection{ID: "22222222-2222-4222-8222-222222222222", Title: "isac", Community: protocol.ID{1}, Post: protocol.Green}
	anyone    = trust.Reader{Clearance: protocol.Red, PAP: protocol.PAPRed, Person: "alice"}
)

// ask asks as a reader.
func (d *desk) ask(root Root, c Collection, kind Kind, object string, r trust.Reader, query string) (Page, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		d.t.Fatal(err)
	}
	self := newSpeaker("self").cert.Org
	return d.Answer(d.t.Context(), Question{Root: root, Collection: c, Kind: kind, Object: object, Query: values, Asker: Asker{Reader: r, Visible: func(h *protocol.Header) bool {
		return trust.MayShow(h, self, r).Allowed && !d.blocked[h.Org()]
	}}})
}

// all asks for everything, a page of a limit after another, and returns it all.
func (d *desk) all(root Root, c Collection, r trust.Reader, query string, limit int) (items []Item) {
	d.t.Helper()
	query += fmt.Sprintf("&limit=%d", limit)
	for next := ""; ; {
		p, err := d.ask(root, c, OfObjects, "", r, query+next)
		if err != nil {
			d.t.Fatal(err)
		}
		if len(p.Items) > limit || p.More && (len(p.Items) == 0 || p.Next == "") || !p.More && p.Next != "" {
			d.t.Fatalf("a page of %d, limit %d, more %t, next %q", len(p.Items), limit, p.More, p.Next)
		}
		if items = append(items, p.Items...); !p.More {
			return items
		}
		next = "&next=" + p.Next
	}
}

// seen lists items as type, version's day and what they are of.
func seen(items []Item) string {
	var list []string
	for _, i := range items {
		list = append(list, strings.TrimSuffix(i.ID, "-0000-4000-8000-000000000000")+"@"+i.Version[:10])
	}
	return strings.Join(list, " ")
}

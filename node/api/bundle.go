package api

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// bundleName is the feed of the STIX objects behind values.
const bundleName = "stix.json"

// bundleTypes are those of all lists.
func bundleTypes() (all []stix.Type) {
	for _, name := range []string{"ip", "domain", "url", "hash"} {
		all = append(all, feed.Types(name)...)
	}
	return all
}

// writeBundle writes the objects whose claims put values into a feed, each once, in
// the order of the values: as they were signed, with their label's marking and
// their author, which stand before the first that names them.
func (d *Door) writeBundle(w io.Writer, list *feed.Entries, q storage.Query) error {
	seen := q.Visible
	q.Visible = func(h *protocol.Header) bool {
		return trust.Listed(h) && h.PAP <= protocol.PAPGreen && (seen == nil || seen(h))
	}
	out := &bundle{w: bufio.NewWriterSize(w, piece), name: sha256.New(), known: map[string]bool{}, authors: d.identities(), objects: map[objectPlace]bool{}}
	out.w.WriteString(`{"type":"bundle"`)
	for e := range list.All {
		claims, err := d.node.Store().Lookup(e.Observable, q)
		if err != nil {
			return fmt.Errorf("feed %s: %w", bundleName, err)
		}
		for i := range claims {
			if claims[i].Relation != storage.Exact {
				continue
			}
			if err := out.claim(&claims[i]); err != nil {
				return fmt.Errorf("feed %s: %w", bundleName, err)
			}
		}
	}
	return out.end()
}

// identities are the ids that stand for the organisations known here.
func (d *Door) identities() map[string]bool {
	ids := map[string]bool{taxii.IdentityID(d.node.Org()): true}
	for _, p := range d.node.Peers() {
		ids[taxii.IdentityID(p.Org)] = true
	}
	return ids
}

// A bundle is a STIX bundle on its way out. Its id is made of what it holds, so it
// stands at the end.
type bundle struct {
	w       *bufio.Writer
	name    hash.Hash
	n       int
	known   map[string]bool // markings and identities that are in it
	authors map[string]bool // identities of organisations: an object that names another than its signer does not keep that
	objects map[objectPlace]bool
}

type objectPlace struct {
	bulletin protocol.ID
	index    int
}

// claim writes the object of a claim, unless it did for another value of it.
func (b *bundle) claim(c *storage.Claim) error {
	place := objectPlace{c.Bulletin, c.Index}
	if b.objects[place] {
		return nil
	}
	b.objects[place] = true
	line, err := stix.Outlined(c.Object.Raw)
	if err != nil {
		return err
	}
	marking, definition := taxii.Marking(c.TLP)
	author, identity := taxii.Author(c.Org)
	b.once(marking, definition)
	b.once(author, identity)
	b.put(line.Export(make([]byte, 0, len(c.Object.Raw)+256), stix.Edition{Marking: marking, Author: author, Replace: line.CreatedByRef != author && b.authors[line.CreatedByRef]}))
	fmt.Fprintf(b.name, "%s %d\n", c.Bulletin, c.Index)
	return nil
}

func (b *bundle) once(id, object string) {
	if !b.known[id] {
		b.known[id] = true
		b.put([]byte(object))
	}
}

func (b *bundle) put(object []byte) {
	before := ","
	if b.n == 0 {
		before = `,"objects":[`
	}
	b.w.WriteString(before)
	b.w.Write(object)
	b.n++
}

func (b *bundle) end() error {
	if b.n > 0 { // an empty list is no STIX
		b.w.WriteString("]")
	}
	sum := b.name.Sum(nil)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // UUID version 8
	h := hex.EncodeToString(sum[:16])
	fmt.Fprintf(b.w, `,"id":"bundle--%s-%s-%s-%s-%s"}`+"\n", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
	return b.w.Flush()
}

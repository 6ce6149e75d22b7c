package taxii

import (
	"maps"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// A view is where markings and authors come first in what a group of askers sees
// of a collection. It is never changed: a newer one takes its place.
type view struct {
	silence uint64
	latest  storage.Moment // it holds up to there
	opened  map[protocol.ID]struct{}
	labels  map[protocol.TLP]storage.Moment // where a bulletin under the label comes first
	orgs    map[protocol.Org]storage.Moment // where one of the organisation does
}

type viewKey struct {
	root, collection string
	reader           trust.Reader
}

// A quiet is a moment behind which a group of askers saw nothing: polls that bring
// nothing need not pass over the same hidden bulletins each time.
type quiet struct {
	viewKey
	silence uint64
	after   storage.Moment
}

func (q *Question) group() viewKey { return viewKey{q.Root.Name, q.Collection.ID, q.Asker.Reader} }

// view returns the view of now.
func (s *Server) view(q *Question) *view {
	key := q.group()
	silence, latest := s.silence(), s.store.Latest()
	old, known := s.views.Get(key)
	known = known && old.silence == silence && old.latest <= latest && s.stands(old)
	if known && old.latest == latest {
		return old
	}
	v := &view{silence: silence, opened: map[protocol.ID]struct{}{}, labels: map[protocol.TLP]storage.Moment{}, orgs: map[protocol.Org]storage.Moment{}}
	if known {
		v.latest, v.opened, v.labels, v.orgs = old.latest, maps.Clone(old.opened), maps.Clone(old.labels), maps.Clone(old.orgs)
	}
	for b, err := range s.store.Openings(v.latest, storage.Query{Visible: q.Visible}, v.opened) {
		if err != nil {
			continue // it is wanted anew, and arrives then
		}
		if b.Moment > latest {
			delete(v.opened, b.Stream) // it came meanwhile
			break
		}
		if _, is := v.labels[b.Header.TLP]; !is {
			v.labels[b.Header.TLP] = b.Moment
		}
		if _, is := v.orgs[b.Header.Org()]; !is {
			v.orgs[b.Header.Org()] = b.Moment
		}
	}
	v.latest = latest
	s.views.Add(key, v)
	return v
}

// stands reports whether the bulletins that a view begins with are held still.
func (s *Server) stands(v *view) bool {
	for _, m := range v.labels {
		if !s.store.Begins(m) {
			return false
		}
	}
	for _, m := range v.orgs {
		if !s.store.Begins(m) {
			return false
		}
	}
	return true
}

// identityCreated is when every identity was made, as far as their bytes say: they
// are the same at every node and never change.
const identityCreated = "2026-01-01T00:00:00.000Z"

// IdentityID is the id of the identity object of an organisation.
func IdentityID(org protocol.Org) string { return stix.IdentityID(org[:]) }

// identity is the object that stands for an organisation. It is named by the
// fingerprint of its key, since a name that another node gives it is no part of
// what it is.
func (r *Root) identity(org protocol.Org) (id, object string) {
	id = r.rename(IdentityID(org))
	return id, `{"type":"identity","spec_version":"2.1","id":"` + id + `","created":"` + identityCreated + `","modified":"` + identityCreated +
		`","name":"Organisation ` + org.Fingerprint() + `","identity_class":"organization"}`
}

// ahead lists what goes ahead of a bulletin's objects: the marking of its label
// and its author, where both come first.
func (v *view) ahead(q *Question, h *protocol.Header, at storage.Moment) (list []Item) {
	if first, is := v.labels[h.TLP]; is && first == at {
		id, object := q.Root.marking(h.TLP)
		list = append(list, Item{ID: id, Version: q.Root.markingVersion(), Moment: at - 2, kind: "marking-definition", object: []byte(object)})
	}
	if first, is := v.orgs[h.Org()]; is && first == at {
		id, object := q.Root.identity(h.Org())
		list = append(list, Item{ID: id, Version: identityCreated, Moment: at - 1, kind: "identity", object: []byte(object)})
	}
	return list
}

// companions lists what goes ahead of any bulletin.
func (v *view) companions(q *Question) (list []Item) {
	for label, at := range v.labels {
		id, object := q.Root.marking(label)
		list = append(list, Item{ID: id, Version: q.Root.markingVersion(), Moment: at - 2, kind: "marking-definition", object: []byte(object)})
	}
	for org, at := range v.orgs {
		id, object := q.Root.identity(org)
		list = append(list, Item{ID: id, Version: identityCreated, Moment: at - 1, kind: "identity", object: []byte(object)})
	}
	return list
}

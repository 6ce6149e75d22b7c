package taxii

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A Collection is what one community shared, or everything.
type Collection struct {
	ID        string       `json:"id"`                 // a UUID of version 4, random
	Title     string       `json:"title"`              // unique, and the same for good
	Community protocol.ID  `json:"community,omitzero"` // zero: everything, AMBER and AMBER+STRICT too
	Post      protocol.TLP `json:"post,omitzero"`      // what is posted without a marking gets this label; none: nothing may be posted
}

// A Community is one that the node is in.
type Community struct {
	ID   protocol.ID
	Name string
}

const (
	collectionTable = "taxii"       // one row: the collections there ever were
	collectionRow   = "collections" //
	everything      = "everything"  // the title of the collection of all
)

// Writable reports whether anything can be posted to the collection in a root.
func (c *Collection) Writable(r *Root) bool { return !r.old && c.Post.Valid() }

func (c *Collection) description() string {
	switch {
	case c.Community.IsZero():
		return "All that this node may show to the caller, whatever its label and community."
	case c.Post.Valid():
		return "What the community shared. What is posted here without a marking goes to the community under " + c.Post.Label() + "."
	}
	return "What the community shared. Nothing can be posted here."
}

// Collections returns the collections of a node in these communities, by id. The
// first time a community is met its collection gets an id and a title.
func (s *Server) Collections(ctx context.Context, communities []Community) ([]Collection, error) {
	wanted := append([]Community{{Name: everything}}, communities...)
	all, err := s.collections()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(wanted, func(c Community) bool { return of(all, c.ID) == nil }) {
		if all, err = s.changeCollections(ctx, func(all []Collection) ([]Collection, error) { return withAll(all, wanted), nil }); err != nil {
			return nil, err
		}
	}
	var list []Collection
	for _, c := range wanted {
		list = append(list, *of(all, c.ID))
	}
	slices.SortFunc(list, func(a, b Collection) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Label says under which label what is posted to a collection goes to its
// community: CLEAR or GREEN; no label: nothing may be posted.
func (s *Server) Label(ctx context.Context, id string, label protocol.TLP) (Collection, error) {
	var changed Collection
	_, err := s.changeCollections(ctx, func(all []Collection) ([]Collection, error) {
		i := slices.IndexFunc(all, func(c Collection) bool { return c.ID == id })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%w: no collection %q", ErrNotFound, id)
		case label.Valid() && (all[i].Community.IsZero() || label > protocol.Green):
			return nil, fmt.Errorf("%w: what is posted goes to a whole community, under CLEAR or GREEN: %s to %q does not", ErrQuery, label.Label(), all[i].Title)
		}
		all[i].Post = label
		changed = all[i]
		return all, nil
	})
	return changed, err
}

func of(all []Collection, community protocol.ID) *Collection {
	if i := slices.IndexFunc(all, func(c Collection) bool { return c.Community == community }); i >= 0 {
		return &all[i]
	}
	return nil
}

// withAll adds what is missing. Tools find a collection by its title, so that it
// is given once, and of two communities with one name the later has the beginning
// of its id with it.
func withAll(all []Collection, wanted []Community) []Collection {
	for _, w := range wanted {
		if of(all, w.ID) != nil {
			continue
		}
		c := Collection{ID: newUUID(), Title: w.Name, Community: w.ID, Post: protocol.Green}
		if w.ID.IsZero() {
			c.Post = protocol.Unlabelled
		}
		taken := func(t string) bool {
			return slices.ContainsFunc(all, func(c Collection) bool { return strings.EqualFold(c.Title, t) })
		}
		for n := 8; taken(c.Title); n += 8 {
			c.Title = fmt.Sprintf("%s (%.*s)", w.Name, n, w.ID.String())
		}
		all = append(all, c)
	}
	return all
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return formatUUID(versionFour(b))
}

func (s *Server) collections() (all []Collection, err error) {
	row, ok, err := s.store.Table(collectionTable).Load([]byte(collectionRow))
	if err != nil || !ok {
		return nil, err
	}
	return readCollections(row)
}

func readCollections(row []byte) (all []Collection, err error) {
	if err = json.Unmarshal(row, &all); err != nil {
		return nil, fmt.Errorf("the list of TAXII collections: %w", err)
	}
	return all, nil
}

// changeCollections changes the list in one step.
func (s *Server) changeCollections(ctx context.Context, change func([]Collection) ([]Collection, error)) (all []Collection, err error) {
	err = s.store.Table(collectionTable).Update(ctx, []byte(collectionRow), func(old []byte, ok bool) ([]byte, error) {
		var before []Collection
		if ok {
			if before, err = readCollections(old); err != nil {
				return nil, err
			}
		}
		after, err := change(before)
		if err != nil {
			return nil, err
		}
		all = after
		return json.Marshal(after)
	})
	return all, err
}

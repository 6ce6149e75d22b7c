package taxii

import (
	"errors"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

var (
	// ErrQuery: the request cannot be understood.
	ErrQuery = errors.New("bad request")
	// ErrPlace: `next` leads nowhere any more; begin again without it.
	ErrPlace = errors.New("begin again without next")
	// ErrNotFound: no such collection, object or status, as far as the caller may know.
	ErrNotFound = errors.New("not found")
	// ErrContent: a body that is no envelope and no bundle.
	ErrContent = errors.New("nothing that can be added")
)

// Config is what a server is made of. Its functions say what only the node knows.
type Config struct {
	Store   *storage.Store
	Silence func() uint64                                 // a number that changes when the word of others ceases to count, or counts again
	Orgs    func() []protocol.Org                         // those known here
	Bound   func(h *protocol.Header, o *stix.Object) bool // whether an object's id is one that only its author makes
}

// A Server answers for one node. It holds nothing but a few caches.
type Server struct {
	store   *storage.Store
	silence func() uint64
	orgs    func() []protocol.Org
	bound   func(h *protocol.Header, o *stix.Object) bool
	places  places
	views   *lru.Cache[viewKey, *view]
	quiets  *lru.Cache[quiet, storage.Moment] // up to where there was nothing to see
}

const (
	maxViews  = 256  // groups of askers of whom it is remembered which markings and authors come first where
	maxQuiets = 4096 // places behind which there was nothing
)

// New makes a server.
func New(c Config) *Server {
	views, err := lru.New[viewKey, *view](maxViews)
	quiets, bad := lru.New[quiet, storage.Moment](maxQuiets)
	if err != nil || bad != nil {
		panic("a cache of no size") // which both have
	}
	return &Server{store: c.Store, silence: c.Silence, orgs: c.Orgs, bound: c.Bound, places: newPlaces(c.Store.ID()), views: views, quiets: quiets}
}

// An Asker is who asks, and what it may see.
type Asker struct {
	Reader  trust.Reader // those who are equal see the same
	Visible func(h *protocol.Header) bool
}

// A Question is what is asked of a collection.
type Question struct {
	Root       Root
	Collection Collection
	Asker      Asker
	Kind       Kind
	Object     string // its id, of [OfObject] and [OfVersions]
	Query      map[string][]string

	identities map[string]bool // of the organisations known; see [Server.identity]
}

// A Kind is what is asked for.
type Kind string

// Kinds.
const (
	OfObjects  Kind = "objects"
	OfManifest Kind = "manifest"
	OfObject   Kind = "object"
	OfVersions Kind = "versions"
)

// Visible is what the asker sees of the collection in the root. An export has
// neither RED nor exercises, whoever asks.
func (q *Question) Visible(h *protocol.Header) bool {
	in := q.Collection.Community.IsZero() || h.Community == q.Collection.Community
	return in && trust.Listed(h) && q.Root.shows(h.TLP) && q.Asker.Visible(h)
}

package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// This file is HTTP for package taxii: routes, who asks, and saying what is posted.

// taxiiPath is what the paths of TAXII begin with, those too that lead nowhere.
const taxiiPath = "/taxii2"

func newTAXII(n *node.Node) *taxii.Server {
	return taxii.New(taxii.Config{
		Store: n.Store(), Silence: n.Silence,
		Orgs: func() []protocol.Org {
			orgs := []protocol.Org{n.Org()}
			for _, p := range n.Peers() {
				orgs = append(orgs, p.Org)
			}
			return orgs
		},
		Bound: func(h *protocol.Header, o *stix.Object) bool {
			if len(o.Claims) != 1 {
				return false
			}
			c := storage.Claim{Org: h.Org(), Community: h.Community, TLP: h.TLP, Audience: h.Audience, Observable: o.Claims[0]}
			return node.IDOf(&c) == o.ID
		},
	})
}

// taxiiRoutes are the routes of TAXII, and those to see and set up its collections.
func (d *Door) taxiiRoutes() []route {
	const root, collection = taxiiPath + "/{root}/", taxiiPath + "/{root}/collections/{id}/"
	list := []route{
		{method: "GET", path: taxiiPath + "/", summary: "TAXII 2.1: the API roots", right: read, answer: taxii.Discovery{}, serve: d.taxiiDiscovery},
		{method: "GET", path: root, summary: "An API root: tlp2, or tlp1 for tools that know no TLP 2.0", right: read, answer: taxii.APIRoot{}, serve: d.taxiiRoot},
		{method: "GET", path: root + "status/{id}/", summary: "What became of a POST, for 24 hours", right: read, answer: taxii.StatusResource{}, serve: d.taxiiStatus},
		{method: "GET", path: root + "collections/", summary: "The collections: each community, and everything", right: read, answer: taxii.Collections{}, serve: d.taxiiCollections},
		{method: "GET", path: collection, summary: "A collection", right: read, answer: taxii.CollectionResource{}, serve: d.taxiiCollection},
		{method: "GET", path: collection + "manifest/", summary: "What a page of a collection has", right: read, query: taxiiParams(taxii.OfManifest), answer: jsontext.Value("{}"), serve: d.taxiiPage(taxii.OfManifest)},
		{method: "GET", path: collection + "objects/", summary: "A page of a collection", right: read, query: taxiiParams(taxii.OfObjects), answer: jsontext.Value("{}"), serve: d.taxiiPage(taxii.OfObjects)},
		{method: "POST", path: collection + "objects/", summary: "Say objects to a community, under the collection's label", right: say,
			takes: []string{taxii.TypeTAXII, taxii.TypeSTIX}, limit: submitBody, answer: taxii.StatusResource{}, serve: d.taxiiPost},
		{method: "GET", path: collection + "objects/{object}/", summary: "The versions of an object", right: read, query: taxiiParams(taxii.OfObject), answer: jsontext.Value("{}"), serve: d.taxiiPage(taxii.OfObject)},
		{method: "DELETE", path: collection + "objects/{object}/", summary: "Have every holder destroy an object that we said, with all its versions; operators alone", right: read, query: taxiiParams(taxii.OfObject)[3:], serve: d.taxiiDelete},
		{method: "GET", path: collection + "objects/{object}/versions/", summary: "Which versions of an object there are", right: read, query: taxiiParams(taxii.OfVersions), answer: jsontext.Value("{}"), serve: d.taxiiPage(taxii.OfVersions)},
	}
	for i := range list {
		r := &list[i]
		r.path, r.gives, r.lenient, r.refuse, r.serve = r.path+"{$}", taxii.MediaType, true, refuseTAXII, negotiated(r.serve)
	}
	return append(list,
		get("/v1/collections", "The TAXII collections, and the label of what is posted to each", read, d.listCollections),
		route{method: "POST", path: "/v1/collections/{id}", summary: "Say which label what is posted to a TAXII collection gets, or that nothing may be", right: operate,
			takes: []string{typeJSON}, limit: smallBody, body: CollectionRequest{}, answer: taxii.Collection{}, serve: d.serveLabel})
}

func taxiiParams(kind taxii.Kind) []param {
	list := []param{
		{name: "added_after", about: "timestamp: what came to this node later than that"},
		{name: "limit", about: "1 to 1000 objects; 1000 when left out"},
		{name: "next", about: "of the page before"},
	}
	for _, field := range taxii.Fields(kind) {
		list = append(list, param{name: "match[" + field + "]", about: "one or more values with commas between them"})
	}
	return list
}

// refuseTAXII tells a failure as TAXII does.
func refuseTAXII(w http.ResponseWriter, p *Problem) {
	text := p.Detail
	if p.Hint != "" {
		text = strings.TrimPrefix(text+": "+p.Hint, ": ")
	}
	body, err := json.Marshal(taxii.ErrorResource{
		Title: p.Title, Description: strings.ToValidUTF8(text, "\ufffd"), ErrorID: p.Type, HTTPStatus: strconv.Itoa(p.Status),
	})
	if err != nil {
		p.write(w)
		return
	}
	w.Header().Set("Content-Type", taxii.MediaType)
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}

// taxiiError is an error of the room as a problem.
func taxiiError(err error) error {
	switch {
	case errors.Is(err, taxii.ErrQuery):
		return kindUsage.problem(plain(err, taxii.ErrQuery), "")
	case errors.Is(err, taxii.ErrPlace):
		p := kindUsage.problem(plain(err, taxii.ErrPlace), "the next attempt goes on with added_after")
		p.Title = "Begin again without next"
		return p
	case errors.Is(err, taxii.ErrNotFound):
		return kindNotFound.problem(plain(err, taxii.ErrNotFound), "")
	case errors.Is(err, taxii.ErrContent):
		return &Problem{Type: problemType + "content", Title: "Nothing that can be added", Status: http.StatusUnprocessableEntity, Detail: plain(err, taxii.ErrContent)}
	}
	return err
}

// negotiated answers only those who can read the answer.
func negotiated(serve func(*answerWriter, *http.Request) error) func(*answerWriter, *http.Request) error {
	return func(w *answerWriter, req *http.Request) error {
		if !taxii.Acceptable(req.Header.Values("Accept")) {
			return &Problem{Type: problemType + "not-acceptable", Title: "Not acceptable", Status: http.StatusNotAcceptable,
				Detail: "Accept leaves out " + taxii.MediaType + ", which is all there is"}
		}
		return taxiiError(serve(w, req))
	}
}

func sendTAXII(w *answerWriter, req *http.Request, status int, body []byte) error {
	w.Header().Set("Content-Type", taxii.MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if req.Method == http.MethodHead {
		return nil
	}
	for part := range slices.Chunk(body, piece) {
		if _, err := w.Write(part); err != nil {
			return nil // a caller that went away cannot be told
		}
	}
	return nil
}

func sendResource(w *answerWriter, req *http.Request, status int, resource any) error {
	body, err := encode(resource)
	if err != nil {
		return err
	}
	return sendTAXII(w, req, status, append(body, '\n'))
}

func (d *Door) taxiiDiscovery(w *answerWriter, req *http.Request) error {
	return sendResource(w, req, http.StatusOK, taxii.Discover("Tocsin node of "+d.node.Identity().Org))
}

func (d *Door) taxiiRoot(w *answerWriter, req *http.Request) error {
	root, err := rootOf(req)
	if err != nil {
		return err
	}
	return sendResource(w, req, http.StatusOK, root.Resource(submitBody))
}

func rootOf(req *http.Request) (taxii.Root, error) {
	root, ok := taxii.FindRoot(req.PathValue("root"))
	if !ok {
		return root, kindNotFound.problem("no such API root", "see "+taxiiPath+"/")
	}
	return root, nil
}

func (d *Door) collections(ctx context.Context) ([]taxii.Collection, error) {
	var communities []taxii.Community
	for _, c := range d.node.Communities() {
		communities = append(communities, taxii.Community{ID: c.ID, Name: c.Name})
	}
	return d.taxii.Collections(ctx, communities)
}

// collectionOf finds what a path names.
func (d *Door) collectionOf(req *http.Request) (taxii.Root, taxii.Collection, error) {
	root, err := rootOf(req)
	if err != nil {
		return root, taxii.Collection{}, err
	}
	list, err := d.collections(req.Context())
	if err != nil {
		return root, taxii.Collection{}, err
	}
	i := slices.IndexFunc(list, func(c taxii.Collection) bool { return c.ID == req.PathValue("id") })
	if i < 0 {
		return root, taxii.Collection{}, kindNotFound.problem("no such collection", "")
	}
	return root, list[i], nil
}

func (d *Door) taxiiCollections(w *answerWriter, req *http.Request) error {
	root, err := rootOf(req)
	if err != nil {
		return err
	}
	list, err := d.collections(req.Context())
	if err != nil {
		return err
	}
	var answer taxii.Collections
	for i := range list {
		answer.Collections = append(answer.Collections, list[i].Resource(&root, w.caller.role.may(say)))
	}
	return sendResource(w, req, http.StatusOK, answer)
}

func (d *Door) taxiiCollection(w *answerWriter, req *http.Request) error {
	root, c, err := d.collectionOf(req)
	if err != nil {
		return err
	}
	return sendResource(w, req, http.StatusOK, c.Resource(&root, w.caller.role.may(say)))
}

// taxiiPage answers with a page, and the dates of its first and last object.
func (d *Door) taxiiPage(kind taxii.Kind) func(*answerWriter, *http.Request) error {
	return func(w *answerWriter, req *http.Request) error {
		root, c, err := d.collectionOf(req)
		if err != nil {
			return err
		}
		page, err := d.taxii.Answer(req.Context(), taxii.Question{
			Root: root, Collection: c, Kind: kind, Object: req.PathValue("object"), Query: req.URL.Query(),
			Asker: taxii.Asker{Reader: w.caller.reader, Visible: d.query(w.caller).Visible},
		})
		if err != nil {
			return err
		}
		if page.First != "" {
			w.Header().Set("X-TAXII-Date-Added-First", page.First)
			w.Header().Set("X-TAXII-Date-Added-Last", page.Last)
		}
		return sendTAXII(w, req, http.StatusOK, page.AppendJSON(nil))
	}
}

// taxiiDelete erases an object of ours, with all its versions, from where the
// collection is of: what was said to others stays.
func (d *Door) taxiiDelete(w *answerWriter, req *http.Request) error {
	root, c, err := d.collectionOf(req)
	if err != nil {
		return err
	}
	q := taxii.Question{
		Root: root, Collection: c, Kind: taxii.OfObject, Object: req.PathValue("object"), Query: req.URL.Query(),
		Asker: taxii.Asker{Reader: w.caller.reader, Visible: d.query(w.caller).Visible},
	}
	whole, err := d.taxii.Whole(req.Context(), q)
	switch {
	case err != nil:
		return err
	case !c.Writable(&root) || !w.caller.role.may(say):
		return kindForbidden.problem("nothing can be deleted from this collection", "")
	case !w.caller.role.may(operate):
		return kindForbidden.problem("to delete is to have every holder destroy it, which is the operator's", "take back what your organisation said with `tocsin revoke`, or POST /v1/revoke")
	case !whole:
		return kindForbidden.problem("an object is erased with all its versions", "leave match[version] out")
	}
	_, err = d.node.Erase(req.Context(), node.Selection{IDs: []string{q.Object}, Visible: q.Visible})
	if errors.Is(err, node.ErrNotFound) {
		return kindForbidden.problem("another organisation said it, which alone takes it back", "`tocsin peer block` ends that its word counts here")
	}
	if err != nil {
		return err
	}
	return sendTAXII(w, req, http.StatusOK, nil)
}

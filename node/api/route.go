package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
)

// A route is one line of the table below.
type route struct {
	method, path string
	summary      string
	right        right
	local        bool     // for the local socket only
	whole        bool     // its answer counts over all that is held; see wholeFrom
	query        []param  // what it takes, nothing else
	takes        []string // media types of its body
	limit        int64    // of its body in bytes; 0 with a body: streamed, bounded piece by piece
	lenient      bool     // parameters that it does not know are passed over, as others do whose contract it keeps
	feeds        bool     // programs of this host may have it without a token, where the configuration says so
	secret       bool     // its path has the token
	gives        string   // media type of its answer
	body, answer any      // values of the types of JSON bodies, for OpenAPI
	serve        func(w *answerWriter, req *http.Request) error
	refuse       func(w http.ResponseWriter, p *Problem) // how it tells a failure; nil: as problem details
}

type param struct {
	name, about string
	many        bool
}

func (r *route) pattern() string { return r.method + " " + r.path }

func paramNames(list []param) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

const (
	typeJSON   = "application/json"
	typeSTIX   = "application/stix+json"
	typeLines  = "application/x-ndjson"
	typeEvents = "text/event-stream"

	typeArchive = "application/vnd.tocsin.archive"
)

// Limits of bodies.
const (
	smallBody  = 64 << 10
	submitBody = 8 << 20
	lookupBody = 4 << 20
)

// table is every route there is.
func (d *Door) table() []route {
	return []route{
		{method: "POST", path: "/v1/bulletins", summary: "Say values or STIX objects under one label", right: say,
			query: submitParams(), takes: []string{typeJSON, typeSTIX}, limit: submitBody, body: SubmitRequest{}, answer: SubmitAnswer{}, serve: d.serveSubmit},
		{method: "POST", path: "/v1/import", summary: "Say what a file in any supported format holds; the body streams", right: say,
			query: importParams(), takes: importTypes(), gives: typeLines, answer: ImportEvent{}, serve: d.serveImport},
		{method: "GET", path: "/v1/bulletins/{id}", summary: "Where one of our bulletins is held", right: oversee,
			answer: node.Delivery{}, serve: d.serveDelivery},
		{method: "GET", path: "/v1/lookup", summary: "Who says what about one value", right: read,
			query: lookupParams(), answer: Lookup{}, serve: d.serveLookup},
		{method: "POST", path: "/v1/lookup", summary: "Who says what about many values", right: read,
			takes: []string{typeJSON, typeLines}, limit: lookupBody, body: LookupRequest{}, answer: LookupAnswer{}, serve: d.serveLookups},
		{method: "GET", path: "/v1/search", summary: "One page of what is held, filtered", right: read,
			query: searchParams(), answer: SearchAnswer{}, serve: d.serveSearch},
		{method: "GET", path: "/v1/changes", summary: "Adds and removes since a cursor", right: read,
			query: changesParams(), gives: typeLines, answer: Change{}, serve: d.serveChanges},
		{method: "GET", path: "/v1/watch", summary: "Adds and removes as they come, as server-sent events", right: read,
			query: watchParams(), gives: typeEvents, answer: Change{}, serve: d.serveWatch},
		{method: "GET", path: "/v1/objects/{id}", summary: "A STIX object by its id or a foreign alias", right: read,
			answer: ObjectAnswer{}, serve: d.serveObject},
		{method: "GET", path: "/v1/archive", summary: "An archive of what organisations may see, for a medium people carry", right: operate, whole: true,
			query: exportParams(), gives: typeArchive, serve: d.serveExport},
		{method: "POST", path: "/v1/archive", summary: "Take in an archive; the body streams", right: operate, whole: true,
			takes: []string{typeArchive}, answer: node.ArchiveReport{}, serve: d.serveUnpack},
		get("/v1/status", "The state of the node at a glance", read, d.status).counting(),
		get("/v1/identity", "Who the node is", read, d.identity),
		get("/v1/doctor", "What the node finds right and wrong with itself", oversee, d.doctor).counting(),
		get("/v1/store/check", "Read the whole store again and say what is wrong with it", oversee, d.checkWholeStore).counting().atHome(),
		{method: "GET", path: "/v1/backup", summary: "All that the store holds, to restore it from", right: operate, local: true, whole: true, gives: typeBackup, serve: d.serveBackup},
		get("/v1/communities", "The communities the node is in", read, d.communities),
		post("/v1/communities", "Found a community", d.createCommunity),
		post("/v1/invites", "Make a token that lets one organisation in", d.invite),
		post("/v1/join", "Redeem an invite", d.join),
		post("/v1/certificates", "Load a certificate of our organisation's, for this node or another", d.loadCertificate),
		get("/v1/peers", "The nodes the node knows", read, d.peers),
		post("/v1/peers", "Tell an address to dial", d.addPeer),
		d.peerRoute(),
		about("/v1/peers/{org}/trust", "Say how far an organisation is believed", d.trustPeer),
		about("/v1/peers/{org}/name", "Give an organisation a name", d.namePeer),
		about("/v1/peers/{org}/block", "Cut an organisation off, here and at once", d.blockPeer),
		about("/v1/peers/{org}/release", "Undo a block, or lift a quarantine", d.releasePeer),
		about("/v1/peers/{org}/remove", "End an organisation's membership", d.removePeer),
		post("/v1/revocations", "End the key of a node of our organisation", d.revokeNode),
		get("/v1/groups", "The sharing groups the node knows", say, d.groups).counting(),
		post("/v1/groups", "Found a sharing group", d.createGroup),
		post("/v1/rosters", "Say the next version of a sharing group of ours", d.changeGroup),
		get("/v1/clients", "Our clients, whom AMBER goes on to", say, d.clients).counting(),
		post("/v1/clients", "Declare a client, or end that", d.changeClient),
		{method: "GET", path: "/v1/who", summary: "Who would get something and who would not, each with the rule", right: say, whole: true,
			query: whoParams(), answer: WhoAnswer{}, serve: d.serveWho},
		{method: "POST", path: "/v1/revoke", summary: "Take back what we said: it no longer counts", right: say,
			takes: []string{typeJSON}, limit: smallBody, body: TakeBackRequest{}, answer: TakeBackAnswer{}, serve: d.takeBack(d.node.Revoke)},
		{method: "POST", path: "/v1/erase", summary: "Have every holder destroy what we said", right: operate,
			takes: []string{typeJSON}, limit: smallBody, body: TakeBackRequest{}, answer: TakeBackAnswer{}, serve: d.takeBack(d.node.Erase)},
		get("/v1/tokens", "The tokens in force", operate, d.listTokens).atHome(),
		post("/v1/tokens", "Make a bearer token, shown once", d.createToken).atHome(),
		{method: "DELETE", path: "/v1/tokens/{id}", summary: "End a token", right: operate, local: true, serve: func(w *answerWriter, req *http.Request) error {
			return d.sendDone(w, d.deleteToken(req.Context(), req.PathValue("id")))
		}},
		{method: "GET", path: "/metrics", summary: "Figures for Prometheus", right: measure, gives: "text/plain", serve: d.metrics.serve},
		{method: "GET", path: "/healthz", summary: "200 while the node serves", right: anyone, gives: "text/plain", serve: serveHealthy},
		{method: "GET", path: "/readyz", summary: "204 when its store and its audit journal work", right: anyone, serve: d.serveReady},
		{method: "GET", path: "/openapi.json", summary: "This list", right: read, answer: jsontext.Value("{}"), serve: d.serveOpenAPI},
	}
}

func (r route) counting() route { r.whole = true; return r }
func (r route) atHome() route   { r.local = true; return r }

// get is a route that answers with what a function returns.
func get[A any](path, summary string, need right, answer func(context.Context) (A, error)) route {
	var a A
	return route{method: "GET", path: path, summary: summary, right: need, answer: a, serve: func(w *answerWriter, req *http.Request) error {
		a, err := answer(req.Context())
		if err != nil {
			return err
		}
		return sendJSON(w, a)
	}}
}

// post is a route for the operator that takes and gives JSON.
func post[R, A any](path, summary string, do func(context.Context, R) (A, error)) route {
	return about(path, summary, func(ctx context.Context, _ string, r R) (A, error) { return do(ctx, r) })
}

// nothing is the answer of a route that only says that it is done.
type nothing struct{}

// about is post for a path with an {org} in it.
func about[R, A any](path, summary string, do func(ctx context.Context, org string, r R) (A, error)) route {
	var r R
	var a A
	serve := func(w *answerWriter, req *http.Request) error {
		var r R
		if err := decodeJSON(req, &r); err != nil {
			return err
		}
		a, err := do(req.Context(), req.PathValue("org"), r)
		if err != nil {
			return err
		}
		if _, empty := any(a).(nothing); empty {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return sendJSON(w, a)
	}
	route := route{method: "POST", path: path, summary: summary, right: operate, takes: []string{typeJSON}, limit: smallBody, body: r, serve: serve}
	if _, empty := any(a).(nothing); !empty {
		route.answer = a
	}
	return route
}

// decodeJSON reads a body strictly: unknown and duplicate names, names in
// another case, bad UTF-8 and trailing data are errors.
func decodeJSON(req *http.Request, into any) error {
	return bodyError(json.UnmarshalRead(req.Body, into, json.RejectUnknownMembers(true)))
}

// bodyError makes what is wrong with a body the sender's fault, and says where
// it is, unless it is too large, which is a problem of its own.
func bodyError(err error) error {
	var meaning *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil || problemOf(err).Status == http.StatusRequestEntityTooLarge:
		return err
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &meaning):
		return kindUsage.errorf("the body, at %s: unknown name", place(meaning.JSONPointer))
	case errors.As(err, &meaning) && meaning.Err != nil:
		return kindUsage.errorf("the body, at %s: %v", place(meaning.JSONPointer), meaning.Err)
	case errors.As(err, &meaning):
		return kindUsage.errorf("the body, at %s: a %s does not belong there", place(meaning.JSONPointer), kindName(meaning.JSONKind))
	case errors.As(err, &syntax):
		return kindUsage.errorf("the body, at %s, byte %d: %v", place(syntax.JSONPointer), syntax.ByteOffset, syntax.Err)
	}
	return kindUsage.errorf("the body: %v", err)
}

func place(p jsontext.Pointer) string {
	if p == "" {
		return "its top"
	}
	return string(p)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "JSON object"
	case '[':
		return "JSON list"
	}
	return "JSON " + k.String()
}

// encode writes maps in order, and STIX objects with the strings and numbers
// they were signed with.
func encode(answer any) ([]byte, error) {
	return json.Marshal(answer, json.Deterministic(true), jsontext.PreserveRawStrings(true))
}

func sendJSON(w http.ResponseWriter, answer any) error {
	b, err := encode(answer)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Write(append(b, '\n')) // a caller that went away cannot be told
	return nil
}

func (d *Door) sendDone(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

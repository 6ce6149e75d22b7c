package api

import (
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// A caller is who makes a request.
type caller struct {
	role   Role
	reader trust.Reader
	token  string // its id; "" at the local socket without one
	local  bool   // came by the local socket
	nobody bool   // showed no token that is in force

	loopback bool // showed none, and is let in for the feeds
}

// wholeFrom is the clearance from which on figures about the whole store are
// shown, to those who may see every PAP level: they count all labels but RED,
// whether the store holds any or not.
const wholeFrom = protocol.AmberStrict

func (c caller) seesWhole() bool {
	return c.reader.Clearance >= wholeFrom && c.reader.PAP == protocol.PAPRed
}

// operatorAtHome is the node's own user, who acts for the organisation.
func (c caller) operatorAtHome() bool {
	return c.local && !c.nobody && c.role == Operator && c.reader.Person == ""
}

// find lets a request through to its route, or says why not.
func (d *Door) find(w *answerWriter, req *http.Request) error {
	if err := d.checkHost(req); err != nil {
		return err
	}
	if clean := path.Clean(req.URL.EscapedPath()); clean != req.URL.EscapedPath() && clean+"/" != req.URL.EscapedPath() {
		return kindNotFound.problem("no such route", "see /openapi.json")
	}
	if h, pattern := d.mux.Handler(req); pattern == "" || !isRoute(h) {
		return d.noRoute(w, req)
	}
	d.mux.ServeHTTP(w, req)
	return nil
}

// isRoute tells a route from the mux's own way to send a path without its last
// slash elsewhere, which would tell the path, secret or not, to whoever asks.
func isRoute(h http.Handler) bool {
	_, is := h.(http.HandlerFunc)
	return is
}

// noRoute tells a wrong method from a wrong path.
func (d *Door) noRoute(w *answerWriter, req *http.Request) error {
	var allowed []string
	for _, method := range []string{"GET", "POST", "DELETE"} {
		probe := &http.Request{Method: method, URL: req.URL, Host: req.Host}
		if h, pattern := d.mux.Handler(probe); pattern != "" && isRoute(h) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return kindNotFound.problem("no such route", "see /openapi.json")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return kindMethod.problem(fmt.Sprintf("this route takes %s", strings.Join(allowed, ", ")), "")
}

// answer guards a route, and calls what serves it.
func (d *Door) answer(w *answerWriter, req *http.Request, r *route) {
	w.route, w.refuse = r.path, r.refuse
	err := d.guard(w, req, r)
	req = w.caller.inName(req)
	if err == nil {
		err = r.serve(w, req)
	}
	d.noteUse(w, req, r, err)
	if err != nil {
		d.fail(w, req, err)
	}
}

// guard is the whole way in, the same for every route.
func (d *Door) guard(w *answerWriter, req *http.Request, r *route) error {
	if err := d.origin.Check(req); err != nil {
		return kindOrigin.problem("a page of another site made this request", "")
	}
	if err := d.authorize(w, req, r); err != nil {
		return err
	}
	if err := checkQuery(req, r); err != nil {
		return err
	}
	return checkBody(w, req, r)
}

func (d *Door) authorize(w *answerWriter, req *http.Request, r *route) error {
	who, err := w.who(req)
	switch {
	case err != nil:
	case r.secret:
		who, err = d.inPath(req)
	case who.nobody && r.feeds:
		who = d.neighbour(req)
	}
	w.caller = who
	switch {
	case r.right == anyone:
		return nil
	case err == nil && who.nobody && who.local:
		return kindToken.problem("the token is not in force here", "unset TOCSIN_TOKEN to act as the operator, or make a token with `tocsin token create`")
	case err != nil || who.nobody:
		w.Header()["Www-Authenticate"] = challenges()
		return kindToken.problem("this route needs a valid token", "make one with `tocsin token create`, and send it as `Authorization: Bearer TOKEN`, as the password of any user, or as X-Api-Key")
	case r.local && !who.local:
		return kindForbidden.problem("this route is for the local socket", "use the command line on the node's own host")
	case !who.role.may(r.right) && !d.mayReview(who, r):
		return kindForbidden.problem(fmt.Sprintf("role %s may not do this", who.role), "ask the operator for a token with another role")
	case r.whole && !who.seesWhole():
		return kindForbidden.problem("these figures count what lies above this token's clearance",
			"ask the operator for a token cleared for "+wholeFrom.String()+" and for PAP red")
	}
	return nil
}

// checkHost keeps pages that had their name point to this host out (DNS
// rebinding): a request must name the node as something that it is.
func (d *Door) checkHost(req *http.Request) error {
	name := hostName(req.Host)
	addr, err := netip.ParseAddr(name)
	switch {
	case name == "localhost" || strings.HasSuffix(name, ".localhost") || d.hosts[name]:
		return nil
	case err == nil && addr.Unmap().IsLoopback():
		return nil
	case err == nil && addr.Unmap() == localAddr(req):
		return nil
	}
	return kindHost.problem(fmt.Sprintf("%q is not a name of this node", req.Host), "add it to `hosts` in the configuration")
}

// hostName returns a Host header's name: no port, no brackets, no dot at the
// end, small letters.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// localAddr returns the address a request came to.
func localAddr(req *http.Request) netip.Addr {
	addr, ok := req.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(addr.IP)
	return ip.Unmap()
}

func checkQuery(req *http.Request, r *route) error {
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return kindUsage.errorf("the query: %v", err)
	}
	for name, values := range query {
		i := slices.IndexFunc(r.query, func(p param) bool { return p.name == name })
		switch {
		case i < 0 && r.lenient:
		case i < 0 && len(r.query) == 0:
			return kindUsage.errorf("unknown parameter %q: this route takes none", name)
		case i < 0:
			return kindUsage.errorf("unknown parameter %q: this route takes %s", name, paramNames(r.query))
		case len(values) > 1 && !r.query[i].many:
			return kindUsage.errorf("parameter %q is given more than once", name)
		}
	}
	return nil
}

// checkBody checks the type of a body and limits its size.
func checkBody(w *answerWriter, req *http.Request, r *route) error {
	if len(r.takes) == 0 {
		if req.ContentLength > 0 || req.ContentLength < 0 && req.Body != http.NoBody {
			return kindUsage.errorf("this route takes no body")
		}
		return nil
	}
	given := req.Header.Get("Content-Type")
	mediaType, params, err := mime.ParseMediaType(given)
	if err != nil || !slices.Contains(r.takes, mediaType) {
		return kindMediaType.problem(fmt.Sprintf("Content-Type %q: this route takes %s", given, strings.Join(r.takes, ", ")),
			fmt.Sprintf("with curl: -H 'Content-Type: %s'", r.takes[0]))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return kindMediaType.errorf("charset %q: send UTF-8", charset)
	}
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return kindMediaType.errorf("Content-Encoding %q: send the body as it is", encoding)
	}
	w.control.SetReadDeadline(time.Now().Add(slowest))
	req.Body = &timedBody{ReadCloser: req.Body, control: w.control, rolling: r.limit == 0}
	if r.limit > 0 {
		req.Body = http.MaxBytesReader(w, req.Body, r.limit)
	}
	return nil
}

// A timedBody is a body that must come within a minute, or, where it streams,
// go on coming. Once it is over the connection waits for nothing more.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
	rolling bool
}

func (b *timedBody) Read(p []byte) (int, error) {
	if b.rolling {
		b.control.SetReadDeadline(time.Now().Add(slowest))
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

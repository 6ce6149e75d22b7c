package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// This file finds out who a request comes from. A token is shown in the header
// Authorization, as `Bearer TOKEN`, `Token TOKEN` or Basic with the token as the
// password of any user, or as X-Api-Key, on every route. Consumers that send no
// header have a token of their own, made for paths and good for nothing else, or
// come from the node's own host where the configuration lets them.

// apiKey is the header of tools that know no other.
const apiKey = "X-Api-Key"

// challenges are the ways to show a token that a 401 offers.
func challenges() []string {
	return []string{`Bearer realm="tocsin"`, `Basic realm="tocsin", charset="UTF-8"`}
}

// shows reports whether a request says who it comes from, in whatever way.
func shows(req *http.Request) bool {
	return req.Header["Authorization"] != nil || req.Header[apiKey] != nil
}

// shownSecret is the token of a request's headers, "" for none. Authorization
// decides where there are both.
func shownSecret(req *http.Request) string {
	if req.Header["Authorization"] == nil {
		return req.Header.Get(apiKey)
	}
	scheme, text, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer", "token":
		return text
	case "basic":
		_, password, _ := req.BasicAuth()
		return password
	}
	return ""
}

// bearer finds out who a request comes from by its headers.
func (d *Door) bearer(req *http.Request) (caller, error) { return d.holder(shownSecret(req), false) }

// inPath finds out who a request comes from by the token in its path.
func (d *Door) inPath(req *http.Request) (caller, error) {
	return d.holder(req.PathValue("token"), true)
}

// holder is who a token is for. One made for paths is good in paths alone, and no
// other is: paths end up in the logs of others. A token is 256 random bits, so its
// hash needs no salt, and finding its record by a part of the hash tells nothing
// that helps guessing.
func (d *Door) holder(secret string, path bool) (caller, error) {
	nobody := caller{nobody: true}
	if len(secret) > maxTokenLen || !strings.HasPrefix(secret, tokenPrefix) {
		return nobody, nil
	}
	hash := sha256.Sum256([]byte(secret))
	row, ok, err := d.node.Store().Table(tokenTable).Load([]byte(tokenID(hash)))
	if err != nil || !ok {
		return nobody, err
	}
	record, err := readToken(row)
	if err != nil {
		return nobody, err
	}
	if subtle.ConstantTimeCompare([]byte(record.Hash), []byte(hex.EncodeToString(hash[:]))) != 1 || record.Path != path {
		return nobody, nil
	}
	return caller{token: record.ID, role: record.Role, reader: trust.Reader{Clearance: record.Clearance, PAP: record.PAP, Person: record.Person}}, nil
}

// neighbour is who a request to a feed comes from that shows nothing: a program of
// this host, where the configuration has a clearance for those. What a proxy on
// this host passes on comes from elsewhere, and so does what the page of another
// site asks for.
func (d *Door) neighbour(req *http.Request) caller {
	from, err := netip.ParseAddrPort(req.RemoteAddr)
	forwarded := req.Header["Forwarded"] != nil || req.Header["X-Forwarded-For"] != nil || req.Header["X-Real-Ip"] != nil || req.Header["Via"] != nil
	site := req.Header.Get("Sec-Fetch-Site")
	if d.loopback == protocol.Unlabelled || shows(req) || err != nil || !from.Addr().Unmap().IsLoopback() || forwarded || site != "" && site != "none" && site != "same-origin" {
		return caller{nobody: true}
	}
	return caller{role: Reader, reader: trust.Reader{Clearance: d.loopback, PAP: defaultPAP}, loopback: true}
}

// Package api is the local door of a node: HTTP for programs and for the
// command line, and the Go client that speaks it.
//
// # Two sides
//
// [Door.Local] is for the Unix socket, whose listener lets in the node's own
// user and root only: the caller is the operator. [Door.Remote] is for TCP:
// every route but /healthz and /readyz wants a bearer token, which carries a
// role and a clearance.
//
//	role      answers and state   say things   see its health   operate it
//	reader           x
//	analyst          x                x
//	reviewer         x                x
//	auditor          x                                x
//	operator         x                x               x               x
//
// A clearance is the strictest TLP label the bearer may see. What lies above
// it is filtered before anything is computed, so that no count, page or cursor
// shows that it is there. Tokens are made and ended over the local socket only.
//
// # Routes
//
// routes in route.go is the list; /openapi.json is made of it, and so are the
// tests of what follows.
//
// # What holds for every route
//
//   - The Host header names this node: localhost, a loopback address, the
//     address the request came to, or a name of the configuration, with or
//     without port (421).
//   - A browser on another site's page cannot make it do anything (403).
//   - No request header but those of HTTP itself, Authorization and
//     Last-Event-ID changes what is done.
//   - A body has a Content-Type the route takes (415) and a size limit (413).
//   - Unknown and repeated query parameters, unknown and duplicate JSON names
//     are refused (400).
//   - Failures are problem details (RFC 9457). A rule of the node that says no,
//     a label that may not be shared included, is 403. Internal errors are
//     logged and told as no more than that.
//
// Lengths of time are written 30d, 12h, 90m. Lists of results in one answer are
// bounded; streams (import, changes, watch, archive) hold one batch in memory.
//
// # Cursors
//
// A cursor is opaque and good for one store: another node's, or one that is
// ahead of the store because that was restored from a backup, is answered with
// 410, and the caller begins again without one.
package api

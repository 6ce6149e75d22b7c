// Package api is the local door of a node: HTTP for programs and for the
// command line, and the Go client that speaks it.
//
// # Two sides
//
// [Door.Local] is for the Unix socket, whose listener lets in the node's own
// user and root only: the caller is the operator, or, where it shows a token,
// whom that is for. [Door.Remote] is for TCP: every route but /healthz and
// /readyz wants a token, which carries a role and what it may see.
//
//	role      answers and state   say things   see its health   figures   operate it
//	reader           x                                             x
//	analyst          x                x                            x
//	reviewer         x                x                            x
//	auditor          x                                x            x
//	monitor                                                        x
//	operator         x                x               x            x           x
//
// Tokens are made and ended over the local socket only. A token is shown as
// `Authorization: Bearer TOKEN` (or `Token TOKEN`), as the password of any user
// (Basic), or as X-Api-Key. Where a consumer of feeds can send no header,
//
//   - a token made for paths fetches /feeds/key/TOKEN/NAME, and is good for nothing
//     else; no other is good in a path;
//   - the configuration may let programs of this host have feeds up to a label
//     without a token: requests from a loopback address that no proxy passed on.
//
// In metrics, the log and the journal a route stands for its path.
//
// # What a caller may see
//
// A token has a clearance, the strictest TLP label its bearer may see (green
// where nothing was asked for), a strictest PAP level (amber; what states none
// passes), and perhaps a person. RED is shown to the persons it names at our
// organisation and to nobody else. The operator at the socket may see all but
// RED. [trust.MayShow] decides, before anything is computed: a store that holds
// what a caller may not see answers it byte for byte as one that never held it,
// in bodies, counts, headers, pages, cursors and errors. How long an answer
// takes is not part of that.
//
// Figures about the whole store (status, doctor, metrics, archives) are for
// those cleared for AMBER+STRICT and every PAP level, and count nothing that is
// under RED; sizes in bytes are of everything, in whole MiB. A backup and a check
// of the store read its files as they are, RED included, and are for the socket
// alone: whoever gets there could read the files.
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
//   - No request header but those of HTTP itself, Authorization, X-Api-Key and
//     Last-Event-ID changes what is done.
//   - A body has a Content-Type the route takes (415) and a size limit (413).
//   - Unknown and repeated query parameters, unknown and duplicate JSON names
//     are refused (400), but where a route keeps the contract of other programs.
//   - Failures are problem details (RFC 9457), with the same exception. A rule of the node that says no,
//     a label that may not be shared included, is 403. Internal errors are
//     logged and told as no more than that.
//
// # Feeds
//
// /feeds/ lists them: the lists and formats of package feed, the files of those of
// several, and stix.json. NAME.md5 is the MD5 of each. tier, types, labels and
// communities leave values out, and never let any in that the caller may not see.
// labels goes by the strictest label of the claims a value rests on; communities by
// where somebody says something of it.
//
// An answer has an ETag, the SHA-256 of its bytes, with the coding behind it where
// it is compressed (gzip, zstd), and Last-Modified where the bytes change with the
// values alone. What is made for a feed is kept for all who see the same and ask
// for the same: 64 MiB in all, at most 16 MiB of one. More is measured once and
// written anew for each, in memory bounded by its format.
//
// Lengths of time are written 30d, 12h, 90m. Lists of results in one answer are
// bounded; streams (import, changes, watch, archive) hold one batch in memory.
//
// # Cursors
//
// A cursor stands at the last change its caller was given, by what that is: the
// bulletin, the object, the time it came. It has no number that would count what
// the caller may not see, and moves with nothing but what the caller is given. It
// is encrypted under the store's id, and equal wherever it stands at the same.
//
// The door remembers where the last 4,096 cursors lead, and finds any other by
// its bulletin; then what the caller may not see is passed over once more. A
// cursor of another node or of a store set up anew is answered with 410, and so
// is one whose bulletin was lost and fetched again since, or one given when the
// words of others counted than count now (a block, a quarantine, a removal, a
// revoked key, or the end of one): no change tells of that, so the caller begins
// again without a cursor.
package api

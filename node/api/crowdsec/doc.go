// Package crowdsec speaks what CrowdSec's bouncers ask of its local API, so that
// they enforce here unmodified: packet filters, proxies, scripts.
//
// # Words
//
// A bouncer is a program that asks what to ban and does it. A decision is one ban.
// A key is what a bouncer shows (X-Api-Key); what it was told goes by that, so
// every bouncer needs one of its own. What stands is what is to be banned at one
// moment.
//
// # Routes
//
//	GET  /v1/decisions/stream?startup=true   all that stands
//	GET  /v1/decisions/stream                what has changed since the key's last answer
//	GET  /v1/decisions                       all that stands, filtered
//	HEAD /v1/decisions                       whether the key is good
//	POST /v1/usage-metrics                   taken, and dropped
//
// An answer of the stream is {"deleted":[...],"new":[...]}, of decisions a list;
// null stands for an empty one. A decision:
//
//	id        a number of its value, the same for ever
//	origin    tocsin: newer bouncers name their sets by it
//	scenario  tocsin/block
//	scope     Ip for an address, Range for a block
//	type      ban
//	value     the address or block
//	duration  how long it has left, as Go writes it; -1s where it is deleted
//
// Only addresses and blocks are banned: bouncers know no domains. What ends never
// has ten years. A value that is to be banned for longer than a bouncer was told
// is deleted and new in one answer, since packet filters keep the first duration.
//
// # Filters
//
// Of both: scopes, origins, scenarios_containing and scenarios_not_containing,
// lists with commas. Of decisions also scope, value, type, ip and range: what
// covers them, or with contains=false what lies within. Others are passed over.
//
// # No delete is lost
//
// What a key was told is known as long as the node runs and the key asks at least
// once an hour. A key of which it is not known (after a restart, most of all) is
// sent all that stands as new, and as deleted every value that it may have been
// told and that does not stand: all that is held in any version, taken back and
// blocked ones included. To delete what is not there does no harm. Deleted and new
// is also what was said of since the last position of the store that was noted for
// the key: it may stand for longer than the bouncer knows. An answer that could not
// be handed over counts as not given. What no delete can name any more, since
// nothing is held of it (it was erased, or dropped by the policy's retention)
// between a key's last answer and the end of the node, leaves when the duration it
// was told is over.
//
// # Failures
//
// Bouncers read {"message":"..."}; a key that is not good gets 403.
package crowdsec

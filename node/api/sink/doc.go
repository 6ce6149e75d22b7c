// Package sink hands changes to the systems that an organisation runs itself: a
// webhook, a syslog collector, NATS JetStream, Kafka.
//
// # Words
//
// An event is a change as /v1/watch tells it, or a reset. A sink has a ceiling,
// the strictest TLP label and PAP level that goes to it (RED never does, and
// exercises do not), and a cursor behind the last event that its receiver has.
// A batch is at most [MaxBatch] events, or a little more than [MaxBytes].
//
// # What a receiver may rely on
//
//   - At least once: the cursor moves only when the receiver has taken a batch,
//     and lies in the store. After a crash the last batch may come again, with
//     the same ids: hold an id for some minutes to see each event once.
//   - In order, as things came to this node.
//   - A reset comes before everything is told anew from the beginning: the
//     cursor led nowhere any more, because somebody's word ceased to count or
//     the store was set up anew. What was told before it should be forgotten.
//   - What expires is not told: every event says until when it counts.
//   - Of what was erased nothing is kept, so its removal names bulletin and index
//     alone: remember those with what an event had you do.
//
// # With a tier
//
// A sink with a tier is told of values: of each that something new is said of,
// by a claim, a sighting or an opinion, or taken back, whether it is in the tier now
// ("add", with score and tier) or is not ("remove"), and until when if nothing new is
// said ("until", and "end" in CEF): act until then. Both may come more than once, and
// a removal of what was never told. Values are judged as for lists; but what a change
// of the policy, or of how far somebody is believed, moves is told only when something
// is next said of it, and a flood is not held back. What acts by itself takes a
// list at /feeds, or the API of bouncers, which are exact in both.
//
// # When a receiver does not take it
//
// A sink waits and tries again, after 1 s, 2 s, 4 s and so on up to five minutes,
// each time half to all of that; memory does not grow meanwhile, since the events
// stay in the store. What a receiver refuses for its content (400, 413, 415 or
// 422; too large for NATS or Kafka) is tried in halves until one event is left,
// which becomes a dead letter: where to find it again, not what it said, so that
// an erasure needs no second place. A sink with [MaxLetters] of them stops until
// some are retried or dropped.
//
// # The wire
//
//	webhook  POST of {"sink":NAME,"changes":[...]}, signed as Standard Webhooks
//	         have it: webhook-id, webhook-timestamp (Unix seconds) and
//	         webhook-signature, "v1," and the base64 of HMAC-SHA256 over
//	         id.timestamp.body under the bytes behind whsec_ in the secret.
//	         http:// or https://, no redirects
//	syslog   RFC 5424 over tcp:// or tls://, octet counted (RFC 6587); the message
//	         is CEF:0, a line for every value, or the event as JSON. Syslog has no
//	         answer: what a collector loses after it took the bytes is lost
//	nats     one message an event to the subject in the path, nats:// or tls://;
//	         the subject's stream must exist, its answer is waited for, and
//	         Nats-Msg-Id lets it drop what comes twice
//	kafka    one record an event to the topic in the path, kafka:// or
//	         kafka+tls://, acknowledged by all replicas in step; the key is the
//	         value, so that a compacted topic keeps the last word on each
//
// # Limits
//
// [MaxSinks] sinks. TLS is verified, against the system's roots or the file
// given, and there is no way to turn that off; without TLS a sink goes only to
// addresses that the operator allowed by name.
package sink

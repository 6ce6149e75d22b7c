// Package feed writes what stands in the formats that other tools read.
//
// # Words
//
// A feed is what a tool fetches by its name. A list is a feed of values: one
// canonical value a line, each once, LF behind every line, no comments, no
// header, nothing else. An asker is whoever fetches; what it may see is what the
// query it comes with makes visible.
//
//	ip                  addresses and blocks of both families
//	ipv4, ipv6          of one
//	domain              names
//	url                 URLs
//	hash                of files: the four below
//	md5, sha1           each alone,
//	sha256, sha512      as are these
//
// The types of a list come in the order above, the values of a type in the order
// of their bytes. The order is the same every time.
//
// # What is in a list
//
// A value is in a list as long as a claim on it stands (package storage): the
// newest version of its scope that the asker may see is neither revoked nor
// expired nor erased. It leaves only when nobody's claim stands any more. Left
// out, because a list makes machines act:
//
//   - TLP:RED, whoever asks, and every exercise;
//   - claims whose PAP is AMBER or RED (blocking shows); where the newest version
//     says so, an older one that did not counts no more;
//   - values for special use ([stix.Observable.SpecialUse]): whoever says so,
//     nobody can make our firewalls block 0.0.0.0/0;
//   - values with a blank or an invisible character in them, which no list can
//     carry.
//
// Nothing is narrowed and nothing widened. 203.0.113.7:443 is not in ip, a URL
// says nothing in domain, and "*.evil.example" stands as it was said: it is
// everything under evil.example and not evil.example itself. Tools that know no
// wildcards skip the line.
//
// # ETag
//
// The ETag is the SHA-256 of the bytes and of nothing else: what an asker may
// not see does not change it.
//
// # Cost
//
// The first fetch reads every claim that is held, some seconds per million. What
// came of it is kept, for at most 4 groups of askers that see the same, and
// follows the store: arrivals are looked up, what has expired is dropped, and
// an erasure, or anything else that changes what an asker may see (a block, a
// removal), makes it be read anew before the next answer. A value costs its own
// length and 12 bytes, once a group; a group that nobody has asked for an hour
// is forgotten.
//
// # Limits
//
// A list has at most [MaxLines] lines and [MaxBytes] bytes. A longer one is not
// cut, because nothing would say what is missing: it is [ErrTooLong], and tools
// go on with the copy they have.
package feed

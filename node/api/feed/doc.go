// Package feed writes what stands in the formats that other tools read.
//
// # Words
//
// A feed is what a tool fetches by its name. A list is a feed of values: one
// canonical value a line, each once, LF behind every line, no comments, no
// header, nothing else. An asker is whoever fetches; what it may see is what the
// query it comes with makes visible. A tier is what may be done with the values of
// a list: observe, alert, block (package score). Acting lists are those of alert
// and block. Judging is who says of what tier a value is, with a mark that is
// another whenever values may be judged otherwise without news of them.
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
// A value is in a list as long as a claim on it stands (package storage: the
// newest version of its scope that the asker may see is neither revoked nor
// expired nor erased), and it is judged to be in the tier by all claims, sightings
// and opinions that the asker may see. A sighting alone puts nothing in a list.
// Left out of every tier, observe included, because a list makes machines act:
//
//   - TLP:RED, whoever asks, and every exercise;
//   - claims whose PAP is AMBER or RED (blocking shows); where the newest version
//     says so, an older one that did not counts no more;
//   - what nothing may ever act on ([Judging].Never), whoever says so: this is the
//     last gate before a firewall;
//   - values with a blank or an invisible character in them, which no list can
//     carry.
//
// Nothing is narrowed and nothing widened. 203.0.113.7:443 is not in ip, a URL
// says nothing in domain, and "*.evil.example" stands as it was said: it is
// everything under evil.example and not evil.example itself. Tools that know no
// wildcards skip the line.
//
// # Guards
//
// A list has at most [Guards].Lines lines. Of more values the strongest are kept:
// by score as of when the value was judged last, at most a day ago, then those
// whose claims came first, then by value. So nothing moves in or out without news.
// It is said how many are left out.
//
// An acting list that would gain or lose more than Percent of its lines, and at
// least Minimum, stands still for HoldDown, and raises an [Alarm]. Counted is from
// one answer to the next, together with the changes of the five minutes before, so
// ten small steps are one large one. An empty list may be filled. While a list
// stands still nothing is added and nothing taken out, except at once
//
//   - what was erased, or said by a key that was disowned, so that nothing is held
//     of it; what may not be shown any more (a member that was removed or blocked);
//   - what nothing may ever act on;
//   - what has come to its end: when a claim expires or has faded is known before;
//   - what our own organisation says, said, or calls harmless.
//
// These do not count as changes either. Afterwards, or when somebody releases it,
// the list is what it should be by then.
//
// What a list was is remembered for each group of askers that see the same, for a
// week after they asked last. It is not written down: the first answer after a
// restart is compared with nothing. Nor is the first one to askers who see
// something else than before, since what they may no longer see must not be kept
// for them.
//
// # ETag
//
// The ETag is the SHA-256 of the bytes and of nothing else: what an asker may
// not see does not change it.
//
// # Cost
//
// The first fetch reads every claim that is held and judges every value, about 15 s
// of processor time per million. What came of it serves all tiers. It is kept, for at
// most 4 groups of askers that see the same, and follows the store: what is said of a
// value has it judged anew, what has expired is dropped, what may rise by itself is
// judged again at that moment, and an erasure, or anything else that changes what an
// asker may see (a block, a removal), makes it be read anew before the next answer.
// So does another mark, but after a burst of ten seconds for no more than a tenth of
// the time; until there is time again the old judgements hold, except that what
// nothing may act on is taken out at once. A value costs its own length and 44
// bytes, once a group, and its own length and 44 bytes again for every list with some
// of the column's values but not all; one under several scopes, one whose
// sightings go by another id than its object's, and one not yet valid up to 300 more.
// A group that nobody has asked for an hour is forgotten, but for its acting lists.
//
// # Limits
//
// A type has at most [MaxLines] values and a list at most [MaxBytes] bytes. Beyond
// that it is [ErrTooLong], and tools go on with the copy they have.
package feed

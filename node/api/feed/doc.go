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
// Values of other types that tools know, such as addresses with ports, are kept for
// formats that carry them and are in no list.
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
// # Formats for sensors, scanners and SIEMs
//
// Each says the values exactly or leaves them out; [Format.Carries] tells which.
// Sensors are told of no URLs under TLS, of which they see the name only, nor of
// those with a user or a fragment, which nobody sends as they are written.
//
//	suricata.rules       a rule an address, block or URL, three a name (DNS, TLS, HTTP);
//	                     no hashes; hosts and paths of URLs up to 255 bytes
//	suricata.tar.gz      the same for suricata-update, with addresses, names and hashes
//	                     (MD5, SHA-1, SHA-256) in sets under rules/datasets; .md5 is its sum
//	iprep                categories.txt, reputation.list: category 1, score 1 to 127
//	zeek                 intel.dat, for Sagan too; no wildcards; an alarm is a notice
//	misp                 manifest.json, hashes.csv, and an event (its UUID and .json) of the
//	                     values of one type, label and month of arrival; no wildcards
//	clamav               tocsin.hdb (MD5), tocsin.hsb (SHA-1, SHA-256)
//	yara                 a rule a hash, tagged with label and tier
//	hashdeep             md5.txt, sha1.txt, sha256.txt: "hash  label", for md5deep and its kin
//	cef, cef.syslog      a line a value: cs1 the value, cs2 type, cs3 label, cs4 tier, cs5 the
//	                     source, cn1 score, start arrival, end expiry; in RFC 5424 frames
//	ecs                  a document of the Elastic Common Schema a line
//	sentinel             STIX indicators in bodies for Microsoft Sentinel's upload interface, a
//	                     request of at most 100 a line
//	crowdstrike          the same for CrowdStrike's IOCs, 200 a line; no blocks, wildcards, URLs;
//	                     "prevent" for hashes of tier block, "detect" for all else that acts
//
// Suricata's numbers are 1100000001 and up for rules that look up sets, and for rules on
// values 1200000000 and up for IPv4, 1300000000 IPv6, 1400000000 names, 1500000000
// URLs. Which it is comes of the value alone, unless two values of a feed come to the
// same: then the later one has the next that is free. The rules want Suricata 7.0.3 or
// later. The number of a rule's revision is always 1: a rule does not change.
//
// MISP adds what is new in an event, and keeps what is no longer in it: an attribute
// that was revoked stays until somebody takes it out. Only its cache, made of
// hashes.csv, forgets. Whoever needs values to leave takes TAXII. The event's time is
// that of the document, so every change has it fetched again.
//
// # Guards
//
// What is guarded are the values of one type in one tier: every list and format
// is put together of these, so it makes no difference by which name a value is
// asked for. Of a type at most [Guards].Lines values are served, and of a list of
// several types as many of all of them together: the strongest, by score, then those
// whose claims came first, then by value. Nothing moves in or out without news. It is said
// how many are left out.
//
// Where a type would gain or lose more than Percent of its lines in an acting
// tier, and at least Minimum, it stands still for HoldDown, and raises an [Alarm].
// Counted is from one answer to the next, together with the changes of the five minutes
// before, so ten small steps are one large one. Where nothing was, anything may
// come. While it stands still nothing is added and nothing taken out, except at once
//
//   - what was erased, or said by a key that was disowned, so that nothing is held
//     of it; what may not be shown any more (a member that was removed or blocked);
//   - what nothing may ever act on;
//   - what has come to its end: when a claim expires or has faded is known before;
//   - what our own organisation says, said, or calls harmless.
//
// These do not count as changes either. Afterwards, or when somebody releases it,
// it is what it should be by then.
//
// What was served is remembered for each group of askers that see the same, for a
// week after they asked last. The first answer to askers who see something else
// than before is compared with nothing, since what they may no longer see must
// not be kept for them.
//
// # Restarts
//
// Of each group a baseline is written to the store, at most once a minute, when
// something stops, and by [Shelf.Save]: the place of the store, how many lines there
// were and how many of them leave by themselves within hours and days, since when
// something stands still, and digests of the kinds of headers that the group sees, by
// which it is found again. There is nothing of the values. After a start the first
// answer is compared with that: a value of which nothing was held at that place has
// come, and what is missing of the number has gone. If that is too much, what has
// come waits; the hold-down is counted from when it began, however often the
// node starts. Less exact than without a restart, it
//
//   - cannot serve what has gone, only say how much that is;
//   - counts values that were known before and have only risen into the tier, but
//     cannot tell them from those that were there, so they do not wait;
//   - takes what was erased or became never-block meanwhile for gone;
//   - knows nothing of what came or went in the last minute before a kill: what had
//     come then counts as new.
//
// A group of more than 4,096 kinds of headers has no baseline, and a shelf has 16.
//
// # Entries
//
// [Shelf.Entries] has the same for formats that say more than the values. The score
// is what it will be when the day ends, by UTC, and all is judged anew with the
// next day: so it does not tell when, or how often, values were judged, which
// depends on what an asker may not see. Until is to the second, as is Changed: the date
// of the entries of some types in a tier, for one group of askers. It is later with
// every change of what they tell, also after a restart, and else stays.
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
// Of a group that nobody has asked for an hour only its acting values are kept, and
// when it was told what. Claims are read by one goroutine and judged by another.
//
// # Limits
//
// A type has at most [MaxLines] values and a list at most [MaxBytes] bytes. Beyond
// that it is [ErrTooLong], and tools go on with the copy they have.
package feed

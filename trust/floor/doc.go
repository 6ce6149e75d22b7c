// Package floor is what no tool may ever act on, whoever says so: the never-block
// floor. A node asks it at submit, at admit and at export, so that neither a
// mistake nor a conspiracy of all peers can make an organisation block its own
// customers, its resolvers or half of the Internet. It is pure: it reads no
// clock, no file and no store.
//
// # Words
//
// An entry is one value of a list. A [List] has a name and entries. A [Floor] is
// all lists together, immutable and safe for concurrent use. A hit is a value
// that must never act, with the list, the entry and the reason in words:
//
//	in 8.8.8.0/24 of public resolvers           the value is in a listed block
//	holds 203.0.113.0/24 of own networks        a listed block is in the value
//	is google.com of shared services            the value is the entry
//	under bank.example of own domains           a listed name is over it
//	parent of mail.bank.example of own domains  a listed name is under it
//	contains evil-, matches /^ns[0-9]/i         an expression of a warninglist
//
// A value that hits may be kept, answered and passed on; it is only not acted on.
//
// # Lists
//
// In every floor, in this order, which is the order in which they are named
// where several hit:
//
//   - special use: [stix.Observable.SpecialUse] with the special-purpose address
//     registries, the public suffixes of the registries and top-level domains,
//     special-use names and hashes of empty files. The ranges for documentation
//     stay free for drills.
//   - what the operator states ([Own]): own networks, own domains, own values;
//   - the built-in lists: public resolvers, root servers, registries, certificate
//     status, time servers, software updates, shared services, shared networks
//     (content networks), trivial files (hashes of contents that are on every
//     disk, computed and not copied);
//   - the lists given to [New], by name;
//   - the minimum prefix length: a block wider than /16 (IPv6 /32) never acts. The
//     operator may choose /8 to /32 and /16 to /128;
//   - a value that is not canonical, which nobody can check.
//
// # Both directions
//
// An address hits when it is in a listed block, and a block also when it holds
// one. An ip-port and a URL on an address are what the address is. So in a free
// block every address is free.
//
// A name hits when it is listed, when it is under a listed name, and when a
// listed name is under it: who blocks google.com in a resolver blocks
// mail.google.com. A wildcard (*.google.com) is what its name is, and so are a
// domain-port and a URL that says the whole site, by no path and no query. Any
// other URL hits only on an own domain: evil pages on good hosts are common, and
// a URL can be blocked alone. An e-mail address hits by an own domain, a list
// about e-mail, or itself. So under a free name every name is free.
//
// A listed name protects what is under it up to the next public suffix, that of
// a company included: github.io is protected, evil.github.io is not, nor is
// evil.s3.amazonaws.com under amazonaws.com. [Own.WholeSuffixes] lifts that for
// the suffixes of companies. What the operator states as his domain is his whole.
//
// # Warninglists of MISP
//
// [ParseList] reads their JSON: name, type, matching_attributes, list. Other
// members are ignored; names given twice and bad UTF-8 are refused.
//
//	cidr       blocks and single addresses; IPv4 written as IPv6 is IPv4
//	hostname   names with what is under them; addresses
//	string     values as they are, of each type of the attributes; a name alone,
//	           or with what is under it where a dot stands before it (.google.ad);
//	           of a URL also the name or address it is on, alone
//	substring  a part of the text, in any case; what reads as a name stands for
//	           that name and all under it, "@name" for mail from it: else whoever
//	           calls his host virustotal.com.evil.example would be safe
//	regex      RE2, between slashes with the flags i, m, s and u, or bare
//
// Of the attributes ip-src and ip-dst are addresses and ip-ports; domain and
// hostname are names; url and uri URLs, and names in lists of names; the hashes,
// also behind "filename|", file hashes; x509-fingerprint-* fingerprints; the
// email ones addresses; AS numbers. No attributes are all types, and attributes
// unknown here none.
//
// # Limits
//
// A list has at most 16 MiB and 2,000,000 entries of at most 4 KiB; its name at
// most 200 bytes. Substrings (3 bytes and more) and regular expressions (at most
// 512 bytes) are tried one after the other, so all lists together may hold 1,000.
// An entry that cannot be read, or that is every address there is, is skipped,
// counted and named ([List.Skipped]); a file over a limit or of another type is
// refused with an error that wraps [ErrInvalid].
//
// Expressions look at the text of a value and know no directions: a block is not
// looked into. No name is resolved: a host that only points at a listed address
// is free. An IPv6 address that carries an IPv4 one is special use.
package floor

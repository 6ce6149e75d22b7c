// Package stix is the language inside a bulletin: STIX 2.1 objects, the
// patterns of indicators, and the observables these speak of. It imports
// nothing of ours, keeps no state and touches neither network nor disk.
//
// # Words
//
// An object is one STIX 2.1 object as JSON (OASIS Standard, 10 June 2021).
// A pattern is a text of the STIX 2.1 patterning language (section 9).
// An observable is one value that can be looked for (an address, a name, a
// hash) with its [Type], in canonical form. The claims of an indicator are
// the observables of which each alone makes its pattern match.
//
// # Objects
//
// [Parse] is strict, because two readers who repair a broken object differently
// see two objects under one signature. It refuses:
//
//   - anything but one JSON object of valid UTF-8, at most 512 KiB, at most 32
//     objects and lists deep, with at most 4,096 names open at once;
//   - a name given twice, names that differ only in case, and property names
//     other than small letters, digits, "_" and "-" (dictionaries and extensions
//     may use capitals: "SHA-256");
//   - null, integers beyond 2^53-1, numbers beyond a 64-bit float;
//   - an id that is not its type, two hyphens and a UUID; times other than
//     RFC 3339 with Z, and days that do not exist; modified before created,
//     valid_until not after valid_from; a confidence outside 0 to 100;
//   - in the types of the specification a missing required property, an empty
//     list, and a reference or time that is none;
//   - an indicator whose pattern_type is "stix" and whose pattern is not;
//   - a sighting whose count is no integer from 0 to 999999999, or whose
//     last_seen is earlier than its first_seen (section 5.2); an opinion that is
//     not one of the five words, or about nothing (section 4.15).
//
// Types and properties outside the specification are kept and not looked into.
// A bundle is refused: whoever reads files takes it apart. [Object.Raw] is the
// input byte for byte.
//
// [Upgrade] makes STIX 2.0 into 2.1: spec_version; pattern_type, valid_from and
// modified where missing; labels that became indicator_types, malware_types,
// report_types, threat_actor_types or tool_types; is_family; strings as times
// in START and STOP; nulls and empty lists dropped.
//
// # Patterns
//
// [ParsePattern] is a recursive descent over the grammar of the specification,
// at most 8 KiB, 32 parentheses deep, 256 comparisons. Any legal pattern within
// that parses; nothing is evaluated, and no regular expression is ever run.
// Beyond the grammar it refuses the same qualifier twice on one observation,
// and a hash of the wrong length compared for equality.
//
// # Observables
//
// The canonical form: blanks and invisible characters trimmed, defanging
// undone, hosts in small letters and A-labels (UTS 46, non-transitional) without
// the final dot, addresses as RFC 5952 and dotted decimal, blocks with host bits
// cleared and a block of one address as the address, default ports dropped,
// hashes in small hex. The path, query and fragment of a URL stay byte for byte.
// No value is longer than 4,000 bytes.
//
// A value is never narrowed: a URL does not become its host nor an ip-port its
// address. There is no list of top-level domains, since real command and
// control lives under .onion and alternative roots.
//
// # Export
//
// [Outlined] reads what an object says of itself at its top, [Outline.Export] adds
// a marking and an author to its bytes, [Renamed] gives it other ids. None of them
// changes anything else: one version of an object is the same bytes wherever it is
// shown.
//
// # Ids
//
// [Draft.Finish] gives every indicator the id [IndicatorID] of the scope it is
// said in and of its claims, so that saying it again is a new version. A foreign
// id is kept as an external reference with source_name "stix".
//
// [SightingID] and [OpinionID] do the same for the word that an object was met,
// and for what is thought of objects: both name what they are about by its id.
// Only an id that IndicatorID makes of what an indicator says is bound to that;
// any other, an alias above all, may be written by anybody into any object.
package stix

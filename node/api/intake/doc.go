// Package intake reads the formats other people's threat intelligence comes
// in and turns it into drafts: things to be said that nobody has signed yet.
//
// # Formats
//
// The content decides, never the file name. [Read] looks at the first 64 KiB
// and says in a [Guess] what it took the file for; [Options.Format] overrides.
//
//	stix     STIX 2.1 or 2.0: a bundle, a TAXII envelope, a bare array, one
//	         object, or one object per line
//	misp     MISP events ("Event", "response", bare), attribute and object
//	         collections
//	csv      comma, semicolon, tab or pipe; with a header, a header in a
//	         comment, or none
//	list     one value per line; also dnsmasq, match patterns (*://*.x/*) and
//	         value<TAB>count. hosts and adblock are lists whose lines look so,
//	         and every list reader understands all of them
//	text     a report or a mail as a person pasted it
//	crowdsec alerts as CrowdSec's http notification plugin sends them ({{.|toJson}})
//	eve      Suricata's EVE log, of which alerts alone say something
//
// Input may be gzip (at most [MaxInput] bytes unpacked), UTF-8 with or without
// a byte order mark, or UTF-16 with one.
//
// # Rows
//
// A row is a line (list, text), a record (csv), an object (stix), an
// attribute (misp) or an alert (crowdsec, eve). Every row comes out exactly once as accepted, skipped or
// refused, so that a [Tally] adds up. Skipped rows say nothing to anybody
// (comments, duplicates, context); refused rows were meant to be indicators
// and could not be taken.
//
// # Labels
//
// A label in the file stands for what it is attached to: a STIX marking, a
// "tlp:" tag of a MISP event, object or attribute, a TLP column. The strictest
// of several wins. A marking or label that is not understood refuses the row.
// MISP's distribution is no label, except that 0 ("your organisation only")
// refuses. In lists, text and CSV comments a "TLP:AMBER" anywhere in the first
// 64 KiB, or on an earlier line, can only make rows stricter, unless it is
// a line of its own, which then serves as the label where none was given.
// Rows without a label take [Options.TLP]; without that they are refused.
//
// A STIX marking-definition may follow the objects it marks. Objects that wait
// for one are held back, at most [MaxHeld] bytes of them; their rows then come
// late, after the definition or at the end of the file. Beyond that they are
// refused and the file should be rewritten with its definitions first.
//
// # What is an indicator in a text
//
// Defanged values, hashes and IP addresses are taken anywhere. Plain domains,
// URLs and e-mail addresses are taken only where somebody listed them: alone
// on a line, in a table cell or in back quotes. In running prose, under a
// heading about references, or as the end of a sentence they are the author's
// sources and addresses, and left alone.
//
// # Detections
//
// Of an alert the address that attacked is taken, the scenario or rule by its name,
// and when: who was attacked, on which machine, with which payload, is not even
// looked at, and stands in no report of a row that is refused.
//
// # Limits
//
// Memory is bounded whatever the size of the input: a line or CSV record has
// at most [MaxLine] bytes, a STIX object [stix.MaxObject], a MISP event or collection of
// attributes [MaxEvent] (its tags may come last), an alert [MaxAlert]; what is longer is refused as
// one row and skipped unbuffered.
// Duplicates within a file are recognised up to three million distinct values;
// beyond that they go through and meet their deterministic ids later.
package intake

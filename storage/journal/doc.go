// Package journal is the audit journal: what a node did, in whose name and by
// which rule, in an append-only chain that shows where somebody changed it.
//
// # Words
//
// A record is one act, one line of a segment. Every record names the hash of the
// line before, so the records are a chain, in the order of their numbers. A
// mark is a number and the hash of that line; whoever noted one can see later
// that the journal still says what it said. The head file holds the mark of the
// last durable record, outside the segments and outside the store, so that a cut
// end is noticed. A fault is a place where the journal is not what was written.
// A gap is a number of records the node could not write, and says so.
//
// # What goes in
//
// Ids, names of rules, labels, counts: never what a bulletin above CLEAR says,
// never a token or key, since auditors of every clearance read it. The limits
// are those of [Record]: 128 bytes for an id, 256 for a rule, 512 for a word.
// What passes them is cut and ends in "…", what cannot be printed becomes
// U+FFFD, and of more than 16 numbers or words the first by name are kept:
// nobody stays out of the journal by a long name. Record.At is the node's clock
// when it was noted; a clock set back shows as such, and the numbers alone give
// the order.
//
// # Files
//
// All of a directory, 0700, the files 0600:
//
//	00000012-2026-11.jsonl    a segment: number, and the month (UTC) none of its records is later than
//	00000012-2026-11.sealed   the same in a journal that is sealed
//	journal.head              the head file
//
// A segment ends with its month or at 64 MiB. Its first record is of act
// "segment" and names the journal's id, 32 hex digits, and the file; like every
// other it names the hash of the line before, which is the last of the segment
// before. So segments verify alone, and one after the other.
//
// # Lines
//
// A line is a JSON object in UTF-8 and a line feed, at most 8192 bytes. The
// members are in this order, without spaces; those in brackets are left out when
// empty or 0. There is one line for a record: [DecodeRecord] takes no other.
//
//	line    = {"prev":HASH,"seq":N,"at":TIME,"act":NAME,"actor":TEXT[,"org":TEXT][,"peer":TEXT][,"community":TEXT][,"bulletin":TEXT]
//	          [,"tlp":TEXT][,"rule":TEXT][,"count":INT][,"numbers":{NAME:INT,...}][,"words":{NAME:TEXT,...}]} LF
//	HASH    = SHA-256 of the line before with its line feed, 64 hex digits in lower case; of the first record 64 zeros
//	N       = 1, 2, 3 ...
//	INT     = a signed number of 64 bits
//	TIME    = 2026-11-01T12:00:00.000Z
//	NAME    = 1 to 32 of a-z 0-9 - _; in numbers and words sorted, each once
//	TEXT    = printable characters; of them only " and \ are escaped, by \
//
// The acts of a node are the constants [ActAdmit] to [ActStop], and others may
// come; [ActSegment], [ActGap], [ActRepair], [ActFault] and [ActPrune] are the
// journal's own. Readers pass acts they do not know.
//
// The head file has two slots of 512 bytes, at 0 and at 4096, written in turns
// and synced each time; the higher serial counts. A slot is
// {"journal":ID,"serial":N,"seq":N,"hash":HASH,"closed":true|false,"sum":HASH},
// spaces and a line feed; the sum is of what stands before ,"sum". When it is
// closed, nothing may follow its record.
//
// # Sealed
//
// With a key ([Options]) nothing of this stands in the files as it is. The
// records, their hashes and the export are those above; on the disk is
//
//	line = BASE64(NONCE || XChaCha20-Poly1305(key, NONCE, the record's line and zeros up to a multiple of 256, "tocsin journal line v1")) LF
//	slot = sealed KEYID BASE64(the same of the slot's JSON, a line feed and zeros up to 288, "tocsin journal head v1"), spaces and a line feed
//
// NONCE is 24 random bytes, BASE64 is without padding, KEYID 16 hex digits of
// HKDF-SHA256(key, no salt, "tocsin journal key id v1"). The key is for this use
// alone: a node derives it from what its store is encrypted with.
//
// Whoever has the files and not the key sees how many segments there are, of
// which months, how many records each has, which of them take more than 256
// bytes, when the files were written, and which of two journals are under one
// key: no id, key, name, label, act, count, number or time of a record.
//
// A journal is sealed from its begin, or not at all, as the store is encrypted:
// another key, none, or one for a journal that has none is [ErrKey], and nothing
// is written. A segment of the other kind beside those of a journal is a fault.
//
// # Durability
//
// One goroutine writes. It folds what waits into one write, and syncs 100 ms
// after the first record that is not durable yet, or at once when somebody waits
// ([Journal.AppendSync]); then the head file says so, and they are told. A kill
// loses what was in the queue, a power cut the last 100 ms, nothing that was
// acknowledged. A full queue (4096) keeps a caller up to 50 ms; then the record
// is dropped and counted, and a "gap" record says how many as soon as one can be
// written. So it is while the disk is full. After any other error of the disk
// nothing more is written ([Journal.Failed]).
//
// # After a crash, and after worse
//
// An unfinished line at the end, behind the record of the head file, is what a
// crash leaves: [Open] cuts it off and notes a "repair". Everything else is a
// fault. The node runs all the same: the damaged files stay as they are, the
// chain goes on in a new segment, its first records a "segment" and a "fault",
// and [Files.Verify] reports the place until the segment is pruned. It goes on after
// the last record the head file knows, so who has the lost lines can put them
// back. Open reads the end only; a changed byte in an older segment is found by
// Verify, which the node should call now and then, noting what it finds
// ([Fault.Record]).
//
// # Verifying
//
// [Files.Verify] checks every line, the head file, and that a begin that is missing
// was pruned: before a segment is removed a "prune" record says its first and
// last number and the hash of its last line ([Journal.Prune]). [VerifyStream]
// does it for what [Files.Export] wrote: a first line
// {"journal":ID,"format":1,"from":N,"to":N,"prev":HASH,"head":HASH,"sum":HASH},
// the lines of the records, and a last line
// {"journal":ID,"end":N,"head":HASH,"sum":HASH}.
//
// Without this program, for a segment that is not sealed, or an export without
// its first and last line, sh, jq and sha256sum will do. It prints the hash of the last line, to be
// compared with the head file, or with what somebody noted:
//
//	#!/bin/sh
//	set -eu
//	prev=$(head -n 1 "$1" | jq -r .prev)
//	while IFS= read -r line; do
//	  test "$(printf '%s\n' "$line" | jq -r .prev)" = "$prev" || { printf 'does not follow: %s\n' "$line"; exit 1; }
//	  prev=$(printf '%s\n' "$line" | sha256sum | cut -d ' ' -f 1)
//	done < "$1"
//	echo "$prev"
//
// # Limits
//
// Nothing in the files is signed, and of a journal that is not sealed nothing is
// secret. What an intruder who can write the files can do unseen, and against
// what it shows all the same:
//
//	not sealed   write another history, chain, head file and all: shows against a mark kept elsewhere
//	sealed       bring back all files as they were at some moment, which cuts off what came later; remove them all:
//	             a mark of a later record shows it. Without the key no record and no head can be made, changed or left out.
//	both         what Verify was given no mark for, and nobody noted
//
// A head keyed with the node's own key would add nothing where nothing is sealed:
// who can write these files can read the key, which lies beside them. So note
// marks where nobody of this host can write: an export at the auditor's, a hash
// in another machine's log. [Files.Verify] and [VerifyStream] take them; of records
// that were pruned a mark says nothing. Of a bare segment the last line is
// vouched for by nobody, so when the last two do not fit, either may be the
// changed one. Retention removes whole segments, never the last. Only one Journal
// may be open in a directory: the daemon's lock sees to it. Verify, List and
// Export need none, and may run beside it.
package journal

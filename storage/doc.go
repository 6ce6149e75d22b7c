// Package storage is the memory of a node. Bulletins are the truth; every
// index is derived from them and can be rebuilt ([Store.Rebuild]).
//
// # Words
//
// A header is held or not; a held header's body is in one of the states of
// [BodyState]. A body that is held gives each of its objects an arrival: a
// position in the order in which this store came to know them, the same number
// never twice; and a [Moment], in the same order. Readers that keep up read by one
// of them: TAXII by moments, feeds, watch and changes by arrivals.
// The receipt is who handed a bulletin over, when, and by which rule it was
// admitted or declined. A posting is one entry of the index: a keyed hash of a
// value, of a STIX id, or of an id as something to speak about, and the object
// that claims the value, has the id, or speaks about it (a sighting, an opinion:
// [Store.About]). A version of a claim is superseded by a newer one of the same
// scope: organisation, community, label, audience without roster version, and
// drill (what is said in an exercise never replaces what is meant). A header is
// disowned when its organisation took back what was said with its key
// ([Store.Disown]): it stays on the disk and is in no stream, index or answer.
//
// A bulletin is aside when one of its audience forwarded it (AMBER, to a client
// of theirs): it is answered from, superseded, taken back and erased within its
// scope as any other, but its stream does not show it, and nobody is asked for
// its body. It enters its stream when its header comes again without
// [Entry.Aside], and never leaves it.
//
// # Keys
//
// The store is one badger database in the directory's subdirectory "badger".
// Numbers are big endian; every key but those of tables has a fixed length.
//
//	h | number8              -> state, receipt, last erasure, moment, header and signature  truth
//	c | number8 | index2 | gen2 -> zstd of up to 32 salted objects          truth
//	t | name16 | key         -> a row of a small local table                truth
//	t | "erased" | "key"     -> the key of the rows below                   truth
//	t | "erased" | hash16    -> nothing: what has this hash was erased      truth
//	t | "purging" | key      -> nothing: rows under this key are being destroyed ([Table.Purge])
//	m | "store"              -> store id; secret, generation and version of the index
//	m | "counts"             -> commits, headers and rows there ought to be, with every commit
//	m | "dirty"              -> 1: unfinished writes or drops to clear up at the next start
//	x | number8 | body gen1 | part1 | gen2  -> postings of a body, 16 bytes each  derived
//
// A header's record is of version 1, or of version 2 where it says that the
// bulletin is aside, and through whom, or when objects of it were last erased; or
// of version 3 where it also says at which [Moment] its body arrived. Bodies kept
// before there were moments have those of their receipts.
// An index without version, or of version 1, has no postings of what objects
// speak about; they are added at the next start, to the bodies with objects that
// claim nothing. That wants room on the disk ([ErrReadOnly]).
//
// A number is given to every header, every body and every erasure, in order of
// commit; a header and a body that came together have one number. An arrival is
// a body's number, or an erasure's, times 1024 plus the index of an object; a
// chunk is found under the index of its first object. Chunks of one body hold 32 objects each, or a smaller power of two
// where 32 would pass 256 KiB, so no value comes near 1 MiB and none ever goes
// to badger's value log, whose garbage collection is never run (it brings
// deleted keys back). Chunks and segments are written once, never deleted, and
// leave by DropPrefix of a body's number, many in one call; only that removes
// the bytes from the files. The generation of a body, in the keys of its chunks
// and (its low byte) of its segments, counts how often objects of it were
// erased; that of a segment counts the lives of the index. Deleting a table's
// row writes a tombstone for the same reason: a badger Delete is never what makes something be gone.
//
// Every value ends in eight bytes of xxhash over key and value, checked at
// every read, because badger returns wrong values after a flipped bit (and
// drops what lies behind one in its log). A damaged header is a gap in its
// stream and a damaged body is wanted again, so synchronisation repairs both;
// until then reads of them return [ErrDamaged]. [Store.Check] reads everything.
//
// # Erasure
//
// [Store.EraseAll] writes a body anew without payload and salt of some objects,
// under its next generation; their leaves stand in their place in the chunk, so
// the rest and the chain verify. Then it drops the old parts. A body without any
// object left is Erased and has no parts. Whatever happens in between, the next
// start drops what the header's record does not account for, so a crash never
// brings an object back. It returns when the reads have ended that may have held
// the replaced files open: then no file holds the object, its salt, the
// compressed chunk it was in, or the hashes it was found by.
//
// Before the destruction commits, the table "erased" remembers HMAC-SHA256, cut
// to 16 bytes, of the leaf, the bytes, the STIX id and each alias, under a key of
// this store, so that nobody brings the object in again ([Store.WasErased]). The
// key lies in the same table: whoever has the files of a store that is not
// encrypted, or its key, can try out guesses of ids and objects, though not of
// leaves, since the salt is gone; they see neither the number of the bulletin nor
// who said it. A lost row, as any, keeps the store shut. It also remembers the ids
// by which others spoke of the object, with its label and PAP level: what speaks of
// nothing else is shown no more ([Erasure]).
//
// [Store.Changes] tells of an erasure by bulletin and index. The STIX id is not
// kept for it: ids are made of what the object says by a hash without a key, so
// an id on the disk would give the value to whoever can guess it.
//
// # In memory
//
// About 160 bytes per header: id, place, state; per stream its order, heads and
// gaps. Three hash tables (values, STIX ids, ids spoken about) from a 64-bit hash
// keyed with a secret of this store to a chain of 16-byte postings, about 90 bytes
// per indicator in all, and as much per sighting or opinion. A posting only says
// where to look: what answers is the signed object, read again and compared with
// the question, so a collision costs time and nothing else. Start-up reads headers
// and segments.
//
// # Durability
//
// One goroutine writes. It folds what waits into one transaction of at most
// 4 MB, because badger syncs once per transaction; compression, parsing and
// hashing are done before, by whoever calls [Store.Put], and overlap the
// commit. Put returns when the transaction is synced and, for our own word,
// when the head file (store.head, beside badger's directory) says so too.
// Of an encrypted store that file shows counts alone: our last bulletin's id is
// masked under a key of the store's.
// After any error of the disk nothing is acknowledged any more ([ErrFailed]);
// the process should end.
//
// # What is lost is told
//
// The counts in the database tell that something in the middle of it has gone;
// those in the head file, that its end has. The head file is written after every
// commit and synced with our own word, at a close, and else once a second: after
// a kill it is exact; after a power cut together with damage to badger's log,
// what others said and what tables held in the last second may go unnoticed
// here, and is found by synchronisation. Lost bulletins count in [Stats] until
// they are back or a Rebuild accepts what there is. Lost or damaged rows keep
// the store shut ([ErrDamaged]), unless [Options] accept that.
//
// Before badger opens, its tables are looked at: it panics, in goroutines of its
// own, on structure that is damaged. Such a store is refused. Of an encrypted
// one only the tables' index can be checked before; a block that is garbage then
// is met when it is read, reported at every read, and not healed by
// synchronisation: restore a backup. Dropping what a damaged block holds may take
// its neighbours along; the next start tells of these, they are wanted again, and
// after a few rounds none is left.
//
// # A full disk
//
// badger writes through mapped files, and a block the disk does not have is the
// end of the process. So the free space is looked at before it commits, every
// second or 8 MB: below a low mark writes return [ErrReadOnly], above a high one
// they go on; reads always do. The ballast (store.ballast) is space held in
// reserve: it is given up where badger would otherwise lack the room to open or
// close, and made again when there is space. Where even that is too little,
// Open says how much it takes, and Close leaves the log for the next start.
// Another process that takes all of the mark while badger merges its tables can
// still end ours; nothing acknowledged is lost by that.
//
// # Backups
//
// [Store.Backup] writes what the store holds at one moment, every byte under a
// hash that its end carries; of an encrypted store sealed under its key.
// [Restore] verifies all of it before a directory becomes a store, which has a
// new id. backupstream.go has the format.
//
// # Limits
//
// Those of package protocol for bulletins; a table's key has 1 to 256 bytes,
// its value at most 64 KiB. A sighting counts for a year after it was last seen,
// an opinion for a year after it was modified; both are kept for a year after
// their issue, then they are swept, as claims are. Of what one scope says
// about one object the newest 64 count ([MaxAbout]). The index rounds expiry
// dates up to the second, and takes those after 2106 as never; answers go by the
// exact date. A bulletin that arrives only
// after a newer one with a shorter validity was swept answers until its own
// validity ends. An erasure needs room for the files badger writes anew, as a
// sweep does, and is refused on a full disk ([ErrReadOnly]). Where a header is
// damaged, its body is nobody's and stays on the disk until the store is
// rebuilt: an erasure finds the header not held.
package storage

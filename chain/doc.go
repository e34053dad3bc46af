// Package chain writes, opens and verifies hash-chained audit logs.
//
// A log is a folder of segments. A segment is a file of lines, each an entry
// that carries the hash of the one before it:
//
//	body_hash = SHA-256(body)
//	hash      = SHA-256(tag || prev_hash || seq as 8 bytes big-endian || body_hash)
//
// so that changing, removing, swapping or inserting an entry breaks every link
// after it. The format is specified in FORMAT.md, with an example and the rule
// that tells what a crash left from tampering.
//
// # Words
//
// To write is to hand bytes to the operating system: they survive a crash of the
// process. An entry is synced when every earlier byte of the log, in whatever
// segment, and the names of all those segments are durable. To seal a segment is
// to give its successor a name: what the successor states of it holds for ever.
// The head is the sequence number and hash of the last entry. The mark is the
// writer's own note of the last synced entry.
//
// # What a chain shows
//
// That no entry below the head was changed, removed, moved or added since. It
// does not show that the head is the last: whoever can write the folder can cut
// the tail off, or build another from any entry on. A head kept elsewhere, or a
// signed checkpoint, shows that.
//
// # Crashes and failures
//
// No byte of a segment ever changes and none is removed. A crash can tear only
// what stands above the mark in the newest segment; [Open] keeps the longest
// valid prefix and begins a new segment, whose first entry declares the rest as
// cut. A failed write or sync, or a file touched from outside, gives the segment
// up in the same way: [Writer.Renew]. Everything else that is wrong with a log
// is a [TamperError], and nothing is repaired.
package chain

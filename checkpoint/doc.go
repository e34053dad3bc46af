// Package checkpoint makes, keeps and checks signed statements of a log's head.
//
// A checkpoint says: this log has so many entries, and this is the root of the
// Merkle tree (RFC 6962, section 2.1) over all of them. A leaf is an entry's
// sequence number and hash, so that a proof of one leaf commits to all entries
// before it. A checkpoint is a signed note in the formats of C2SP
// (https://c2sp.org: signed-note, tlog-checkpoint, tlog-cosignature), which stock
// tools check:
//
//	<configured name>/<log id>
//	<size in entries>
//	<base64 of the root>
//
//	— <name>/<log id> <base64 of key ID and Ed25519 signature>
//	— <name>/<log id> <base64 of key ID, time and Ed25519 signature>
//
// The second line is the log's statement of the time, by its own clock.
//
// # What a checkpoint shows
//
// Whoever keeps one elsewhere can tell that a log was cut off, or rebuilt from an
// entry on, whatever the one who did it can write: the entries would no longer
// make the root. Nobody can tell what was changed after the last checkpoint that
// left the machine, and with the key anything can be signed that is consistent
// with what others have kept.
//
// # Order
//
// An entry is in the tree only once it is synced, and a synced entry is never
// taken back, so neither is the tree. A checkpoint is signed of the tree, and
// leaves the process only when it is synced in the log's file of checkpoints,
// FORMAT.md. After a crash the newest checkpoint there is a floor: a log that does
// not reach it was tampered with.
package checkpoint

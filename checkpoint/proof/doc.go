// Package proof makes and checks what shows that an entry is in a log, and that
// a log grew from one checkpoint to another.
//
// A log's tree is that of RFC 6962 over 40 bytes for each entry, its sequence
// number (8, big-endian) and its hash (32); leaf i is entry i+1. As the hash of
// an entry commits to all entries before it, a proof of one entry is one of the
// whole prefix.
//
// # The file tree
//
// Whoever makes proofs again and again keeps the nodes of level 8 and above in the
// file tree in the log's folder: the hashes of a tree whose leaves are the roots
// of 256 entries each, in the order of [tlog.StoredHashIndex], 32 bytes each. That
// is 64 bytes for 256 entries, 25 MB for 10^8. What is below is computed from the
// entries of the one or two blocks that a proof touches, which are read back.
//
// The file is derived and never trusted: nobody syncs it, a proof is checked
// against the root of a signed checkpoint before it leaves, and if it does not
// hold, the file is made anew from the segments.
//
// # Files of proofs
//
// A proof of an entry is a C2SP tlog-proof with the entry's line as its extra
// data. The extra data is not covered by the proof, and need not be: the leaf is
// computed from it.
package proof

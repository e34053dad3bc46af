// Package sha256pair computes two SHA-256 digests (FIPS 180-4) at a time.
//
// A processor's SHA instructions wait for each other's results most of the time. Two messages that take
// turns fill the gaps: both are done in little more than the time of one. Where the processor has no such
// instructions, and in FIPS 140 mode, crypto/sha256 does both one after the other.
package sha256pair

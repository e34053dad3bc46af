// Package witness has others sign that they saw a log's checkpoints, by C2SP
// tlog-witness: a [Client] that asks a witness for its cosignature, a [Keeper]
// that keeps all of a log's witnesses up to date, and a [Server] that is a
// witness.
//
// A witness remembers the newest checkpoint of each log it knows and cosigns
// another only with a proof that the log grew from the one to the other. So two
// histories of one log can't both go on: the witness refuses the second, whoever
// holds the log's key.
//
// # add-checkpoint
//
//	POST <prefix>/add-checkpoint
//
//	old <size>\n
//	<base64 of a hash>\n   up to 63: the consistency proof, RFC 6962 section 2.1.2
//	\n
//	<checkpoint>
//
//	200  one or more cosignature lines
//	400  malformed, or old is larger than the checkpoint
//	403  no signature of a key that the witness trusts for the log
//	404  a log that the witness does not know
//	409  old is not the witness's size, which is the answer: <size>\n, text/x.tlog.size
//	422  the proof is wrong
//
// A checkpoint of the witness's own size with another root is answered by 409 as
// well, with that size: the log has forked.
//
// # Reading
//
//	GET <prefix>/<hex SHA-256 of the origin>/checkpoint
//
// gives the newest cosigned checkpoint, 404 if there is none. The specification
// calls the prefix the monitoring prefix and leaves the rest open; this is what
// the witnesses of the public network serve.
package witness

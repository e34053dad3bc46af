// Package withhold keeps what opens the values that a log's events only commit to,
// so that it can be erased and the log stays as it is.
//
// Openings lie in files beside the segments, each encrypted under the key of the
// subject it is about. The keys lie in a key store, a folder of its own, wrapped by a
// secret that a key-encryption key may protect. To erase a subject is to destroy its
// keys: what is encrypted with them, here and in every copy, can't be read again.
// FORMAT.md has both formats, and the order in which things become durable.
//
// It knows nothing of events or chains: an event is named by 16 random bytes, and what
// is sealed is bytes.
package withhold

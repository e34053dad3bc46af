// Package flush decides when a request is acknowledged.
//
// A request is one batch of entries. [Committer.Submit] hands it to a [Log] and returns nil when
// the flush mode says that the client may be told OK:
//
//	mode       critical  routine   a power cut can take
//	Immediate  synced    synced    nothing acknowledged
//	Hybrid     synced    written   at most BatchSize routine entries
//	Batched    written   written   at most BatchSize entries
//
// # Words
//
// Write: handed to the operating system. Sync: durable. Acknowledge: Submit returned nil. Exposed:
// acknowledged but not synced. Critical: an entry that Hybrid and Immediate never expose. Stall: a
// call of the Log that has not returned by SyncTimeout. Failing over: the segment is given up and
// no new one could be opened yet.
//
// # Exposure
//
// The number of exposed entries is exact. It is raised under the lock at the moment a request is
// acknowledged, after its Write returned and before Submit is told; it falls when a sync that was
// called after that Write returns nil. A request that would raise it beyond BatchSize is not
// exposed but waits until it is synced. Reserving earlier, at admission, would count entries that
// nobody was told about and so make requests wait for nothing. A full count starts a sync, and so
// does a timer, BatchInterval after the oldest exposed entry was acknowledged.
//
// # Goroutines
//
// Either of two workers makes the next call of the Log that is due, so that a Write may overlap a
// Sync. A third goroutine, for which nobody waits, calls Tidy. Submit calls nothing of the Log, so
// a hung disk holds no caller. No lock is held across a call of the Log. All requests that wait
// share the next sync. It starts as the last one ends; if that answered several requests, their
// callers have a turn on the processor first, so that what they send next is in it, too. A lone
// request costs one Write and one Sync and waits for no timer.
//
// # Failures
//
// A failed Sync is final for its segment: Sync is not called on it again. Log.Renew gets everything
// that is exposed or still waits and continues in a new segment. After a failed Write what stands
// before it is synced first. While Renew fails, requests are refused, exposed batches stay in
// memory, and Renew is tried again with growing delay.
package flush

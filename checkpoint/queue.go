package checkpoint

import (
	"sync"

	"github.com/otelaudit/auditexporter/chain"
)

// queue holds the hashes of synced entries until they are in the tree. What it
// has no room for is read from the segments again.
type queue struct {
	mu     sync.Mutex
	first  uint64 // sequence number of the first of hashes
	hashes []chain.Hash
	synced uint64 // sequence number of the last entry that was told of
	closed bool   // the tree will not grow any more
}

const (
	queueRoom = 1 << 16 // entries, of 32 bytes
	queueWake = 1 << 13 // entries that are worth waking the one who hashes them
)

// add is called from within the writer's methods. It tells whether it is time to
// take.
func (q *queue) add(first uint64, hashes []chain.Hash) (wake bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.synced = first + uint64(len(hashes)) - 1
	if q.closed {
		return false
	}
	before := len(q.hashes)
	if before+len(hashes) > queueRoom || before > 0 && q.first+uint64(before) != first {
		q.hashes, before = q.hashes[:0], 0
		if len(hashes) > queueRoom {
			q.first = q.synced + 1
			return true
		}
	}
	if before == 0 {
		q.first = first
	}
	q.hashes = append(q.hashes, hashes...)
	return before < queueWake && len(q.hashes) >= queueWake
}

// take moves to dst what the queue holds from entry next on, up to entry limit.
// gap is how far the segments must be read first, 0 if they need not be.
func (q *queue) take(next, limit uint64, dst []chain.Hash) (taken []chain.Hash, gap uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit = min(limit, q.synced)
	if next > limit {
		return dst[:0], 0
	}
	if len(q.hashes) == 0 || next < q.first {
		gap = q.synced
		if len(q.hashes) > 0 {
			gap = q.first - 1
		}
		return dst[:0], min(gap, limit)
	}
	skip := next - q.first
	n := limit - next + 1
	taken = append(dst[:0], q.hashes[skip:skip+n]...)
	rest := copy(q.hashes, q.hashes[skip+n:])
	q.hashes, q.first = q.hashes[:rest], next+n
	return taken, 0
}

func (q *queue) last() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.synced
}

// close drops everything: nobody will take any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.hashes = true, nil
}

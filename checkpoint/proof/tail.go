package proof

import (
	"sync"

	"github.com/otelaudit/auditexporter/chain"
)

// Tail holds the hashes of a log's last entries as its writer tells them, so that
// they need not be read back. The zero value is empty; many goroutines may use it.
type Tail struct {
	// Max bounds the entries that are held: the oldest go first. 0: 1,048,576,
	// which is 32 MiB.
	Max int

	mu     sync.Mutex // guards all below
	first  uint64     // of hashes; 0: none
	hashes []chain.Hash
}

// Append takes entries that were synced, as [chain.Options.Synced] is told them.
// It is cheap; hashes is copied.
func (t *Tail) Append(first uint64, hashes []chain.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == 0 || t.first+uint64(len(t.hashes)) != first {
		t.first, t.hashes = first, t.hashes[:0]
	}
	t.hashes = append(t.hashes, hashes...)
	limit := t.Max
	if limit == 0 {
		limit = 1 << 20
	}
	if len(t.hashes) > limit {
		// Half, so that this is not done each time.
		t.drop(len(t.hashes) - limit/2)
	}
}

// Release says that no proof from a size below this will be asked for.
func (t *Tail) Release(size uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if start := size/blockSize*blockSize + 1; t.first != 0 && start > t.first {
		t.drop(int(min(start-t.first, uint64(len(t.hashes)))))
	}
}

func (t *Tail) drop(n int) {
	t.first += uint64(n)
	t.hashes = append(t.hashes[:0], t.hashes[n:]...)
}

// read appends the hashes of entries first to last, if it holds them all.
func (t *Tail) read(dst []chain.Hash, first, last uint64) ([]chain.Hash, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == 0 || first < t.first || last >= t.first+uint64(len(t.hashes)) {
		return dst, false
	}
	return append(dst, t.hashes[first-t.first:last-t.first+1]...), true
}

func (t *Tail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first, t.hashes = 0, nil
}

package trial

import (
	"runtime/metrics"
	"time"
)

// heapLook is how often the heap is looked at, which stops nobody.
const heapLook = 2 * time.Millisecond

// watchHeap watches how large the heap gets, until highest is called.
func watchHeap() (highest func() uint64) {
	over, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := heap()
		for {
			select {
			case <-over:
				peak <- max(most, heap())
				return
			case <-time.After(heapLook):
				most = max(most, heap())
			}
		}
	}()
	return func() uint64 {
		close(over)
		return <-peak
	}
}

// heap is the bytes of objects, of those too that the garbage collector has not freed yet.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

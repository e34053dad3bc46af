package exporter

import (
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
)

// divided is how many records make it worth to encode half of a request in another goroutine.
const divided = 128

// half is the later half of a request and what was found in it. Owned by its goroutine until done.
type half struct {
	work
	done sync.WaitGroup // no channel: one belongs to the bubble of the test that made it
}

// work is what a half is about.
type work struct {
	e        *encoder
	batch    *chain.Batch
	logs     plog.Logs
	part     part
	judged   judged
	recorded time.Time
	found    found
	err      error
}

func (h *half) encode() {
	h.found, h.err = h.e.appendPart(h.batch, h.logs, h.part, h.judged, h.recorded)
	<-h.e.slots
	h.done.Done()
}

var halves = sync.Pool{New: func() any { return new(half) }}

// appendParts appends the n records of logs to b: in two halves, one beside the other, if there are many
// and nobody else needs the processors.
func (e *encoder) appendParts(b *chain.Batch, logs plog.Logs, n int, j judged) (found, error) {
	recorded := time.Now()
	if n < divided || !e.spare() {
		return e.appendPart(b, logs, part{to: n}, j, recorded)
	}
	h := halves.Get().(*half)
	h.work = work{e: e, batch: e.batches.get(n - n/2), logs: logs, part: part{from: n / 2, to: n}, judged: j, recorded: recorded}
	h.done.Add(1)
	go h.encode()
	f, err := e.appendPart(b, logs, part{to: n / 2}, j, recorded)
	h.done.Wait()
	f.merge(h.found)
	if err == nil {
		err = h.err
	}
	if err == nil {
		b.Add(h.batch)
	}
	e.batches.put(h.batch)
	h.work = work{} // nothing of logs is kept
	halves.Put(h)
	return f, err
}

// spare takes another slot if half of them are free: then there is a processor for it.
func (e *encoder) spare() bool {
	if 2*(len(e.slots)+1) > cap(e.slots) {
		return false
	}
	select {
	case e.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// merge adds what was found in the records after those of f.
func (f *found) merge(o found) {
	f.critical = f.critical || o.critical
	for _, r := range o.rules {
		f.rules = count(f.rules, r)
	}
	f.structural += o.structural
	f.identity += o.identity
	f.faults |= o.faults
	f.redacted += o.redacted
	f.truncated += o.truncated
}

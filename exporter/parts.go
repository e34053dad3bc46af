package exporter

import (
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
)

// divided is how many records make it worth to encode half of a request in another goroutine.
const divided = 128

// appendParts appends the n records of logs to b: in two halves, one beside the other, if there are many
// and nobody else needs the processors.
func (e *encoder) appendParts(b *chain.Batch, logs plog.Logs, n int, j judged) (found, error) {
	recorded := time.Now()
	if n < divided || !e.spare() {
		return e.appendPart(b, logs, part{to: n}, j, recorded)
	}
	half := n / 2
	second := make(chan found, 1)
	rest := e.batches.get(n - half)
	var restErr error
	go func() {
		defer func() { <-e.slots }()
		f, err := e.appendPart(rest, logs, part{from: half, to: n}, j, recorded)
		restErr = err
		second <- f
	}()
	f, err := e.appendPart(b, logs, part{to: half}, j, recorded)
	f.merge(<-second)
	if err == nil {
		err = restErr
	}
	if err == nil {
		b.Add(rest)
	}
	e.batches.put(rest)
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

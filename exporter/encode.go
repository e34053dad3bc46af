package exporter

import (
	"context"
	"iter"
	"math/bits"
	"runtime"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

// encoder encodes requests. Only so many at once do, so that the memory of what no budget counts yet
// is bounded.
type encoder struct {
	event   *event.Encoder
	slots   chan struct{}
	sources sync.Pool // of *event.Source
	batches batchPool
	maxBody int  // bytes
	reject  bool // requests with a structurally invalid record
}

func newEncoder(e *event.Encoder, maxBody int, reject bool) *encoder {
	return &encoder{
		event:   e,
		slots:   make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		sources: sync.Pool{New: func() any { return new(event.Source) }},
		maxBody: maxBody, reject: reject,
	}
}

// found is what encoding a request learned about it.
type found struct {
	critical bool
	rules    []ruleCount // of critical events, by class

	structural, identity int64 // records that are invalid
	faults               event.Structural
	redacted, truncated  int64 // values
	// Records that stand in the log already, and those whose id another has.
	duplicates, conflicts int64
}

type ruleCount struct {
	class string
	n     int64
}

// judged is what was found out about a request's records before they are encoded; it may be zero.
type judged struct {
	producers *examined
	ids       []identity // of those that have one, in order
}

// encode returns the n records of logs as a batch, which is the caller's to release, without those that
// are duplicates. The error is a *tooLargeError, an *invalidError or ctx's; what was found is so in any
// case.
func (e *encoder) encode(ctx context.Context, logs plog.Logs, n int, j judged) (*chain.Batch, found, error) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, found{}, ctx.Err()
	}
	defer func() { <-e.slots }()
	b := e.batches.get(n)
	f, err := e.appendParts(b, logs, n, j)
	if err == nil && e.reject && f.structural > 0 {
		err = &invalidError{records: n, invalid: int(f.structural), faults: f.faults}
	}
	if err != nil {
		e.batches.put(b)
		return nil, f, err
	}
	return b, f, nil
}

// stretch is how many bytes of events are encoded before others may run: the writer and who waits for it
// must not queue behind a whole large request for a processor.
const stretch = 16 << 10

// part is the records of a request from one on and up to another, excluded.
type part struct{ from, to int }

func (e *encoder) appendPart(b *chain.Batch, logs plog.Logs, p part, j judged, recorded time.Time) (found, error) {
	src := e.sources.Get().(*event.Source)
	defer func() {
		src.Reset()
		e.sources.Put(src)
	}()
	var f found
	i, turn := p.from-1, len(b.Buffer())+stretch
	for lr := range e.records(src, logs, p) {
		i++
		var print *event.Print
		if id := identityOf(&j.ids, i); id != nil {
			if id.verdict == verdictDuplicate {
				continue
			}
			print = &id.print
		}
		start := len(b.Buffer())
		src.Producer = j.producers.of(i)
		buf, info := e.event.AppendPrinted(b.Buffer(), src, lr, recorded, print)
		if size := len(buf) - start; size > e.maxBody {
			return f, &tooLargeError{size: size, limit: e.maxBody}
		}
		b.EndEvent(buf)
		b.Aside = seal(b.Aside, src)
		f.note(info)
		if len(buf) >= turn {
			runtime.Gosched()
			turn = len(buf) + stretch
		}
	}
	b.Finish()
	return f, nil
}

// records goes through a part of the records of logs, with their resource and scope in src.
func (e *encoder) records(src *event.Source, logs plog.Logs, p part) iter.Seq[plog.LogRecord] {
	return func(yield func(plog.LogRecord) bool) {
		at := 0
		for _, rl := range logs.ResourceLogs().All() {
			fresh := true
			for _, sl := range rl.ScopeLogs().All() {
				records := sl.LogRecords()
				first, last := max(p.from-at, 0), min(p.to-at, records.Len())
				at += records.Len()
				if first >= last {
					continue
				}
				if fresh {
					e.event.Resource(src, rl)
					fresh = false
				}
				e.event.Scope(src, sl)
				for i := first; i < last; i++ {
					if !yield(records.At(i)) {
						return
					}
				}
			}
		}
	}
}

// note counts what there is to know of an event.
func (f *found) note(info event.Info) {
	if info.Critical {
		f.add(info.Rule)
	}
	if info.Structural != 0 {
		f.structural++
		f.faults |= info.Structural
	}
	if info.Identity > 0 {
		f.identity++
	}
	f.redacted += int64(info.Redacted)
	f.truncated += int64(info.Truncated)
}

// add counts a critical event. Rules are of a bounded set, and their classes, what stands before the
// colon, of a small one.
func (f *found) add(rule string) {
	f.critical = true
	class, _, _ := strings.Cut(rule, ":")
	f.rules = count(f.rules, ruleCount{class: class, n: 1})
}

// count adds to the count of a class.
func count(counts []ruleCount, r ruleCount) []ruleCount {
	for i := range counts {
		if counts[i].class == r.class {
			counts[i].n += r.n
			return counts
		}
	}
	return append(counts, r)
}

// batchPool keeps the memory of batches by the number of their entries: a batch counts against the
// memory budget with all it holds, so a small request must not get a large one's.
type batchPool [4]sync.Pool

// class is the pool for n entries: up to 8, 64, 512, 4096; len(p) is beyond.
func (p *batchPool) class(n int) int { return max(0, bits.Len(uint(n-1))-1) / 3 }

func (p *batchPool) get(n int) *chain.Batch {
	if c := p.class(n); c < len(p) {
		if b, ok := p[c].Get().(*chain.Batch); ok {
			return b
		}
	}
	return new(chain.Batch)
}

// put takes back a batch that nobody reads any more. One whose entries were large is left to the
// garbage collector.
func (p *batchPool) put(b *chain.Batch) {
	c := p.class(b.Len())
	if c >= len(p) || b.Size() > pooledEntry*8<<(3*c) {
		return
	}
	b.Reset()
	p[c].Put(b)
}

// pooledEntry is the bytes of memory an entry that a pooled batch keeps, at most.
const pooledEntry = 4 << 10

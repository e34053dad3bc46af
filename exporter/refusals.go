package exporter

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/flush"
)

// Bounds of what refused requests can make the log grow: one entry in refusedTick, with so many
// records, as chain/FORMAT.md says.
const (
	refusedTick   = time.Second
	refusedListed = 512
	refusedID     = 128 // bytes
)

// refusals leaves a system entry of requests that were refused for good: of the first at once, then of
// one in refusedTick, with how many others there were since.
type refusals struct {
	encoder *encoder

	mu     sync.Mutex // guards all below
	untold tally
	next   time.Time   // no entry is made before
	timer  *time.Timer // tells what is untold by then; nil if nothing is
	ended  bool
}

// tally counts refused requests and all their records.
type tally struct{ requests, records uint64 }

type committer = flush.Committer[*chain.Batch]

// add notes a request of n records, of which j is what was found out. If an entry tells of it now, add returns when that is acknowledged
// as a critical event's would be, or can't be: the request is refused in any case.
func (r *refusals) add(ctx context.Context, c *committer, logs plog.Logs, n int, j judged) {
	r.mu.Lock()
	r.untold.requests++
	r.untold.records += uint64(n)
	now := time.Now()
	if wait := r.next.Sub(now); wait > 0 {
		if r.timer == nil && !r.ended {
			r.timer = time.AfterFunc(wait, func() { r.count(context.Background(), c) })
		}
		r.mu.Unlock()
		return
	}
	t := r.take(now)
	r.mu.Unlock()
	r.tell(ctx, c, t, r.encoder.list(logs, j))
}

// take empties what is untold, for an entry that is made now. r.mu is held.
func (r *refusals) take(now time.Time) tally {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	t := r.untold
	r.untold, r.next = tally{}, now.Add(refusedTick)
	return t
}

// count tells how many requests are untold, if there are any.
func (r *refusals) count(ctx context.Context, c *committer) {
	r.mu.Lock()
	if r.untold.requests == 0 { // an entry of add's came first
		r.mu.Unlock()
		return
	}
	t := r.take(time.Now())
	r.mu.Unlock()
	r.tell(ctx, c, t, nil)
}

// end tells what is untold before the log is closed.
func (r *refusals) end(ctx context.Context, c *committer) {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.count(ctx, c)
}

// tell writes an entry. What can't be told is left to the next one.
func (r *refusals) tell(ctx context.Context, c *committer, t tally, listed []chain.RefusedRecord) {
	body, err := json.Marshal(chain.Refused{
		SystemEvent: chain.SystemEvent{V: chain.SystemVersion, Type: chain.TypeRefused, Time: time.Now().UTC()},
		Requests:    t.requests, Records: t.records, Listed: listed,
	})
	if err == nil {
		b := new(chain.Batch)
		b.EndSystem(append(b.Buffer(), body...))
		err = c.Submit(ctx, b, true)
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.untold.requests += t.requests
		r.untold.records += t.records
	}
}

// violationConflict is the word for a record whose id is another record's.
const violationConflict = "record_id_conflict"

// list describes the records of a refused request, those that it is refused for first.
func (e *encoder) list(logs plog.Logs, j judged) []chain.RefusedRecord {
	src := e.sources.Get().(*event.Source)
	defer func() {
		src.Reset()
		e.sources.Put(src)
	}()
	var listed []chain.RefusedRecord
	var buf []byte
	for _, invalid := range []bool{true, false} {
		i, ids := -1, j.ids
		for lr := range e.records(src, logs, part{to: logs.LogRecordCount()}) {
			i++
			if len(listed) == refusedListed {
				return listed
			}
			var info event.Info
			buf, info = e.event.Append(buf[:0], src, lr, time.Time{})
			faults := append(j.producers.fault(i), info.Structural.Strings()...)
			if id := identityOf(&ids, i); id != nil && id.verdict == verdictConflict {
				faults = append(faults, violationConflict)
			}
			if invalid == (len(faults) > 0) {
				listed = append(listed, chain.RefusedRecord{
					ID: plainID(info.ID), SHA256: e.event.Digest(src, lr), Invalid: faults,
				})
			}
		}
	}
	return listed
}

// plainID is id if it is short and printable ASCII, else "": a system entry holds no text that a client
// could shape freely.
func plainID(id string) string {
	if len(id) > refusedID {
		return ""
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return ""
		}
	}
	return id
}

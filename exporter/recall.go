package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/event/producer"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Bounds of what is read of a log to know producers' chains: of its segments, and of the events that
// belong to chains, the latest.
const (
	recalledSegments = 256 << 20 // bytes
	recalledEvents   = 16 << 20  // bytes
)

// recalling makes open recall the producers' chains from the log, before a request is let in. What
// can't be read is not known, and no reason not to open.
func (p *producers) recalling(open opener, notice func(chain.Notice)) opener {
	if p == nil || p.streams == nil {
		return open
	}
	return func(ctx context.Context, co chain.Options) (auditLog, error) {
		l, err := open(ctx, co)
		if err != nil {
			return nil, err
		}
		r := recovery{info: l.Info(), fsys: co.FS, most: recalledSegments}
		if r.fsys == nil {
			r.fsys = durable.OS()
		}
		if err := p.recall(ctx, &r); err != nil {
			notice(chain.Notice{
				Text:  "the log could not be read for the producers' chains: their next records are taken as they come",
				Attrs: map[string]any{"error": err.Error()},
			})
		}
		return l, nil
	}
}

func (p *producers) recall(ctx context.Context, r *recovery) error {
	from, err := r.bound()
	if err != nil {
		return err
	}
	if from = max(from, 1); from > r.info.Synced.Seq {
		return nil
	}
	l, err := r.open(from)
	if err != nil {
		return err
	}
	defer l.Close()
	var latest [][]byte
	size := 0
	for ctx.Err() == nil {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("couldn't read log: %w", err)
		}
		if e.Kind == chain.Event && bytes.Contains(e.Body, []byte(`,"sequence":{"state":`)) {
			latest = append(latest, bytes.Clone(e.Body))
			for size += len(e.Body); size > recalledEvents; latest = latest[1:] {
				size -= len(latest[0])
			}
		}
		if e.Seq >= r.info.Synced.Seq {
			break
		}
	}
	for _, body := range latest {
		if ctx.Err() != nil {
			break
		}
		if !p.recallEvent(body) {
			p.streams.Forget()
		}
	}
	return nil
}

// recallEvent recalls the record of an event. It reports false for one that does not hold what its
// record said of its chain: then its successor must not be compared with what came before it.
func (p *producers) recallEvent(body []byte) bool {
	e, err := event.Parse(body)
	if err != nil {
		return false
	}
	logs, err := event.Decode(body)
	if err != nil {
		return false
	}
	whole := true
	for _, pointer := range departures(&e) {
		if pointer == "/attributes" || pointer == "/attributes/audit.record.id" ||
			strings.HasPrefix(pointer, "/attributes/audit.sequence.") || pointer == "/attributes/audit.prev.hash" {
			return false
		}
		whole = whole && strings.HasPrefix(pointer, "/scope/")
	}
	rl := logs.ResourceLogs().At(0)
	p.streams.Recall(producer.ReadLink(producer.Of(rl.ScopeLogs().At(0).LogRecords().At(0)), func() producer.Stream {
		return producer.StreamOf(rl.Resource().Attributes())
	}), whole)
	return true
}

// departures are the places where an event does not hold what its record held.
func departures(e *event.Event) (pointers []string) {
	for _, r := range e.Redacted {
		pointers = append(pointers, r.Pointer)
	}
	for _, r := range e.Truncated {
		pointers = append(pointers, r.Pointer)
	}
	if e.Withheld != nil {
		for _, v := range e.Withheld.Values {
			pointers = append(pointers, v.Pointer)
		}
	}
	return pointers
}

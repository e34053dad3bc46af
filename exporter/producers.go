package exporter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/event/producer"
	"github.com/otelaudit/auditexporter/flush"
)

// producers judges what producers say of their records, as received: their signatures, before
// anything else is done with a request, and their place in the producers' chains, in the order of
// the log. nil: nothing is looked at.
type producers struct {
	require  bool
	keys     *producer.Keys    // nil: signatures are not looked at
	streams  *producer.Streams // nil: chains are not
	patience time.Duration
	isAudit  func(plog.LogRecord) bool

	mu      sync.Mutex
	pending map[*chain.Batch]*examined // given to the committer, not released
}

func newProducers(o *Integrity, e *encoder, patience time.Duration) *producers {
	if o == nil {
		return nil
	}
	p := &producers{
		require: o.Verify == verifyRequire, patience: patience, isAudit: e.event.IsAudit,
		pending: make(map[*chain.Batch]*examined),
	}
	if o.Sequences {
		p.streams = producer.NewStreams(o.MaxStreams)
	}
	return p
}

// loadKeys reads the keys that producers are trusted by, and has the log's opening entries name
// them. It is done once: a key that is added or taken away needs a restart.
func (a *audit) loadKeys() error {
	if a.o.Integrity == nil {
		return nil
	}
	keys, err := a.o.Integrity.load()
	if err != nil || keys == nil {
		return err
	}
	a.producers.keys = keys
	settings := maps.Clone(a.chain.Config.Settings)
	if settings == nil {
		settings = make(map[string]string)
	}
	for i, name := range keys.Names() {
		settings[fmt.Sprintf("integrity.trusted_keys[%d]", i)] = name
	}
	a.chain.Config.Settings = settings
	return nil
}

// examined is what was found out about a request's records, by their index; nil: nothing.
type examined struct {
	results []producer.Result // of records that claim a signature, as claimed says
	claimed []bool
	links   []producer.Link
	claim   *producer.Claim // the request's streams; nil if it has none

	sequences []event.Sequence // of the records, "" of those that say nothing; nil if none does

	signatures, breaks []ruleCount // by result and break

	// What is known of the request's end, for streams that can't be settled at once. Guarded by
	// producers.mu.
	released, synced bool
	decide           func(written bool)
}

// unverifiedError is a request that is refused for records whose signature is not verified. It
// holds nothing of their content.
type unverifiedError struct {
	records, failed int // of the request, and those of them that failed
	reasons         []string
}

func (e *unverifiedError) Error() string {
	return fmt.Sprintf("%d of %d records are not verified, and none was taken: audit.integrity.value: %s",
		e.failed, e.records, strings.Join(e.reasons, ", "))
}

// examine looks at all records of a request, and with what they say of chains takes their
// streams, which settle lets go. The error is an *unverifiedError, with what was found,
// [producer.ErrUndecided] or ctx's.
func (p *producers) examine(ctx context.Context, e *encoder, logs plog.Logs, n int) (*examined, error) {
	if p == nil {
		return nil, nil
	}
	x, err := p.look(ctx, e, logs, n)
	if err != nil {
		return x, err
	}
	if p.streams != nil {
		if x.claim, err = p.streams.Claim(ctx, x.links, p.patience); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (p *producers) look(ctx context.Context, e *encoder, logs plog.Logs, n int) (*examined, error) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.slots }()
	x := &examined{results: make([]producer.Result, n), claimed: make([]bool, n), links: make([]producer.Link, n)}
	all := unexamined(logs, n)
	half := n
	var rest sync.WaitGroup
	if n >= divided && e.spare() {
		half = n / 2
		rest.Go(func() {
			defer func() { <-e.slots }()
			p.lookAt(x, all, half, n)
		})
	}
	p.lookAt(x, all, 0, half)
	rest.Wait()
	if failed := x.sum(); failed > 0 && p.require {
		return x, &unverifiedError{records: n, failed: failed, reasons: x.reasons()}
	}
	return x, nil
}

// sighted is a record with its resource and, once it is asked for, the stream of records that name none.
type sighted struct {
	lr       plog.LogRecord
	resource pcommon.Map
	stream   func() producer.Stream
}

// unexamined are the n records of a request, in order.
func unexamined(logs plog.Logs, n int) []sighted {
	all := make([]sighted, 0, n)
	for _, rl := range logs.ResourceLogs().All() {
		s := sighted{resource: rl.Resource().Attributes()}
		s.stream = sync.OnceValue(func() producer.Stream { return producer.StreamOf(s.resource) })
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				s.lr = lr
				all = append(all, s)
			}
		}
	}
	return all
}

// lookAt looks at the records from one on and up to another, excluded.
func (p *producers) lookAt(x *examined, all []sighted, from, to int) {
	for i := from; i < to; i++ {
		s := &all[i]
		r := producer.Of(s.lr)
		if p.keys != nil && (producer.Claimed(s.resource, s.lr) || p.require && p.isAudit(s.lr)) {
			x.claimed[i] = true
			x.results[i] = p.keys.Verify(s.resource, r)
		}
		if p.streams != nil {
			x.links[i] = producer.ReadLink(r, s.stream)
		}
	}
}

// sum counts the signatures by their result, and returns how many failed.
func (x *examined) sum() (failed int) {
	for i, claimed := range x.claimed {
		switch {
		case !claimed:
		case x.results[i].Verified:
			x.signatures = count(x.signatures, ruleCount{"verified", 1})
		default:
			failed++
			x.signatures = count(x.signatures, ruleCount{string(x.results[i].Reason), 1})
		}
	}
	return failed
}

// reasons are the words of all signatures that failed.
func (x *examined) reasons() (words []string) {
	for i := range x.results {
		if r := string(x.results[i].Reason); r != "" && !slices.Contains(words, r) {
			words = append(words, r)
		}
	}
	return words
}

// fault says in words what a record is refused for, nil if it is not at fault.
func (x *examined) fault(i int) []string {
	if x == nil || x.results[i].Reason == "" {
		return nil
	}
	return []string{"audit.integrity.value: " + string(x.results[i].Reason)}
}

// place finds the place of each record in its producer's chain, in their order, those apart
// that leave no entry. It is done once, when the request has its streams.
func (x *examined) place(leaves func(i int) bool) {
	if x == nil || x.claim == nil {
		return
	}
	x.sequences = make([]event.Sequence, len(x.links))
	for i := range x.links {
		if !x.links[i].Says() || !leaves(i) {
			continue
		}
		v := x.claim.Judge(&x.links[i])
		x.sequences[i] = event.Sequence{State: string(v.State), Break: string(v.Break)}
		if v.Break != "" {
			x.breaks = count(x.breaks, ruleCount{string(v.Break), 1})
		}
	}
}

// of is what the event of the i-th record says of its producer, nil if nothing.
func (x *examined) of(i int) *event.Producer {
	if x == nil {
		return nil
	}
	var p event.Producer
	if x.claimed[i] {
		r := &x.results[i]
		p.Integrity = &event.Integrity{Verified: r.Verified, Reason: string(r.Reason), Key: r.Key, Uncovered: r.Uncovered}
	}
	if x.sequences != nil && x.sequences[i].State != "" {
		p.Sequence = &x.sequences[i]
	}
	if p == (event.Producer{}) {
		return nil
	}
	return &p
}

// submitting notes that b, the records of x, is given to the committer.
func (p *producers) submitting(b *chain.Batch, x *examined) {
	if x == nil || x.claim == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[b] = x
}

// release takes note of what became of b's entries, before b is used again.
func (p *producers) release(b *chain.Batch, synced bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	x := p.pending[b]
	delete(p.pending, b)
	var decide func(bool)
	if x != nil {
		x.released, x.synced = true, synced
		decide = x.decide
	}
	p.mu.Unlock()
	if decide != nil {
		decide(synced)
	}
}

// settle advances the request's streams if its records are in the log. If its answer leaves
// that open, the streams wait until the committer knows.
func (p *producers) settle(x *examined, err error) {
	if x == nil || x.claim == nil {
		return
	}
	if err == nil || errors.Is(err, flush.ErrOverloaded) {
		x.claim.Settle(err == nil)
		return
	}
	p.mu.Lock()
	released, synced := x.released, x.synced
	if !released {
		x.decide = x.claim.Suspend()
	}
	p.mu.Unlock()
	if released {
		x.claim.Settle(synced)
	}
}

// drop lets go of the streams of a request that never reached the committer.
func (x *examined) drop() {
	if x != nil {
		x.claim.Settle(false)
	}
}

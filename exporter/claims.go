package exporter

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/flush"
	"github.com/otelaudit/auditexporter/idindex"
)

// claims are the record ids of requests that are on their way to the log, and the index of those that
// are synced there. An id is in one of the two from the moment that a request claims it: it goes to the
// index before it leaves the claims.
type claims struct {
	encoder *encoder
	keys    []string
	index   *idindex.Index // set, with identify, before the first request
	ids     *identifier
	timeout time.Duration // of a look into the index's files
	reread  int64         // bytes of the log that are read at most for an index that lacks them

	mu       sync.Mutex // guards all below, and the claims
	pending  map[idindex.Key]place
	batches  map[*chain.Batch]*idClaim
	sick     error         // why nobody must wait for a sync now; nil: one may
	sickened chan struct{} // closed when sick is set
}

// place is an identity of a claim.
type place struct {
	c *idClaim
	i int
}

// idClaim is the ids of one request. What happens to it happens once.
type idClaim struct {
	ids     []identity    // guarded by claims.mu while others can see them
	handed  bool          // to the log, so that what becomes of it is told
	acked   bool          // its entries are acknowledged
	synced  bool          // and synced, or all its records stand in the log already
	over    bool          // it is synced, or its entries are not in the log
	changed chan struct{} // closed at the next change; nil if nobody waits
}

func newClaims(e *encoder, keys []string, timeout time.Duration) *claims {
	return &claims{
		encoder: e, keys: keys, timeout: timeout, reread: rereadBytes,
		pending: make(map[idindex.Key]place), batches: make(map[*chain.Batch]*idClaim), sickened: make(chan struct{}),
	}
}

// errAgain says that what a record was judged by is not in the log: the request is judged anew.
var errAgain = errors.New("judged by a record that was not written")

// judge decides about every record with an id: those that are new, or conflicts, are the request's own
// from now on until drop, or until its batch is released. What it is judged by is acknowledged when judge
// returns nil.
func (k *claims) judge(ctx context.Context, c *idClaim) error {
	k.claim(c)
	err := k.compare(ctx, c)
	if err == nil {
		err = k.await(ctx, c)
	}
	if err != nil {
		k.drop(c)
	}
	return err
}

// claim takes those keys that no other request has, and judges by the requests that have the others, or
// by c itself. Conflicts come to stand under keys of their own, and are claimed by those.
func (k *claims) claim(c *idClaim) {
	ids := c.ids
	k.mu.Lock()
	defer k.mu.Unlock()
	for n := range ids {
		i := &ids[n]
		p, taken := k.pending[i.key]
		switch {
		case !taken:
			k.pending[i.key] = place{c, n}
		case p.c.ids[p.i].whole == i.whole:
			i.verdict, i.of, i.ofAt = verdictDuplicate, p.c, p.i
		default:
			i.of, i.ofAt = p.c, p.i
			k.conflict(c, n)
		}
	}
}

// conflict judges a record to be one that conflicts, or a duplicate of such a one. k.mu is held.
func (k *claims) conflict(c *idClaim, n int) {
	i := &c.ids[n]
	i.verdict, i.print.Conflict = verdictConflict, true
	i.key = i.conflictKeys()[0]
	if p, taken := k.pending[i.key]; taken {
		i.verdict, i.of, i.ofAt = verdictDuplicate, p.c, p.i
		return
	}
	k.pending[i.key] = place{c, n}
}

// compare judges by what is synced: first by ids, and of conflicts by whether they were written before.
func (k *claims) compare(ctx context.Context, c *idClaim) error {
	known, err := k.look(ctx, c, func(i *identity, see func(idindex.Key)) {
		if i.verdict != verdictDuplicate || i.of == c {
			see(idindex.Key(i.print.ID))
		}
	})
	if err != nil {
		return err
	}
	for n, r := range known {
		i := &c.ids[n]
		same := k.ids.same(i, r)
		k.mu.Lock()
		i.of = nil // what is synced decides
		switch {
		case same:
			k.let(c, n)
			i.verdict = verdictDuplicate
		case i.verdict == verdictNew:
			k.let(c, n)
			k.conflict(c, n)
		}
		k.mu.Unlock()
	}
	known, err = k.look(ctx, c, func(i *identity, see func(idindex.Key)) {
		if i.verdict == verdictConflict {
			for _, key := range i.conflictKeys() {
				see(key)
			}
		}
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	for n := range known {
		k.let(c, n)
		c.ids[n].verdict, c.ids[n].of = verdictDuplicate, nil
	}
	return err
}

// look finds records in the index, by place in c.ids.
func (k *claims) look(ctx context.Context, c *idClaim, keys func(i *identity, see func(idindex.Key))) (map[int]*idindex.Record, error) {
	type wanted struct {
		n   int
		key idindex.Key
	}
	var some []wanted
	at := 0
	see := func(key idindex.Key) {
		if k.index.Maybe(key) {
			some = append(some, wanted{at, key})
		}
	}
	for at = range c.ids {
		keys(&c.ids[at], see)
	}
	if some == nil {
		return nil, nil
	}
	// Apart, as a file may be read: a disk that hangs holds no client.
	found := make(chan map[int]*idindex.Record, 1)
	go func() {
		all := make(map[int]*idindex.Record)
		for _, w := range some {
			if r, ok := k.index.Find(w.key); ok {
				all[w.n] = &r
			}
		}
		found <- all
	}()
	late := time.NewTimer(k.timeout)
	defer late.Stop()
	select {
	case all := <-found:
		return all, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C:
		return nil, &flush.UnavailableError{Reason: flush.ReasonStall, Err: errors.New("sync_timeout passed before the index of record ids answered")}
	}
}

// await waits until all that c is judged by is acknowledged, as its flush mode demands: what waits for a
// sync is synced then, and what does not is exposed and counted, so that c adds nothing to it.
func (k *claims) await(ctx context.Context, c *idClaim) error {
	for n := range c.ids {
		i := &c.ids[n]
		if i.of == nil || i.of == c {
			continue
		}
		if err := k.awaitOne(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (k *claims) awaitOne(ctx context.Context, i *identity) error {
	for {
		k.mu.Lock()
		other, changed, sick, sickened := i.of, i.of.changed, k.sick, k.sickened
		ready := other.over || other.acked
		stands := ready && (!other.over || other.synced) && other.ids[i.ofAt].verdict != verdictDuplicate
		if !ready && changed == nil {
			changed = make(chan struct{})
			other.changed = changed
		}
		k.mu.Unlock()
		switch {
		case ready && !stands:
			return errAgain
		case ready:
			return nil
		case sick != nil:
			return sick
		}
		select {
		case <-changed:
		case <-sickened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// change tells those who wait for c. k.mu is held.
func (c *idClaim) change() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// let gives up the key of an identity. k.mu is held.
func (k *claims) let(c *idClaim, n int) {
	key := c.ids[n].key
	if k.pending[key] == (place{c, n}) {
		delete(k.pending, key)
	}
}

// finish ends a claim: its entries are synced in the log, or not there. k.mu is held.
func (k *claims) finish(c *idClaim, synced bool) {
	if c.over {
		return
	}
	for n := range c.ids {
		k.let(c, n)
	}
	c.over, c.synced = true, synced
	c.change()
}

// drop ends a claim, unless its batch was handed to the log.
func (k *claims) drop(c *idClaim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !c.handed {
		k.finish(c, false)
	}
}

// submit is called before b, which has the entries of c, is handed on.
func (k *claims) submit(c *idClaim, b *chain.Batch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.handed = true
	k.batches[b] = c
}

// acknowledged is called when c's batch may be acknowledged.
func (k *claims) acknowledged(c *idClaim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.acked = true
	c.change()
}

// released is called when nobody reads b any more. What is synced was told before.
func (k *claims) released(b *chain.Batch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.batches[b]; c != nil {
		k.finish(c, false)
		delete(k.batches, b)
	}
}

// synced takes a batch that is synced into the index, in the order of the log.
func (k *claims) synced(b *chain.Batch) {
	k.mu.Lock()
	c := k.batches[b]
	k.mu.Unlock()
	last := b.Len() - 1
	if last < 0 {
		return
	}
	var records []idindex.Record
	if c != nil {
		records = c.records(b, k.ids.name)
	}
	k.index.Add(records, b.First()+uint64(last), b.Hash(last), int64(len(b.Buffer())))
	if c != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.finish(c, true)
	}
}

// records are what the index is to know of c, whose entries are b's. c's verdicts stand.
func (c *idClaim) records(b *chain.Batch, name [4]byte) []idindex.Record {
	records := make([]idindex.Record, 0, len(c.ids))
	left := 0 // of the request's records before, so many have no entry
	now := time.Now()
	for n := range c.ids {
		i := &c.ids[n]
		if i.verdict == verdictDuplicate {
			left++
			continue
		}
		at := i.at - left
		records = append(records, record(&i.print, now, b.First()+uint64(at), b.Hash(at), name))
	}
	return records
}

// state takes the health of the log: while it is bad nobody waits for a sync.
func (k *claims) state(s flush.State) {
	if s.Healthy {
		k.setSick(nil)
		return
	}
	k.setSick(&flush.UnavailableError{Reason: s.Reason, Err: s.Err})
}

func (k *claims) setSick(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sick == nil && err != nil {
		close(k.sickened)
	}
	if k.sick != nil && err == nil {
		k.sickened = make(chan struct{})
	}
	k.sick = err
}

// end has nobody wait any more: the log is closed, or given up with entries that are not synced.
func (k *claims) end() {
	if k != nil {
		k.setSick(&flush.UnavailableError{Reason: flush.ReasonClosing})
	}
}

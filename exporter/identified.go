package exporter

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/flush"
)

// conflictError is a request that is refused for records whose ids are other records'. It holds nothing
// of their content.
type conflictError struct{ records, conflicts int }

func (e *conflictError) Error() string {
	return fmt.Sprintf("%d of %d records have a record id that another record has, and none was taken", e.conflicts, e.records)
}

// takeIdentified is take with idempotency: of a request those records are written that do not stand in
// the log, and it is acknowledged when all do.
func (a *audit) takeIdentified(ctx context.Context, g *gate, logs plog.Logs, n int) (found, error) {
	for {
		ids, err := a.identify(ctx, logs, n)
		if err != nil {
			return found{}, err
		}
		if len(ids) == 0 {
			return a.takeAll(ctx, g, logs, n, nil)
		}
		f, err := a.takeClaimed(ctx, g, logs, n, &idClaim{ids: ids})
		if !errors.Is(err, errAgain) {
			return f, err
		}
		if err := g.committer.Ready(); err != nil {
			return found{}, err
		}
	}
}

// identify is bounded as encoding is.
func (a *audit) identify(ctx context.Context, logs plog.Logs, n int) ([]identity, error) {
	select {
	case a.encoder.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.encoder.slots }()
	return a.claims.ids.identify(logs, n), nil
}

func (a *audit) takeClaimed(ctx context.Context, g *gate, logs plog.Logs, n int, c *idClaim) (found, error) {
	k := a.claims
	if err := k.judge(ctx, c); err != nil {
		return found{}, err
	}
	defer k.drop(c)
	duplicates, conflicts := c.count()
	if conflicts > 0 && a.o.RejectInvalid {
		a.telemetry.conflicted(ctx, conflicts)
		a.refusals.add(ctx, g.committer, logs, n, judged{ids: c.ids})
		return found{}, &conflictError{records: n, conflicts: int(conflicts)}
	}
	if int(duplicates) == n {
		return found{duplicates: duplicates}, nil
	}
	f, err := a.takeAll(ctx, g, logs, n, c)
	f.duplicates, f.conflicts = duplicates, conflicts
	return f, err
}

// submit hands b, the entries of c if there is one, to the log.
func (a *audit) submit(ctx context.Context, g *gate, b *chain.Batch, c *idClaim, critical bool) error {
	if c == nil {
		return g.committer.Submit(ctx, b, critical)
	}
	a.claims.submit(c, b)
	err := g.committer.Submit(ctx, b, critical)
	if err == nil {
		a.claims.acknowledged(c)
	}
	return err
}

// recognise switches idempotency on.
func (a *audit) recognise(o Idempotency) {
	k := newClaims(a.encoder, o.Keys, a.o.SyncTimeout)
	a.claims, a.open, a.chain.KeepHashes = k, k.withIDs(o, a.health.notice, a.open), true
	release := a.flush.Release
	a.flush.Release = func(b *chain.Batch, synced bool) {
		k.released(b)
		release(b, synced)
	}
	a.flush.OnState = func(s flush.State) {
		a.health.state(s)
		k.state(s)
	}
}

// identities are a claim's, nil if there is none.
func (c *idClaim) identities() []identity {
	if c == nil {
		return nil
	}
	return c.ids
}

// leaves tells whether the record at some place of the request leaves an entry, of places in order.
func (c *idClaim) leaves() func(at int) bool {
	ids := c.identities()
	return func(at int) bool {
		id := identityOf(&ids, at)
		return id == nil || id.verdict != verdictDuplicate
	}
}

// count counts a claim's verdicts.
func (c *idClaim) count() (duplicates, conflicts int64) {
	for n := range c.ids {
		switch c.ids[n].verdict {
		case verdictDuplicate:
			duplicates++
		case verdictConflict:
			conflicts++
		}
	}
	return duplicates, conflicts
}

package exporter

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

func TestEncodingWaitsForASlot(t *testing.T) {
	enc, err := event.NewEncoder(event.Options{})
	require.NoError(t, err)
	e := newEncoder(enc, chain.MaxBody, false)
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()

	for range cap(e.slots) {
		e.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = e.encode(ctx, logs, 1, judged{})
	require.ErrorIs(t, err, context.Canceled)

	<-e.slots
	b, _, err := e.encode(t.Context(), logs, 1, judged{})
	require.NoError(t, err)
	require.Equal(t, 1, b.Len())
	require.Len(t, e.slots, cap(e.slots)-1, "the slot is free again")
}

func TestBatchPoolClasses(t *testing.T) {
	var p batchPool
	for n, want := range map[int]int{1: 0, 8: 0, 9: 1, 64: 1, 65: 2, 512: 2, 513: 3, 4096: 3, 4097: 4} {
		require.Equal(t, want, p.class(n), n)
	}
}

// What a pool keeps counts against the memory budget of whoever gets it.
func TestBatchPoolKeepsNoLargeMemory(t *testing.T) {
	var p batchPool
	for range 100 {
		b := new(chain.Batch)
		b.EndEvent(append(b.Buffer(), make([]byte, 40<<10)...))
		p.put(b)
		require.LessOrEqual(t, p.get(1).Size(), 32<<10)
	}
	p.put(new(chain.Batch)) // without an entry
}

func TestRulesAreCountedByClass(t *testing.T) {
	var f found
	for _, rule := range []string{"name:login", "audit:audit.actor.id", "name:token", "critical.conditions[2]:error", "critical.conditions[2]"} {
		f.add(rule)
	}
	require.True(t, f.critical)
	require.Equal(t, []ruleCount{{"name", 2}, {"audit", 1}, {"critical.conditions[2]", 2}}, f.rules)
}

// A user without conditions pays nothing for them.
func TestNoConditionsNoPredicate(t *testing.T) {
	p, err := predicate(nil, nil, nil)
	require.NoError(t, err)
	require.Nil(t, p)
}

// While a large request is encoded others have the processor many times: whoever waits for the log, and
// its writer, must not queue behind all of it.
func TestEncodingGivesTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	enc, err := event.NewEncoder(event.Options{})
	require.NoError(t, err)
	e := newEncoder(enc, chain.MaxBody, false)
	b := new(chain.Batch)
	turns, over := 0, make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				turns++
				runtime.Gosched()
			}
		}
	})
	_, err = e.appendPart(b, ordinary(2000), part{to: 2000}, judged{}, time.Now())
	close(over)
	other.Wait()
	require.NoError(t, err)
	require.Greater(t, turns, len(b.Buffer())/(stretch*2))
}

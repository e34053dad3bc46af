package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// load is what clients sent and what was acknowledged to them, over any number of collectors.
// Clients do not retry: a record is sent once.
type load struct {
	connections int
	requests    int // of each connection
	batch       int // records of a request
	body        int // bytes of a record's body
	name        string
	dress       func(l *load, connection, number int, lr plog.LogRecord) // adds to the nth record of a connection

	acknowledged atomic.Int64 // records

	mu          sync.Mutex
	sent, acked map[string]bool // by id
}

// idKey is the attribute that holds a record's unique id.
const idKey = "load.id"

// run sends until every connection has sent its requests or has had an error, and returns the
// errors.
func (l *load) run(ctx context.Context, address string) []error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for n := range l.connections {
		wg.Go(func() {
			if err := l.send(ctx, address, n); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs
}

func (l *load) send(ctx context.Context, address string, connection int) error {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		return err
	}
	defer conn.Close()
	client := plogotlp.NewGRPCClient(conn)
	for request := range l.requests {
		logs, ids := l.request(connection, request)
		l.note(&l.sent, ids)
		if _, err := client.Export(ctx, plogotlp.NewExportRequestFromLogs(logs)); err != nil {
			return err
		}
		l.note(&l.acked, ids)
		l.acknowledged.Add(int64(len(ids)))
	}
	return nil
}

func (l *load) note(set *map[string]bool, ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *set == nil {
		*set = map[string]bool{}
	}
	for _, id := range ids {
		(*set)[id] = true
	}
}

// request makes one request. Every tenth is of critical events.
func (l *load) request(connection, request int) (plog.Logs, []string) {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "load")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	body := strings.Repeat("x", l.body)
	ids := make([]string, l.batch)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d-%d-%d", l.name, connection, request, i)
		lr := records.AppendEmpty()
		lr.SetTimestamp(1_700_000_000_000_000_000)
		lr.SetEventName("order.placed")
		if request%10 == 9 {
			lr.SetEventName("auth.failure")
		}
		lr.Body().SetStr(body)
		lr.Attributes().PutStr(idKey, ids[i])
		if l.dress != nil {
			l.dress(l, connection, request*l.batch+i, lr)
		}
	}
	return logs, ids
}

// awaitAcknowledged waits until n records are acknowledged.
func (l *load) awaitAcknowledged(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return l.acknowledged.Load() >= n }, 30*time.Second, time.Millisecond)
}

// requireKept holds if every acknowledged record stands in the log exactly once, nothing stands
// twice, and nothing stands there that was not sent. With the chain intact, it returns the entries.
func (l *load) requireKept(t *testing.T, dir string) []entry {
	t.Helper()
	requireIntact(t, dir)
	all := entries(t, dir)
	times := map[string]int{}
	for i, e := range all {
		require.Equal(t, uint64(i+1), e.Seq)
		if i > 0 {
			require.Equal(t, all[i-1].Hash, e.PrevHash, "entry %d", e.Seq)
		}
		if e.Event == nil {
			continue
		}
		id, _ := e.Event.Attributes[idKey].(string)
		require.True(t, l.sent[id], "entry %d: id %q was never sent", e.Seq, id)
		times[id]++
		require.Equal(t, 1, times[id], "record %s", id)
	}
	for id := range l.acked {
		require.Equal(t, 1, times[id], "acknowledged record %s", id)
	}
	return all
}

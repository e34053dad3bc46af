package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/auditexporter/e2e/collector"
	"github.com/otelaudit/auditexporter/e2e/powercut"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// resident is the memory of a process, in bytes.
func resident(t *testing.T, c *collector.Collector) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Pid()))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "VmRSS:")
	require.True(t, found, "the collector has ended: %s", c.Log())
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(t, err)
	return kib << 10
}

// fullLoad sends without a pause, and nothing critical, so that no client waits for a sync.
func fullLoad(after *clients) *clients {
	return &clients{
		load:    load{name: "stall", connections: 8, requests: 1 << 20, batch: 20, body: 2000, sent: after.sent, acked: after.acked},
		acks:    map[string]ack{},
		retries: true, routine: true, pace: 5 * time.Millisecond,
	}
}

// during runs the load for so long, and returns by how much the collector's memory grew at most, in
// bytes.
func (c *clients) during(t *testing.T, to *collector.Collector, long time.Duration) (grew int) {
	t.Helper()
	idle := resident(t, to)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { c.run(ctx, to.GRPC); close(ended) }()
	for began := time.Now(); time.Since(began) < long; time.Sleep(50 * time.Millisecond) {
		grew = max(grew, resident(t, to)-idle)
	}
	cancel()
	<-ended
	return grew
}

const stallInFlight = 16 // MiB

func stallOptions(t *testing.T, timeout time.Duration) collector.Options {
	return faultOptions(t, fmt.Sprintf("MAX_IN_FLIGHT_MIB=%d", stallInFlight), fmt.Sprintf("SYNC_TIMEOUT=%v", timeout),
		"BATCH_SIZE=1000000", "MAX_SIZE_MIB=1000")
}

// The disk stalls under full load for longer than sync_timeout: all is refused until it is back. STALL
// is for how many seconds. Memory stays within twice max_in_flight_mib and 50 MiB of what it is when
// idle.
func TestFaultStall(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	stall := time.Duration(number(t, "STALL", 5)) * time.Second
	o := stallOptions(t, time.Second)
	files := faultfs.New(t, powercut.Directory)
	disk := mounted(t, &o, files)
	c, err := collector.Launch(t.Context(), o) // one that start starts has a minute to live
	require.NoError(t, err)
	require.NoError(t, c.AwaitReady(within(t, time.Minute), 1))
	warm := newClients(1000)
	before := latency(t, warm, c)
	l := fullLoad(warm)
	letGo := disk.Hang()
	grew := l.during(t, c, stall)
	letGo()
	require.Less(t, grew, (2*stallInFlight+50)<<20, "memory")
	refused := l.requireAnswers(t, codes.Unavailable)
	warm.awaitOpen(t, c)
	after := latency(t, warm, c)
	require.Less(t, after, before+200*time.Millisecond)
	stop(t, c)
	copied := filepath.Join(o.Dir, "copy")
	require.NoError(t, powercut.CopyOut(files, copied))
	l.requireHeld(t, copied)
	summary("a stall of %v under full load: %d requests refused with %v, memory at most %d MiB above idle, acknowledged lost 0, latency %v before and %v after",
		stall, refused, codes.Unavailable, grew>>20, before.Round(time.Millisecond), after.Round(time.Millisecond))
}

// Writes are taken and no sync returns, so that what is exposed fills the memory budget: requests are
// refused and told when to come again. The sync hangs in strace, as writes to a file that FUSE syncs
// would wait, too.
func TestFaultMemoryBudget(t *testing.T) {
	t.Parallel()
	o := stallOptions(t, time.Minute)
	stop(t, start(t, o)) // leaves segment 1: its opening entry and the closed one
	clean := o
	o.Wrap = []string{
		"strace", "-D", "-f", "-q", "-o", os.DevNull, "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=50s",
		"-P", filepath.Join(logFolder(t, filepath.Join(o.Dir, "audit")), fmt.Sprintf("%010d-%020d.jsonl", 2, 3)),
	}
	c := start(t, o)
	warm := newClients(1000)
	require.True(t, warm.send(t, c))
	l := fullLoad(warm)
	grew := l.during(t, c, 8*time.Second)
	letGo(t, c)
	require.Less(t, grew, (2*stallInFlight+50)<<20, "memory")
	refused := l.requireAnswers(t, codes.ResourceExhausted)
	warm.awaitOpen(t, c)
	after := latency(t, warm, c)
	require.Less(t, after, 500*time.Millisecond)
	stop(t, c)
	stop(t, start(t, clean))
	l.requireHeld(t, c.Audit)
	summary("memory budget of %d MiB full: %d records acknowledged, %d requests refused with %v and a retry delay, memory at most %d MiB above idle, acknowledged lost 0, latency %v after",
		stallInFlight, l.acknowledged.Load(), refused, codes.ResourceExhausted, grew>>20, after.Round(time.Millisecond))
}

// latency is the median time of a critical request.
func latency(t *testing.T, l *clients, c *collector.Collector) time.Duration {
	t.Helper()
	var took []time.Duration
	for range 20 {
		for l.requests%10 != 9 {
			require.True(t, l.send(t, c))
		}
		began := time.Now()
		require.True(t, l.send(t, c))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// requireAnswers holds if requests were refused with the code, and others only because the client left
// or with RESOURCE_EXHAUSTED, which says when to come again.
func (c *clients) requireAnswers(t *testing.T, code codes.Code) (refused int) {
	t.Helper()
	for _, err := range c.refusals {
		s := status.Convert(err)
		switch s.Code() {
		case code:
			refused++
		case codes.Canceled, codes.ResourceExhausted: // the budget may be full before the stall is one
		default:
			require.Equal(t, code, s.Code(), "%v", err)
		}
		if s.Code() == codes.ResourceExhausted {
			require.Len(t, s.Details(), 1)
			require.IsType(t, &errdetails.RetryInfo{}, s.Details()[0])
			require.Positive(t, s.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
		}
	}
	require.Positive(t, refused)
	return refused
}

// A client that sends a byte now and then, a thousand connections, and requests larger than the memory
// budget: nobody else waits, nothing is lost, memory is bounded.
func TestFaultManyClients(t *testing.T) {
	t.Parallel()
	const inFlight = 1
	o := faultOptions(t, fmt.Sprintf("MAX_IN_FLIGHT_MIB=%d", inFlight))
	c := start(t, o)
	slow, err := net.Dial("tcp", c.HTTP)
	require.NoError(t, err)
	defer slow.Close()
	_, err = fmt.Fprintf(slow, "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
	require.NoError(t, err)

	l := &clients{load: load{name: "many", connections: 1000, requests: 3, batch: 2, body: 200}, acks: map[string]ack{}, retries: true}
	l.run(within(t, time.Minute), c.GRPC)
	many, refused := l.acknowledged.Load(), len(l.refusals)
	require.Positive(t, many)
	if refused > 0 {
		l.requireAnswers(t, codes.ResourceExhausted)
	}

	// 30 records of 60 KB are more than the budget; one such request at a time is let in.
	large := &clients{
		load: load{name: "large", connections: 4, requests: 5, batch: 30, body: 60_000, sent: l.sent, acked: l.acked},
		acks: map[string]ack{}, retries: true, pace: 20 * time.Millisecond,
	}
	large.run(within(t, time.Minute), c.GRPC)
	require.Positive(t, large.acknowledged.Load())
	if len(large.refusals) > 0 {
		large.requireAnswers(t, codes.ResourceExhausted)
	}
	require.NoError(t, slow.Close()) // the receiver's Shutdown waits for it
	stop(t, c)
	large.requireHeld(t, c.Audit)
	summary("1,000 connections, one slow client, requests of 1.8 MB with a budget of 1 MiB: %d + %d records acknowledged, %d + %d requests refused for later, lost 0",
		many, large.acknowledged.Load(), refused, len(large.refusals))
}

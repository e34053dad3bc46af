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
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(t, err)
	return kib << 10
}

// The disk stalls under full load, for longer than sync_timeout or shorter. STALL is for how many
// seconds. Memory stays within twice max_in_flight_mib and 50 MiB of what it is when idle.
func TestFaultStall(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	stall := time.Duration(number(t, "STALL", 5)) * time.Second
	const inFlight = 64
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		answer  codes.Code
	}{
		{name: "past sync_timeout", timeout: time.Second, answer: codes.Unavailable},
		{name: "within sync_timeout", timeout: stall + time.Minute, answer: codes.ResourceExhausted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := faultOptions(t, fmt.Sprintf("MAX_IN_FLIGHT_MIB=%d", inFlight), fmt.Sprintf("SYNC_TIMEOUT=%v", tt.timeout), "BATCH_SIZE=100000")
			files := faultfs.New(t, powercut.Directory)
			disk := mounted(t, &o, files)
			c := start(t, o)
			warm := newClients(1000)
			for range 20 {
				require.True(t, warm.send(t, c))
			}
			before := latency(t, warm, c)
			idle := resident(t, c)
			l := &clients{
				load:    load{name: "stall", connections: 8, requests: 1 << 20, batch: 20, body: 2000, sent: warm.sent, acked: warm.acked},
				acks:    map[string]ack{},
				retries: true, routine: true, pace: 5 * time.Millisecond,
			}
			letGo := disk.Hang()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { l.run(ctx, c.GRPC); close(ended) }()
			most := 0
			for began := time.Now(); time.Since(began) < stall; time.Sleep(50 * time.Millisecond) {
				most = max(most, resident(t, c))
			}
			letGo()
			cancel()
			<-ended
			require.Less(t, most, idle+(2*inFlight+50)<<20, "resident memory")
			refused := l.requireAnswers(t, tt.answer)
			warm.awaitOpen(t, c)
			after := latency(t, warm, c)
			require.Less(t, after, before+200*time.Millisecond)
			stop(t, c)
			copied := filepath.Join(o.Dir, "copy")
			require.NoError(t, powercut.CopyOut(files, copied))
			l.requireHeld(t, copied)
			summary("a stall of %v %s: %d requests refused with %v, memory %d MiB above idle at most, acknowledged lost 0, latency %v before and %v after",
				stall, tt.name, refused, tt.answer, (most-idle)>>20, before.Round(time.Millisecond), after.Round(time.Millisecond))
		})
	}
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
		acks: map[string]ack{}, retries: true,
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

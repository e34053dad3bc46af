package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// faultOptions run testdata/faults.yaml, whose values can be set from env.
func faultOptions(t *testing.T, env ...string) collector.Options {
	t.Helper()
	o := options(t)
	o.Config = filepath.Join(root, "e2e", "testdata", "faults.yaml")
	o.Env = env
	return o
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, name)
	return n
}

// clients send requests of a load and note when each was acknowledged.
type clients struct {
	load
	pace    time.Duration    // between two requests of a connection
	routine bool             // send nothing critical
	twice   bool             // send every third request twice at once
	life    int              // of the collector that acknowledges
	retries bool             // go on after a refusal, with other records; else it ends the connection
	conn    *grpc.ClientConn // of send

	mu       sync.Mutex
	acks     map[string]ack // by id
	refusals []error
}

type ack struct {
	life     int
	at       time.Time
	critical bool
}

// newClients are for requests one by one, of one record each.
func newClients(body int) *clients {
	return &clients{load: load{name: "single", batch: 1, body: body}, acks: map[string]ack{}}
}

// send sends one request, every tenth of which is critical, and reports whether it was acknowledged.
func (c *clients) send(t *testing.T, to *collector.Collector) bool {
	t.Helper()
	if c.conn == nil || c.conn.Target() != to.GRPC {
		conn, err := grpc.NewClient(to.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		c.conn = conn
	}
	logs, ids := c.request(0, c.requests)
	c.requests++
	c.note(&c.sent, ids)
	if _, err := plogotlp.NewGRPCClient(c.conn).Export(within(t, 20*time.Second), plogotlp.NewExportRequestFromLogs(logs)); err != nil {
		c.refused(err)
		return false
	}
	c.acknowledge(ids, ack{at: time.Now()})
	return true
}

// requireHeld holds if the log is intact and has every acknowledged record once. It returns the
// entries.
func (c *clients) requireHeld(t *testing.T, dir string) []entry {
	t.Helper()
	requireIntact(t, dir)
	all := entries(t, dir)
	held := c.recorded(t, all)
	for id := range c.acked {
		require.True(t, held[id], "%s was acknowledged and is lost", id)
	}
	return all
}

// run sends until every connection has sent its requests or ctx ends.
func (c *clients) run(ctx context.Context, address string) {
	var wg sync.WaitGroup
	for n := range c.connections {
		wg.Go(func() {
			conn, err := grpc.NewClient(address,
				grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
			if err != nil {
				panic(err) // only for a malformed address
			}
			defer conn.Close()
			c.sendAll(ctx, plogotlp.NewGRPCClient(conn), n)
		})
	}
	wg.Wait()
}

func (c *clients) sendAll(ctx context.Context, client plogotlp.GRPCClient, connection int) {
	for request := 0; request < c.requests && ctx.Err() == nil; request++ {
		number := request
		if c.routine {
			number *= 10
		}
		logs, ids := c.request(connection, number)
		time.Sleep(c.pace)
		c.note(&c.sent, ids)
		err := c.export(ctx, client, logs, c.twice && request%3 == 0)
		if err == nil {
			c.acknowledge(ids, ack{at: time.Now(), critical: number%10 == 9})
			continue
		}
		c.refused(err)
		if !c.retries {
			return
		}
	}
}

// export sends a request, or two of it at once; one acknowledgement is enough.
func (c *clients) export(ctx context.Context, client plogotlp.GRPCClient, logs plog.Logs, twice bool) error {
	request := plogotlp.NewExportRequestFromLogs(logs)
	second := make(chan error, 1)
	if twice {
		go func() { _, err := client.Export(ctx, request); second <- err }()
	}
	_, err := client.Export(ctx, request)
	if !twice {
		return err
	}
	if again := <-second; again == nil {
		return nil
	}
	return err
}

func (c *clients) refused(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = append(c.refusals, err)
}

// refusedSoFar is how many requests were refused.
func (c *clients) refusedSoFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.refusals)
}

func (c *clients) acknowledge(ids []string, a ack) {
	c.note(&c.acked, ids)
	a.life = c.life
	c.mu.Lock()
	for _, id := range ids {
		c.acks[id] = a
	}
	c.mu.Unlock()
	c.acknowledged.Add(int64(len(ids)))
}

// recorded returns the ids of the records in the log, each of which was sent and stands once.
func (c *clients) recorded(t *testing.T, all []entry) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range all {
		if e.Event == nil {
			continue
		}
		id, _ := e.Event.Attributes[idKey].(string)
		require.True(t, c.sent[id], "entry %d: id %q was never sent", e.Seq, id)
		require.False(t, ids[id], "record %s stands twice", id)
		ids[id] = true
	}
	return ids
}

// systemTypes are the types of the system entries, in order.
func systemTypes(all []entry) []string {
	var types []string
	for _, e := range all {
		if e.System != nil {
			types = append(types, e.System.Type)
		}
	}
	return types
}

// as runs a command in place of a collector that it is put before: sh, with the collector in "$@".
func as(script string, args ...string) []string {
	return append([]string{"sh", "-c", script, "sh"}, args...)
}

// requireRoot fails a test that mounts something and may not.
func requireRoot(t *testing.T) {
	t.Helper()
	require.Zero(t, os.Getuid(), "this test mounts a file system: run it as root")
}

// summary prints a line of counts that docs/reliability.md quotes.
func summary(format string, args ...any) {
	fmt.Printf("faults: "+strings.TrimSpace(format)+"\n", args...)
}

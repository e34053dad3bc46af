package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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
	"github.com/otelaudit/auditexporter/e2e/powercut"
	"github.com/otelaudit/auditexporter/event/canonical"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const (
	loadSecret = "the secret of the load's producer"
	// resent is of how many requests of a connection the client sends the last again: more than one
	// cut can take.
	resent = 40
)

// The power goes off with every section on: what is signed never covers an entry that is gone, and a
// client that sends again leaves each record once.
func TestPowerCutsWithEverythingOn(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	cuts, seed := number(t, "CUTS", cutsOfALog), number(t, "SEED", 1)
	for _, mode := range []string{"hybrid", "immediate"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			total, all := &cutCounts{}, &everything{}
			for first := 0; first < cuts; first += cutsOfALog {
				v := newVictim(t, mode, total)
				v.all = all
				all.begin(t)
				v.load.dress, v.load.twice = dressed, true
				for k := range min(cutsOfALog, cuts-first) {
					v.live(t, uint64(seed*1_000_000+500_000+first+k))
				}
				v.live(t, 0)
				all.requireWhole(t, v)
			}
			require.Equal(t, cuts, total.cuts)
			require.Positive(t, all.again)
			summary("everything on, %s: %d power cuts, %d of them before the log was open, %d records acknowledged, critical lost 0, "+
				"routine lost %d, at most %d in a cut; %d checkpoints, %d of them looked at after a cut, none covers an entry that is gone; "+
				"%d records sent again, each stands once",
				mode, total.cuts, total.early, total.acknowledged, total.routine, total.most, all.checkpoints, all.looked, all.again)
		})
	}
}

// everything is what a victim with all sections on has beside its log, and what was seen of it.
type everything struct {
	dir, vkey string
	lives     []lived // since the log was judged

	checkpoints, looked, again int
}

// lived is the load of a life.
type lived struct {
	name               string
	connections, batch int
}

// begin makes what a new log needs: a key, and a folder that no power cut meets.
func (a *everything) begin(t *testing.T) {
	t.Helper()
	a.dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(a.dir, "copies"), 0o700))
	code, out := run(t, bin("auditlog"), "keygen", "example.com/load", filepath.Join(a.dir, "key"))
	require.Zero(t, code, out)
	a.vkey = strings.TrimSpace(out)
	a.lives = nil
}

func (a *everything) configure(o *collector.Options, disk string) {
	if a == nil {
		return
	}
	o.Config = filepath.Join(root, "e2e", "testdata", "everything.yaml")
	o.Env = append(o.Env,
		"CHECKPOINT_KEY="+filepath.Join(a.dir, "key"),
		"CHECKPOINT_COPIES="+filepath.Join(a.dir, "copies"),
		"KEY_STORE="+filepath.Join(disk, "keys"),
		"LOAD_SECRET="+base64.StdEncoding.EncodeToString([]byte(loadSecret)))
}

// dressed makes a record one that a producer signed and numbered, about a person.
func dressed(l *load, connection, number int, lr plog.LogRecord) {
	stream := fmt.Sprintf("%s-%d", l.name, connection)
	lr.Attributes().PutStr("user.id", stream)
	lr.Attributes().PutStr("user.email", stream+"@example.com")
	lr.Attributes().PutStr("audit.sequence.stream_id", stream)
	lr.Attributes().PutInt("audit.sequence.number", int64(number+1))
	lr.Attributes().PutStr("audit.integrity.algorithm", "HMAC-SHA256")
	text, err := canonical.JSON(lr, canonical.TaggedBody)
	if err != nil {
		panic(err) // only for a record that has no canonical form
	}
	m := hmac.New(sha256.New, []byte(loadSecret))
	m.Write(text)
	lr.Attributes().PutStr("audit.integrity.value", base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

// requireCovered holds if every checkpoint that was signed, those beside the log and the copy that left
// the machine, covers entries that a cut left.
func (a *everything) requireCovered(t *testing.T, left *faultfs.FS) {
	t.Helper()
	if a == nil {
		return
	}
	code, out := a.verify(t, left)
	require.Contains(t, []int{0, 3}, code, "auditlog verify --key: %s", out)
	a.looked++
}

// requireWhole holds if a log that was closed is anchored to its end, and says of each event what its
// producer deserves.
func (a *everything) requireWhole(t *testing.T, v *victim) {
	t.Helper()
	code, out := a.verify(t, v.files)
	require.Zero(t, code, "auditlog verify --key: %s", out)
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, powercut.CopyOut(v.files, copied))
	for _, e := range events(t, copied) {
		require.Contains(t, e.raw, `"integrity":{"verified":true`)
		require.NotContains(t, e.raw, `"break":`)
		require.NotContains(t, e.raw, `@example.com`)
		require.NotContains(t, e.raw, `"conflict":true`)
	}
	b, err := os.ReadFile(filepath.Join(logFolder(t, copied), "checkpoints"))
	require.NoError(t, err)
	a.checkpoints += strings.Count(string(b), "\n")
}

// verify has an auditor with the key and the copies judge the log.
func (a *everything) verify(t *testing.T, files *faultfs.FS) (int, string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, powercut.CopyOut(files, copied))
	args := []string{"verify", "--key", a.vkey}
	kept, err := filepath.Glob(filepath.Join(a.dir, "copies", "*.checkpoint"))
	require.NoError(t, err)
	for _, k := range kept {
		args = append(args, "--checkpoint", k)
	}
	return run(t, bin("auditlog"), append(args, copied)...)
}

// resend has the clients of the lives before send their last requests again, as clients do that had
// no answer, or lost it.
func (v *victim) resend(t *testing.T, c *collector.Collector) {
	t.Helper()
	if v.all == nil {
		return
	}
	conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	require.NoError(t, err)
	defer conn.Close()
	client := plogotlp.NewGRPCClient(conn)
	now := v.load.name
	for _, life := range v.all.lives {
		v.load.name, v.load.connections, v.load.batch = life.name, life.connections, life.batch
		v.resendLife(t, client)
	}
	v.load.name, v.all.lives = now, nil
}

func (v *victim) resendLife(t *testing.T, client plogotlp.GRPCClient) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	var wg sync.WaitGroup
	errs := make(chan error, v.load.connections)
	for n := range v.load.connections {
		last := v.load.last(n)
		v.all.again += (last + 1 - max(0, last-resent)) * v.load.batch
		wg.Go(func() {
			for request := max(0, last-resent); request <= last; request++ {
				if err := v.load.deliver(ctx, client, n, request); err != nil {
					errs <- fmt.Errorf("request %d of connection %d: %w", request, n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	require.NoError(t, <-errs)
}

// last is the last request that a connection has sent, -1 if none.
func (c *clients) last(connection int) int {
	last, prefix := -1, fmt.Sprintf("%s-%d-", c.name, connection)
	for id := range c.sent {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			request, _, _ := strings.Cut(rest, "-")
			if n, err := strconv.Atoi(request); err == nil {
				last = max(last, n)
			}
		}
	}
	return last
}

func (c *clients) deliver(ctx context.Context, client plogotlp.GRPCClient, connection, request int) error {
	logs, ids := c.request(connection, request)
	if _, err := client.Export(ctx, plogotlp.NewExportRequestFromLogs(logs)); err != nil {
		return err
	}
	c.acknowledge(ids, ack{at: time.Now(), critical: request%10 == 9})
	return nil
}

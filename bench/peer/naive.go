package peer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/bench/trial"
)

// naive is the chain as one writes it in an afternoon: encoding/json, SHA-256,
// one lock around all, a sync after every so many events.
type naive struct {
	mu    sync.Mutex
	f     *os.File
	every int
	since int // the last sync
	prev  [32]byte
}

type naiveEntry struct {
	Prev  string         `json:"prev_hash"`
	Hash  string         `json:"hash"`
	Event map[string]any `json:"event"`
}

func (n *naive) consume(logs plog.Logs) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				if err := n.append(map[string]any{
					"time":          lr.Timestamp().AsTime().Format(time.RFC3339Nano),
					"observed_time": lr.ObservedTimestamp().AsTime().Format(time.RFC3339Nano),
					"severity":      lr.SeverityText(),
					"name":          lr.EventName(),
					"body":          lr.Body().AsRaw(),
					"attributes":    lr.Attributes().AsRaw(),
					"scope":         sl.Scope().Name(),
					"resource":      rl.Resource().Attributes().AsRaw(),
				}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (n *naive) append(event map[string]any) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(append(n.prev[:], body...))
	line, err := json.Marshal(naiveEntry{Prev: hex.EncodeToString(n.prev[:]), Hash: hex.EncodeToString(sum[:]), Event: event})
	if err != nil {
		return err
	}
	n.prev = sum
	if _, err := n.f.Write(append(line, '\n')); err != nil {
		return err
	}
	if n.since++; n.since < n.every {
		return nil
	}
	n.since = 0
	return n.f.Sync()
}

// Naive is the naive chain with a sync after every so many events.
func Naive(every int, k Kind, callers int) trial.Case {
	name := fmt.Sprintf("naive chain, sync per %d, batch %d, %s", every, k.Records, plural(callers, "caller"))
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		f, err := os.Create(filepath.Join(dir, "naive"))
		if err != nil {
			return trial.Sample{}, err
		}
		n, requests := &naive{f: f, every: every}, Requests(callers, k)
		s, err := trial.Load{Callers: callers, Events: k.Records, Do: func(c int) error {
			return n.consume(requests[c])
		}}.Run(ctx, d)
		return s, errors.Join(err, f.Close())
	}}
}

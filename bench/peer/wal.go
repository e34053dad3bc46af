package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/tidwall/wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/bench/trial"
)

// appender writes so many entries of the usual size and syncs them.
type appender struct {
	append func(entries int) error
	close  func() error
}

// appendCase has callers append; those of a write-ahead log have no group commit
// across callers, so they take turns. They neither map, encode nor hash.
func appendCase(name string, entries, callers int, open func(dir string) (appender, error)) trial.Case {
	name = fmt.Sprintf("%s, batch %d, %s", name, entries, plural(callers, "caller"))
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		a, err := open(dir)
		if err != nil {
			return trial.Sample{}, err
		}
		var mu sync.Mutex
		s, err := trial.Load{Callers: callers, Events: entries, Do: func(int) error {
			mu.Lock()
			defer mu.Unlock()
			return a.append(entries)
		}}.Run(ctx, d)
		return s, errors.Join(err, a.close())
	}}
}

// TidwallWAL is github.com/tidwall/wal, which syncs each batch.
func TidwallWAL(entries, callers int) trial.Case {
	return appendCase("tidwall/wal", entries, callers, func(dir string) (appender, error) {
		log, err := wal.Open(dir+"/wal", nil)
		if err != nil {
			return appender{}, err
		}
		index, batch := uint64(0), new(wal.Batch)
		return appender{close: log.Close, append: func(n int) error {
			batch.Clear()
			for range n {
				index++
				batch.Write(index, entry)
			}
			return log.WriteBatch(batch)
		}}, nil
	})
}

// RaftWAL is github.com/hashicorp/raft-wal.
func RaftWAL(entries, callers int) trial.Case {
	return appendCase("raft-wal", entries, callers, func(dir string) (appender, error) {
		log, err := raftwal.Open(dir, raftwal.WithLogger(hclog.NewNullLogger()))
		if err != nil {
			return appender{}, err
		}
		index, logs := uint64(0), make([]*raft.Log, entries)
		for i := range logs {
			logs[i] = &raft.Log{Term: 1, Data: entry}
		}
		return appender{close: log.Close, append: func(n int) error {
			for i := range n {
				index++
				logs[i].Index = index
			}
			return log.StoreLogs(logs)
		}}, nil
	})
}

// EtcdWAL is the write-ahead log of etcd.
func EtcdWAL(entries, callers int) trial.Case {
	return appendCase("etcd wal", entries, callers, func(dir string) (appender, error) {
		log, err := etcdwal.Create(zap.NewNop(), dir+"/wal", nil)
		if err != nil {
			return appender{}, err
		}
		term, index, list := uint64(1), uint64(0), make([]*raftpb.Entry, entries)
		for i := range list {
			list[i] = &raftpb.Entry{Term: &term, Index: new(uint64), Data: entry}
		}
		return appender{close: log.Close, append: func(n int) error {
			for i := range n {
				index++
				*list[i].Index = index
			}
			return log.Save(nil, list)
		}}, nil
	})
}

package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"golang.org/x/sys/unix"

	"github.com/otelaudit/auditexporter/bench/trial"
)

// EntrySize is the bytes of the usual entry, and what the limits write for one.
const EntrySize = 643

var entry = append(bytes.Repeat([]byte{'x'}, EntrySize-1), '\n')

// inBulk makes a case of work that takes nanoseconds: do does 512 of it.
func inBulk(name string, do func()) trial.Case {
	return trial.Case{Name: name, Run: func(ctx context.Context, _ string, d time.Duration) (trial.Sample, error) {
		return trial.Load{Callers: 1, Events: 512, Do: func(int) error { do(); return nil }}.Run(ctx, d)
	}}
}

// HashEntry is SHA-256 of the usual entry.
func HashEntry() trial.Case {
	var sum [32]byte
	body := bytes.Clone(entry)
	return inBulk("SHA-256 of an entry", func() {
		for range 512 {
			sum = sha256.Sum256(body)
			body[0] = sum[0]
		}
	})
}

// HashLink is the hash that links an entry to the one before, as FORMAT.md has
// it: 90 bytes.
func HashLink() trial.Case {
	const tag = "auditlog/entry/v1\n"
	var link [len(tag) + 32 + 8 + 32]byte
	copy(link[:], tag)
	seq := uint64(0)
	return inBulk("link hash", func() {
		for range 512 {
			seq++
			binary.BigEndian.PutUint64(link[len(tag)+32:], seq)
			sum := sha256.Sum256(link[:])
			copy(link[len(tag):], sum[:])
		}
	})
}

// MarshalJSON is pdata's own JSON of a request of 512.
func MarshalJSON() trial.Case {
	logs, marshaler := Request(Kind{Records: 512}), plog.JSONMarshaler{}
	return trial.Case{Name: "plog JSON marshaler", Run: func(ctx context.Context, _ string, d time.Duration) (trial.Sample, error) {
		return trial.Load{Callers: 1, Events: 512, Do: func(int) error {
			_, err := marshaler.MarshalLogs(logs)
			return err
		}}.Run(ctx, d)
	}}
}

// onFile makes a case of work on a file that is empty at first.
func onFile(name string, load func(*os.File) trial.Load) trial.Case {
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		f, err := os.Create(filepath.Join(dir, "limit"))
		if err != nil {
			return trial.Sample{}, err
		}
		s, err := load(f).Run(ctx, d)
		return s, errors.Join(err, f.Close())
	}}
}

// WritePieces is write(2) in pieces of 64 KiB.
func WritePieces() trial.Case {
	piece := bytes.Repeat([]byte{'x'}, 64<<10)
	return onFile("write(2) in pieces of 64 KiB", func(f *os.File) trial.Load {
		return trial.Load{Callers: 1, Events: len(piece) / EntrySize, Do: func(int) error {
			_, err := f.Write(piece)
			return err
		}}
	})
}

// AppendSync appends so many entries in one write and syncs.
func AppendSync(entries int) trial.Case {
	piece := bytes.Repeat(entry, entries)
	return onFile(fmt.Sprintf("append and fdatasync of %d", entries), func(f *os.File) trial.Load {
		return trial.Load{Callers: 1, Events: entries, Timed: true, Do: func(int) error {
			if _, err := f.Write(piece); err != nil {
				return err
			}
			return unix.Fdatasync(int(f.Fd()))
		}}
	})
}

// GroupCommit is group commit and nothing else: callers share the next write and
// fdatasync.
func GroupCommit(callers int) trial.Case {
	return onFile(fmt.Sprintf("bare group commit, %s", plural(callers, "caller")), func(f *os.File) trial.Load {
		g := group{f: f}
		g.next = newShare()
		return trial.Load{Callers: callers, Events: 1, Do: func(int) error { return g.commit(entry) }}
	})
}

// group lets the first that waits lead: it takes what all have appended while the
// sync before was running.
type group struct {
	f    *os.File
	sync sync.Mutex // held by who writes and syncs

	mu    sync.Mutex // guards all below
	next  *share
	spare []byte
}

// share is what one sync is for.
type share struct {
	buf  []byte
	done chan struct{}
	err  error
}

func newShare() *share { return &share{done: make(chan struct{})} }

func (g *group) commit(line []byte) error {
	g.mu.Lock()
	s := g.next
	leads := len(s.buf) == 0
	s.buf = append(s.buf, line...)
	g.mu.Unlock()
	if !leads {
		<-s.done
		return s.err
	}
	g.sync.Lock()
	defer g.sync.Unlock()
	g.mu.Lock()
	g.next = newShare()
	g.next.buf = g.spare[:0]
	g.mu.Unlock()
	_, s.err = g.f.Write(s.buf)
	if s.err == nil {
		s.err = unix.Fdatasync(int(g.f.Fd()))
	}
	g.mu.Lock()
	g.spare = s.buf
	g.mu.Unlock()
	close(s.done)
	return s.err
}

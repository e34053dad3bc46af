package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelaudit/auditexporter/bench/trial"
	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Logs makes logs once and keeps them below a folder: what is opened and
// verified is the same in every round.
type Logs struct{ Dir string }

// log returns the directory of a closed log of so many segments of so many
// entries each.
func (l Logs) log(ctx context.Context, segments, entries int) (dir string, err error) {
	dir = filepath.Join(l.Dir, fmt.Sprintf("log-%d-%d", segments, entries))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	w, err := chain.Open(ctx, chain.Options{Directory: dir})
	if err != nil {
		return "", err
	}
	b, err := batch()
	if err != nil {
		return "", err
	}
	for s := range segments {
		if s > 0 {
			if err := w.Rotate(); err != nil {
				return "", errors.Join(err, w.Abandon())
			}
			w.Tidy()
		}
		for n := 0; n < entries; n += b.Len() {
			if err := w.Write([]*chain.Batch{b}); err != nil {
				return "", errors.Join(err, w.Abandon())
			}
		}
		if err := w.Sync(); err != nil {
			return "", errors.Join(err, w.Abandon())
		}
	}
	return dir, w.Close()
}

// batch is a request of 64, encoded.
func batch() (*chain.Batch, error) {
	e, err := event.NewEncoder(event.Options{})
	if err != nil {
		return nil, err
	}
	rl := Request(Kind{Records: 64}).ResourceLogs().At(0)
	src, b, now := new(event.Source), new(chain.Batch), time.Now()
	e.Resource(src, rl)
	e.Scope(src, rl.ScopeLogs().At(0))
	for _, lr := range rl.ScopeLogs().At(0).LogRecords().All() {
		buf, _ := e.Append(b.Buffer(), src, lr, now)
		b.EndEvent(buf)
	}
	return b, nil
}

// Open opens a closed log of so many segments of 64 entries again and again.
// Each opening adds a segment.
func (l Logs) Open(segments int) trial.Case {
	return trial.Case{Name: "opening a log of " + plural(segments, "segment"), Run: func(ctx context.Context, _ string, d time.Duration) (trial.Sample, error) {
		dir, err := l.log(ctx, segments, 64)
		if err != nil {
			return trial.Sample{}, err
		}
		var s trial.Sample
		for begin := time.Now(); time.Since(begin) < d && s.Events < 20; s.Events++ {
			start := time.Now()
			w, err := chain.Open(ctx, chain.Options{Directory: dir})
			if err != nil {
				return s, err
			}
			took := time.Since(start)
			s.Times, s.Took = append(s.Times, took), s.Took+took
			if err := w.Close(); err != nil {
				return s, err
			}
		}
		return s, nil
	}}
}

// Append opens a closed log of so many segments and appends requests of 64
// entries, syncing each.
func (l Logs) Append(segments int) trial.Case {
	return trial.Case{Name: fmt.Sprintf("appending to a log of %s", plural(segments, "segment")), Run: func(ctx context.Context, _ string, d time.Duration) (s trial.Sample, err error) {
		dir, err := l.log(ctx, segments, 64)
		if err != nil {
			return s, err
		}
		w, err := chain.Open(ctx, chain.Options{Directory: dir})
		if err != nil {
			return s, err
		}
		b, err := batch()
		if err != nil {
			return s, errors.Join(err, w.Abandon())
		}
		s, err = trial.Load{Callers: 1, Events: b.Len(), Do: func(int) error {
			if err := w.Write([]*chain.Batch{b}); err != nil {
				return err
			}
			return w.Sync()
		}}.Run(ctx, d)
		return s, errors.Join(err, w.Close())
	}}
}

// Examine verifies a log of so many segments of so many entries, without a tool
// around it. Its events are the entries.
func (l Logs) Examine(segments, entries int) trial.Case {
	name := fmt.Sprintf("verifying %s of %s", plural(segments, "segment"), plural(entries, "entry"))
	return trial.Case{Name: name, Run: func(ctx context.Context, _ string, d time.Duration) (s trial.Sample, err error) {
		dir, err := l.log(ctx, segments, entries)
		if err != nil {
			return s, err
		}
		folder, err := chain.FindLog(durable.OS(), dir)
		if err != nil {
			return s, err
		}
		begin := time.Now()
		for ; s.Took < d; s.Took = time.Since(begin) {
			r, err := chain.Verify(ctx, durable.OS(), folder, chain.VerifyOptions{})
			if err != nil {
				return s, err
			}
			if r.Broken() {
				return s, errors.New("the log is broken")
			}
			s.Events += segments * entries
		}
		return s, nil
	}}
}

// Two segments of 250,000 entries are about 400 MB, which stay in memory.
const verifySegments, verifyEntries = 2, 250_048

// Verify is `auditlog verify --chain-only` on so many cores.
func (l Logs) Verify(auditlog string, cores int) trial.Case {
	return l.tool(fmt.Sprintf("auditlog verify --chain-only, %d core(s)", cores), cores, func(dir string, _ []string) []string {
		return []string{auditlog, "verify", "--chain-only", dir}
	})
}

// OpenSSL is `openssl dgst -sha256` over the segments of the log that
// [Logs.Verify] verifies. It uses one core.
func (l Logs) OpenSSL() trial.Case {
	return l.tool("openssl dgst -sha256", 1, func(_ string, segments []string) []string {
		return append([]string{"openssl", "dgst", "-sha256"}, segments...)
	})
}

// tool takes the wall time of a command; its events are the bytes of the log.
func (l Logs) tool(name string, cores int, command func(dir string, segments []string) []string) trial.Case {
	return trial.Case{Name: name, Run: func(ctx context.Context, _ string, _ time.Duration) (trial.Sample, error) {
		dir, err := l.log(ctx, verifySegments, verifyEntries)
		if err != nil {
			return trial.Sample{}, err
		}
		segments, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
		if err != nil {
			return trial.Sample{}, err
		}
		slices.Sort(segments)
		var s trial.Sample
		for _, p := range segments {
			info, err := os.Stat(p)
			if err != nil {
				return s, err
			}
			s.Events += int(info.Size())
		}
		args := append([]string{"taskset", "-c", fmt.Sprintf("0-%d", cores-1)}, command(dir, segments)...)
		start := time.Now()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		out, err := cmd.CombinedOutput()
		s.Took = time.Since(start)
		if err == nil {
			s.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		if err != nil {
			return s, fmt.Errorf("%v: %w: %s", args, err, out)
		}
		return s, nil
	}}
}

package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/otelaudit/auditexporter/bench/trial"
)

// Rotating is the exporter with segments of so many MiB.
func (e Exporter) Rotating(mib int) Exporter {
	config := e.Config
	e.Name += fmt.Sprintf(", segments of %d MiB", mib)
	e.Config = func(dir string) map[string]any {
		c := config(dir)
		c["rotation"] = map[string]any{"max_size_mib": mib}
		return c
	}
	return e
}

// Among takes the times of one caller's single records, all routine or all
// critical, among four callers of the other kind that send one record each
// after the other, and two that send events routine events a second in
// requests of 512.
func (e Exporter) Among(events int, critical bool) trial.Case {
	const records, paced, others = 512, 2, 4
	timed, rest, kind := Kind{Records: 1}, Kind{Records: 1, Critical: 100}, "routine"
	if critical {
		timed, rest, kind = rest, timed, "critical"
	}
	return trial.Case{Name: fmt.Sprintf("%s, %s beside %d routine/s and others", e.Name, kind, events), Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		logs, stop, err := e.Start(ctx, dir)
		if err != nil {
			return trial.Sample{}, err
		}
		routine := Requests(paced, Kind{Records: records})
		endPaced := trial.Paced{Callers: paced, Every: time.Second * records * paced / time.Duration(events), Do: func(c int) error {
			return logs.ConsumeLogs(ctx, routine[c])
		}}.Start()
		besides := Requests(others, rest)
		endOthers := trial.Paced{Callers: others, Every: time.Millisecond, Do: func(c int) error {
			return logs.ConsumeLogs(ctx, besides[c])
		}}.Start()
		request := Request(timed)
		begin := time.Now()
		s, err := trial.Load{Callers: 1, Events: 1, Timed: true, Do: func(int) error {
			return logs.ConsumeLogs(ctx, request)
		}}.Run(ctx, d)
		took := time.Since(begin)
		calls, pacedErr := endPaced()
		_, othersErr := endOthers()
		s.Note = fmt.Sprintf("%.0f routine events/s came through", float64(calls*records)/took.Seconds())
		return s, errors.Join(err, pacedErr, othersErr, stop())
	}}
}

// OnSlowDisk runs a case on a file system whose syncs take so much longer. It
// needs root, to mount it.
func OnSlowDisk(c trial.Case, by time.Duration) trial.Case {
	run := c.Run
	c.Name += fmt.Sprintf(", syncs %v slower", by)
	c.Run = func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		below, mount := filepath.Join(dir, "below"), filepath.Join(dir, "mount")
		for _, folder := range []string{below, mount} {
			if err := os.Mkdir(folder, 0o700); err != nil {
				return trial.Sample{}, err
			}
		}
		server, err := mountSlow(below, mount, by)
		if err != nil {
			return trial.Sample{}, fmt.Errorf("couldn't mount a slow disk, which needs root: %w", err)
		}
		s, err := run(ctx, mount, d)
		return s, errors.Join(err, server.Unmount())
	}
	return c
}

// slowNode is a file or folder of a file system that passes everything on.
type slowNode struct {
	*fs.LoopbackNode
	by time.Duration
}

var (
	_ fs.NodeFsyncer     = (*slowNode)(nil)
	_ fs.NodeWrapChilder = (*slowNode)(nil)
)

// WrapChild makes the files and folders below slow, too.
func (n *slowNode) WrapChild(_ context.Context, below fs.InodeEmbedder) fs.InodeEmbedder {
	return &slowNode{LoopbackNode: below.(*fs.LoopbackNode), by: n.by}
}

// Fsync waits before it syncs.
func (n *slowNode) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	time.Sleep(n.by)
	if f, ok := f.(fs.FileFsyncer); ok {
		return f.Fsync(ctx, flags)
	}
	return fs.OK // of a folder
}

func mountSlow(below, mount string, by time.Duration) (*fuse.Server, error) {
	root, err := fs.NewLoopbackRoot(below)
	if err != nil {
		return nil, err
	}
	node := &slowNode{LoopbackNode: root.(*fs.LoopbackNode), by: by}
	return fs.Mount(mount, node, &fs.Options{MountOptions: fuse.MountOptions{DirectMount: true}})
}

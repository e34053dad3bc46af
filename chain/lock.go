package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

const (
	lockPatience = 5 * time.Second // until a lock counts as held
	lockPoll     = 50 * time.Millisecond
)

// own holds the directories that writers of this process have locked, and
// whether each is shutting down. A flock can't tell: it belongs to an open
// file, whichever process has it.
var own = struct {
	sync.Mutex
	closing map[string]bool
}{closing: map[string]bool{}}

// dirLock is the writer's lock on its directory.
type dirLock struct {
	durable.Lock
	dir string
}

// lockDirectory takes the lock, trying for lockPatience, or until an earlier
// writer of this process turns out to hold it while it shuts down.
func lockDirectory(ctx context.Context, fsys durable.FS, dir string) (*dirLock, error) {
	deadline := time.Now().Add(lockPatience)
	for {
		l, err := lockNamed(fsys, dir)
		if err == nil {
			own.Lock()
			defer own.Unlock()
			own.closing[dir] = false
			return &dirLock{Lock: l, dir: dir}, nil
		}
		if !errors.Is(err, durable.ErrLocked) {
			return nil, fmt.Errorf("couldn't lock directory: %w", err)
		}
		own.Lock()
		closing := own.closing[dir]
		own.Unlock()
		if closing || !time.Now().Before(deadline) {
			return nil, &HeldError{Directory: dir, Closing: closing}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("couldn't lock directory %s: %w", dir, context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}

// lockNamed locks dir. A folder that lost its name before it was locked is
// somebody else's, so it counts as locked until the name's folder is looked at.
func lockNamed(fsys durable.FS, dir string) (durable.Lock, error) {
	l, err := fsys.Lock(dir)
	if err != nil {
		return nil, err
	}
	locked, err := l.Stat()
	if err == nil {
		var named durable.Info
		if named, err = fsys.Stat(dir); err == nil && !durable.SameFile(locked, named) {
			err = durable.ErrLocked
		}
	}
	if err != nil {
		return nil, errors.Join(err, l.Unlock())
	}
	return l, nil
}

// announceClosing lets a later writer of this process wait for the lock.
func (l *dirLock) announceClosing() {
	own.Lock()
	defer own.Unlock()
	if _, held := own.closing[l.dir]; held {
		own.closing[l.dir] = true
	}
}

func (l *dirLock) release() error {
	own.Lock()
	defer own.Unlock()
	delete(own.closing, l.dir)
	return l.Unlock()
}

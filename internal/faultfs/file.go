package faultfs

import (
	"io"
	"io/fs"
	"syscall"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// file is an open file.
type file struct {
	fs       *FS
	node     *node
	path     string // it was opened by
	writable bool
	closed   bool
}

// do is [FS.do] on an open file.
func (h *file) do(k Kind, effect func() error) error {
	return h.fs.do(k, h.path, func() error {
		if h.closed {
			h.fs.breach("%s: %s after close", h.path, k)
			return fs.ErrClosed
		}
		return effect()
	})
}

func (h *file) ReadAt(b []byte, off int64) (n int, err error) {
	eof := false
	err = h.do(Read, func() error {
		if off < int64(len(h.node.data)) {
			n = copy(b, h.node.data[off:])
		}
		eof = n < len(b)
		return nil
	})
	if err == nil && eof {
		err = io.EOF
	}
	return n, err
}

func (h *file) WriteAt(b []byte, off int64) (n int, err error) {
	out := h.fs.begin(Write, h.path)
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	whole := len(b)
	switch {
	case out.Err == nil || out.Effect == All:
	case out.Effect == Half:
		b = b[:whole/2]
	default:
		b = nil
	}
	switch {
	case h.closed:
		h.fs.breach("%s: write after close", h.path)
		err = fs.ErrClosed
	case !h.writable:
		err = syscall.EBADF
	case len(b) > 0:
		n, err = h.write(b, off)
	}
	if err == nil {
		err = out.Err
	}
	if err != nil {
		err = &fs.PathError{Op: string(Write), Path: h.path, Err: err}
	}
	return n, err
}

// write writes as much of b as the space allows.
func (h *file) write(b []byte, off int64) (int, error) {
	h.fs.checkWrite(h.node, h.path, b, off)
	var err error
	if grow := off + int64(len(b)) - int64(len(h.node.data)); h.fs.limited && grow > 0 {
		if grow > h.fs.free {
			b, err = b[:max(0, int64(len(b))-(grow-h.fs.free))], syscall.ENOSPC
		}
		h.fs.free -= max(0, off+int64(len(b))-int64(len(h.node.data)))
	}
	if len(b) > 0 {
		h.node.write(b, off)
	}
	return len(b), err
}

// Sync makes certain what was written before it began.
func (h *file) Sync() error {
	h.fs.mu.Lock()
	began := h.node.dirty()
	h.fs.mu.Unlock()
	out := h.fs.begin(Sync, h.path)
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	switch {
	case h.closed:
		h.fs.breach("%s: sync after close", h.path)
		out = Outcome{Err: fs.ErrClosed}
	case h.fs.off:
	case out.Err == nil:
		h.fs.checkSync(h.node, h.path)
		h.node.sync(began)
	default:
		if out.Effect == All {
			h.node.persist(began)
		}
		h.node.failSync(began)
	}
	if out.Err != nil {
		return &fs.PathError{Op: string(Sync), Path: h.path, Err: out.Err}
	}
	return nil
}

// Reserve does nothing, as nothing may depend on it; it is no operation that fails.
func (h *file) Reserve(int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		h.fs.breach("%s: reserve after close", h.path)
	}
	return nil
}

func (h *file) Chmod(perm fs.FileMode) error {
	return h.do(Chmod, func() error {
		h.fs.checkLocked(h.path)
		h.node.mode = h.node.mode.Type() | perm
		return nil
	})
}

func (h *file) Stat() (info durable.Info, err error) {
	err = h.do(FileStat, func() error {
		info = h.node.info()
		return nil
	})
	return info, err
}

// Close closes the file also when it fails, as Linux does.
func (h *file) Close() error {
	err := h.do(Close, func() error { return nil })
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.closed = true
	delete(h.fs.files, h)
	return err
}

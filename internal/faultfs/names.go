package faultfs

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// find returns what has the name. f.mu is held, as in all that takes nodes.
func (f *FS) find(path string) (*node, error) {
	n := f.root
	for part := range strings.SplitSeq(strings.Trim(filepath.Clean(path), "/"), "/") {
		if part == "" {
			continue
		}
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		if n = n.names[part]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

// findDir returns the folder that holds the name, and the name in it.
func (f *FS) findDir(path string) (dir *node, base string, err error) {
	dir, err = f.find(filepath.Dir(path))
	if err == nil && !dir.isDir() {
		err = syscall.ENOTDIR
	}
	return dir, filepath.Base(path), err
}

// Create implements [durable.FS].
func (f *FS) Create(path string, perm fs.FileMode) (durable.File, error) {
	var h *file
	err := f.do(Create, path, func() error {
		dir, base, err := f.findDir(path)
		switch {
		case err != nil:
			return err
		case dir.names[base] != nil:
			return fs.ErrExist
		case f.limited && f.free <= 0:
			return syscall.ENOSPC
		}
		f.checkCreate(path)
		n := f.newFile(perm)
		dir.change(change{name: base, to: base, node: n})
		h = f.newHandle(n, path, true)
		return nil
	})
	return f.handed(h, err)
}

// Open implements [durable.FS].
func (f *FS) Open(path string) (durable.File, error) { return f.open(path, 0o400) }

// OpenWrite implements [durable.FS].
func (f *FS) OpenWrite(path string) (durable.File, error) { return f.open(path, 0o600) }

func (f *FS) open(path string, need fs.FileMode) (durable.File, error) {
	var h *file
	err := f.do(Open, path, func() error {
		n, err := f.find(path)
		switch {
		case err != nil:
			return err
		case n.isDir():
			return syscall.EISDIR
		case n.mode&fs.ModeSymlink != 0:
			return syscall.ELOOP
		case n.mode.Perm()&need != need:
			return fs.ErrPermission
		}
		h = f.newHandle(n, path, need == 0o600)
		return nil
	})
	return f.handed(h, err)
}

func (f *FS) newHandle(n *node, path string, writable bool) *file {
	h := &file{fs: f, node: n, path: path, writable: writable}
	f.files[h] = true
	return h
}

// handed gives the handle to the caller, who gets none with an error.
func (f *FS) handed(h *file, err error) (durable.File, error) {
	if err == nil {
		return h, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, h)
	return nil, err
}

// Rename implements [durable.FS].
func (f *FS) Rename(from, to string) error {
	return f.do(Rename, from, func() error {
		dir, base, err := f.findDir(from)
		if err != nil {
			return err
		}
		n := dir.names[base]
		switch {
		case n == nil:
			return fs.ErrNotExist
		case filepath.Dir(from) != filepath.Dir(to) || n.isDir():
			return syscall.EXDEV // nobody needs it
		}
		f.checkRename(dir, n, from, to)
		replaced := dir.names[filepath.Base(to)]
		dir.change(change{name: base, to: filepath.Base(to), node: n})
		f.release(replaced)
		return nil
	})
}

// Remove implements [durable.FS].
func (f *FS) Remove(path string) error {
	return f.do(Remove, path, func() error {
		dir, base, err := f.findDir(path)
		if err != nil {
			return err
		}
		n := dir.names[base]
		switch {
		case n == nil:
			return fs.ErrNotExist
		case len(n.names) > 0:
			return syscall.ENOTEMPTY
		}
		f.checkRemove(path)
		dir.change(change{name: base, node: n})
		f.release(n)
		return nil
	})
}

// release gives back the space of a file that has lost its name.
func (f *FS) release(n *node) {
	if n != nil {
		f.free += int64(len(n.data))
	}
}

// Mkdir implements [durable.FS].
func (f *FS) Mkdir(path string, perm fs.FileMode) error {
	return f.do(Mkdir, path, func() error {
		dir, base, err := f.findDir(path)
		switch {
		case err != nil:
			return err
		case dir.names[base] != nil:
			return fs.ErrExist
		case f.limited && f.free <= 0:
			return syscall.ENOSPC
		}
		f.checkLocked(path)
		dir.change(change{name: base, to: base, node: f.newDir(perm)})
		return nil
	})
}

// ReadDir implements [durable.FS].
func (f *FS) ReadDir(path string) (entries []fs.DirEntry, err error) {
	err = f.do(ReadDir, path, func() error {
		n, err := f.find(path)
		if err != nil {
			return err
		}
		if !n.isDir() {
			return syscall.ENOTDIR
		}
		for base, child := range n.names {
			entries = append(entries, fs.FileInfoToDirEntry(fileInfo{base, child.info()}))
		}
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		return nil
	})
	return entries, err
}

// Stat implements [durable.FS].
func (f *FS) Stat(path string) (info durable.Info, err error) {
	err = f.do(Stat, path, func() error {
		n, err := f.find(path)
		if err == nil {
			info = n.info()
		}
		return err
	})
	return info, err
}

// SyncDir implements [durable.FS].
func (f *FS) SyncDir(path string) error {
	err := f.do(SyncDir, path, func() error {
		n, err := f.find(path)
		if err == nil && !n.isDir() {
			err = syscall.ENOTDIR
		}
		if err == nil {
			n.syncNames()
		}
		return err
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, missing := f.find(path); missing == nil && n.isDir() {
		n.tell(err == nil)
	}
	return err
}

// Lock implements [durable.FS].
func (f *FS) Lock(path string) (durable.Lock, error) {
	l := &lock{fs: f, path: path}
	err := f.do(Lock, path, func() error {
		n, err := f.find(path)
		if err != nil {
			return err
		}
		if !n.isDir() {
			return syscall.ENOTDIR
		}
		if _, held := f.locks[n]; held {
			return durable.ErrLocked
		}
		l.node = n
		f.locks[n] = true
		return nil
	})
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if l.node != nil { // it failed after it had taken effect
			delete(f.locks, l.node)
		}
		return nil, err
	}
	return l, nil
}

type lock struct {
	fs   *FS
	path string
	node *node
}

func (l *lock) Stat() (info durable.Info, err error) {
	err = l.fs.do(FileStat, l.path, func() error {
		info = l.node.info()
		return nil
	})
	return info, err
}

// Unlock releases the lock also when it fails, as closing a descriptor does.
func (l *lock) Unlock() error {
	err := l.fs.do(Unlock, l.path, func() error { return nil })
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if !l.fs.locks[l.node] {
		l.fs.breach("%s: unlocked without being locked", l.path)
	}
	delete(l.fs.locks, l.node)
	return err
}

// fileInfo is an [fs.FileInfo] of an entry of a folder.
type fileInfo struct {
	base string
	info durable.Info
}

func (i fileInfo) Name() string       { return i.base }
func (i fileInfo) Size() int64        { return i.info.Size }
func (i fileInfo) Mode() fs.FileMode  { return i.info.Mode }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.info.Mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

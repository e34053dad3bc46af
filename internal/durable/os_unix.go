//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// Stat and File.Stat ask the system themselves, as each sync does and os.FileInfo costs as much again.
func (osFS) Stat(name string) (Info, error) {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Lstat(name, &st) }); err != nil {
		return Info{}, &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	return infoOf(&st), nil
}

func (f osFile) Stat() (Info, error) {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return Info{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return infoOf(&st), nil
}

func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func infoOf(st *unix.Stat_t) Info {
	mode := fs.FileMode(st.Mode) & fs.ModePerm
	switch uint32(st.Mode) & unix.S_IFMT { //nolint:unconvert // widths differ by system
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	default:
		mode |= fs.ModeIrregular
	}
	return Info{
		Size: st.Size, Mode: mode, Links: uint64(st.Nlink), //nolint:unconvert // likewise
		Device: uint64(st.Dev), Inode: st.Ino, //nolint:unconvert // likewise
	}
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

type dirLock struct{ *os.File }

func (osFS) Lock(dir string) (Lock, error) {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		d.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, &os.PathError{Op: "flock", Path: dir, Err: err}
	}
	return dirLock{d}, nil
}

func (l dirLock) Stat() (Info, error) { return osFile(l).Stat() }

// Unlock closes the descriptor, which releases its flock.
func (l dirLock) Unlock() error { return l.Close() }

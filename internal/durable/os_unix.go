//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

func infoOf(fi fs.FileInfo) Info {
	info := Info{Size: fi.Size(), Mode: fi.Mode(), Links: 1}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.Links, info.Device, info.Inode = uint64(st.Nlink), uint64(st.Dev), st.Ino //nolint:unconvert // widths differ by system
	}
	return info
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

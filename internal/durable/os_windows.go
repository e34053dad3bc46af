package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

const openFlags = 0

func (osFS) Stat(name string) (Info, error) { return infoOf(os.Lstat(name)) }

func (f osFile) Stat() (Info, error) { return infoOf(f.File.Stat()) }

func infoOf(fi fs.FileInfo, err error) (Info, error) {
	if err != nil {
		return Info{}, err
	}
	return Info{Size: fi.Size(), Mode: fi.Mode(), Links: 1}, nil
}

// SyncDir does nothing: Windows has no such call.
func (osFS) SyncDir(string) error { return nil }

type fileLock struct{ *os.File }

// Lock locks the file .lock in dir, as Windows has no locks on folders.
func (osFS) Lock(dir string) (Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if err != nil {
		f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, ErrLocked
		}
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	return fileLock{f}, nil
}

func (l fileLock) Stat() (Info, error) { return osFile(l).Stat() }

// Unlock closes the file, which releases its lock.
func (l fileLock) Unlock() error { return l.Close() }

// Package durable is the seam between the log and the file system: the few
// operations the log needs, with what each promises about a crash.
//
// The discipline that users of the package keep:
//
//   - Bytes are durable when [File.Sync] of their file has returned nil, and a
//     name when [FS.SyncDir] of its folder has. Neither implies the other.
//   - A failed Sync is final for its file. The kernel may have dropped the dirty
//     pages and marked them clean, so neither a second Sync nor reading back says
//     anything about the disk (Rebello et al., "Can Applications Recover from
//     fsync Failures?", USENIX ATC 2020). Only writing the same bytes again,
//     here or elsewhere, and a Sync that succeeds make them durable.
//   - [FS.Rename] within a folder is atomic: after a crash the new name holds
//     either what it held before or the whole renamed file, if that was synced.
//   - Writes go to offsets that the caller keeps. Nothing is opened for append.
//   - No name is followed through a symbolic link in its last element.
package durable

import (
	"errors"
	"io"
	"io/fs"
)

// FS is the operations on names. Names are paths of the operating system.
// Implementations are safe for concurrent use.
type FS interface {
	// Create makes a new file for reading and writing; the name must not exist.
	Create(name string, perm fs.FileMode) (File, error)
	// Open opens an existing regular file for reading.
	Open(name string) (File, error)
	// OpenWrite opens an existing regular file for reading and writing.
	OpenWrite(name string) (File, error)
	// Rename gives a file another name in the same folder, replacing what has it.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// Mkdir makes a folder; its parent must exist.
	Mkdir(name string, perm fs.FileMode) error
	// ReadDir lists a folder, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes a name itself: a symbolic link is not followed.
	Stat(name string) (Info, error)
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
	// Lock takes an exclusive lock on a folder, held until the lock or the
	// process ends. It does not wait: [ErrLocked] if another holds it.
	Lock(dir string) (Lock, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes all bytes written before the call durable, and the size.
	Sync() error
	// Reserve has the file system keep room for the file to grow to so many bytes,
	// which makes syncs cheaper; its size stays. 0 gives back what is not used. It
	// does nothing where the system has no such call, and an error says only that
	// there is no room kept.
	Reserve(size int64) error
	// Chmod sets the permission bits.
	Chmod(perm fs.FileMode) error
	// Stat describes the open file, whatever name it has by now.
	Stat() (Info, error)
}

// Lock is a held lock on a folder.
type Lock interface {
	// Stat describes the locked folder, whatever has its name by now.
	Stat() (Info, error)
	// Unlock releases the lock.
	Unlock() error
}

// ErrLocked is returned by [FS.Lock] when another holds the lock.
var ErrLocked = errors.New("locked by another")

// Info describes a file or folder.
type Info struct {
	Size  int64 // bytes
	Links uint64
	Mode  fs.FileMode // the permission bits, and whether it is a file, a folder, a symbolic link or something else
	// Device and Inode name the file itself, as against its path. Both are 0
	// where the system has no such numbers.
	Device, Inode uint64
}

// SameFile tells whether a and b describe one file.
func SameFile(a, b Info) bool { return a.Device == b.Device && a.Inode == b.Inode }

// IsNotExist tells whether err says that a name does not exist.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsExist tells whether err says that a name exists already.
func IsExist(err error) bool { return errors.Is(err, fs.ErrExist) }

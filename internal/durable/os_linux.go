package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync(2): the bytes and the size they need, not the times.
func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// Reserve is fallocate(2), which keeps the size; ftruncate(2) to the size that the file has gives
// back what lies beyond.
func (f osFile) Reserve(size int64) error {
	fd := int(f.Fd())
	if size > 0 {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return unix.Ftruncate(fd, info.Size)
}

// BootID names the current boot of the machine, "" if the system does not tell.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// LockHeld tells whether a process holds the lock on dir, without taking it.
// known is false where the system does not tell. Processes in other PID
// namespaces are not seen.
func LockHeld(dir string) (held, known bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return false, false, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return false, false, nil
	}
	defer f.Close()
	held, err = findLock(f, unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	return held, err == nil, err
}

// findLock looks for an exclusive flock in the form of proc_locks(5):
//
//	1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF
//
// Waiting locks have "->" after the number and do not count.
func findLock(r io.Reader, major, minor uint32, inode uint64) (bool, error) {
	want := fmt.Sprintf("%02x:%02x:%d", major, minor, inode)
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) >= 6 && f[1] == "FLOCK" && f[3] == "WRITE" && f[5] == want {
			return true, nil
		}
	}
	return false, s.Err()
}

// Warning says what about dir's file system makes sync untrustworthy, "" if
// nothing is known against it.
func Warning(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return ""
	}
	switch int64(st.Type) { //nolint:unconvert // the width differs by architecture
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, unix.V9FS_MAGIC:
		return "a network file system"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "an overlay file system"
	case unix.FUSE_SUPER_MAGIC:
		return "a FUSE file system"
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return "a file system in memory"
	}
	return ""
}

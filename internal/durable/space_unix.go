//go:build linux || darwin

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// Free returns how many bytes the file system of dir has left for this user.
// known is false where the system does not tell.
func Free(dir string) (bytes uint64, known bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return uint64(st.Bavail) * uint64(st.Bsize), true, nil //nolint:unconvert // widths differ by system
}

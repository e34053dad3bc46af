package trial

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// syncFS writes back what is dirty on dir's file system.
func syncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// ownCPU is the processor time of this process so far.
func ownCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // it fails for bad arguments only
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

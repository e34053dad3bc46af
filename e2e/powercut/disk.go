// Package powercut mounts a file system in memory that loses, when its power is cut, what was not
// synced. It is [faultfs] behind FUSE: what that knows of each file, what it draws and the breaches
// of discipline that it reports are the same for a real process as for a test of package chain.
//
// Every write(2) reaches it before the call returns, so a process can be killed without losing any.
// Locks are the kernel's: FUSE has none for folders.
package powercut

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// Directory is the directory of the log on the disk.
const Directory = "/audit"

// Disk is a mounted file system.
type Disk struct {
	dir    string
	files  *faultfs.FS
	server *fuse.Server
	cut    chan struct{} // closed when the power is off and image is there

	mu     sync.Mutex // guards all below
	rand   *rand.Rand
	at     int // the operation before which the power is cut, 0: none
	seed   uint64
	image  *faultfs.FS
	off    time.Time
	hang   chan struct{} // syncs wait until it is closed; nil: they don't
	syncs  []Sync
	refuse syscall.Errno
}

// Sync is when a sync of a file ran.
type Sync struct {
	Begin, End time.Time
}

// Mount mounts files at dir. A sync takes up to 15 ms, one in 50 takes 200 ms, by seed.
func Mount(dir string, files *faultfs.FS, seed uint64) (*Disk, error) {
	d := &Disk{dir: dir, files: files, cut: make(chan struct{}), seed: seed, rand: rand.New(rand.NewPCG(seed, 1))}
	if _, err := files.Stat(Directory); err == nil {
		if _, err := files.Lock(Directory); err != nil {
			return nil, err
		}
	}
	files.Intercept(d.before)
	server, err := fs.Mount(dir, &node{disk: d}, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "powercut", MaxWrite: 1 << 20},
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't mount a FUSE file system on %s: %w", dir, err)
	}
	d.server = server
	return d, nil
}

// Unmount ends the file system. No process may use it any more.
func (d *Disk) Unmount() error {
	if os.Getuid() == 0 { // a process that was killed may still be on its way out
		return syscall.Unmount(d.dir, syscall.MNT_DETACH)
	}
	return d.server.Unmount()
}

// CutIn cuts the power before the nth operation from now.
func (d *Disk) CutIn(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = d.files.Ops() + n
}

// Cut returns a channel that is closed when the power is off.
func (d *Disk) Cut() <-chan struct{} { return d.cut }

// Left returns, after the cut, what is on the disk, and when the power went off.
func (d *Disk) Left() (*faultfs.FS, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.image, d.off
}

// Syncs are the syncs of files, the failed ones included, by their end.
func (d *Disk) Syncs() []Sync {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// Hang makes every sync of a file hang until let go.
func (d *Disk) Hang() (letGo func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hang := make(chan struct{})
	d.hang = hang
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.hang = nil
		close(hang)
	})
}

// Refuse makes everything that changes the disk fail with errno from now on; 0 ends it.
func (d *Disk) Refuse(errno syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = errno
}

// before runs before each operation takes effect.
func (d *Disk) before(op faultfs.Op) faultfs.Outcome {
	d.mu.Lock()
	hang, delay := d.hang, time.Duration(0)
	if op.Kind == faultfs.Sync {
		delay = time.Duration(d.rand.IntN(15_000)) * time.Microsecond
		if d.rand.IntN(50) == 0 {
			delay = 200 * time.Millisecond
		}
	}
	d.mu.Unlock()
	if op.Kind == faultfs.Sync {
		time.Sleep(delay)
		if hang != nil {
			<-hang
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at != 0 && op.N >= d.at && d.image == nil {
		// Off first: what takes effect after the image was drawn is answered with an error.
		d.files.TurnOff()
		d.off, d.image = time.Now(), d.files.PowerCut(d.seed)
		close(d.cut)
	}
	switch op.Kind {
	case faultfs.Create, faultfs.Rename, faultfs.Remove, faultfs.Mkdir, faultfs.SyncDir, faultfs.Write, faultfs.Sync, faultfs.Chmod:
		if d.refuse != 0 {
			return faultfs.Outcome{Err: d.refuse}
		}
	}
	return faultfs.Outcome{}
}

func (d *Disk) synced(s Sync) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs = append(d.syncs, s)
}

// CopyOut writes the log's directory as reads see it to a real folder.
func CopyOut(files *faultfs.FS, to string) error {
	for name, content := range files.Files(Directory) {
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

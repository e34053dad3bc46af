package exporter

import (
	"fmt"
	"os"
	"sync"
)

// owners are the exporters of this process that have a directory or are about to. The lock on the
// directory keeps two writers apart; owners says who the other is, and that it is about to leave.
var owners struct {
	sync.Mutex
	all map[*owner]struct{}
}

// owner is an exporter's claim to a directory.
type owner struct {
	id      string      // of the component
	path    string      // absolute, clean
	info    os.FileInfo // nil until the directory exists; compared, as a path may lead through links
	leaving bool
}

// claim notes that id is about to write to path. It fails if another exporter has the directory and
// is not leaving, and for a path that no log can be at, however often one tries.
func claim(id, path string) (*owner, error) {
	o := &owner{id: id, path: path}
	o.info, _ = os.Stat(path) // absent or unreadable: opening will tell
	link, _ := os.Lstat(path)
	owners.Lock()
	defer owners.Unlock()
	if other := o.rival(false); other != nil {
		return nil, fmt.Errorf("directory: exporters %s and %s both write to %s: each needs its own", other.id, id, path)
	}
	if link != nil && link.Mode()&os.ModeSymlink != 0 {
		return nil, fmt.Errorf("directory: %s is a symbolic link: name its target instead", path)
	}
	if o.info != nil && !o.info.IsDir() {
		return nil, fmt.Errorf("directory: %s is not a directory", path)
	}
	if owners.all == nil {
		owners.all = map[*owner]struct{}{}
	}
	owners.all[o] = struct{}{}
	return o, nil
}

// rival is another owner of o's directory that is leaving, or is not, nil if there is none. owners is
// locked.
func (o *owner) rival(leaving bool) *owner {
	for other := range owners.all {
		same := other.path == o.path || other.info != nil && o.info != nil && os.SameFile(other.info, o.info)
		if other != o && same && other.leaving == leaving {
			return other
		}
	}
	return nil
}

// found notes the directory itself, once it is there.
func (o *owner) found() {
	info, err := os.Stat(o.path)
	if err != nil {
		return
	}
	owners.Lock()
	defer owners.Unlock()
	o.info = info
}

// leave notes that o will not write for long any more.
func (o *owner) leave() {
	owners.Lock()
	defer owners.Unlock()
	o.leaving = true
}

// release gives the directory up.
func (o *owner) release() {
	owners.Lock()
	defer owners.Unlock()
	delete(owners.all, o)
}

// rivalLeaves tells whether another exporter of this process has the directory and is about to leave
// it.
func (o *owner) rivalLeaves() bool {
	owners.Lock()
	defer owners.Unlock()
	return o.rival(true) != nil
}

package faultfs

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
)

// The rules, each checked as the operation happens:
//
//   - Below the log's directory nothing changes without the lock on it.
//   - A segment gets its name by Rename only, and only when all its bytes are
//     certain. A name that a SyncDir has made durable is not given again; one whose first SyncDir failed
//     may be.
//   - No segment loses its name or is removed, but for a file put aside as
//     foreign.
//   - No byte of a segment changes, none is left out, and nothing is written to
//     a segment that has a successor, nor to a file that has lost its name.
//   - After a failed Sync, what it covered is written again before the next Sync
//     of the file. The mark is exempt: nobody trusts it.
//   - Nothing is done with a closed file or a lock that was released.
var (
	segmentForm = regexp.MustCompile(`^[0-9]{10}-[0-9]{20}\.jsonl$`)
	foreignExt  = ".foreign"
	markName    = "mark"
)

func isSegment(base string) bool { return segmentForm.MatchString(base) }

// breach reports a breach of a rule. f.mu is held, as in all below.
func (f *FS) breach(format string, args ...any) {
	if !f.off {
		f.t.Helper()
		f.t.Errorf("faultfs: operation %d: "+format, append([]any{f.ops}, args...)...)
	}
}

func (f *FS) checkLocked(path string) {
	if !strings.HasPrefix(path, f.dir+"/") {
		return
	}
	if dir, err := f.find(f.dir); err != nil || !f.locks[dir] {
		f.breach("%s: changed without the lock", path)
	}
}

func (f *FS) checkCreate(path string) {
	f.checkLocked(path)
	if isSegment(filepath.Base(path)) {
		f.breach("%s: a segment must get its name by rename", path)
	}
}

func (f *FS) checkRename(dir, n *node, from, to string) {
	f.checkLocked(from)
	base := filepath.Base(to)
	if isSegment(filepath.Base(from)) && !strings.HasSuffix(to, foreignExt) {
		f.breach("%s: a segment lost its name", from)
	}
	if !isSegment(base) {
		return
	}
	if len(n.data) == 0 || !n.certain(int64(len(n.data))) || n.suspects() > 0 {
		f.breach("%s: named %s before its bytes were synced", from, base)
	}
	if old := dir.names[base]; old != nil && dir.told[base] == old {
		f.breach("%s: takes the place of a segment whose name is durable", to)
	}
}

func (f *FS) checkRemove(path string) {
	f.checkLocked(path)
	if isSegment(filepath.Base(path)) {
		f.breach("%s: a segment was removed", path)
	}
}

func (f *FS) checkWrite(n *node, path string, b []byte, off int64) {
	if n.touched {
		return
	}
	f.checkLocked(path)
	if n.parent == nil {
		f.breach("%s: written to after it lost its name", path)
		return
	}
	if !isSegment(n.base) {
		return
	}
	for base := range n.parent.names {
		if isSegment(base) && base > n.base {
			f.breach("%s: written to after %s had its name", n.base, base)
		}
	}
	size := int64(len(n.data))
	if off > size {
		f.breach("%s: bytes %d to %d left out", n.base, size, off)
		return
	}
	if over := min(int64(len(b)), size-off); !bytes.Equal(b[:over], n.data[off:off+over]) {
		f.breach("%s: bytes changed at offset %d", n.base, off)
	}
}

func (f *FS) checkSync(n *node, path string) {
	if n.suspects() > 0 && n.base != markName {
		f.breach("%s: synced again after a failed sync, without being written again", path)
	}
}

// suspects counts the sectors that only a failed Sync covered.
func (n *node) suspects() int {
	count := 0
	for _, s := range n.sectors {
		if s.suspect {
			count++
		}
	}
	return count
}

package faultfs

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// sectorSize is what a disk writes whole or not at all, in bytes.
const sectorSize = 512

// node is a file or folder. A nil names makes it a file.
type node struct {
	ino            uint64
	mode, diskMode fs.FileMode
	parent         *node // nil if it has no name
	base           string
	touched        bool // from outside

	data      []byte            // what reads see
	disk      []byte            // what is on the disk for certain
	sizes     []int64           // that may be on the disk instead of len(disk)
	sectors   map[int64]*sector // that may be on the disk in other versions
	names     map[string]*node  // what a folder holds
	diskNames map[string]*node  // likewise, for certain
	changes   []change          // between the two, in order
	told      map[string]*node  // names that a SyncDir has called durable
	doubted   bool              // the first SyncDir of its name failed
}

// sector is 512 bytes of a file that the disk may hold otherwise.
type sector struct {
	versions [][]byte // since what is certain, in order
	dirty    bool     // to be written by the next Sync
	suspect  bool     // a Sync of it failed and it was not written since
}

// change is one of a folder's names: node loses name and gets to. The two are
// equal for a new node, to is empty for a removed one.
type change struct {
	name, to string
	node     *node
}

func (f *FS) newFile(perm fs.FileMode) *node {
	f.lastIno++
	return &node{ino: f.lastIno, mode: perm, diskMode: perm, sectors: map[int64]*sector{}}
}

func (f *FS) newDir(perm fs.FileMode) *node {
	f.lastIno++
	return &node{
		ino: f.lastIno, mode: fs.ModeDir | perm, diskMode: fs.ModeDir | perm,
		names: map[string]*node{}, diskNames: map[string]*node{}, told: map[string]*node{},
	}
}

func (n *node) isDir() bool { return n.names != nil }

func (n *node) info() durable.Info {
	info := durable.Info{Size: int64(len(n.data)), Mode: n.mode, Device: 1, Inode: n.ino}
	if n.parent != nil || n.isDir() {
		info.Links = 1
	}
	return info
}

// change changes names in a folder.
func (n *node) change(c change) {
	n.changes = append(n.changes, c)
	if old := n.names[c.to]; old != nil {
		old.parent = nil
	}
	c.apply(n.names)
	c.node.parent, c.node.base = n, c.to
	if c.to == "" {
		c.node.parent = nil
	}
}

func (c change) apply(names map[string]*node) {
	if names[c.name] == c.node {
		delete(names, c.name)
	}
	if c.to != "" {
		names[c.to] = c.node
	}
}

func (n *node) syncNames() {
	n.diskNames, n.changes = maps.Clone(n.names), nil
}

// tell notes what a SyncDir told the user of the names: that they are durable, or, of those that it was
// the first to be asked about, that they may not be. What becomes of these by a later SyncDir, which
// somebody else may have called, who gave the name does not know.
func (n *node) tell(durable bool) {
	for base, child := range n.names {
		if !durable && n.told[base] != child {
			child.doubted = true
		}
	}
	if durable {
		n.told = maps.Clone(n.names)
		maps.DeleteFunc(n.told, func(_ string, child *node) bool { return child.doubted })
	}
}

func (n *node) write(b []byte, off int64) {
	end := off + int64(len(b))
	if grow := end - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
		n.sizes = append(n.sizes, end)
	}
	copy(n.data[off:], b)
	for i := off / sectorSize; i*sectorSize < end; i++ {
		from, to := i*sectorSize, min(int64(len(n.data)), (i+1)*sectorSize)
		s := n.sectors[i]
		if s == nil {
			if to <= int64(len(n.disk)) && bytes.Equal(n.data[from:to], n.disk[from:to]) {
				continue // it is certain already, and stays so whatever a Sync does
			}
			s = &sector{}
			n.sectors[i] = s
		}
		s.versions = append(s.versions, bytes.Clone(n.data[from:to]))
		s.dirty, s.suspect = true, false
	}
}

// pending is what a Sync covers: how many versions of which sectors, and a size.
type pending struct {
	versions map[int64]int
	size     int64
}

func (n *node) dirty() pending {
	p := pending{versions: map[int64]int{}, size: int64(len(n.data))}
	for i, s := range n.sectors {
		if s.dirty {
			p.versions[i] = len(s.versions)
		}
	}
	return p
}

// persist makes the last version that p covers of each sector certain.
func (n *node) persist(p pending) {
	if grow := p.size - int64(len(n.disk)); grow > 0 {
		n.disk = append(n.disk, make([]byte, grow)...)
	}
	n.sizes = slices.DeleteFunc(n.sizes, func(size int64) bool { return size <= int64(len(n.disk)) })
	for i, count := range p.versions {
		s := n.sectors[i]
		copy(n.disk[i*sectorSize:], s.versions[count-1])
		s.versions = s.versions[count:]
		p.versions[i] = 0
	}
	n.diskMode = n.mode
}

func (n *node) sync(p pending) {
	n.persist(p)
	for i := range p.versions {
		if len(n.sectors[i].versions) == 0 {
			delete(n.sectors, i)
		}
	}
}

// failSync leaves what p covers clean in memory.
func (n *node) failSync(p pending) {
	for i, count := range p.versions {
		if s := n.sectors[i]; len(s.versions) == count {
			s.dirty, s.suspect = false, true
		}
	}
}

// certain tells whether the first size bytes are on the disk, whatever a crash
// draws.
func (n *node) certain(size int64) bool {
	if size > int64(len(n.disk)) || !bytes.Equal(n.disk[:size], n.data[:size]) {
		return false
	}
	for i, s := range n.sectors {
		from := i * sectorSize
		for _, v := range s.versions {
			if have := min(size-from, int64(len(v))); have > 0 && !bytes.Equal(v[:have], n.disk[from:from+have]) {
				return false
			}
		}
	}
	return true
}

package faultfs

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// PowerCut returns what a power cut now may leave, drawn by seed, after the
// machine has come up again. f stays as it is.
func (f *FS) PowerCut(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.next()
	c.boot++
	d := &draw{Rand: rand.New(rand.NewPCG(seed, 0x5eed)), nodes: map[*node]*node{}}
	c.root = d.node(f.root)
	return c
}

// ProcessDeath returns the machine with the process gone: what it wrote is read
// by the next, and is as uncertain as it was. f stays as it is.
func (f *FS) ProcessDeath() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.next()
	c.root = cloner{}.node(f.root)
	return c
}

func (f *FS) next() *FS {
	return &FS{
		t: f.t, dir: f.dir, lastIno: f.lastIno, boot: f.boot, limited: f.limited, free: f.free,
		locks: map[*node]bool{}, files: map[*file]bool{},
	}
}

// Durable returns an error unless the file's name and its first size bytes
// survive whatever power cut.
func (f *FS) Durable(path string, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.root
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		child := n.names[part]
		uncertain := slices.ContainsFunc(n.changes, func(c change) bool { return c.name == part || c.to == part })
		if child == nil || n.diskNames[part] != child || uncertain {
			return fmt.Errorf("%s: the name %s may get lost", path, part)
		}
		n = child
	}
	if !n.certain(size) {
		return fmt.Errorf("%s: some of the first %d bytes may get lost", path, size)
	}
	return nil
}

// Files returns the contents of all regular files below dir, by path relative
// to it, as reads see them.
func (f *FS) Files(dir string) map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string][]byte{}
	if n, err := f.find(dir); err == nil {
		n.collect("", files)
	}
	return files
}

func (n *node) collect(path string, files map[string][]byte) {
	for base, child := range n.names {
		p := filepath.Join(path, base)
		if child.isDir() {
			child.collect(p, files)
			continue
		}
		files[p] = bytes.Clone(child.data)
	}
}

// cloner copies nodes, each once.
type cloner map[*node]*node

func (c cloner) node(n *node) *node {
	if n == nil {
		return nil
	}
	if have := c[n]; have != nil {
		return have
	}
	m := *n
	c[n] = &m
	m.parent = c.node(n.parent)
	m.data, m.disk, m.sizes = bytes.Clone(n.data), bytes.Clone(n.disk), slices.Clone(n.sizes)
	m.sectors = make(map[int64]*sector, len(n.sectors))
	for i, s := range n.sectors {
		m.sectors[i] = &sector{versions: slices.Clone(s.versions), dirty: s.dirty, suspect: s.suspect}
	}
	m.names, m.diskNames = c.names(n.names), c.names(n.diskNames)
	// The next process finds the names, and can't tell which of them are durable.
	m.told, m.doubted = maps.Clone(m.names), false
	m.changes = nil
	for _, ch := range n.changes {
		m.changes = append(m.changes, change{name: ch.name, to: ch.to, node: c.node(ch.node)})
	}
	return &m
}

func (c cloner) names(names map[string]*node) map[string]*node {
	if names == nil {
		return nil
	}
	m := make(map[string]*node, len(names))
	for base, n := range names {
		m[base] = c.node(n)
	}
	return m
}

// draw decides what of the uncertain is on the disk.
type draw struct {
	*rand.Rand
	nodes map[*node]*node
}

// keep returns which of n uncertain things are on the disk: none, all, the
// first few, all but one, or any.
func (d *draw) keep(n int) []bool {
	kept := make([]bool, n)
	if n == 0 {
		return kept
	}
	way, k := d.IntN(5), d.IntN(n)
	for i := range kept {
		switch way {
		case 0:
		case 1:
			kept[i] = true
		case 2:
			kept[i] = i < k
		case 3:
			kept[i] = i != k
		case 4:
			kept[i] = d.IntN(2) == 0
		}
	}
	return kept
}

func (d *draw) node(n *node) *node {
	if have := d.nodes[n]; have != nil {
		return have
	}
	m := &node{ino: n.ino, touched: n.touched, mode: n.diskMode, diskMode: n.diskMode}
	if d.IntN(2) == 0 {
		m.mode, m.diskMode = n.mode, n.mode
	}
	d.nodes[n] = m
	if !n.isDir() {
		m.data = d.content(n)
		m.disk, m.sectors = bytes.Clone(m.data), map[int64]*sector{}
		return m
	}
	names := maps.Clone(n.diskNames)
	for i, kept := range d.keep(len(n.changes)) {
		if kept {
			n.changes[i].apply(names)
		}
	}
	m.names = map[string]*node{}
	for _, base := range slices.Sorted(maps.Keys(names)) {
		child := d.node(names[base])
		child.parent, child.base = m, base
		m.names[base] = child
	}
	m.diskNames, m.told = maps.Clone(m.names), maps.Clone(m.names)
	return m
}

// content draws a file's bytes: a size, and of each uncertain sector what is
// certain or one of its versions. Where the size has grown without data, zeros.
func (d *draw) content(n *node) []byte {
	sizes := append([]int64{int64(len(n.disk))}, n.sizes...)
	size := sizes[d.IntN(len(sizes))]
	switch d.IntN(3) {
	case 0:
		size = sizes[len(sizes)-1]
	case 1:
		size = min(sizes[len(sizes)-1], (size/sectorSize+1)*sectorSize)
	}
	b := make([]byte, size)
	copy(b, n.disk)
	uncertain := slices.Sorted(maps.Keys(n.sectors))
	for k, kept := range d.keep(len(uncertain)) {
		i := uncertain[k]
		versions := n.sectors[i].versions
		if !kept || len(versions) == 0 || i*sectorSize >= size {
			continue
		}
		v := versions[len(versions)-1]
		if d.IntN(3) == 0 {
			v = versions[d.IntN(len(versions))]
		}
		copy(b[i*sectorSize:], v)
	}
	return b
}

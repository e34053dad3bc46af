package faultfs

import (
	"bytes"
	"io/fs"
	"path/filepath"
)

// Another process's deeds: they take no lock, keep no rule, can't fail and are
// not intercepted. They are as uncertain as any change until they are synced.

// RemoveOutside removes a file, or a folder with all that is in it.
func (f *FS) RemoveOutside(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.findDir(path)
	if err != nil {
		return err
	}
	if n := dir.names[base]; n != nil {
		n.outside()
		dir.change(change{name: base, node: n})
		f.release(n)
	}
	return nil
}

// RenameOutside renames a file or folder within its folder, replacing what has
// the name.
func (f *FS) RenameOutside(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.findDir(from)
	if err != nil {
		return err
	}
	if n := dir.names[base]; n != nil {
		n.outside()
		if old := dir.names[filepath.Base(to)]; old != nil {
			old.outside()
		}
		dir.change(change{name: base, to: filepath.Base(to), node: n})
	}
	return nil
}

// WriteOutside changes a file's bytes, and makes them durable.
func (f *FS) WriteOutside(path string, b []byte, off int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(path)
	if err == nil {
		n.write(b, off)
		n.sync(n.dirty())
	}
	return err
}

// TruncateOutside shortens a file, and makes it durable as it then is.
func (f *FS) TruncateOutside(path string, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(path)
	if err == nil {
		n.data = n.data[:min(size, int64(len(n.data)))]
		n.disk, n.sizes, n.sectors = bytes.Clone(n.data), nil, map[int64]*sector{}
	}
	return err
}

// SymlinkOutside gives a name to a symbolic link, replacing what has it. Nothing
// follows it.
func (f *FS) SymlinkOutside(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.findDir(path)
	if err == nil {
		if old := dir.names[base]; old != nil {
			old.outside()
		}
		link := f.newFile(fs.ModeSymlink | 0o777)
		link.outside()
		dir.change(change{name: base, to: base, node: link})
	}
	return err
}

// outside exempts the file or folder, and what is in it, from the rules that a
// user who does not know of it yet can't keep.
func (n *node) outside() {
	n.touched = true
	for _, child := range n.names {
		child.outside()
	}
}

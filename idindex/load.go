package idindex

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelaudit/auditexporter/internal/durable"
)

func isExist(err error) bool { return durable.IsExist(err) }

// load reads the secret and all runs. Temporary files, runs that a merged one
// covers, and what is not readable is removed.
func (x *Index) load() {
	x.loadSecret()
	names, err := x.o.FS.ReadDir(x.o.Folder)
	if err != nil {
		if !durable.IsNotExist(err) {
			x.o.Notice("the index of record ids can't be read: it begins anew", err)
		}
		return
	}
	var files []string
	for _, n := range names {
		if _, ok := parseRunName(n.Name()); ok {
			files = append(files, n.Name())
		} else if strings.HasSuffix(n.Name(), tempExt) {
			_ = x.o.FS.Remove(filepath.Join(x.o.Folder, n.Name())) // else it is tried again
		}
	}
	for _, name := range outermost(files) {
		r, err := openRun(x.o.FS, x.o.Folder, name, x.o.LogID, true)
		if err != nil {
			s, _ := parseRunName(name)
			x.o.Notice(fmt.Sprintf("record ids of entries %d to %d are forgotten: their file in the index can't be read", s.first, s.last), err)
			_ = x.o.FS.Remove(filepath.Join(x.o.Folder, name))
			continue
		}
		x.runs = append(x.runs, r)
		for _, covered := range files {
			if s, _ := parseRunName(covered); covered != name && s.first >= r.first && s.last <= r.last {
				_ = x.o.FS.Remove(filepath.Join(x.o.Folder, covered))
			}
		}
	}
}

// outermost gives the names of runs that no other covers, oldest first. A crash in
// a merge leaves the merged run beside what it was made of.
func outermost(names []string) []string {
	slices.SortFunc(names, func(a, b string) int {
		s, _ := parseRunName(a)
		t, _ := parseRunName(b)
		return cmp.Or(cmp.Compare(s.first, t.first), cmp.Compare(t.last, s.last))
	})
	var out []string
	end := uint64(0)
	for _, n := range names {
		if s, _ := parseRunName(n); s.last > end {
			out = append(out, n)
			end = s.last
		}
	}
	return out
}

// The file of the secret: this text, 32 bytes, and the first 8 bytes of the
// SHA-256 of both.
const (
	secretName  = "key"
	secretMagic = "auditlog ids key v1\n"
	secretSum   = 8
)

// loadSecret reads the secret or makes one. One that can't be kept serves until
// the index is closed.
func (x *Index) loadSecret() {
	path := filepath.Join(x.o.Folder, secretName)
	f, err := x.o.FS.Open(path)
	if err == nil {
		b := make([]byte, len(secretMagic)+len(x.secret)+secretSum)
		_, err = f.ReadAt(b, 0)
		err = errors.Join(err, f.Close())
		body := b[:len(b)-secretSum]
		if sum := sha256.Sum256(body); err == nil && string(b[len(b)-secretSum:]) == string(sum[:secretSum]) && strings.HasPrefix(string(b), secretMagic) {
			copy(x.secret[:], body[len(secretMagic):])
			return
		}
		if err == nil {
			err = &damage{"checksum of the key"}
		}
	}
	if !durable.IsNotExist(err) {
		x.o.Notice("the key of the index of record ids can't be read: a new one is made, and records that differ only in redacted values may pass for one", err)
	}
	rand.Read(x.secret[:])
	if err := x.keepSecret(path); err != nil {
		x.o.Notice("the key of the index of record ids can't be kept", err)
	}
}

func (x *Index) keepSecret(path string) error {
	if err := x.o.FS.Mkdir(x.o.Folder, x.o.FolderMode); err != nil && !isExist(err) {
		return fmt.Errorf("couldn't make index folder: %w", err)
	}
	temp := path + tempExt
	if err := x.o.FS.Remove(temp); err != nil && !durable.IsNotExist(err) {
		return fmt.Errorf("couldn't remove old key: %w", err)
	}
	f, err := x.o.FS.Create(temp, 0o600) // whoever reads it can guess what is redacted
	if err != nil {
		return fmt.Errorf("couldn't create key: %w", err)
	}
	b := append([]byte(secretMagic), x.secret[:]...)
	sum := sha256.Sum256(b)
	_, err = f.WriteAt(append(b, sum[:secretSum]...), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("couldn't write key: %w", err)
	}
	if err := x.o.FS.Rename(temp, path); err != nil {
		return fmt.Errorf("couldn't name key: %w", err)
	}
	return x.o.FS.SyncDir(x.o.Folder)
}

// Search looks for a key in the index's files as they are, without a writer: all
// entries that runs name for it, newest first, and the last entry that a run covers.
func Search(fsys durable.FS, folder string, logID [16]byte, k Key) (found []Record, last uint64, err error) {
	names, err := fsys.ReadDir(folder)
	if err != nil {
		return nil, 0, fmt.Errorf("couldn't list index folder: %w", err)
	}
	var files []string
	for _, n := range names {
		if _, ok := parseRunName(n.Name()); ok {
			files = append(files, n.Name())
		}
	}
	for _, name := range slices.Backward(outermost(files)) {
		r, err := openRun(fsys, folder, name, logID, false)
		if err != nil {
			return nil, 0, err
		}
		last = max(last, r.last)
		v, ok, err := r.find(&k)
		r.release()
		if err != nil {
			return nil, 0, err
		}
		if ok {
			found = append(found, v.record(k))
		}
	}
	return found, last, nil
}

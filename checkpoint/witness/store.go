package witness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// store is a folder with one file for each log that has a checkpoint: the newest
// one, cosigned, under the hex SHA-256 of its origin. A file takes another's
// place by rename, so that a crash leaves the one or the other whole.
type store struct {
	fsys durable.FS
	dir  string
	lock durable.Lock

	mu    sync.Mutex // no file is read between its rename and the sync of its name
	dirty bool       // there was a rename whose name may not be durable; guarded by mu
}

const (
	fileMode   = 0o600
	folderMode = 0o700
)

// openStore makes the folder if it is not there and locks it.
func openStore(fsys durable.FS, dir string) (*store, error) {
	if _, err := fsys.Stat(dir); durable.IsNotExist(err) {
		if err := errors.Join(fsys.Mkdir(dir, folderMode), fsys.SyncDir(filepath.Dir(dir))); err != nil {
			return nil, fmt.Errorf("couldn't make state folder: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("couldn't look at state folder: %w", err)
	}
	// Two witnesses on one folder could each cosign one side of a fork.
	lock, err := fsys.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("couldn't lock state folder %s: %w", dir, err)
	}
	// dirty: a crash of the process may have kept the last name from being synced.
	return &store{fsys: fsys, dir: dir, lock: lock, dirty: true}, nil
}

func (s *store) close() error { return s.lock.Unlock() }

func (s *store) name(origin string) string { return filepath.Join(s.dir, originHash(origin)) }

// read returns a log's file, nil if there is none.
func (s *store) read(origin string) ([]byte, error) { return s.readName(originHash(origin)) }

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// readName is read for who knows only the hash of the origin.
func (s *store) readName(hash string) ([]byte, error) {
	if !hashForm.MatchString(hash) {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirty {
		if err := s.syncNames(); err != nil {
			return nil, err
		}
	}
	f, err := s.fsys.Open(filepath.Join(s.dir, hash))
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't open state: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxMessage))
	if err != nil {
		return nil, fmt.Errorf("couldn't read state: %w", err)
	}
	return b, nil
}

// write replaces a log's file. On nil the new one is durable; on an error either
// may be there after a crash.
func (s *store) write(origin string, b []byte) error {
	return s.replace(s.name(origin), b)
}

// keep replaces a log's file of the last checkpoint that was refused as another
// history.
func (s *store) keep(origin string, b []byte) error {
	return s.replace(s.name(origin)+".refused", b)
}

func (s *store) replace(name string, b []byte) error {
	temp := name + ".new"
	if err := s.fsys.Remove(temp); err != nil && !durable.IsNotExist(err) {
		return fmt.Errorf("couldn't remove unfinished state: %w", err)
	}
	f, err := s.fsys.Create(temp, fileMode)
	if err != nil {
		return fmt.Errorf("couldn't create state: %w", err)
	}
	n, err := f.WriteAt(b, 0)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("couldn't write state: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = true // also if Rename fails: it may have happened
	if err := s.fsys.Rename(temp, name); err != nil {
		return fmt.Errorf("couldn't rename state: %w", err)
	}
	return s.syncNames()
}

func (s *store) syncNames() error {
	if err := s.fsys.SyncDir(s.dir); err != nil {
		return fmt.Errorf("couldn't sync state folder: %w", err)
	}
	s.dirty = false
	return nil
}

// splitNote splits a note into its text, with its last LF, and its signature lines.
func splitNote(b []byte) (text, sigs []byte, ok bool) {
	i := bytes.LastIndex(b, []byte("\n\n"))
	if i < 0 {
		return nil, nil, false
	}
	return b[:i+1], b[i+2:], true
}

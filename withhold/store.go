package withhold

import (
	"container/list"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// ErrWorm says that the key store's policy forbids erasing.
var ErrWorm = errors.New("retention.worm is true: nothing may be erased")

// Store is a key store that its one writer has open. Key may be called by many
// goroutines at once, Write and Destroy too, and a Write beside a Sync does not wait for it.
type Store struct {
	secrets
	fsys   durable.FS
	folder string
	root   root
	lock   durable.Lock

	disk   sync.Mutex // held by Sync and by what replaces the file; taken before io, which writes need
	io     sync.Mutex // held by what writes; never while a sync runs, but for that of a file that replaces
	failed bool       // the file's pages can't be trusted: it is written anew before it is used; owned by io
	unsafe bool       // a Sync failed: none is believed again; owned by io
	dirty  bool       // written and not synced; owned by io

	mu     sync.Mutex // guards all below; taken after io
	file   durable.File
	count  uint32            // records in file
	at     map[uint64]uint32 // records by hint of their tag; one of equal hints
	fresh  map[Tag]*Key      // not synced
	queue  []record          // not written, in order
	order  []Tag             // of fresh ones that are written
	keys   map[Tag]*list.Element
	recent list.List // of cached, the last used first
}

// cached is a key in memory.
type cached struct {
	tag Tag
	key *Key
}

// OpenStore locks the key store in folder and opens it, or makes it. key is its
// key-encryption key, nil: none. worm says whether erasing is forbidden from now on; nil: as
// it was.
func OpenStore(fsys durable.FS, folder string, key []byte, worm *bool) (*Store, error) {
	if err := makeFolder(fsys, folder); err != nil {
		return nil, fmt.Errorf("couldn't make key store: %w", err)
	}
	lock, err := fsys.Lock(folder)
	if err != nil {
		return nil, fmt.Errorf("couldn't lock key store %s: %w", folder, err)
	}
	s := &Store{
		fsys: fsys, folder: folder, lock: lock,
		fresh: make(map[Tag]*Key), keys: make(map[Tag]*list.Element),
	}
	if err := s.open(key, worm); err != nil {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
		return nil, errors.Join(err, lock.Unlock())
	}
	return s, nil
}

// open makes or reads the two files, root first: keys without it were never used.
func (s *Store) open(key []byte, worm *bool) error {
	r, err := readRoot(s.fsys, s.folder)
	var secret []byte
	switch {
	case durable.IsNotExist(err):
		if _, err := s.fsys.Stat(filepath.Join(s.folder, keysName)); err == nil {
			return errors.New("key store has keys and no root: what was encrypted with them can't be read")
		}
		r, secret = newRoot(key)
	case err != nil:
		return fmt.Errorf("couldn't read key store: %w", err)
	default:
		if secret, err = r.open(key); err != nil {
			return err
		}
	}
	change := worm != nil && r.Worm != *worm
	if change {
		r.Worm = *worm
	}
	if err != nil || change {
		if err := r.write(s.fsys, s.folder); err != nil {
			return err
		}
	}
	s.root, s.secrets = r, newSecrets(secret)
	if err := makeFolder(s.fsys, filepath.Join(s.folder, requestsName)); err != nil {
		return fmt.Errorf("couldn't make key store: %w", err)
	}
	path := filepath.Join(s.folder, keysName)
	if s.file, err = s.fsys.OpenWrite(path); durable.IsNotExist(err) {
		if err := replace(s.fsys, s.folder, keysName, keysHeader(r.Store)); err != nil {
			return err
		}
		s.file, err = s.fsys.OpenWrite(path)
	}
	if err != nil {
		return fmt.Errorf("couldn't open keys: %w", err)
	}
	return s.load()
}

// load reads what is there. The end that a crash may have torn is written anew, and so
// is all that the process before may have left unsynced.
func (s *Store) load() error {
	s.at = make(map[uint64]uint32)
	var torn bool
	var err error
	s.count, torn, err = eachRecord(s.file, s.root.Store, func(n uint32, r *record) error {
		s.at[hint(r.tag())] = n
		return nil
	})
	if err != nil {
		return err
	}
	if torn {
		return s.rewrite(nil)
	}
	if err := harden(s.file); err != nil {
		return s.rewrite(nil)
	}
	return nil
}

// Close releases the store. What is not synced is lost.
func (s *Store) Close() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.file.Close(), s.lock.Unlock())
}

// Worm tells whether erasing is forbidden.
func (s *Store) Worm() bool { return s.root.Worm }

// Key returns a subject's key, and draws one if it has none. A key that can't be read
// is one that it has not: a subject may have several.
func (s *Store) Key(subject string) *Key {
	tag := s.Tag(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.fresh[tag]; key != nil {
		return key
	}
	if e := s.keys[tag]; e != nil {
		s.recent.MoveToFront(e)
		return e.Value.(*cached).key
	}
	if n, ok := s.at[hint(tag)]; ok {
		if r, err := readRecord(s.file, n); err == nil && r.tag() == tag {
			if key, err := s.unwrap(&r); err == nil {
				s.keep(tag, key)
				return key
			}
		}
	}
	r, key := s.newRecord(tag)
	s.queue, s.fresh[tag] = append(s.queue, r), key
	return key
}

// keep keeps a key in memory in place of the one that was not used for longest. s.mu is
// held.
func (s *Store) keep(tag Tag, key *Key) {
	if len(s.keys) >= maxKnown {
		last := s.recent.Back()
		delete(s.keys, last.Value.(*cached).tag)
		s.recent.Remove(last)
	}
	s.keys[tag] = s.recent.PushFront(&cached{tag, key})
}

var errKeysFailed = errors.New("the file of keys is given up")

// Write hands new keys to the operating system. After an error of Write or Sync it
// refuses until Recover has succeeded.
func (s *Store) Write() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	if len(s.queue) == 0 && !s.failed {
		s.mu.Unlock()
		return nil
	}
	queue, file, count := s.queue, s.file, s.count
	s.mu.Unlock()
	if s.failed {
		return errKeysFailed
	}
	b := make([]byte, 0, len(queue)*recordSize)
	for i := range queue {
		b = append(b, queue[i][:]...)
	}
	if _, err := file.WriteAt(b, int64(headerSize)+int64(count)*recordSize); err != nil {
		s.failed = true
		return fmt.Errorf("couldn't write keys: %w", err)
	}
	s.dirty = true
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range queue {
		s.at[hint(queue[i].tag())] = count + uint32(i)
		s.order = append(s.order, queue[i].tag())
	}
	s.count += uint32(len(queue))
	s.queue = s.queue[len(queue):]
	return nil
}

// Sync makes durable what Writes that returned before have written, also after one that
// failed. Writes go on meanwhile.
func (s *Store) Sync() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.io.Lock()
	dirty, unsafe := s.dirty, s.unsafe
	s.dirty = false
	s.mu.Lock()
	file, written := s.file, len(s.order)
	s.mu.Unlock()
	s.io.Unlock()
	switch {
	case unsafe:
		return errKeysFailed
	case !dirty:
		return nil
	}
	if err := file.Sync(); err != nil {
		s.io.Lock()
		s.failed, s.unsafe = true, true
		s.io.Unlock()
		return fmt.Errorf("couldn't sync keys: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(written)
	return nil
}

// settle notes that the first n of what is written are synced. s.mu is held.
func (s *Store) settle(n int) {
	for _, tag := range s.order[:n] {
		if key := s.fresh[tag]; key != nil {
			delete(s.fresh, tag)
			s.keep(tag, key)
		}
	}
	s.order = s.order[n:]
}

// Recover makes the store whole again after an error, and all keys durable.
func (s *Store) Recover() error {
	if err := s.replaceFailed(); err != nil {
		return err
	}
	return errors.Join(s.Write(), s.Sync())
}

func (s *Store) replaceFailed() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	if !s.failed {
		return nil
	}
	return s.rewrite(nil)
}

// Of returns the ids of a subject's keys, those too that are not written yet.
func (s *Store) Of(subject string) ([]ID, error) { return s.OfTag(s.Tag(subject)) }

// OfTag is Of for a subject's tag.
func (s *Store) OfTag(tag Tag) ([]ID, error) {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	ids, err := idsOf(s.file, s.root.Store, tag)
	for i := range s.queue {
		if s.queue[i].tag() == tag {
			ids = append(ids, s.queue[i].id())
		}
	}
	return ids, err
}

// Destroy destroys keys: the file is written anew without them and takes the old one's
// name. On nil that is durable; on an error the keys may be there or not, and Destroy
// can be called again.
func (s *Store) Destroy(ids []ID) error {
	if s.root.Worm {
		return ErrWorm
	}
	without := make(map[ID]bool, len(ids))
	for _, id := range ids {
		without[id] = true
	}
	s.disk.Lock()
	defer s.disk.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	return s.rewrite(without)
}

// rewrite writes the file anew, with what is not written yet and without some records. What was read of the old file is written again, so that nothing
// rests on pages that a failed sync left behind. s.disk and s.io are held.
func (s *Store) rewrite(without map[ID]bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed, s.unsafe = true, true // until the new file has its name
	f, err := create(s.fsys, filepath.Join(s.folder, keysName+newExt))
	if err != nil {
		return err
	}
	at, count, err := s.copyTo(f, without)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = rename(s.fsys, s.folder, keysName)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("couldn't write keys anew: %w", err), f.Close())
	}
	old := s.file
	s.file, s.at, s.count, s.failed, s.unsafe, s.dirty = f, at, count, false, false, false
	for i := range s.queue {
		s.order = append(s.order, s.queue[i].tag())
	}
	s.queue = nil
	s.settle(len(s.order))
	for tag, e := range s.keys {
		if without[e.Value.(*cached).key.id] {
			s.recent.Remove(e)
			delete(s.keys, tag)
		}
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("couldn't close the old keys: %w", err)
	}
	return nil
}

// copyTo writes the records that stay. s.mu is held.
func (s *Store) copyTo(f durable.File, without map[ID]bool) (at map[uint64]uint32, count uint32, err error) {
	at = make(map[uint64]uint32, len(s.at))
	buf, off := keysHeader(s.root.Store), int64(0)
	flush := func() error {
		_, err := f.WriteAt(buf, off)
		off += int64(len(buf))
		buf = buf[:0]
		return err
	}
	add := func(_ uint32, r *record) error {
		if without[r.id()] {
			return nil
		}
		at[hint(r.tag())] = count
		count++
		if buf = append(buf, r[:]...); len(buf) >= 1<<16 {
			return flush()
		}
		return nil
	}
	if _, _, err := eachRecord(s.file, s.root.Store, add); err != nil {
		return nil, 0, err
	}
	for i := range s.queue {
		if err := add(0, &s.queue[i]); err != nil {
			return nil, 0, err
		}
	}
	return at, count, flush()
}

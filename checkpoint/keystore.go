package checkpoint

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// epochKey is the secret key of an epoch.
type epochKey struct {
	number uint64
	key    ed25519.PrivateKey
	// after: the entry that begins the epoch has a higher sequence number.
	after uint64
}

// signer signs for the epoch; nil has none.
func (e *epochKey) signer(origin string) *signer {
	if e == nil {
		return nil
	}
	return newSigner(epochName(origin, e.number), e.key)
}

// forget overwrites the key in memory.
func (e *epochKey) forget() {
	if e != nil {
		clear(e.key)
	}
}

// keyStore keeps a log's epoch keys in files of its own:
//
//	<log id>.epoch          of the current epoch
//	<log id>.epoch.pending  of the next, until the current one is sealed
//	<log id>.epoch.old      of the one before, until it is destroyed
//
// A new key is pending before anything speaks of it. It is promoted when the current
// epoch is sealed, and then the old one is overwritten and removed. Each step is
// durable before the next begins, and can be repeated after a crash.
type keyStore struct {
	fsys    durable.FS
	folder  string
	name    string // of the current key's file
	origin  string
	valve   *valve
	current *epochKey // nil: there was no epoch yet
	pending *epochKey
}

func newKeyStore(o Options, origin string, v *valve) *keyStore {
	_, id, _ := SplitOrigin(origin)
	return &keyStore{fsys: o.FS, folder: o.Epochs.Folder, name: id.String() + ".epoch", origin: origin, valve: v}
}

func (s *keyStore) path(ext string) string { return filepath.Join(s.folder, s.name+ext) }

const (
	pendingExt = ".pending"
	oldExt     = ".old"
)

// load reads the keys, and ends what a crash interrupted.
func (s *keyStore) load() error {
	current, err1 := s.read("")
	pending, err2 := s.read(pendingExt)
	old, err3 := s.read(oldExt)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.current, s.pending = current, pending
	switch {
	case current == nil && old != nil && pending != nil: // the promotion was under way
		s.current = old
		return s.promote()
	case current == nil && old != nil:
		return refuse("the key of the current epoch is missing from %s", s.folder)
	case old != nil:
		old.forget()
		return s.destroy()
	case pending != nil && pending.number != s.number()+1:
		return refuse("the key that is pending in %s is of epoch %d, and the current one of epoch %d", s.folder, pending.number, s.number())
	}
	return nil
}

// number is that of the current epoch, 0 if there was none yet.
func (s *keyStore) number() uint64 {
	if s.current == nil {
		return 0
	}
	return s.current.number
}

// keyFile is a file of an epoch's key.
type keyFile struct {
	V      int    `json:"v"`
	Origin string `json:"origin"`
	Epoch  uint64 `json:"epoch"`
	After  uint64 `json:"after"`
	Seed   []byte `json:"seed"`
}

// read reads a key; nil if there is none.
func (s *keyStore) read(ext string) (*epochKey, error) {
	f, err := s.fsys.Open(s.path(ext))
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't open the key of an epoch: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("couldn't stat the key of an epoch: %w", err)
	}
	if info.Mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("couldn't use %s: its mode is %04o, and must be its owner's alone: chmod 600 %s", s.path(ext), info.Mode.Perm(), s.path(ext))
	}
	text := make([]byte, min(info.Size, maxKeyFile))
	if _, err := f.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("couldn't read the key of an epoch: %w", err)
	}
	defer clear(text)
	if ext == oldExt && len(bytes.Trim(text, "\x00")) == 0 { // overwritten already
		return &epochKey{}, nil
	}
	var k keyFile
	if err := json.Unmarshal(text, &k); err != nil || k.V != recordVersion || k.Origin != s.origin || k.Epoch == 0 || len(k.Seed) != ed25519.SeedSize {
		if ext == oldExt { // half overwritten
			return &epochKey{}, nil
		}
		return nil, refuse("%s is not the key of an epoch of %s", s.path(ext), s.origin)
	}
	defer clear(k.Seed)
	return &epochKey{number: k.Epoch, after: k.After, key: ed25519.NewKeyFromSeed(k.Seed)}, nil
}

// prepare makes the next epoch's key, whose entry will follow entry after.
func (s *keyStore) prepare(after uint64) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("couldn't generate the key of an epoch: %w", err)
	}
	e := &epochKey{number: s.number() + 1, key: key, after: after}
	text, err := json.Marshal(keyFile{V: recordVersion, Origin: s.origin, Epoch: e.number, After: after, Seed: key.Seed()})
	if err != nil {
		return err
	}
	defer clear(text)
	if err := s.valve.do(func() error { return s.write(append(text, '\n')) }); err != nil {
		return fmt.Errorf("couldn't keep the key of epoch %d: %w", e.number, err)
	}
	s.pending = e
	return nil
}

// write makes the file of the pending key, whole from the moment it has its name.
func (s *keyStore) write(text []byte) error {
	temp := s.path(pendingExt + ".tmp")
	if err := s.fsys.Remove(temp); err != nil && !durable.IsNotExist(err) {
		return err
	}
	f, err := s.fsys.Create(temp, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.fsys.Rename(temp, s.path(pendingExt)); err != nil {
		return err
	}
	return s.fsys.SyncDir(s.folder)
}

// promote makes the pending key the current one and destroys the old. The epoch
// must be sealed.
func (s *keyStore) promote() error {
	err := s.valve.do(func() error {
		if s.current != nil {
			if err := s.fsys.Rename(s.path(""), s.path(oldExt)); err != nil && !durable.IsNotExist(err) {
				return err
			}
			if err := s.fsys.SyncDir(s.folder); err != nil {
				return err
			}
		}
		if err := s.fsys.Rename(s.path(pendingExt), s.path("")); err != nil && !durable.IsNotExist(err) {
			return err
		}
		return s.fsys.SyncDir(s.folder)
	})
	if err != nil {
		return fmt.Errorf("couldn't begin epoch %d: %w", s.pending.number, err)
	}
	old := s.current
	s.current, s.pending = s.pending, nil
	old.forget()
	if old == nil {
		return nil
	}
	return s.destroy()
}

// destroy overwrites the old key and removes its file.
func (s *keyStore) destroy() error {
	err := s.valve.do(func() error {
		f, err := s.fsys.OpenWrite(s.path(oldExt))
		if durable.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			_, err = f.WriteAt(make([]byte, info.Size), 0)
		}
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if err := s.fsys.Remove(s.path(oldExt)); err != nil {
			return err
		}
		return s.fsys.SyncDir(s.folder)
	})
	if err != nil {
		return fmt.Errorf("couldn't destroy the key of the last epoch: %w", err)
	}
	return nil
}

// epochIn returns the epoch whose key's signature a checkpoint has, 0 if none.
func epochIn(origin string, c *Checkpoint) (epoch uint64) {
	for _, s := range c.Sigs {
		if e, ok := epochOf(origin, s.Name); ok {
			epoch = max(epoch, e)
		}
	}
	return epoch
}

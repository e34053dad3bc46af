package withhold

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

const (
	rootName     = "root"
	keysName     = "keys"
	requestsName = "requests"
	newExt       = ".new"

	version = 1
	maxRoot = 4096 // bytes
)

// root is the file of that name: the key store's secret.
type root struct {
	V     int    `json:"v"`
	Store string `json:"store"` // 32 hex digits
	// One of the two, in hex: the secret, or it under the key-encryption key.
	Secret  string `json:"secret,omitempty"`
	Wrapped string `json:"wrapped,omitempty"`
	// Worm says that nothing may be erased.
	Worm bool `json:"worm,omitempty"`
}

// ErrKey says that the key-encryption key given is not the store's.
var ErrKey = errors.New("the key-encryption key is not the one that the key store's secret is encrypted with")

// newRoot draws a secret; key is the key-encryption key, nil: none.
func newRoot(key []byte) (root, []byte) {
	var store [16]byte
	secret := make([]byte, keySize)
	rand.Read(store[:]) // never fails, as below
	rand.Read(secret)
	r := root{V: version, Store: hex.EncodeToString(store[:])}
	if key == nil {
		r.Secret = hex.EncodeToString(secret)
	} else {
		r.Wrapped = hex.EncodeToString(newAEAD(key).Seal(nil, nil, secret, []byte(rootData+r.Store)))
	}
	return r, secret
}

// open returns the secret.
func (r root) open(key []byte) ([]byte, error) {
	var secret []byte
	var err error
	switch {
	case r.V != version:
		return nil, fmt.Errorf("key store is of version %d; this software reads %d", r.V, version)
	case len(r.Store) != 32 || (r.Secret == "") == (r.Wrapped == ""):
		return nil, errors.New("key store's root is malformed")
	case r.Secret != "" && key != nil:
		return nil, errors.New("a key-encryption key is configured, and the key store's secret is not encrypted with one")
	case r.Secret != "":
		secret, err = hex.DecodeString(r.Secret)
	case key == nil:
		return nil, errors.New("key store needs its key-encryption key, and none is given")
	default:
		var wrapped []byte
		if wrapped, err = hex.DecodeString(r.Wrapped); err == nil {
			if secret, err = newAEAD(key).Open(nil, nil, wrapped, []byte(rootData+r.Store)); err != nil {
				return nil, ErrKey
			}
		}
	}
	if err != nil || len(secret) != keySize {
		return nil, errors.New("key store's root is malformed")
	}
	return secret, nil
}

func readRoot(fsys durable.FS, folder string) (root, error) {
	var r root
	b, err := readFile(fsys, filepath.Join(folder, rootName), maxRoot)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, errors.New("key store's root is malformed")
	}
	return r, nil
}

func (r root) write(fsys durable.FS, folder string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return replace(fsys, folder, rootName, append(b, '\n'))
}

// readFile reads a small file.
func readFile(fsys durable.FS, path string, limit int64) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return b, err
}

// replace makes a file whole and durable, or leaves the one of that name as it was. A
// crash may leave either, and a file with newExt.
func replace(fsys durable.FS, folder, name string, b []byte) error {
	f, err := create(fsys, filepath.Join(folder, name+newExt))
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("couldn't write %s: %w", name, err)
	}
	return rename(fsys, folder, name)
}

// create makes a file in place of what a crash left.
func create(fsys durable.FS, path string) (durable.File, error) {
	if err := fsys.Remove(path); err != nil && !durable.IsNotExist(err) {
		return nil, fmt.Errorf("couldn't remove what a crash left: %w", err)
	}
	f, err := fsys.Create(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("couldn't create file: %w", err)
	}
	return f, nil
}

// rename gives a synced file its name, durably.
func rename(fsys durable.FS, folder, name string) error {
	path := filepath.Join(folder, name)
	if err := fsys.Rename(path+newExt, path); err != nil {
		return fmt.Errorf("couldn't rename %s: %w", name+newExt, err)
	}
	if err := fsys.SyncDir(folder); err != nil {
		return fmt.Errorf("couldn't sync %s: %w", folder, err)
	}
	return nil
}

// makeFolder makes a folder and its name durable.
func makeFolder(fsys durable.FS, folder string) error {
	if err := fsys.Mkdir(folder, 0o700); err != nil && !durable.IsExist(err) {
		return fmt.Errorf("couldn't make folder: %w", err)
	}
	if err := fsys.SyncDir(filepath.Dir(folder)); err != nil {
		return fmt.Errorf("couldn't sync %s: %w", filepath.Dir(folder), err)
	}
	return nil
}

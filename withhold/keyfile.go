package withhold

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// The file keys begins so, with the store's id and a checksum; records follow.
const (
	keysMagic  = "auditlog/keys/v1\n"
	headerSize = len(keysMagic) + 16 + 4
)

func keysHeader(store string) []byte {
	id, _ := hex.DecodeString(store) // root has looked at it
	h := append([]byte(keysMagic), id...)
	return binary.BigEndian.AppendUint32(h, crc32.Checksum(h, crcTable))
}

// eachRecord reads the records of a key file, numbered from 0. What is not whole is
// passed over: a crash leaves such at the end. It returns the number of records, whole
// or not, and whether bytes follow them.
func eachRecord(f durable.File, store string, each func(n uint32, r *record) error) (n uint32, torn bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("couldn't stat keys: %w", err)
	}
	header := make([]byte, headerSize)
	if _, err := f.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, false, fmt.Errorf("couldn't read keys: %w", err)
	}
	if !bytes.Equal(header, keysHeader(store)) {
		return 0, false, errors.New("file keys is not of this key store")
	}
	total := uint32((info.Size - int64(headerSize)) / recordSize)
	torn = (info.Size-int64(headerSize))%recordSize != 0
	in := io.NewSectionReader(f, int64(headerSize), int64(total)*recordSize)
	buf := make([]byte, 1024*recordSize)
	for n < total {
		part := buf[:min(uint32(len(buf)), (total-n)*recordSize)]
		if _, err := io.ReadFull(in, part); err != nil {
			return 0, false, fmt.Errorf("couldn't read keys: %w", err)
		}
		for ; len(part) > 0; part = part[recordSize:] {
			r := (*record)(part)
			if r.whole() {
				if err := each(n, r); err != nil {
					return 0, false, err
				}
			}
			n++
		}
	}
	return n, torn, nil
}

func readRecord(f durable.File, n uint32) (r record, err error) {
	if _, err := f.ReadAt(r[:], int64(headerSize)+int64(n)*recordSize); err != nil {
		return r, fmt.Errorf("couldn't read keys: %w", err)
	}
	if !r.whole() {
		return r, errors.New("a record of file keys is damaged")
	}
	return r, nil
}

// hint is where to look for a tag or a key's id: its first 8 bytes.
func hint[T Tag | ID](x T) uint64 {
	b := [16]byte(x)
	return binary.BigEndian.Uint64(b[:8])
}

// Keys is a key store opened for reading. One goroutine uses it.
type Keys struct {
	secrets
	root  root
	file  durable.File
	at    map[uint64]uint32 // by hint of the key's id
	known map[ID]*Key       // some that were read
}

// maxKnown bounds how many keys are kept in memory.
const maxKnown = 8192

// OpenKeys opens the key store in folder; key is its key-encryption key, nil: none.
func OpenKeys(fsys durable.FS, folder string, key []byte) (*Keys, error) {
	r, err := readRoot(fsys, folder)
	if err != nil {
		return nil, fmt.Errorf("couldn't read key store: %w", err)
	}
	secret, err := r.open(key)
	if err != nil {
		return nil, err
	}
	f, err := fsys.Open(filepath.Join(folder, keysName))
	if err != nil {
		return nil, fmt.Errorf("couldn't open keys: %w", err)
	}
	k := &Keys{secrets: newSecrets(secret), root: r, file: f, at: make(map[uint64]uint32), known: make(map[ID]*Key)}
	if _, _, err := eachRecord(f, r.Store, func(n uint32, r *record) error {
		k.at[hint(r.id())] = n
		return nil
	}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return k, nil
}

// Close closes the key store.
func (k *Keys) Close() error { return k.file.Close() }

// Worm tells whether the collector that last used the store forbids erasing.
func (k *Keys) Worm() bool { return k.root.Worm }

// Key returns the key of that id, nil if the store has none.
func (k *Keys) Key(id ID) (*Key, error) {
	if key := k.known[id]; key != nil {
		return key, nil
	}
	n, ok := k.at[hint(id)]
	if !ok {
		return nil, nil
	}
	r, err := readRecord(k.file, n)
	if err != nil {
		return nil, err
	}
	if r.id() != id {
		return nil, nil
	}
	key, err := k.unwrap(&r)
	if err != nil {
		return nil, err
	}
	if len(k.known) == maxKnown {
		clear(k.known)
	}
	k.known[id] = key
	return key, nil
}

// Of returns the ids of a subject's keys.
func (k *Keys) Of(tag Tag) ([]ID, error) { return idsOf(k.file, k.root.Store, tag) }

func idsOf(f durable.File, store string, tag Tag) (ids []ID, err error) {
	_, _, err = eachRecord(f, store, func(_ uint32, r *record) error {
		if r.tag() == tag {
			ids = append(ids, r.id())
		}
		return nil
	})
	return ids, err
}

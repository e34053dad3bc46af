package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"filippo.io/torchwood"
)

// maxKeyFile is more bytes than any key has.
const maxKeyFile = 4 << 10

// ReadKeyFile reads a signer key from a file that nobody but its owner may read. No
// error holds any of its text.
func ReadKeyFile(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't open key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("couldn't look at key: %w", err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("couldn't read key: %s is no regular file", path)
	case mode.Perm()&0o077 != 0 && runtime.GOOS != "windows": // which has no such bits
		return nil, fmt.Errorf("couldn't read key: %s has mode %04o, and must be its owner's alone: chmod 600 %s", path, mode.Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("couldn't read key: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("couldn't read key: %s is no key", path)
	}
	k, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("couldn't read key: %s: %w", path, err)
	}
	return k, nil
}

// Cosigner returns what signs as a witness under the key's name: timestamped
// cosignatures, type 0x04 of C2SP signed-note.
func (k *Key) Cosigner() (*torchwood.CosignatureSigner, error) {
	return torchwood.NewCosignatureSigner(k.name, k.key)
}

// WriteKeyFile writes a key to a new file, for its owner only, and makes it durable.
func WriteKeyFile(path string, k *Key) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("couldn't write key: %s is there already, and a key is not overwritten", path)
	}
	if err != nil {
		return fmt.Errorf("couldn't create key: %w", err)
	}
	_, err = f.WriteString(k.Text() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("couldn't write key: %w", err), os.Remove(path))
	}
	return nil
}

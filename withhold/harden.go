package withhold

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// Harden makes durable what is read of a file that a process before has written. Nobody
// may append to it meanwhile.
func (f File) Harden() error {
	file, err := f.fsys.OpenWrite(f.Path)
	if err == nil {
		err = errors.Join(harden(file), file.Close())
	}
	if err == nil {
		err = f.fsys.SyncDir(filepath.Dir(f.Path))
	}
	if err != nil {
		return fmt.Errorf("couldn't make openings durable: %w", err)
	}
	return nil
}

// harden writes the bytes of f over themselves and syncs them. A failed sync before the
// process before died may have left them clean in memory and absent on disk: a sync
// alone means nothing then.
func harden(f durable.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	buf := make([]byte, min(1<<20, info.Size))
	for at := int64(0); at < info.Size; at += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), info.Size-at)]
		if _, err := f.ReadAt(b, at); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
	}
	return f.Sync()
}

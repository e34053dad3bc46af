package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// journal adds records to a log's file of checkpoints. One goroutine uses it.
type journal struct {
	fsys   durable.FS
	folder string
	perm   fs.FileMode
	valve  *valve
	notice func(chain.Notice)

	file durable.File // nil while there is none
	// end is how much of the file is synced. pending follows it: a failed write or
	// sync is repeated with the same bytes, as only that makes them durable.
	end     int64
	pending []byte
	newest  []byte // the last line that was synced
}

func (j *journal) path() string { return filepath.Join(j.folder, FileName) }

// open makes what the file holds durable: the process before may have died
// between a write and its sync, or after a sync that failed. What a crash tore
// stays where it is.
func (j *journal) open() error {
	return j.valve.do(func() error {
		f, err := j.fsys.OpenWrite(j.path())
		if durable.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("couldn't open checkpoints: %w", err)
		}
		if err := j.harden(f); err != nil {
			return errors.Join(err, f.Close())
		}
		j.file = f
		return nil
	})
}

// harden writes the end of the file over itself, and syncs file and name.
func (j *journal) harden(f durable.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("couldn't stat checkpoints: %w", err)
	}
	// What was written and not synced is a line or two.
	from := max(0, info.Size-2*maxLine)
	last := make([]byte, info.Size-from)
	if _, err := f.ReadAt(last, from); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("couldn't read checkpoints: %w", err)
	}
	if _, err := f.WriteAt(last, from); err != nil {
		return fmt.Errorf("couldn't write checkpoints again: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("couldn't sync checkpoints: %w", err)
	}
	if err := j.fsys.SyncDir(j.folder); err != nil {
		return fmt.Errorf("couldn't sync log folder: %w", err)
	}
	j.end, j.pending = info.Size, nil
	if n := len(last); n > 0 && last[n-1] != '\n' {
		j.pending = []byte("\n")
	}
	return nil
}

// add adds a record, and returns when it is synced. After an error, flush or the
// next add tries again.
func (j *journal) add(r *Record) error {
	j.pending = r.appendLine(j.pending)
	return j.flush()
}

// refuse adds the reason why nothing is signed any more.
func (j *journal) refuse(reason string) error {
	j.pending = appendChecked(j.pending, Refusal{V: recordVersion, Refused: reason})
	return j.flush()
}

// flush writes and syncs what is pending.
func (j *journal) flush() error {
	if len(j.pending) == 0 || string(j.pending) == "\n" {
		return nil
	}
	if err := j.valve.do(j.ready); err != nil {
		return err
	}
	err := j.valve.do(func() error {
		_, err := j.file.WriteAt(j.pending, j.end)
		return err
	})
	if err != nil {
		return fmt.Errorf("couldn't write checkpoints: %w", err)
	}
	if err := j.valve.do(j.file.Sync); err != nil {
		return fmt.Errorf("couldn't sync checkpoints: %w", err)
	}
	j.end += int64(len(j.pending))
	j.newest, j.pending = j.pending, nil
	return nil
}

// ready makes sure that the file is there and as it was left. Whoever removed,
// replaced or shortened it is told of; what is still known goes into it again.
func (j *journal) ready() error {
	if j.file == nil {
		return j.create(nil)
	}
	own, err := j.file.Stat()
	if err != nil {
		return fmt.Errorf("couldn't stat checkpoints: %w", err)
	}
	named, err := j.fsys.Stat(j.path())
	switch {
	case err != nil && !durable.IsNotExist(err):
		return fmt.Errorf("couldn't stat checkpoints: %w", err)
	case err != nil || !durable.SameFile(own, named):
		return j.restore(own.Size)
	case own.Size < j.end || own.Size > j.end+int64(len(j.pending)):
		j.touched("its size was changed")
		j.end = own.Size
		j.pending = append([]byte("\n"), append(j.newest, j.pending...)...)
	}
	return nil
}

func (j *journal) touched(how string) {
	j.notice(chain.Notice{Text: "the log's file of checkpoints was changed from outside", Attrs: map[string]any{
		"folder": j.folder, "how": how,
	}})
}

// restore copies what the file held into a new one. What has its name is put aside.
func (j *journal) restore(size int64) error {
	j.touched("it was removed or replaced")
	content := make([]byte, min(size, j.end))
	if _, err := j.file.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("couldn't read the checkpoints that lost their name: %w", err)
	}
	if err := j.fsys.Rename(j.path(), j.path()+".foreign"); err != nil && !durable.IsNotExist(err) {
		return fmt.Errorf("couldn't put aside a file that has the name of the checkpoints: %w", err)
	}
	old := j.file
	if err := j.create(content); err != nil {
		return err
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("couldn't close the checkpoints that lost their name: %w", err)
	}
	return nil
}

// create makes the file under a temporary name, so that it is whole from the
// moment that it has its own.
func (j *journal) create(content []byte) error {
	temp := j.path() + ".tmp"
	if err := j.fsys.Remove(temp); err != nil && !durable.IsNotExist(err) {
		return fmt.Errorf("couldn't remove what a crash left: %w", err)
	}
	f, err := j.fsys.Create(temp, j.perm)
	if err != nil {
		return fmt.Errorf("couldn't create checkpoints: %w", err)
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.fsys.Rename(temp, j.path())
	}
	if err == nil {
		err = j.fsys.SyncDir(j.folder)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("couldn't create checkpoints: %w", err), f.Close())
	}
	j.file, j.end = f, int64(len(content))
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

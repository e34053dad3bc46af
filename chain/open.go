package chain

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// Open locks the directory, finds or creates its log, recovers it and begins a
// new segment, so that it returns a Writer only for a log that is synced to its
// last entry. Each step can be repeated after a crash.
//
// It returns a [*HeldError] if another writer holds the directory, a
// [*TamperError] if the log was tampered with and o.OnTampering refuses, a
// [*FormatError] if a later version wrote it, and otherwise errors of the storage,
// after which it may be tried again.
func Open(ctx context.Context, o Options) (*Writer, error) {
	o = o.withDefaults()
	if err := makeDirectory(o.FS, o.Directory, o.DirectoryMode); err != nil {
		return nil, err
	}
	lock, err := lockDirectory(ctx, o.FS, o.Directory)
	if err != nil {
		return nil, err
	}
	w := newWriter(o, lock)
	if err := w.open(ctx); err != nil {
		if w.mark != nil {
			err = errors.Join(err, w.mark.f.Close())
		}
		return nil, errors.Join(err, lock.release())
	}
	return w, nil
}

func (w *Writer) open(ctx context.Context) error {
	id, l, found, err := w.findLog()
	if err == nil && found {
		err = w.resume(ctx, id, l)
	}
	var tampered *TamperError
	switch {
	case errors.As(err, &tampered) && w.o.OnTampering == TamperNewLog:
		return w.succeed(tampered)
	case err != nil:
		return err
	case !found:
		return w.create(nil)
	}
	return nil
}

// makeDirectory makes dir and the folders above it.
func makeDirectory(fsys durable.FS, dir string, perm fs.FileMode) error {
	info, err := fsys.Stat(dir)
	switch {
	case err == nil && info.Mode&fs.ModeSymlink != 0:
		return fmt.Errorf("couldn't use directory %s: it is a symbolic link, name its target instead", dir)
	case err == nil && !info.Mode.IsDir():
		return fmt.Errorf("couldn't use directory %s: it is not a directory", dir)
	case err == nil:
		return syncAbove(fsys, dir, info)
	case !durable.IsNotExist(err):
		return fmt.Errorf("couldn't stat directory: %w", err)
	}
	if parent := filepath.Dir(dir); parent != dir {
		if _, err := fsys.Stat(parent); durable.IsNotExist(err) {
			if err := makeDirectory(fsys, parent, perm); err != nil {
				return err
			}
		}
	}
	if err := fsys.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("couldn't make directory: %w", err)
	}
	if info, err = fsys.Stat(dir); err != nil {
		return fmt.Errorf("couldn't stat directory: %w", err)
	}
	return syncAbove(fsys, dir, info)
}

// syncAbove makes durable the names of dir and of the folders above it on the
// same device. It does so at every opening: the process that made one of them may
// have died before its sync. A folder that may not be read was not made by us.
func syncAbove(fsys durable.FS, dir string, info durable.Info) error {
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		above, err := fsys.Stat(parent)
		if err == nil && above.Mode&fs.ModeSymlink == 0 && above.Device != info.Device {
			return nil
		}
		if err == nil {
			err = fsys.SyncDir(parent)
		}
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("couldn't sync the folder of %s: %w", dir, err)
		}
	}
	return nil
}

// findLog returns the one log of the directory that no other names as
// succeeded, and its listing. Two such are tampering, as a copy of a log beside
// it would be.
func (w *Writer) findLog() (id LogID, l listing, found bool, err error) {
	ids, err := listLogs(w.o.FS, w.o.Directory)
	if err != nil {
		return LogID{}, listing{}, false, err
	}
	logs := map[LogID]listing{}
	succeeded := map[LogID]bool{}
	for _, id := range ids {
		folder := filepath.Join(w.o.Directory, id.String())
		l, err := listFolder(w.o.FS, folder)
		if err != nil {
			return LogID{}, listing{}, false, err
		}
		logs[id] = l
		if len(l.segments) == 0 {
			continue
		}
		o, fault, err := readOpening(w.o.FS, folder, id, l.segments[0])
		if err != nil {
			return LogID{}, listing{}, false, err
		}
		if fault == nil { // else resuming the log will find it
			for _, s := range o.Succeeds {
				succeeded[s.LogID] = true
			}
		}
	}
	var last []string
	for _, candidate := range ids {
		switch {
		case succeeded[candidate]:
		case len(logs[candidate].segments) == 0:
			if err := w.removeUnborn(candidate, logs[candidate]); err != nil {
				return LogID{}, listing{}, false, err
			}
		default:
			id = candidate
			last = append(last, candidate.String())
		}
	}
	switch {
	case len(last) > 1:
		return LogID{}, listing{}, false, &TamperError{Folder: w.o.Directory, Fault: Fault{
			Reason: "none of these logs names another as succeeded: " + strings.Join(last, ", "),
		}}
	case len(last) == 0 && len(succeeded) > 0:
		return LogID{}, listing{}, false, &TamperError{Folder: w.o.Directory, Fault: Fault{Reason: "every log is named as succeeded by another"}}
	}
	return id, logs[id], len(last) == 1, nil
}

// removeUnborn removes the folder of a log whose first segment was never born.
// With a mark or a checkpoint it was born, so somebody removed it.
func (w *Writer) removeUnborn(id LogID, l listing) error {
	folder := filepath.Join(w.o.Directory, id.String())
	if l.mark {
		return &TamperError{Folder: folder, Fault: Fault{Reason: "the folder has a mark and no segment"}}
	}
	if l.signed {
		return &TamperError{Folder: folder, Fault: Fault{Reason: "the folder has checkpoints and no segment"}}
	}
	if f := l.imposter(); f != nil {
		return &TamperError{Folder: folder, Fault: *f}
	}
	if len(l.others) > 0 {
		w.o.Notice(Notice{Text: "a folder with the name of a log holds foreign files and no segment", Attrs: map[string]any{"folder": folder}})
		return nil
	}
	for _, t := range l.temps {
		if err := w.o.FS.Remove(filepath.Join(folder, t)); err != nil {
			return fmt.Errorf("couldn't remove what a crash left: %w", err)
		}
	}
	if err := w.o.FS.Remove(folder); err != nil {
		return fmt.Errorf("couldn't remove what a crash left: %w", err)
	}
	return nil
}

// create makes a new log, which goes on for the broken ones it names. A crash
// before its first segment has its name leaves a folder that opening removes.
func (w *Writer) create(succeeds []Succeeded) error {
	rand.Read(w.id[:]) // never fails
	w.folder = filepath.Join(w.o.Directory, w.id.String())
	if err := w.o.FS.Mkdir(w.folder, w.o.DirectoryMode); err != nil {
		return fmt.Errorf("couldn't make log folder: %w", err)
	}
	if err := w.o.FS.SyncDir(w.o.Directory); err != nil {
		return fmt.Errorf("couldn't sync directory: %w", err)
	}
	if err := w.enterFolder(); err != nil {
		return err
	}
	seg, size, head, err := w.birth(nil, Opened{Cause: CauseCreated, Succeeds: succeeds}, nil, nil)
	if err != nil {
		return err
	}
	w.openMark()
	w.adopt(seg, size, head, 1, 0)
	return nil
}

// succeed makes a new log beside those that nobody names, which the found fault
// made useless.
func (w *Writer) succeed(t *TamperError) error {
	ids, err := listLogs(w.o.FS, w.o.Directory)
	if err != nil {
		return err
	}
	var broken []Succeeded
	for _, id := range ids {
		broken = append(broken, Succeeded{LogID: id, Fault: t.Fault.String()})
	}
	w.o.Notice(Notice{Text: "the log was tampered with; a new one goes on beside it", Attrs: map[string]any{
		"folder": t.Folder, "fault": t.Fault.String(),
	}})
	return w.create(broken)
}

// enterFolder notes which folder the log's is.
func (w *Writer) enterFolder() error {
	var err error
	if w.folderID, err = w.o.FS.Stat(w.folder); err != nil {
		return fmt.Errorf("couldn't stat log folder: %w", err)
	}
	if !w.folderID.Mode.IsDir() {
		return fmt.Errorf("couldn't use log folder %s: it is not a directory", w.folder)
	}
	return nil
}

// openMark opens the mark, which the log can do without. The name of a new one is
// made durable: with it, a folder without segments is no log that was never born.
func (w *Writer) openMark() {
	var made bool
	var err error
	if w.mark, made, err = openMark(w.o.FS, w.folder, w.id, w.o.FileMode); err != nil {
		w.o.Notice(Notice{Text: "the log goes on without a mark", Attrs: map[string]any{"error": err.Error()}})
		return
	}
	if !made {
		return
	}
	if err := w.o.FS.SyncDir(w.folder); err != nil {
		w.o.Notice(Notice{Text: "a power cut may take the mark", Attrs: map[string]any{"error": err.Error()}})
	}
}

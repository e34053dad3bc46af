package chain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// FaultAccepted is the fault that the first entry of a log states of those that an
// operator had it go on for.
const FaultAccepted = "an operator began a new log"

// Succession is why an operator has a new log go on for those of a directory.
type Succession struct {
	Reason     string
	Checkpoint string // the last that is known of the log, a signed note; "": none
}

// Succeed begins a new log in o.Directory that goes on for those that are there.
// Its first entry names them, the reason, the last checkpoint that is known and the
// head that is left. No writer may be at work. Without a log the error is
// [ErrNoLog].
func Succeed(ctx context.Context, o Options, s Succession) (Info, error) {
	o = o.withDefaults()
	if s.Reason == "" {
		return Info{}, errors.New("a reason must be given")
	}
	lock, err := lockDirectory(ctx, o.FS, o.Directory)
	if err != nil {
		return Info{}, err
	}
	w := newWriter(o, lock)
	if err := w.succeedAccepted(s); err != nil {
		if w.mark != nil {
			err = errors.Join(err, w.mark.f.Close())
		}
		return Info{}, errors.Join(err, lock.release())
	}
	info := w.Info()
	return info, w.Close()
}

func (w *Writer) succeedAccepted(s Succession) error {
	there, err := surveyLogs(w.o.FS, w.o.Directory)
	if err != nil {
		return err
	}
	if len(there.ids) == 0 {
		return fmt.Errorf("%s: %w", w.o.Directory, ErrNoLog)
	}
	var named []Succeeded
	for _, id := range there.ids {
		n := Succeeded{LogID: id, Fault: FaultAccepted, Reason: s.Reason}
		if _, before := there.succeeded[id]; !before {
			n.Checkpoint = s.Checkpoint
			// What can't be read has no head that is left.
			if h, err := ReadHead(w.o.FS, filepath.Join(w.o.Directory, id.String()), ReadOptions{Lock: LockFree}); err == nil {
				n.Head = &h
			}
		}
		named = append(named, n)
	}
	return w.create(named)
}

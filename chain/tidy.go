package chain

import (
	"errors"
	"math"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// prepared is the file of a segment to come, under a temporary name. Opening removes what a crash
// leaves of it.
type prepared struct {
	file     durable.File
	path     string
	reserved int64 // as in segment
}

// Tidy does what no request should wait for: it finds out how long the segments are that Open found,
// makes those before the current one read-only and closes them, and makes the next one's file, with room for its opening entry, so that it can be
// born even when the disk has filled up. It may overlap any other call, and be left out; the owner
// calls it after Open and after each Rotate and Renew. What it can't do is done without, or by the
// next Rotate or Renew.
func (w *Writer) Tidy() {
	w.tidying <- struct{}{}
	defer func() { <-w.tidying }()
	w.measureEarlier()
	w.sealEarlier()
	w.prepare()
}

// measureEarlier finds out how long the segments are that were there when the log was opened. One that
// is gone by now stays unknown. Only appending to w.earlier goes on beside it.
func (w *Writer) measureEarlier() {
	for i, e := range w.earlierSegments() {
		if e.length != unknown {
			continue
		}
		info, err := w.o.FS.Stat(filepath.Join(w.folder, e.name.String()))
		w.mu.Lock()
		if w.over || err != nil {
			w.mu.Unlock()
			continue
		}
		w.earlier[i].length = info.Size
		w.mu.Unlock()
	}
}

// sealEarlier seals what has a successor. w.tidying is held.
func (w *Writer) sealEarlier() {
	w.mu.Lock()
	sealing := w.sealing
	w.sealing = nil
	w.mu.Unlock()
	for _, s := range sealing {
		w.seal(s)
	}
}

// prepare makes the next segment's file. w.tidying is held, so nobody else makes one.
func (w *Writer) prepare() {
	w.mu.Lock()
	name, wanted := w.nextName()
	w.mu.Unlock()
	if !wanted {
		return
	}
	path := filepath.Join(w.folder, name.String()+tempExt)
	f, err := w.o.FS.Create(path, w.o.FileMode)
	if err != nil {
		return // the next birth makes its own
	}
	p := &prepared{file: f, path: path, reserved: w.roomFor(0)}
	if f.Reserve(p.reserved) != nil {
		p.reserved = math.MaxInt64
	}
	w.mu.Lock()
	now, wanted := w.nextName()
	if wanted = wanted && now == name; wanted {
		w.next = p
	}
	w.mu.Unlock()
	if !wanted {
		_ = w.discard(p)
	}
}

// nextName is the name under which the next segment is prepared, which no other attempt at any segment
// has: a successor begins with a higher seq. wanted: it is not there yet, and there may be a next one.
// w.mu is held.
func (w *Writer) nextName() (name SegmentName, wanted bool) {
	return SegmentName{Ordinal: w.ordinal + 1, FirstSeq: w.seg.name.FirstSeq}, w.next == nil && !w.over
}

// takeNext returns the prepared file if it still is what it was made as, else nil.
func (w *Writer) takeNext() *prepared {
	w.mu.Lock()
	p := w.next
	w.next = nil
	w.mu.Unlock()
	if p == nil {
		return nil
	}
	made, err := p.file.Stat()
	if err == nil {
		var named durable.Info
		named, err = w.o.FS.Stat(p.path)
		if err == nil && named.Mode.IsRegular() && durable.SameFile(named, made) && made.Links == 1 && made.Size == 0 {
			return p
		}
	}
	_ = w.discard(p) // a new one takes its place, so nothing depends on it
	return nil
}

// filled makes a synced file of buf under a temporary name: of the prepared one, or a new one.
func (w *Writer) filled(path string, buf []byte) (*prepared, error) {
	if p := w.takeNext(); p != nil {
		err := fill(p.file, buf)
		if err != nil {
			return nil, errors.Join(err, w.discard(p))
		}
		return p, nil
	}
	f, err := w.writeNew(path+tempExt, buf)
	if err != nil {
		return nil, err
	}
	return &prepared{file: f, path: path + tempExt}, nil
}

// discard removes a file that becomes no segment. It is safe if it has its name no more.
func (w *Writer) discard(p *prepared) error {
	err := w.o.FS.Remove(p.path)
	if durable.IsNotExist(err) {
		err = nil
	}
	return errors.Join(err, p.file.Close())
}

func fill(f durable.File, buf []byte) error {
	if _, err := f.WriteAt(buf, 0); err != nil {
		return err
	}
	return f.Sync()
}

// letGo ends what Tidy does. w.over is set, so it begins nothing any more, and the lock still held.
func (w *Writer) letGo() {
	w.tidying <- struct{}{}
	defer func() { <-w.tidying }()
	w.sealEarlier()
	w.mu.Lock()
	p := w.next
	w.next = nil
	w.mu.Unlock()
	if p != nil {
		_ = w.discard(p) // opening removes what is left
	}
}

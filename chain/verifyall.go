package chain

import (
	"context"
	"fmt"
	"path/filepath"
)

// verifyAll checks every sealed segment from its first byte.
func (w *Writer) verifyAll(ctx context.Context, l listing) error {
	if f := l.fault(); f != nil {
		return w.tampered(*f)
	}
	head := Genesis(w.id)
	for i, name := range l.segments[:len(l.segments)-1] {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("couldn't verify the whole log: %w", err)
		}
		f, err := w.o.FS.Open(filepath.Join(w.folder, name.String()))
		if err != nil {
			return fmt.Errorf("couldn't open segment: %w", err)
		}
		c, err := checkSegment(readerOf(f), name, w.id, head, l.segments[i+1].FirstSeq, nil)
		f.Close()
		switch {
		case err != nil:
			return err
		case c.Fault != nil:
			return w.tampered(*c.Fault)
		}
		if _, err := w.examineBefore(name, l.segments[i+1]); err != nil {
			return err
		}
		head = c.Head
	}
	return nil
}

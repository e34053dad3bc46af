package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// copier puts the newest checkpoint into other folders, on a goroutine of its own,
// as they may be slow. A nil copier does nothing.
type copier struct {
	o        Options
	verifier *Verifier
	name     string // of the files
	in       chan Record
	done     chan struct{}
}

// mailboxes hold the newest record; of capacity 1, with one sender.
func post(c chan Record, r Record) {
	select {
	case <-c:
	default:
	}
	c <- r
}

func startCopier(o Options, v *Verifier) *copier {
	if len(o.Copies) == 0 {
		return nil
	}
	_, id, _ := SplitOrigin(v.Origin)
	c := &copier{o: o, verifier: v, name: CopyName(id), in: make(chan Record, 1), done: make(chan struct{})}
	go c.run()
	return c
}

// CopyName is the name of a copy of the newest checkpoint of a log.
func CopyName(id chain.LogID) string { return id.String() + ".checkpoint" }

func (c *copier) put(r Record) {
	if c != nil {
		post(c.in, r)
	}
}

// endPatience is how long the end waits for the newest checkpoint to be copied.
const endPatience = 2 * time.Second

func (c *copier) end() {
	if c == nil {
		return
	}
	close(c.in)
	t := time.NewTimer(endPatience)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		c.o.Notice(chain.Notice{Text: "the last checkpoint is not copied yet"})
	}
}

func (c *copier) run() {
	defer close(c.done)
	failed := map[string]string{}
	for r := range c.in {
		for _, dir := range c.o.Copies {
			text := ""
			if err := c.write(dir, r.Note); err != nil {
				text = err.Error()
			}
			if text != "" && text != failed[dir] {
				c.o.Notice(chain.Notice{Text: "couldn't copy the newest checkpoint", Attrs: map[string]any{"folder": dir, "error": text}})
			}
			failed[dir] = text
		}
	}
}

// write replaces a copy, which is whole at every moment.
func (c *copier) write(dir string, note []byte) error {
	path := filepath.Join(dir, c.name)
	temp := path + ".tmp"
	if err := c.o.FS.Remove(temp); err != nil && !durable.IsNotExist(err) {
		return err
	}
	f, err := c.o.FS.Create(temp, c.o.FileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(note, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := c.o.FS.Rename(temp, path); err != nil {
		return err
	}
	return c.o.FS.SyncDir(dir)
}

// known returns the copies that are there. A folder that can't be read may hold
// one, so that is an error.
func (c *copier) known() (seen []Seen, err error) {
	if c == nil {
		return nil, nil
	}
	for _, dir := range c.o.Copies {
		note, err := c.read(filepath.Join(dir, c.name))
		if err != nil {
			return nil, fmt.Errorf("couldn't read the copy of this log's newest checkpoint in %s: %w", dir, err)
		}
		if note == nil {
			continue
		}
		at, err := Parse(note)
		if err != nil {
			return nil, fmt.Errorf("couldn't read the copy of this log's newest checkpoint in %s: %w", dir, err)
		}
		seen = append(seen, Seen{Witness: dir, Size: at.Size, Checkpoint: note})
	}
	return seen, nil
}

func (c *copier) read(path string) ([]byte, error) {
	if _, err := c.o.FS.Stat(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := c.o.FS.Open(path)
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, maxLine)
	size, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:size], nil
}

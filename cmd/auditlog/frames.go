package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

// frameReader finds frames of openings by event. They lie about in the order of the
// log's entries, so that what it reads ahead of what is asked for is little; what is not
// there has it read all.
type frameReader struct {
	next    func() (withhold.Frame, error, bool)
	stop    func()
	passed  map[withhold.ID]withhold.Frame // read and not asked for yet
	reached bool                           // the end
}

func newFrameReader(folder string) (*frameReader, error) {
	files, err := withhold.List(durable.OS(), filepath.Join(folder, chain.OpeningsFolder))
	if err != nil {
		return nil, err
	}
	r := &frameReader{passed: make(map[withhold.ID]withhold.Frame)}
	r.next, r.stop = iter.Pull2(allFrames(files))
	return r, nil
}

func (r *frameReader) close() { r.stop() }

// allFrames gives the frames of files, in order; they are the receiver's to keep. A
// file without a whole header has none.
func allFrames(files []withhold.File) iter.Seq2[withhold.Frame, error] {
	return func(yield func(withhold.Frame, error) bool) {
		for _, f := range files {
			on := true
			_, err := f.Frames(func(fr withhold.Frame) error {
				fr.Sealed = append([]byte(nil), fr.Sealed...)
				if on = yield(fr, nil); !on {
					return errStopped
				}
				return nil
			})
			if !on {
				return
			}
			if err != nil && !withhold.IsMalformed(err) && !yield(withhold.Frame{}, err) {
				return
			}
		}
	}
}

var errStopped = fmt.Errorf("stopped")

func (r *frameReader) find(id withhold.ID) (withhold.Frame, bool, error) {
	if f, ok := r.passed[id]; ok {
		delete(r.passed, id)
		return f, true, nil
	}
	for !r.reached {
		f, err, ok := r.next()
		switch {
		case !ok:
			r.reached = true
		case err != nil:
			return f, false, err
		case f.Event == id:
			return f, true, nil
		default:
			r.passed[f.Event] = f
		}
	}
	return withhold.Frame{}, false, nil
}

// segmentsOf lists the paths of a log's segments.
func segmentsOf(folder string) ([]string, error) {
	names, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, n := range names {
		if _, ok := chain.ParseSegmentName(n.Name()); ok && n.Type()&fs.ModeType == 0 {
			paths = append(paths, filepath.Join(folder, n.Name()))
		}
	}
	return paths, nil
}

// firstLine reads the first line of a file, without its LF, as far as an opening entry
// can reach.
func firstLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	if !s.Scan() {
		return nil, nil
	}
	return s.Bytes(), nil
}

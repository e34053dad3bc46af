package proof

import (
	"errors"
	"fmt"
	"io"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// segments gives the hashes of a log's entries as they stand in its segments.
// It goes on where it was if it can, as finding a place means reading a segment
// from its start.
type segments struct {
	fsys   durable.FS
	folder string
	o      chain.ReadOptions
	reader *chain.Reader
	next   uint64
}

// read appends the hashes of entries first to last.
func (s *segments) read(dst []chain.Hash, first, last uint64) ([]chain.Hash, error) {
	if s.reader == nil || first < s.next {
		if err := s.close(); err != nil {
			return nil, err
		}
		o := s.o
		o.From = first
		r, err := chain.OpenReader(s.fsys, s.folder, o)
		if err != nil {
			return nil, fmt.Errorf("couldn't read log: %w", err)
		}
		s.reader, s.next = r, first
	}
	for refreshed := false; s.next <= last; {
		l, err := s.reader.Next()
		if errors.Is(err, io.EOF) && !refreshed {
			refreshed = true
			err = s.reader.Refresh()
			if err == nil {
				continue
			}
		}
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("couldn't find entry %d: the log ends before it", s.next)
		}
		if err != nil {
			return nil, fmt.Errorf("couldn't read entry %d: %w", s.next, err)
		}
		if l.Seq != s.next && l.Seq > first {
			return nil, fmt.Errorf("couldn't find entry %d: entry %d follows the one before", s.next, l.Seq)
		}
		s.next = l.Seq + 1
		if l.Seq >= first {
			dst = append(dst, l.Hash)
		}
	}
	return dst, nil
}

func (s *segments) close() error {
	if s.reader == nil {
		return nil
	}
	r := s.reader
	s.reader = nil
	return r.Close()
}

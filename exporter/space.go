package exporter

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// spaceInterval is the least time between two looks at the file system.
const spaceInterval = time.Minute

// space warns before the log's file system is full: when it has room for fewer than two more segments.
type space struct {
	directory string
	enough    uint64 // bytes
	free      func(directory string) (bytes uint64, known bool, err error)
	logger    *zap.Logger

	bytes atomic.Int64 // at the last look, -1: not known

	// Owned by looked.
	at  time.Time
	low bool
}

func newSpace(directory string, segment int64, free func(string) (uint64, bool, error), logger *zap.Logger) *space {
	s := &space{directory: directory, enough: 2 * uint64(max(segment, 0)), free: free, logger: logger}
	s.bytes.Store(-1)
	return s
}

// looked looks, if it has not for spaceInterval. Only the log's sync calls it, so a disk that hangs
// here would have hung there.
func (s *space) looked() {
	if !s.at.IsZero() && time.Since(s.at) < spaceInterval {
		return
	}
	s.at = time.Now()
	bytes, known, err := s.free(s.directory)
	if err != nil || !known {
		s.bytes.Store(-1)
		return
	}
	s.bytes.Store(int64(min(bytes, 1<<62)))
	switch low := bytes < s.enough; {
	case low && !s.low:
		s.logger.Warn("The audit log's file system is nearly full. When it is, requests are refused until there is space.",
			zap.String("directory", s.directory), zap.Uint64("free_bytes", bytes), zap.Uint64("enough_bytes", s.enough))
		s.low = true
	case !low && s.low:
		s.logger.Info("The audit log's file system has space again.",
			zap.String("directory", s.directory), zap.Uint64("free_bytes", bytes))
		s.low = false
	}
}

// left returns the bytes that were free at the last look.
func (s *space) left() (bytes int64, known bool) {
	bytes = s.bytes.Load()
	return bytes, bytes >= 0
}

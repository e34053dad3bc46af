package chain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// DirectoryReport is what [VerifyDirectory] found.
type DirectoryReport struct {
	Directory string      `json:"directory"`
	Logs      []LogReport `json:"logs"` // by id
	// Faults are those of the directory itself: logs of which none names another.
	Faults []Fault `json:"faults,omitempty"`
	// Unborn are folders with the name of a log that hold neither a mark nor what
	// has a segment's form of name, as a crash during a log's creation leaves them.
	Unborn []string `json:"unborn,omitempty"`
}

// LogReport is a log's report, or as much of it as could be read.
type LogReport struct {
	Report
	Error     string `json:"error,omitempty"`        // why the log could not be read
	Succeeded *LogID `json:"succeeded_by,omitempty"` // the log that names this one as broken
}

// Broken tells whether a log or the directory was tampered with. A broken log
// stays broken when another succeeds it.
func (r DirectoryReport) Broken() bool {
	for _, l := range r.Logs {
		if l.Broken() {
			return true
		}
	}
	return len(r.Faults) > 0
}

// survey is the logs of a directory.
type survey struct {
	ids       []LogID
	unborn    []string
	succeeded map[LogID]LogID // by the log that names it
}

func surveyLogs(fsys durable.FS, dir string) (survey, error) {
	s := survey{succeeded: map[LogID]LogID{}}
	ids, err := listLogs(fsys, dir)
	if err != nil {
		return s, err
	}
	for _, id := range ids {
		folder := filepath.Join(dir, id.String())
		l, err := listFolder(fsys, folder)
		if err != nil {
			return s, err
		}
		if len(l.segments) == 0 {
			if l.mark || l.signed || len(l.misnamed) > 0 {
				s.ids = append(s.ids, id)
			} else {
				s.unborn = append(s.unborn, id.String())
			}
			continue
		}
		s.ids = append(s.ids, id)
		// A fault of the opening entry, or an error, is for who reads the log to find.
		if o, fault, err := readOpening(fsys, folder, id, l.segments[0]); err == nil && fault == nil {
			for _, named := range o.Succeeds {
				s.succeeded[named.LogID] = id
			}
		}
	}
	return s, nil
}

// current returns the logs that no other names as succeeded.
func (s survey) current() (ids []LogID) {
	for _, id := range s.ids {
		if _, ok := s.succeeded[id]; !ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// fault tells what is wrong with the logs taken together.
func (s survey) fault() *Fault {
	switch ids := s.current(); {
	case len(s.ids) > 0 && len(ids) == 0:
		return &Fault{Reason: "every log is named as succeeded by another"}
	case len(ids) > 1:
		return &Fault{Reason: "none of these logs names another as succeeded: " + joinIDs(ids)}
	}
	return nil
}

func joinIDs(ids []LogID) string {
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
	}
	return strings.Join(names, ", ")
}

// ErrNoLog says that a directory holds no log.
var ErrNoLog = errors.New("no log here")

// FindLog returns the folder of the one log in dir that no other log names as
// succeeded. Without any log the error is [ErrNoLog], with several such logs a
// [*TamperError].
func FindLog(fsys durable.FS, dir string) (folder string, err error) {
	s, err := surveyLogs(fsys, dir)
	if err != nil {
		return "", err
	}
	if f := s.fault(); f != nil {
		return "", &TamperError{Folder: dir, Fault: *f}
	}
	if len(s.ids) == 0 {
		return "", fmt.Errorf("%s: %w", dir, ErrNoLog)
	}
	return filepath.Join(dir, s.current()[0].String()), nil
}

// VerifyDirectory verifies every log in dir as [Verify] does, and that they are
// one line of succession. The error joins those of all logs that could not be
// read; the report is good for the others. A directory without a log is an
// [ErrNoLog].
func VerifyDirectory(ctx context.Context, fsys durable.FS, dir string, o VerifyOptions) (DirectoryReport, error) {
	return VerifyLogs(fsys, dir, o, func(folder string, o VerifyOptions) (Report, error) {
		return Verify(ctx, fsys, folder, o)
	})
}

// VerifyLogs is [VerifyDirectory] with verify to verify each log.
func VerifyLogs(fsys durable.FS, dir string, o VerifyOptions, verify func(folder string, o VerifyOptions) (Report, error)) (DirectoryReport, error) {
	r := DirectoryReport{Directory: dir, Logs: []LogReport{}}
	s, err := surveyLogs(fsys, dir)
	if err != nil {
		return r, err
	}
	r.Unborn = s.unborn
	if f := s.fault(); f != nil {
		r.Faults = append(r.Faults, *f)
	}
	if len(s.ids) == 0 {
		return r, fmt.Errorf("%s: %w", dir, ErrNoLog)
	}
	var errs []error
	for _, id := range s.ids {
		lo := o
		var l LogReport
		if by, ok := s.succeeded[id]; ok {
			l.Succeeded = &by
			// Whoever holds the lock writes to another log.
			if lo.Lock == LockLook || lo.Lock == LockHeld {
				lo.Lock = LockFree
			}
		}
		l.Report, err = verify(filepath.Join(dir, id.String()), lo)
		if err != nil {
			l.Error = err.Error()
			l.LogID = id
			errs = append(errs, fmt.Errorf("log %s: %w", id, err))
		}
		r.Logs = append(r.Logs, l)
	}
	return r, errors.Join(errs...)
}

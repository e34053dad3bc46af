package chain

import (
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// FindSuccessor returns the folder of the log that names the one in folder as
// broken and takes its place, "" if none does (yet). What is written from then on
// is written there.
func FindSuccessor(fsys durable.FS, folder string) (string, error) {
	id, ok := ParseLogID(filepath.Base(folder))
	if !ok {
		return "", nil
	}
	dir := filepath.Dir(folder)
	s, err := surveyLogs(fsys, dir)
	if err != nil {
		return "", err
	}
	by, ok := s.succeeded[id]
	if !ok || by == id {
		return "", nil
	}
	return filepath.Join(dir, by.String()), nil
}

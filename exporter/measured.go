package exporter

import (
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/idindex"
)

// measured is a log that tells telemetry what a sync took, and its owner when it is let go.
type measured struct {
	auditLog
	telemetry *telemetry
	space     *space
	released  func()             // the directory is another's to take
	ids       *idindex.Index     // nil: there is none
	notary    *checkpoint.Notary // nil: checkpoints are off
}

func newMeasured(l auditLog, t *telemetry, s *space, released func()) *measured {
	m := &measured{auditLog: l, telemetry: t, space: s, released: sync.OnceFunc(released)}
	if l, ok := l.(*idLog); ok {
		m.ids = l.claims.index
	}
	return m
}

func (m *measured) Sync() error {
	start := time.Now()
	err := m.auditLog.Sync()
	m.telemetry.synced(time.Since(start), err)
	if err == nil {
		m.space.looked()
	}
	return err
}

// Close lets the log go only if it succeeds; else Abandon follows.
func (m *measured) Close() error {
	err := m.auditLog.Close()
	if err == nil {
		m.released()
	}
	return err
}

func (m *measured) Abandon() error {
	defer m.released()
	return m.auditLog.Abandon()
}

package exporter

import (
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/chain"
)

// measured is a log that tells telemetry what passes through it, and its owner when it is let go.
type measured struct {
	auditLog
	telemetry *telemetry
	released  func() // the directory is another's to take

	mu   sync.Mutex
	info chain.Info
}

func newMeasured(l auditLog, t *telemetry, released func()) *measured {
	return &measured{auditLog: l, telemetry: t, released: sync.OnceFunc(released), info: l.Info()}
}

// last is the log after its last call that returned. It never waits for one that runs.
func (m *measured) last() chain.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.info
}

func (m *measured) took() {
	info := m.Info()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.info = info
}

func (m *measured) Write(bs []*chain.Batch) error {
	defer m.took()
	return m.auditLog.Write(bs)
}

func (m *measured) Sync() error {
	start := time.Now()
	err := m.auditLog.Sync()
	m.telemetry.synced(time.Since(start), err)
	return err
}

func (m *measured) Rotate() error {
	defer m.took()
	return m.auditLog.Rotate()
}

func (m *measured) Renew(cause error, keep []*chain.Batch) error {
	defer m.took()
	return m.auditLog.Renew(cause, keep)
}

// Close lets the log go only if it succeeds; else Abandon follows.
func (m *measured) Close() error {
	err := m.auditLog.Close()
	m.took()
	if err == nil {
		m.released()
	}
	return err
}

func (m *measured) Abandon() error {
	defer m.released()
	return m.auditLog.Abandon()
}

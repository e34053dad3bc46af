package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func identified(r plog.LogRecord) {
	signIn(r)
	r.Attributes().PutStr("audit.record.id", "rec-1")
}

// While a collector writes, a record has a receipt from when it is synced on, and not before.
func TestReceiptOfSyncedOnly(t *testing.T) {
	dir := t.TempDir()
	if _, known, _ := durable.LockHeld(dir); !known {
		t.Log("the system does not tell who holds a lock, so a reader can't tell what is synced")
		return
	}
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err)
	defer w.Abandon()
	require.NoError(t, w.Write([]*chain.Batch{events(identified)}))
	code, stdout, stderr := command(t, "receipt", "rec-1", dir)
	require.Equal(t, exitUnreadable, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "no entry of a record with this id")
	require.NoError(t, w.Sync())
	code, stdout, stderr = command(t, "receipt", "rec-1", dir)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, `"seq": 2`)
}

// Who asks for a receipt is recorded, with what was asked for, found or not.
func TestReceiptIsRecorded(t *testing.T) {
	dir := t.TempDir()
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err)
	require.NoError(t, w.Write([]*chain.Batch{events(identified)}))
	require.NoError(t, w.Sync())
	require.NoError(t, w.Close())
	r := newRecorder(t)
	ask := func(id string) (int, string) {
		code, stdout, _ := command(t, "receipt", id, dir, "--record-access", "--record-endpoint", r.URL)
		return code, stdout
	}
	recorded := func() map[string]any {
		return r.records[len(r.records)-1].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
	}
	code, stdout := ask("rec-1")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, `"record_id": "rec-1"`)
	require.Equal(t, "rec-1", recorded()["auditlog.asked"])
	require.Equal(t, w.Info().LogID.String()+":2-2", recorded()["audit.target.id"])
	code, _ = ask("nobody\xff")
	require.Equal(t, exitUnreadable, code)
	require.Equal(t, "nobody\ufffd", recorded()["auditlog.asked"])
	require.Equal(t, "failure", recorded()["audit.outcome"])
	r.status = http.StatusBadRequest
	code, stdout = ask("rec-1")
	require.Equal(t, exitUnreadable, code)
	require.Empty(t, stdout)
}

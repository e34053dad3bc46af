package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func TestRecordIsFoundByItsID(t *testing.T) {
	withID := func(id string) func(plog.LogRecord) {
		return func(r plog.LogRecord) {
			signIn(r)
			r.Attributes().PutStr("audit.record.id", id)
		}
	}
	mention := func(r plog.LogRecord) { r.Body().SetStr("about a-1 and once") }
	w, err := chain.Open(t.Context(), chain.Options{Directory: t.TempDir(), Software: "test"})
	require.NoError(t, err)
	require.NoError(t, w.Write([]*chain.Batch{events(mention, withID("a-1"), withID("twice"), withID("twice"), withID("a\"é/1"), withID("7"))}))
	require.NoError(t, w.Sync())
	folder := w.Info().Folder
	require.NoError(t, w.Close())
	for id, want := range map[string]uint64{"a-1": 3, `a"é/1`: 6, "7": 7} {
		r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{})
		require.NoError(t, err)
		l, err := findRecord(t.Context(), r, id)
		require.NoError(t, err)
		require.Equal(t, want, l.Seq)
		require.NoError(t, l.Check(chain.Head{Seq: want - 1, Hash: l.Prev}), "the line is its own")
		require.Contains(t, string(l.Text), "record.id")
		require.NoError(t, r.Close())
	}
	for id, text := range map[string]string{"twice": "entries 4 and [5]", "once": "no record with the id"} {
		r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{})
		require.NoError(t, err)
		_, err = findRecord(t.Context(), r, id)
		require.ErrorContains(t, err, text)
		require.NoError(t, r.Close())
	}
}

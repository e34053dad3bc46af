package chain

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// succeeding builds a log with another id, which names others as broken.
func succeeding(t *testing.T, first byte, others ...LogID) *testLog {
	l := newTestLog(t)
	l.id[0] = first
	l.head = Genesis(l.id)
	o := Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened, Time: testTime}, Cause: CauseCreated, LogID: l.id, Ordinal: 1, Format: 1}
	for _, id := range others {
		o.Succeeds = append(o.Succeeds, Succeeded{LogID: id, Fault: "test"})
	}
	l.openAs(o)
	l.setMark()
	return l
}

func TestVerifyDirectory(t *testing.T) {
	id := func(first byte) LogID { return LogID{first, 2, 3} }
	tests := []struct {
		name    string
		logs    []*testLog
		fault   string
		current int // of logs; -1 if there is not one
	}{
		{"one", []*testLog{succeeding(t, 1)}, "", 0},
		{"succeeded", []*testLog{succeeding(t, 1), succeeding(t, 2, id(1))}, "", 1},
		{"succeeded twice", []*testLog{succeeding(t, 1), succeeding(t, 2, id(1)), succeeding(t, 3, id(1), id(2))}, "", 2},
		{"succeeded, gone", []*testLog{succeeding(t, 2, id(1))}, "", 0},
		{"two", []*testLog{succeeding(t, 1), succeeding(t, 2)}, "none of these logs names another as succeeded: " + id(1).String() + ", " + id(2).String(), -1},
		{"in a circle", []*testLog{succeeding(t, 1, id(2)), succeeding(t, 2, id(1))}, "every log is named as succeeded by another", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var folders []string
			for _, l := range tt.logs {
				folders = append(folders, l.save(dir))
			}
			unborn := LogID{9}.String()
			require.NoError(t, os.Mkdir(filepath.Join(dir, unborn), 0o700))
			r, err := VerifyDirectory(t.Context(), durable.OS(), dir, VerifyOptions{})
			require.NoError(t, err)
			require.Len(t, r.Logs, len(tt.logs))
			require.Equal(t, []string{unborn}, r.Unborn)
			require.Equal(t, tt.fault != "", r.Broken())
			folder, err := FindLog(durable.OS(), dir)
			if tt.fault != "" {
				require.Equal(t, []Fault{{Reason: tt.fault}}, r.Faults)
				var tampered *TamperError
				require.ErrorAs(t, err, &tampered)
				return
			}
			require.NoError(t, err)
			require.Equal(t, folders[tt.current], folder)
		})
	}
}

// A log that another succeeds is verified as well, and as a whole while the
// other is written.
func TestVerifyDirectoryJudgesSucceededLogs(t *testing.T) {
	broken := succeeding(t, 1)
	broken.last().data[20] ^= 1
	dir := t.TempDir()
	broken.save(dir)
	torn := succeeding(t, 2, broken.id)
	torn.torn([]byte("x"))
	torn.save(dir)
	succeeding(t, 3, broken.id, torn.id).save(dir)
	r, err := VerifyDirectory(t.Context(), durable.OS(), dir, VerifyOptions{Lock: LockHeld})
	require.NoError(t, err)
	require.True(t, r.Broken())
	require.True(t, r.Logs[0].Broken())
	require.Equal(t, LogID{3, 2, 3}, *r.Logs[0].Succeeded)
	require.NotNil(t, r.Logs[1].Tail)
	require.Nil(t, r.Logs[2].Succeeded)
	require.True(t, r.Logs[2].Held)
}

func TestVerifyDirectoryErrors(t *testing.T) {
	_, err := VerifyDirectory(t.Context(), durable.OS(), t.TempDir(), VerifyOptions{})
	require.ErrorIs(t, err, ErrNoLog)
	_, err = FindLog(durable.OS(), t.TempDir())
	require.ErrorIs(t, err, ErrNoLog)
	_, err = VerifyDirectory(t.Context(), durable.OS(), filepath.Join(t.TempDir(), "none"), VerifyOptions{})
	require.True(t, durable.IsNotExist(err))

	// A log of another format can't be read; the others are judged.
	dir := t.TempDir()
	later := newTestLog(t)
	later.openAs(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened}, LogID: later.id, Ordinal: 1, Format: 2, Cause: CauseCreated})
	later.save(dir)
	succeeding(t, 2, later.id).save(dir)
	r, err := VerifyDirectory(t.Context(), durable.OS(), dir, VerifyOptions{})
	var format *FormatError
	require.ErrorAs(t, err, &format)
	require.Len(t, r.Logs, 2)
	require.NotEmpty(t, r.Logs[0].Error)
	require.Empty(t, r.Logs[1].Error)
	require.EqualValues(t, 1, r.Logs[1].Entries())
}

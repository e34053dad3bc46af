package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

// gapLog is a log whose opening entries state the interval of checkpoints, opened
// twice: by the entries 1 and 5.
func gapLog(t *testing.T) *drillLog {
	o := chain.Options{
		Directory: filepath.Join(t.TempDir(), "audit"),
		Config:    chain.ConfigNote{Settings: map[string]string{"checkpoint.interval": "10s", "checkpoint.key": "the key"}},
	}
	l := new(drillLog)
	for range 2 {
		w, err := chain.Open(t.Context(), o)
		require.NoError(t, err)
		for n := range 2 {
			b := new(chain.Batch)
			b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, n))
			require.NoError(t, w.Write([]*chain.Batch{b}))
		}
		require.NoError(t, w.Sync())
		require.NoError(t, w.Close())
		l.id, l.segments = w.Info().LogID, readSegments(t, w.Info().Folder)
	}
	l.key = newTestKey(t, l.id)
	l.vkey = l.key.vkey
	return l
}

// A log that was open and signed nothing when a checkpoint was due is told of,
// one that was closed is not.
func TestGapsAreTold(t *testing.T) {
	l := gapLog(t)
	hashes := l.hashes(t)
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, c := range []struct {
		size  int
		after time.Duration
	}{{1, 0}, {2, 10 * time.Second}, {2, 20 * time.Second}, {3, 10 * time.Minute}, {4, 10*time.Minute + time.Second}, {5, 40 * time.Minute}, {8, 41 * time.Minute}} {
		l.signed = append(l.signed, l.key.at(begin.Add(c.after)).sign(hashes[:c.size]))
	}
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	exit, a, _ := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitOK, exit, "what is there is proven")
	require.Len(t, a.Gaps, 1)
	require.EqualValues(t, 2, a.Gaps[0].Size)
	require.Equal(t, 10*time.Minute-20*time.Second, a.Gaps[0].To.Sub(a.Gaps[0].From))
	require.Equal(t, 10*time.Second, a.Gaps[0].Interval)
}

// A log that says that it signs, and has no checkpoints.
func TestLogThatShouldHaveCheckpoints(t *testing.T) {
	l := gapLog(t)
	dir := t.TempDir()
	l.save(t, dir, 0)
	exit, a, says := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitUnanchored, exit)
	require.Equal(t, "the key", a.LogSays)
	require.Contains(t, says, "Nothing is proven: there is no checkpoint that the given key has signed. The log itself says that it signs with the key the key.")
}

// A clock that was set back while nobody had the log open is told of, and is no
// fault: the next process knew no better.
func TestClockSetBackIsTold(t *testing.T) {
	l := gapLog(t)
	hashes, now := l.hashes(t), time.Now()
	l.signed = []signedCheckpoint{l.key.sign(hashes[:4]), l.key.at(now.Add(-time.Hour)).sign(hashes[:5]), l.key.sign(hashes)}
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	exit, a, _ := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitOK, exit)
	require.Equal(t, 1, a.ClockBack)
}

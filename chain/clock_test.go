package chain_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

func TestClockJumps(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir, MaxAge: time.Hour})
	var set time.Duration
	w.SetWallClock(func() time.Time { return time.Now().Round(0).Add(set) })
	for _, step := range []struct {
		by    time.Duration
		entry bool
	}{
		{0, false}, {800 * time.Millisecond, false}, {500 * time.Millisecond, true}, // small steps add up
		{-3 * time.Hour, true}, {0, false}, {1000 * time.Hour, true},
	} {
		set += step.by
		before := w.Info().Head.Seq
		write(t, w, "a")
		want := before + 1
		if step.entry {
			want++
		}
		require.Equal(t, want, w.Info().Head.Seq, "%s", step.by)
		in, due := w.RotateIn()
		require.True(t, due)
		require.Greater(t, in, 59*time.Minute, "rotation goes by the steady clock")
	}
	require.NoError(t, w.Close())
	require.Empty(t, verifyFaults(t, dir))

	var by []string
	folder, err := chain.FindLog(osFS(), dir)
	require.NoError(t, err)
	r, err := chain.OpenReader(osFS(), folder, chain.ReadOptions{Check: true})
	require.NoError(t, err)
	defer r.Close()
	for {
		line, err := r.Next()
		if err != nil {
			break
		}
		var e chain.ClockJumped
		if line.Kind == chain.System && json.Unmarshal(line.Body, &e) == nil && e.Type == chain.TypeClockJumped {
			d, err := time.ParseDuration(e.By)
			require.NoError(t, err)
			by = append(by, d.Round(10*time.Millisecond).String())
		}
	}
	require.Equal(t, []string{"1.3s", "-3h0m0s", "1000h0m0s"}, by)
}

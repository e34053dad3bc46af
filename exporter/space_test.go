package exporter

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestSpaceWarnsOnceWhenLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		var (
			free  uint64
			fails error
			looks int
		)
		s := newSpace("/audit", 100, func(dir string) (uint64, bool, error) {
			require.Equal(t, "/audit", dir)
			looks++
			return free, true, fails
		}, zap.New(core))
		_, known := s.left()
		require.False(t, known)

		for _, step := range []struct {
			free  uint64
			fails error
			logs  int // lines so far
			left  int64
			known bool
		}{
			{free: 200, left: 200, known: true},
			{free: 199, logs: 1, left: 199, known: true},
			{free: 10, logs: 1, left: 10, known: true},
			{fails: errors.New("hung"), logs: 1, left: -1},
			{free: 300, logs: 2, left: 300, known: true},
			{free: 0, logs: 3, left: 0, known: true},
		} {
			free, fails = step.free, step.fails
			before := looks
			s.looked()
			s.looked() // within the interval
			require.Equal(t, before+1, looks)
			left, known := s.left()
			require.Equal(t, step.left, left)
			require.Equal(t, step.known, known)
			require.Equal(t, step.logs, logs.Len())
			time.Sleep(spaceInterval)
		}
		require.Equal(t, zap.WarnLevel, logs.All()[0].Level)
		require.Equal(t, zap.InfoLevel, logs.All()[1].Level)
	})
}

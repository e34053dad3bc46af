package producer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/producer"
)

func chained(t testing.TB, id string, n int) (lrs []plog.LogRecord) {
	t.Helper()
	s := &stream{t: t, id: id, pointer: "audit.sequence.previous_hash"}
	for range n {
		lrs = append(lrs, s.next())
	}
	return lrs
}

// What is not written moves nothing: neither a request that follows nor the same again is a break.
func TestStreamsOfRefusedRequests(t *testing.T) {
	lrs := chained(t, "s", 5)
	streams := producer.NewStreams(10)
	require.Equal(t, []string{"first", "next"}, judge(t, streams, true, lrs[:2]...))
	for range 3 {
		require.Equal(t, []string{"next", "next"}, judge(t, streams, false, lrs[2:4]...))
	}
	require.Equal(t, []string{"next"}, judge(t, streams, true, lrs[2]))
	require.Equal(t, []string{"broken gap"}, judge(t, streams, false, lrs[4]))
	require.Equal(t, []string{"next", "next"}, judge(t, streams, true, lrs[3:]...))
}

// A request whose records say nothing of chains has no streams.
func TestStreamsOfNothing(t *testing.T) {
	c, err := producer.NewStreams(1).Claim(t.Context(), links(tell("a", nil)), 0)
	require.NoError(t, err)
	require.Nil(t, c)
	c.Settle(true)
	c.Suspend()(true)
}

// Requests of one stream are judged one after the other, as the log has them; others don't wait.
func TestStreamsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lrs := chained(t, "s", 4)
		streams := producer.NewStreams(10)
		c, l := claim(t, streams, lrs[:2]...)
		got := make(chan []string, 1)
		go func() { got <- judge(t, streams, true, lrs[2:]...) }()
		synctest.Wait()
		require.Empty(t, got, "it waits")
		require.Equal(t, []string{"first"}, judge(t, streams, true, chained(t, "other", 1)...))
		for i := range l {
			c.Judge(&l[i])
		}
		c.Settle(true)
		require.Equal(t, []string{"next", "next"}, <-got)
	})
}

// A request that is given up while it waits holds nothing.
func TestStreamsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chained(t, "a", 2), chained(t, "b", 1)
		streams := producer.NewStreams(10)
		for _, held := range [][]plog.LogRecord{{a[0]}, {b[0]}} { // whichever of its streams comes first
			c, _ := claim(t, streams, held...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := streams.Claim(ctx, links(a[0], b[0]), time.Hour)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			c.Settle(false)
		}
		require.Equal(t, []string{"first", "next", "first"}, judge(t, streams, true, a[0], a[1], b[0]))
	})
}

// While it is open whether a request's records are in the log, its streams wait; then they know.
func TestStreamsUndecided(t *testing.T) {
	for _, written := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			lrs := chained(t, "s", 3)
			streams := producer.NewStreams(10)
			require.Equal(t, []string{"first"}, judge(t, streams, true, lrs[0]))
			c, l := claim(t, streams, lrs[1])
			c.Judge(&l[0])
			decide := c.Suspend()

			_, err := streams.Claim(t.Context(), links(lrs[2]), time.Second)
			require.ErrorIs(t, err, producer.ErrUndecided)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err = streams.Claim(ctx, links(lrs[2]), time.Hour)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()

			var done sync.WaitGroup
			for range 3 {
				done.Go(func() {
					c, err := streams.Claim(t.Context(), links(lrs[2]), time.Hour)
					if err == nil {
						c.Settle(false)
					}
					require.NoError(t, err)
				})
			}
			synctest.Wait()
			decide(written)
			done.Wait()
			want := map[bool]string{true: "next", false: "broken gap"}[written]
			require.Equal(t, []string{want}, judge(t, streams, true, lrs[2]))
		})
	}
}

// The streams used last are remembered, those that are held in any case; a forgotten one is unknown.
func TestStreamsForgotten(t *testing.T) {
	streams := producer.NewStreams(2)
	all := map[string][]plog.LogRecord{}
	for _, id := range []string{"a", "b", "c"} {
		all[id] = chained(t, id, 9)
		require.Equal(t, []string{"first"}, judge(t, streams, true, all[id][0]))
	}
	require.Equal(t, []string{"next"}, judge(t, streams, true, all["b"][1]))
	require.Equal(t, []string{"next"}, judge(t, streams, true, all["c"][1]))
	require.Equal(t, []string{"unknown"}, judge(t, streams, true, all["a"][1]))
	require.Equal(t, []string{"unknown"}, judge(t, streams, true, all["b"][2]), "the one used longest ago")
	c, l := claim(t, streams, all["a"][2])
	judge(t, streams, true, all["b"][3], all["c"][2])
	judge(t, streams, true, chained(t, "d", 1)...)
	require.Equal(t, producer.StateNext, c.Judge(&l[0]).State)
	c.Settle(true)
	require.Equal(t, []string{"next"}, judge(t, streams, true, all["a"][3]), "held, it is not forgotten")
	require.LessOrEqual(t, streams.Len(), 2)
}

// Requests of many streams, some of which fail, never wait for each other in a circle, and what is
// written of each is a whole chain.
func TestStreamsTogether(t *testing.T) {
	streams := producer.NewStreams(4)
	var mu sync.Mutex // of the producers, each of which sends what follows what was written
	at := map[string]int{}
	all := map[string][]plog.LogRecord{}
	for i := range 4 {
		all[fmt.Sprint(i)] = chained(t, fmt.Sprint(i), 200)
	}
	var done sync.WaitGroup
	for worker := range 8 {
		done.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 40 {
				ids := rnd.Perm(4)[:1+rnd.IntN(3)]
				var probe []plog.LogRecord
				for _, i := range ids {
					probe = append(probe, all[fmt.Sprint(i)][0])
				}
				c, err := streams.Claim(context.Background(), links(probe...), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				written, suspended := rnd.IntN(3) > 0, rnd.IntN(4) == 0
				for _, i := range ids {
					id := fmt.Sprint(i)
					mu.Lock()
					l := links(all[id][at[id]])
					if written {
						at[id]++
					}
					mu.Unlock()
					if v := c.Judge(&l[0]); v.State == producer.StateBroken {
						t.Errorf("%s: %s", id, v.Break)
					}
				}
				if suspended {
					go c.Suspend()(written)
				} else {
					c.Settle(written)
				}
			}
		})
	}
	done.Wait()
}

package exporter_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/internal/metadatatest"
)

var (
	recA = rec{id: "a", says: "one"}
	recB = rec{id: "b", says: "two", critical: true}
	recC = rec{id: "c", says: "three"}
	noID = rec{says: "no id"}
)

// changed is r with one byte changed.
func changed(r rec) rec { return rec{r.id, r.says[:len(r.says)-1] + "X", r.critical} }

func TestDuplicateLeavesOneEntry(t *testing.T) {
	for _, set := range settings {
		t.Run(set.name, func(t *testing.T) {
			idempotent(t, func(o *exporter.Options) { o.Mode, o.CriticalImmediate = set.mode.String(), set.critical }, func(r *idRig) {
				r.mustSend(recA, recB, noID)
				r.mustSend(recA, recB, noID)
				r.mustSend(recB)
				r.mustSend(recC, recA)
				require.Equal(t, []string{"a one", "b two", " no id", " no id", "c three"}, r.stands())
				metadatatest.AssertEqualExporterAuditDuplicateRecords(t, r.telemetry, []metricdata.DataPoint[int64]{point(4, "", "")}, ignore...)
				metadatatest.AssertEqualExporterAuditKnownRecordIds(t, r.telemetry, []metricdata.DataPoint[int64]{point(3, "", "")}, ignore...)

				for _, again := range []func(){
					func() { r.down(); r.boot() },
					func() { r.die(-1) }, // the process
					func() { r.die(1) },  // power
				} {
					again()
					r.mustSend(recC, recB, recA)
					require.Equal(t, []string{"a one", "b two", " no id", " no id", "c three"}, r.stands())
				}
			})
		})
	}
}

func TestIDTwiceInOneRequest(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		r.mustSend(recA, recA, changed(recA), recB, changed(recA), recA)
		require.Equal(t, []string{"a one", "a onX!", "b two"}, r.stands())
		r.mustSend(changed(recA), recA)
		require.Equal(t, []string{"a one", "a onX!", "b two"}, r.stands())
	})
}

func TestConflictIsRecorded(t *testing.T) {
	secret := func(s string) rec { return rec{id: "s", says: "password:" + s} }
	idempotent(t, nil, func(r *idRig) {
		r.mustSend(recA, recC, secret("hunter2"))
		r.mustSend(changed(recA), recC)
		r.mustSend(secret("hunter3"))
		want := []string{"a one", "c three", "s ", "a onX!", "s !"}
		require.Equal(t, want, r.stands())
		metadatatest.AssertEqualExporterAuditConflictingRecords(t, r.telemetry, []metricdata.DataPoint[int64]{point(2, "", "")}, ignore...)

		// What conflicts is recognised, too, when it comes again.
		for _, again := range []func(){func() {}, func() { r.down(); r.boot() }, func() { r.die(-1) }} {
			again()
			r.mustSend(recA, changed(recA), secret("hunter3"), secret("hunter2"))
			require.Equal(t, want, r.stands())
		}
		r.mustSend(secret("hunter4"))
		require.Equal(t, append(want, "s !"), r.stands())
		for _, l := range r.lines() {
			require.NotContains(t, string(l.Body), "hunter")
		}
	})
}

func TestConflictIsRefused(t *testing.T) {
	idempotent(t, func(o *exporter.Options) { o.RejectInvalid = true }, func(r *idRig) {
		r.mustSend(recA)
		requireCode(t, codes.AlreadyExists, r.send(recB, changed(recA)))
		err := r.send(recC, recC, changed(recC)) // within one request
		requireCode(t, codes.AlreadyExists, err)
		require.ErrorContains(t, err, "1 of 3 records have a record id that another record has")
		require.Equal(t, []string{"a one"}, r.stands(), "none of a refused request is taken")
		r.mustSend(recB, recC)

		var told []chain.Refused
		for _, l := range r.lines() {
			var e chain.Refused
			if l.Kind == chain.System && json.Unmarshal(l.Body, &e) == nil && e.Type == chain.TypeRefused {
				told = append(told, e)
			}
		}
		require.Len(t, told, 2, "one a second")
		require.EqualValues(t, 2, told[0].Records)
		require.Equal(t, "a", told[0].Listed[0].ID)
		require.Equal(t, []string{"record_id_conflict"}, told[0].Listed[0].Invalid)
		require.Empty(t, told[0].Listed[1].Invalid)
		require.EqualValues(t, 3, told[1].Records)
		metadatatest.AssertEqualExporterAuditRefusedRequests(t, r.telemetry, []metricdata.DataPoint[int64]{point(2, "cause", "conflict")}, ignore...)
	})
}

// Other resource, other scope, other record: the digest is of all.
func TestOtherResourceIsAConflict(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		r.mustSend(recA)
		logs := logsOf(recA)
		other := newLogs(logs)
		other.ResourceLogs().At(0).Resource().Attributes().PutStr("service.name", "shop")
		require.NoError(t, r.ConsumeLogs(r.t.Context(), other))
		require.Equal(t, []string{"a one", "a one!"}, r.stands())
	})
}

func TestIDIsForgottenAfterHorizon(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		r.mustSend(recA)
		time.Sleep(23 * time.Hour)
		r.mustSend(recA, changed(recA))
		time.Sleep(2 * time.Hour)
		r.mustSend(recA)
		require.Equal(t, []string{"a one", "a onX!", "a one"}, r.stands())
		r.down()
		r.boot()
		r.mustSend(recA)
		require.Equal(t, []string{"a one", "a onX!", "a one"}, r.stands())
	})
}

// hold has the next operation of a kind on a segment wait until it is released with an outcome.
func (r *idRig) hold(kind faultfs.Kind) (release func(faultfs.Outcome)) {
	out := make(chan faultfs.Outcome, 1)
	var once sync.Once
	r.fs.Intercept(func(op faultfs.Op) (o faultfs.Outcome) {
		if op.Kind == kind && strings.Contains(op.Path, ".jsonl") {
			once.Do(func() { o = <-out })
		}
		return o
	})
	return func(o faultfs.Outcome) { out <- o; synctest.Wait() }
}

// sent is a request that is under way.
type sent struct {
	done bool
	err  error
}

func (r *idRig) sending(recs ...rec) *sent {
	s := new(sent)
	go func() {
		err := r.send(recs...)
		s.done, s.err = true, err
	}()
	synctest.Wait()
	return s
}

// A duplicate of a critical record waits for the sync of the first; one of a routine record is
// acknowledged as soon as the first is.
func TestDuplicateOfUnsyncedRecord(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		release := r.hold(faultfs.Sync)
		first := r.sending(recB)
		again, with := r.sending(recB), r.sending(recC, recB)
		require.False(t, first.done || again.done || with.done)
		r.mustSend(recA)
		r.mustSend(recA)
		release(faultfs.Outcome{})
		for _, s := range []*sent{first, again, with} {
			require.True(t, s.done)
			require.NoError(t, s.err)
		}
		require.Equal(t, []string{"b two", "a one", "c three"}, r.stands())
	})
}

// Of two requests with one record in different order, neither waits for ever.
func TestRequestsWithSharedRecords(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		var all []rec
		for i := range 60 {
			all = append(all, rec{id: fmt.Sprint("id-", i), says: fmt.Sprint(i), critical: i%3 == 0})
		}
		var group sync.WaitGroup
		for client := range 8 {
			rnd := rand.New(rand.NewPCG(1, uint64(client)))
			group.Go(func() {
				mine := append([]rec(nil), all...)
				rnd.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				for len(mine) > 0 {
					k := min(1+rnd.IntN(7), len(mine))
					if err := r.send(mine[:k]...); err == nil {
						mine = mine[k:]
					} else {
						time.Sleep(time.Second)
					}
				}
			})
		}
		group.Wait()
		stands := r.stands()
		require.Len(t, stands, len(all))
		for _, one := range all {
			require.Contains(t, stands, one.id+" "+one.says)
		}
	})
}

// If the first is not written, who waits for it is not acknowledged for it, but written itself.
func TestFirstIsNotWritten(t *testing.T) {
	for _, first := range []rec{recA, recB} {
		idempotent(t, nil, func(r *idRig) {
			release := r.hold(faultfs.Write)
			one := r.sending(first)
			again, other := r.sending(first, recC), r.sending(changed(first))
			require.False(t, one.done || again.done || other.done)
			release(faultfs.Outcome{Err: errDisk})
			time.Sleep(time.Second)
			synctest.Wait()
			require.True(t, one.done && again.done && other.done)
			requireCode(t, codes.Unavailable, one.err)
			require.NoError(t, again.err)
			require.NoError(t, other.err)
			stands := r.stands()
			require.Len(t, stands, 3)
			require.Contains(t, stands, "c three")
			r.mustSend(first, recC, changed(first))
			require.Equal(t, stands, r.stands())
		})
	}
}

// While the storage does not respond, who waits for another's sync is refused as that one is.
func TestDuplicateIsRefusedInAStall(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		release := r.hold(faultfs.Sync)
		first, again := r.sending(recB), r.sending(recB)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.True(t, first.done && again.done)
		requireCode(t, codes.Unavailable, first.err)
		requireCode(t, codes.Unavailable, again.err)
		requireCode(t, codes.Unavailable, r.send(recB))
		release(faultfs.Outcome{})
		r.mustSend(recB)
		require.Equal(t, []string{"b two"}, r.stands())
	})
}

// A failover gives the entries other numbers, and the index has those.
func TestFailoverRenumbers(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		r.mustSend(recA)
		release := r.hold(faultfs.Sync)
		waits := r.sending(recB)
		release(faultfs.Outcome{Err: errDisk})
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, waits.done)
		require.NoError(t, waits.err)
		r.mustSend(recA, recB)
		require.Equal(t, []string{"a one", "b two"}, r.stands())
		r.requireIndexed()
		r.down()
		r.boot()
		r.mustSend(recA, recB)
		require.Equal(t, []string{"a one", "b two"}, r.stands())
	})
}

// A client that leaves does not take its record with it, and one that waits may leave.
func TestClientLeaves(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		release := r.hold(faultfs.Sync)
		ctx, cancel := contextWithCancel(r.t)
		left := make(chan error, 2)
		for range 2 {
			go func() { left <- r.ConsumeLogs(ctx, logsOf(recB)) }()
			synctest.Wait()
		}
		cancel()
		requireCode(t, codes.Canceled, <-left)
		requireCode(t, codes.Canceled, <-left)
		again := r.sending(recB)
		release(faultfs.Outcome{})
		require.True(t, again.done)
		require.NoError(t, again.err)
		require.Equal(t, []string{"b two"}, r.stands())
	})
}

package idindex_test

import (
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/otelaudit/auditexporter/idindex"
)

// ids is how many ids BenchmarkIndex puts into the index before it measures.
var ids = flag.Int("ids", 200_000, "ids in the index of BenchmarkIndex")

// BenchmarkIndex measures an index that holds -ids records: what adding them took,
// the memory that stays, opening, and looking for an id that is not known and for one that is.
func BenchmarkIndex(b *testing.B) {
	o := idindex.Options{Folder: b.TempDir() + "/ids", Horizon: 24 * time.Hour, MaxRecords: uint64(*ids)}
	x := idindex.Open(o)
	n := uint64(*ids)
	began := time.Now()
	some := make([]idindex.Record, 100)
	for seq := uint64(1); seq <= n; {
		for i := range some {
			some[i] = idindex.Record{Key: key(seq), Seq: seq, Time: began}
			seq++
		}
		x.Add(some, seq-1, [32]byte{}, 1000)
		for x.Stats().Tables > 8 {
			time.Sleep(time.Millisecond) // the disk is slower than this loop
		}
	}
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(float64(time.Since(began))/float64(n), "ns/id")
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began = time.Now()
	x = idindex.Open(o)
	opening := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	s := x.Stats()
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(float64(opening)/float64(n), "ns/id")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/id")
		b.ReportMetric(float64(s.Disk)/float64(n), "disk-B/id")
		b.ReportMetric(float64(s.Runs), "runs")
	})
	b.Run("unknown", func(b *testing.B) {
		seq, found := n, 0
		b.ReportAllocs()
		for b.Loop() {
			seq++
			if k := key(seq); x.Maybe(k) {
				found++
				if _, ok := x.Find(k); ok {
					b.Fatal("found")
				}
			}
		}
		b.ReportMetric(float64(found)/float64(b.N), "reads/op")
	})
	b.Run("known", func(b *testing.B) {
		seq := uint64(0)
		for b.Loop() {
			seq = (seq+7919)%(n*7/8) + n/8
			if _, ok := x.Find(key(seq)); !ok {
				b.Fatal("not found")
			}
		}
	})
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
}

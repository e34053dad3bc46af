package chain

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// benchLog saves a log of so many MiB of routine events.
func benchLog(b *testing.B, mib int) (folder string, size int64) {
	l := newTestLog(nil)
	l.open(CauseCreated)
	for len(l.last().data) < mib<<20 {
		l.entry(Event, benchBody)
	}
	folder = filepath.Join(b.TempDir(), l.id.String())
	mustDo(os.Mkdir(folder, 0o700))
	mustWrite(filepath.Join(folder, l.last().name.String()), l.last().data)
	return folder, int64(len(l.last().data))
}

// BenchmarkVerify stands beside hashing the same bytes in one piece.
func BenchmarkVerify(b *testing.B) {
	folder, size := benchLog(b, 64)
	for workers := 1; workers <= runtime.GOMAXPROCS(0); workers *= 2 {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r, err := Verify(b.Context(), durable.OS(), folder, VerifyOptions{Workers: workers, Lock: LockFree})
				if err != nil || r.Broken() {
					b.Fatal(err, r.Faults)
				}
			}
		})
	}
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			data, err := os.ReadFile(filepath.Join(folder, SegmentName{1, 1}.String()))
			if err != nil {
				b.Fatal(err)
			}
			sha256.Sum256(data)
		}
	})
}

//go:build unix

package chain

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// benchLog saves a log of so many MiB of routine events.
func benchLog(b *testing.B, mib int) (folder string, size int64) {
	l := newTestLog(nil)
	l.open(CauseCreated)
	for len(l.last().data) < mib<<20 {
		l.entry(Event, benchEvent(len(l.last().data)))
	}
	folder = filepath.Join(b.TempDir(), l.id.String())
	mustDo(os.Mkdir(folder, 0o700))
	mustWrite(filepath.Join(folder, l.last().name.String()), l.last().data)
	return folder, int64(len(l.last().data))
}

// benchEvent is benchBody with values that differ as those of one service do.
func benchEvent(n int) []byte {
	b := bytes.Clone(benchBody)
	for _, value := range []string{"0f9d5c1e", ".123456789Z", ".123456789Z", ".2Z", "4711", "orders/123456", ".17\"", "12.25", "orders/123456"} {
		i := bytes.Index(b, []byte(value))
		for at := i; at < i+len(value); at++ {
			if '0' <= b[at] && b[at] <= '9' {
				n = n*1103515245 + 12345
				b[at] = '1' + byte(n>>16&7)
			}
		}
	}
	if n>>20&1 == 0 {
		b = bytes.Replace(b, []byte(`"GET"`), []byte(`"POST"`), 1)
	}
	if n>>21&3 == 0 {
		b = bytes.Replace(b, []byte("false"), []byte("true"), 1)
	}
	return b
}

// BenchmarkVerify stands beside hashing the same bytes in one piece, in this
// process and by openssl, as far as that is there. Times are of all cores' work:
// "of-sha256" and "of-openssl" are how much of their speed per core verifying
// has, medians of interleaved rounds.
func BenchmarkVerify(b *testing.B) {
	folder, size := benchLog(b, 64)
	path := filepath.Join(folder, SegmentName{1, 1}.String())
	for workers := 1; workers <= runtime.GOMAXPROCS(0); workers *= 2 {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(size)
			var verify, hash, openssl []time.Duration
			for b.Loop() {
				verify = append(verify, cpuTime(b, func() {
					r, err := Verify(b.Context(), durable.OS(), folder, VerifyOptions{Workers: workers, Lock: LockFree})
					if err != nil || r.Broken() {
						b.Fatal(err, r.Faults)
					}
				}))
				b.StopTimer()
				hash = append(hash, cpuTime(b, func() { hashFile(b, path) }))
				openssl = append(openssl, opensslTime(b, path))
				b.StartTimer()
			}
			b.ReportMetric(float64(median(hash))/float64(median(verify)), "of-sha256")
			b.ReportMetric(float64(median(openssl))/float64(median(verify)), "of-openssl")
		})
	}
}

func hashFile(b *testing.B, path string) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{sha256.New()}, struct{ io.Reader }{f}, make([]byte, blockSize)); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process uses of the processors while f runs.
func cpuTime(b *testing.B, f func()) time.Duration {
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	f()
	return used() - before
}

// opensslTime is 0 where openssl is not installed.
func opensslTime(b *testing.B, path string) time.Duration {
	cmd := exec.CommandContext(b.Context(), "openssl", "dgst", "-sha256", path)
	if cmd.Err != nil {
		return 0
	}
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

//go:build linux

package e2e

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// The wall clock of the collector jumps by years while it runs, and the steady one does not: each jump
// is an entry, order is by sequence number, and nothing rotates for it.
func TestFaultClockJumps(t *testing.T) {
	t.Parallel()
	o := faultOptions(t)
	c := start(t, o)
	l := newClients(1000)
	jumps := []time.Duration{10 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour, 0, 90 * time.Second}
	for range 10 {
		require.True(t, l.send(t, c))
	}
	for _, by := range jumps {
		setClock(t, c, by)
		for range 10 {
			require.True(t, l.send(t, c))
		}
	}
	setClock(t, c, -30*365*24*time.Hour)
	stop(t, c)
	stop(t, start(t, o))
	all := l.requireHeld(t, c.Audit)
	require.Len(t, segments(t, c.Audit), 2, "nothing rotates because of the clock")
	n := strings.Count(strings.Join(systemTypes(all), " "), "clock_jumped")
	require.Equal(t, 5, n, "%v", systemTypes(all))
	summary("wall clock set by +10, -30 and +20 years, 90 s and -30 years: "+
		"%d clock_jumped entries, %d requests acknowledged, lost 0, no rotation", n, l.acknowledged.Load())
}

// setClock lets the process see its wall clock off by so much. Go asks the kernel's vDSO and no
// library, so its clock_gettime, in this process's copy of the page, is replaced by the system call
// and an addition.
func setClock(t *testing.T, c *collector.Collector, by time.Duration) {
	t.Helper()
	base, image := vdso(t, c.Pid())
	file, err := elf.NewFile(bytes.NewReader(image))
	require.NoError(t, err)
	symbols, err := file.DynamicSymbols()
	require.NoError(t, err)
	var code []byte
	code = append(code, 0xb8, 228, 0, 0, 0) // mov eax, SYS_clock_gettime
	code = append(code, 0x0f, 0x05)         // syscall
	code = append(code, 0x85, 0xff)         // test edi, edi: CLOCK_REALTIME?
	code = append(code, 0x75, 13)           // jne to the ret
	code = append(code, 0x48, 0xb9)         // mov rcx, seconds
	code = binary.LittleEndian.AppendUint64(code, uint64(int64(by/time.Second)))
	code = append(code, 0x48, 0x01, 0x0e) // add [rsi], rcx
	code = append(code, 0xc3)             // ret
	for _, s := range symbols {
		if s.Name != "__vdso_clock_gettime" {
			continue
		}
		require.GreaterOrEqual(t, int(s.Size), len(code), "there must be room for the other clock_gettime")
		at := base + s.Value
		defer stopped(t, c.Pid(), at, at+s.Size)()
		mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", c.Pid()), os.O_RDWR, 0)
		require.NoError(t, err)
		defer mem.Close()
		_, err = mem.WriteAt(code, int64(at))
		require.NoError(t, err)
		return
	}
	require.Fail(t, "the vDSO has no clock_gettime")
}

// vdso returns the kernel's page of code in a process.
func vdso(t *testing.T, pid int) (base uint64, image []byte) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		var end uint64
		_, err := fmt.Sscanf(line, "%x-%x", &base, &end)
		require.NoError(t, err)
		mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		require.NoError(t, err)
		defer mem.Close()
		image = make([]byte, end-base)
		_, err = mem.ReadAt(image, int64(base))
		require.NoError(t, err)
		return base, image
	}
	require.Fail(t, "the process has no vDSO")
	return 0, nil
}

// stopped stops a process while no thread of it is in the code from low to high.
func stopped(t *testing.T, pid int, low, high uint64) (resume func()) {
	t.Helper()
	for range 100 {
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
		time.Sleep(5 * time.Millisecond) // until each thread has stopped
		inside := false
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		require.NoError(t, err)
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			require.NoError(t, err)
			fields := strings.Fields(string(text))
			var pc uint64
			if _, err := fmt.Sscanf(fields[len(fields)-1], "0x%x", &pc); err != nil || pc >= low && pc < high {
				inside = true // or still running
			}
		}
		if !inside {
			return func() { require.NoError(t, syscall.Kill(pid, syscall.SIGCONT)) }
		}
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	}
	require.Fail(t, "a thread is always in the vDSO")
	return nil
}

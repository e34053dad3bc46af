package faultfs_test

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const (
	logDir = "/log"
	first  = "/log/0000000001-00000000000000000001.jsonl"
	second = "/log/0000000002-00000000000000000009.jsonl"
)

// breaches collects what the file system reports.
type breaches []string

func (b *breaches) Helper() {}

func (b *breaches) Errorf(format string, args ...any) { *b = append(*b, fmt.Sprintf(format, args...)) }

// stage is a file system with a locked, durable log folder.
type stage struct {
	*testing.T
	*faultfs.FS
	breaches breaches
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t}
	s.FS = faultfs.New(&s.breaches, logDir)
	require.NoError(t, s.Mkdir(logDir, 0o700))
	require.NoError(t, s.SyncDir("/"))
	_, err := s.Lock(logDir)
	require.NoError(t, err)
	return s
}

func (s *stage) create(path, content string) durable.File {
	f, err := s.Create(path, 0o600)
	require.NoError(s, err)
	write(s.T, f, content, 0)
	return f
}

func write(t *testing.T, f durable.File, content string, off int64) {
	_, err := f.WriteAt([]byte(content), off)
	require.NoError(t, err)
}

// named makes a segment whose name is not durable yet.
func (s *stage) named(path, content string) durable.File {
	f := s.create(path+".tmp", content)
	require.NoError(s, f.Sync())
	require.NoError(s, s.Rename(path+".tmp", path))
	return f
}

// segment makes a segment in the orderly way.
func (s *stage) segment(path, content string) durable.File {
	f := s.named(path, content)
	require.NoError(s, s.SyncDir(logDir))
	return f
}

// fail fails the next operation of a kind.
func (s *stage) fail(k faultfs.Kind, e faultfs.Effect) {
	done := false
	s.Intercept(func(op faultfs.Op) faultfs.Outcome {
		if op.Kind != k || done {
			return faultfs.Outcome{}
		}
		done = true
		return faultfs.Outcome{Err: syscall.EIO, Effect: e}
	})
}

func TestBreachesAreReported(t *testing.T) {
	cases := map[string]struct {
		want string // "": none
		act  func(*stage)
	}{
		"an orderly segment": {"", func(s *stage) {
			f := s.segment(first, "one")
			write(s.T, f, "two", 3)
			require.NoError(s, f.Sync())
			s.segment(second, "three")
		}},
		"a segment created by name":  {"by rename", func(s *stage) { s.create(first, "") }},
		"a name before its sync":     {"before its bytes were synced", func(s *stage) { s.create(first+".tmp", "a"); s.Rename(first+".tmp", first) }},
		"a durable name given again": {"name is durable", func(s *stage) { s.segment(first, "a"); s.segment(first, "b") }},
		"a removed segment":          {"was removed", func(s *stage) { s.segment(first, "a"); s.Remove(first) }},
		"a renamed segment":          {"lost its name", func(s *stage) { s.segment(first, "a"); s.Rename(first, "/log/x") }},
		"a changed byte":             {"bytes changed at offset 1", func(s *stage) { write(s.T, s.segment(first, "abc"), "x", 1) }},
		"a byte written again":       {"", func(s *stage) { write(s.T, s.segment(first, "abc"), "bcd", 1) }},
		"a hole":                     {"left out", func(s *stage) { write(s.T, s.segment(first, "abc"), "x", 4) }},
		"a sealed segment":           {"written to after", func(s *stage) { f := s.segment(first, "a"); s.segment(second, "b"); write(s.T, f, "c", 1) }},
		"a file without a name":      {"after it lost its name", func(s *stage) { f := s.create("/log/x", ""); s.Remove("/log/x"); write(s.T, f, "c", 0) }},
		"use after close":            {"read after close", func(s *stage) { f := s.create("/log/x", ""); f.Close(); f.ReadAt(nil, 0) }},
		"a change without the lock":  {"without the lock", func(s *stage) { s.FS = s.ProcessDeath(); s.create("/log/x", "") }},
		"a sync that a failed one hid": {"after a failed sync", func(s *stage) {
			f := s.segment(first, "a")
			write(s.T, f, "b", 1)
			s.fail(faultfs.Sync, faultfs.All)
			f.Sync()
			f.Sync()
		}},
		"bytes written after a failed sync": {"", func(s *stage) {
			f := s.segment(first, "a")
			write(s.T, f, "b", 1)
			s.fail(faultfs.Sync, faultfs.Nothing)
			require.Error(s, f.Sync())
			write(s.T, f, "b", 1)
			require.NoError(s, f.Sync())
			require.NoError(s, s.Durable(first, 2))
		}},
		"a name that its sync did not make durable": {"", func(s *stage) {
			s.fail(faultfs.SyncDir, faultfs.All)
			s.named(first, "a")
			require.Error(s, s.SyncDir(logDir))
			s.segment(first, "b")
		}},
		"a name that another's sync made durable": {"", func(s *stage) {
			s.fail(faultfs.SyncDir, faultfs.Nothing)
			s.named(first, "a")
			require.Error(s, s.SyncDir(logDir))
			require.NoError(s, s.SyncDir(logDir))
			s.segment(first, "b")
		}},
		"a durable name given again after a failed sync": {"name is durable", func(s *stage) {
			s.segment(first, "a")
			s.fail(faultfs.SyncDir, faultfs.Nothing)
			require.Error(s, s.SyncDir(logDir))
			s.segment(first, "b")
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			c.act(s)
			if c.want == "" {
				require.Empty(t, s.breaches)
				return
			}
			require.NotEmpty(t, s.breaches)
			require.Contains(t, s.breaches[0], c.want)
		})
	}
}

// images returns how often each content of a file is drawn, "absent" counted.
func (s *stage) images(path string, describe func(string) string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(400) {
		content, ok := s.PowerCut(seed).Files(logDir)[strings.TrimPrefix(path, logDir+"/")]
		if !ok {
			seen["absent"]++
			continue
		}
		seen[describe(string(content))]++
	}
	return seen
}

func same(content string) string { return content }

func TestSyncedSurvives(t *testing.T) {
	s := newStage(t)
	s.segment(first, "abc")
	require.NoError(t, s.Durable(first, 3))
	require.Equal(t, map[string]int{"abc": 400}, s.images(first, same))
	require.Equal(t, "boot-2", s.PowerCut(1).BootID())
}

func TestUnsyncedNamesMayGetLost(t *testing.T) {
	s := newStage(t)
	f := s.create("/log/x", "abc")
	require.NoError(t, f.Sync())
	require.Error(t, s.Durable("/log/x", 3))
	seen := s.images("/log/x", same)
	require.Len(t, seen, 2)
	require.Positive(t, seen["absent"])
	require.Positive(t, seen["abc"])

	require.NoError(t, s.SyncDir(logDir))
	require.NoError(t, s.Rename("/log/x", "/log/y"))
	require.NoError(t, s.Remove("/log/y"))
	seen = s.images("/log/x", same)
	require.Positive(t, seen["abc"], "rename and remove are lost")
	require.Positive(t, s.images("/log/y", same)["abc"], "remove is lost")
	for seed := range uint64(100) {
		require.LessOrEqual(t, len(s.PowerCut(seed).Files(logDir)), 1, "a rename is atomic")
	}
}

func TestUnsyncedBytesMayBeTorn(t *testing.T) {
	s := newStage(t)
	f := s.segment(first, strings.Repeat("a", 700))
	write(t, f, strings.Repeat("b", 1500), 700)
	require.NoError(t, s.Durable(first, 700))
	require.Error(t, s.Durable(first, 701))
	seen := s.images(first, func(content string) string {
		require.Equal(t, strings.Repeat("a", 700), content[:700])
		require.LessOrEqual(t, len(content), 2200)
		// One letter a sector: b written, 0 not written, - beyond the size.
		tail := ""
		for at := 700; at < 2200; at = at/512*512 + 512 {
			switch {
			case at >= len(content):
				tail += "-"
			case content[at] == 0:
				tail += "0"
			default:
				tail += "b"
			}
		}
		return tail
	})
	for _, want := range []string{"----", "bbbb", "b---", "0000", "bb00", "0bbb", "b0bb"} {
		require.Positive(t, seen[want], "%s of %v", want, seen)
	}
}

func TestOverwrittenBytesMayBeOfAnyVersion(t *testing.T) {
	s := newStage(t)
	f := s.create("/log/mark", "one")
	require.NoError(t, f.Sync())
	require.NoError(t, s.SyncDir(logDir))
	write(t, f, "two", 0)
	write(t, f, "six", 0)
	seen := s.images("/log/mark", same)
	require.Len(t, seen, 3)
	require.Positive(t, min(seen["one"], seen["two"], seen["six"]))
}

func TestFailedSyncLeavesBytesCleanAndUncertain(t *testing.T) {
	for effect, certain := range map[faultfs.Effect]bool{faultfs.Nothing: false, faultfs.All: true} {
		s := newStage(t)
		f := s.segment(first, "a")
		write(t, f, "b", 1)
		s.fail(faultfs.Sync, effect)
		require.Error(t, f.Sync())
		require.NoError(t, f.Sync(), "the error is told once")
		b := make([]byte, 2)
		_, err := f.ReadAt(b, 0)
		require.NoError(t, err)
		require.Equal(t, "ab", string(b))
		require.Equal(t, certain, s.Durable(first, 2) == nil)
		require.Equal(t, certain, s.images(first, same)["ab"] == 400)
		require.Equal(t, certain, s.ProcessDeath().Durable(first, 2) == nil)
	}
}

func TestSyncCoversWhatWasWrittenBeforeItBegan(t *testing.T) {
	s := newStage(t)
	f := s.segment(first, "a")
	write(t, f, "b", 1)
	s.Intercept(func(op faultfs.Op) faultfs.Outcome {
		if op.Kind == faultfs.Sync {
			write(t, f, "c", 2)
		}
		return faultfs.Outcome{}
	})
	require.NoError(t, f.Sync())
	require.NoError(t, s.Durable(first, 2))
	require.Error(t, s.Durable(first, 3))
	s.Intercept(nil)
	require.NoError(t, f.Sync())
	require.NoError(t, s.Durable(first, 3))
}

func TestFaultsHappenBeforeHalfOrAfter(t *testing.T) {
	for effect, want := range map[faultfs.Effect]string{faultfs.Nothing: "", faultfs.Half: "abc", faultfs.All: "abcdef"} {
		s := newStage(t)
		f := s.create("/log/x", "")
		s.fail(faultfs.Write, effect)
		n, err := f.WriteAt([]byte("abcdef"), 0)
		require.ErrorIs(t, err, syscall.EIO)
		require.Equal(t, len(want), n)
		require.Equal(t, want, string(s.Files(logDir)["x"]))

		s.fail(faultfs.Rename, effect)
		require.ErrorIs(t, s.Rename("/log/x", "/log/y"), syscall.EIO)
		require.Equal(t, effect == faultfs.All, s.Files(logDir)["y"] != nil)
	}
}

func TestSpaceEndsAndComesBack(t *testing.T) {
	s := newStage(t)
	f := s.create("/log/x", "12345")
	s.SetSpace(3)
	n, err := f.WriteAt([]byte("abcdef"), 4)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 4, n)
	require.Equal(t, "1234abcd", string(s.Files(logDir)["x"]))
	_, err = s.Create("/log/y", 0o600)
	require.ErrorIs(t, err, syscall.ENOSPC)
	write(t, f, "over", 0)
	require.NoError(t, s.Remove("/log/x"))
	s.create("/log/y", "12345678")
	s.SetSpace(-1)
	s.create("/log/z", strings.Repeat("z", 5000))
}

func TestProcessDeathKeepsWhatWasWritten(t *testing.T) {
	s := newStage(t)
	f := s.create("/log/x", "abc")
	next := s.ProcessDeath()
	require.Equal(t, "abc", string(next.Files(logDir)["x"]))
	require.Equal(t, s.BootID(), next.BootID())
	require.Error(t, next.Durable("/log/x", 3))
	write(t, f, "d", 3)
	require.Equal(t, "abc", string(next.Files(logDir)["x"]), "the two go separate ways")
	_, err := next.Lock(logDir)
	require.NoError(t, err)
	require.Empty(t, s.breaches)
}

func TestTurnedOffDoesNothing(t *testing.T) {
	s := newStage(t)
	f := s.create("/log/x", "abc")
	s.TurnOff()
	_, err := f.WriteAt([]byte("d"), 3)
	require.Error(t, err)
	require.Error(t, f.Sync())
	require.Error(t, s.Remove("/log/x"))
	require.Equal(t, "abc", string(s.Files(logDir)["x"]))
	require.True(t, s.Off())
	require.Empty(t, s.breaches)
}

func TestLockHeldByAnother(t *testing.T) {
	s := newStage(t)
	require.Equal(t, []string{"lock on log"}, s.OpenFiles())
	require.NoError(t, s.Mkdir("/other", 0o700))
	release, err := s.HoldLock("/other")
	require.NoError(t, err)
	_, err = s.Lock("/other")
	require.ErrorIs(t, err, durable.ErrLocked)
	release()
	_, err = s.Lock("/other")
	require.NoError(t, err)
}

func TestOutsideKeepsNoRules(t *testing.T) {
	s := newStage(t)
	f := s.segment(first, "abc")
	s.segment(second, "def")
	require.NoError(t, s.WriteOutside(first, []byte("x"), 1))
	require.Equal(t, map[string]int{"axc": 400}, s.images(first, same))
	require.NoError(t, s.RenameOutside(second, first))
	require.Equal(t, "def", string(s.Files(logDir)[strings.TrimPrefix(first, "/log/")]))
	write(t, f, "unaware", 3)
	info, err := f.Stat()
	require.NoError(t, err)
	require.Zero(t, info.Links)
	require.NoError(t, s.RemoveOutside(logDir))
	_, err = s.Stat(first)
	require.True(t, durable.IsNotExist(err))
	require.Empty(t, s.breaches)
}

func TestTruncatedOutside(t *testing.T) {
	s := newStage(t)
	f := s.segment(first, "abcdef")
	write(t, f, "ghi", 6)
	require.NoError(t, s.TruncateOutside(first, 4))
	require.Equal(t, map[string]int{"abcd": 400}, s.images(first, same))
	info, err := f.Stat()
	require.NoError(t, err)
	require.EqualValues(t, 4, info.Size)
	require.Empty(t, s.breaches)
	write(t, f, "jkl", 9)
	require.Len(t, s.breaches, 1, "the hole is the writer's fault")
}

func TestSymlinkIsNotFollowed(t *testing.T) {
	s := newStage(t)
	f := s.segment(first, "abc")
	require.NoError(t, s.SymlinkOutside(first))
	info, err := s.Stat(first)
	require.NoError(t, err)
	require.NotZero(t, info.Mode&fs.ModeSymlink)
	_, err = s.Open(first)
	require.ErrorIs(t, err, syscall.ELOOP)
	_, err = s.OpenWrite(first)
	require.ErrorIs(t, err, syscall.ELOOP)
	info, err = f.Stat()
	require.NoError(t, err)
	require.Zero(t, info.Links)
	require.NoError(t, s.Rename(first, first+".foreign"))
	require.Empty(t, s.breaches)
}

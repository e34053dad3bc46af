package chain_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// open opens the log in dir and abandons it at the end of the test, unless the
// test closes it.
func open(t *testing.T, o chain.Options) *chain.Writer {
	t.Helper()
	w, err := chain.Open(t.Context(), o)
	require.NoError(t, err)
	return w
}

// batch makes a batch of events whose bodies are {"n":"<text>"}.
func batch(texts ...string) *chain.Batch {
	b := new(chain.Batch)
	for _, s := range texts {
		b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%q}`, s))
	}
	return b
}

// write writes and syncs.
func write(t *testing.T, w *chain.Writer, texts ...string) {
	t.Helper()
	require.NoError(t, w.Write([]*chain.Batch{batch(texts...)}))
	require.NoError(t, w.Sync())
}

// segments returns the paths of the one log's segments in dir.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	require.NoError(t, err)
	return names
}

// read checks the log by the simplest rules, independent of the code for
// recovery, and returns what counts: `system type` or the text of an event.
func read(t *testing.T, dir string) []string {
	t.Helper()
	paths := segments(t, dir)
	var out []string
	var head chain.Head
	for i, p := range paths {
		name, ok := chain.ParseSegmentName(filepath.Base(p))
		require.True(t, ok)
		require.EqualValues(t, i+1, name.Ordinal)
		if i == 0 {
			id, ok := chain.ParseLogID(filepath.Base(filepath.Dir(p)))
			require.True(t, ok)
			head = chain.Genesis(id)
		}
		require.Equal(t, head.Seq+1, name.FirstSeq)
		until := ^uint64(0)
		if i+1 < len(paths) {
			next, _ := chain.ParseSegmentName(filepath.Base(paths[i+1]))
			until = next.FirstSeq
		}
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		for len(data) > 0 && head.Seq+1 < until {
			line, rest, ok := bytes.Cut(data, []byte("\n"))
			require.True(t, ok, "%s ends in a torn line", p)
			e, err := chain.ParseLine(line)
			require.NoError(t, err)
			require.NoError(t, e.Check(head))
			head, data = e.Head(), rest
			out = append(out, describe(t, e))
		}
	}
	return out
}

func describe(t *testing.T, e chain.Entry) string {
	t.Helper()
	if e.Kind == chain.Event {
		return strings.TrimSuffix(strings.TrimPrefix(string(e.Body), `{"n":"`), `"}`)
	}
	o, err := chain.ParseOpened(e.Body)
	require.NoError(t, err)
	if o.Type == chain.TypeOpened {
		return "opened " + o.Cause
	}
	return o.Type
}

// opened returns the newest segment's opening entry.
func opened(t *testing.T, dir string) chain.Opened {
	t.Helper()
	paths := segments(t, dir)
	data, err := os.ReadFile(paths[len(paths)-1])
	require.NoError(t, err)
	line, _, _ := bytes.Cut(data, []byte("\n"))
	e, err := chain.ParseLine(line)
	require.NoError(t, err)
	o, err := chain.ParseOpened(e.Body)
	require.NoError(t, err)
	return o
}

func TestCleanCloseContinues(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "audit")
	o := chain.Options{
		Directory: dir, Software: "test 1", Instance: "i-1",
		Config: chain.ConfigNote{Digest: "d", Settings: map[string]string{"flush.mode": "hybrid"}},
	}
	w := open(t, o)
	write(t, w, "a", "b")
	write(t, w, "c")
	require.NoError(t, w.Close())

	w = open(t, o)
	write(t, w, "d")
	require.Equal(t, w.Info().Head, w.Info().Synced)
	require.NoError(t, w.Close())

	require.Equal(t, []string{"opened created", "a", "b", "c", "closed", "opened start", "d", "closed"}, read(t, dir))
	got := opened(t, dir)
	require.Equal(t, "test 1", got.Software)
	require.Equal(t, "i-1", got.Instance)
	require.Equal(t, o.Config, got.Config)
	require.Equal(t, "tail", got.Checked)
	require.Empty(t, got.Cuts)
	first, err := os.Stat(segments(t, dir)[0])
	require.NoError(t, err)
	require.Equal(t, first.Size(), got.Previous.Length)
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	w := open(t, chain.Options{Directory: dir, DirectoryMode: 0o750, FileMode: 0o640, SealedMode: 0o440, MaxSize: 1})
	write(t, w, "a")
	w.Tidy() // the second segment is of a prepared file
	require.NoError(t, w.Rotate())
	w.Tidy()
	paths := segments(t, dir)
	require.Len(t, paths, 2)
	for path, want := range map[string]os.FileMode{
		dir: 0o750, filepath.Dir(paths[0]): 0o750, paths[0]: 0o440, paths[1]: 0o640,
		filepath.Join(filepath.Dir(paths[0]), "mark"): 0o640,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
	require.NoError(t, w.Close())
}

func TestAbandonedIsRecovered(t *testing.T) {
	for _, tt := range []struct {
		name string
		tear func(t *testing.T, newest string) // after the process died
		want []string                          // what counts of a, b and c
		cut  bool
	}{
		{name: "nothing lost", tear: func(*testing.T, string) {}, want: []string{"a", "b", "c"}},
		{name: "torn line", tear: func(t *testing.T, p string) { truncateBy(t, p, 5) }, want: []string{"a", "b"}, cut: true},
		{name: "line end lost", tear: func(t *testing.T, p string) { truncateBy(t, p, 1) }, want: []string{"a", "b"}, cut: true},
		{name: "zeros follow", tear: func(t *testing.T, p string) { appendTo(t, p, make([]byte, 700)) }, want: []string{"a", "b", "c"}, cut: true},
		{name: "garbage follows", tear: func(t *testing.T, p string) { appendTo(t, p, []byte("{\"seq\":9}\n")) }, want: []string{"a", "b", "c"}, cut: true},
		{name: "a hole before good lines", tear: func(t *testing.T, p string) {
			data, err := os.ReadFile(p)
			require.NoError(t, err)
			data[bytes.Index(data, []byte(`"n":"b"`))] = 0
			require.NoError(t, os.WriteFile(p, data, 0o600))
		}, want: []string{"a"}, cut: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, chain.Options{Directory: dir})
			require.NoError(t, w.Write([]*chain.Batch{batch("a"), batch("b"), batch("c")}))
			require.NoError(t, w.Abandon())
			newest := segments(t, dir)[0]
			tt.tear(t, newest)
			before, err := os.ReadFile(newest)
			require.NoError(t, err)

			for range 2 { // the second opening finds what the first left
				w = open(t, chain.Options{Directory: dir})
				require.NoError(t, w.Abandon())
			}
			after, err := os.ReadFile(newest)
			require.NoError(t, err)
			require.Equal(t, before, after, "no byte of the torn segment changes")
			want := append([]string{"opened created"}, tt.want...)
			require.Equal(t, append(want, "opened start", "opened start"), read(t, dir))

			data, err := os.ReadFile(segments(t, dir)[1])
			require.NoError(t, err)
			line, _, _ := bytes.Cut(data, []byte("\n"))
			e, err := chain.ParseLine(line)
			require.NoError(t, err)
			o, err := chain.ParseOpened(e.Body)
			require.NoError(t, err)
			if !tt.cut {
				require.Empty(t, o.Cuts)
				return
			}
			require.Len(t, o.Cuts, 1)
			c := o.Cuts[0]
			require.Equal(t, chain.CutCrash, c.Cause)
			require.Equal(t, filepath.Base(newest), c.Segment)
			require.Equal(t, int64(len(before)), c.Offset+c.Length)
			require.Equal(t, o.Previous.Length, c.Offset)
			require.Equal(t, sum(before[c.Offset:]), c.SHA256)
		})
	}
}

func TestTamperedIsRefused(t *testing.T) {
	flip := func(t *testing.T, path, at string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		i := bytes.Index(data, []byte(at))
		require.GreaterOrEqual(t, i, 0)
		data[i+len(at)-1] ^= 1
		require.NoError(t, os.Chmod(path, 0o600))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	for _, tt := range []struct {
		name   string
		tamper func(t *testing.T, folder string, segs []string)
		reason string
	}{
		{"synced entry changed", func(t *testing.T, _ string, s []string) { flip(t, s[1], `"n":"b`) }, "hash does not match"},
		{"synced entries removed", func(t *testing.T, _ string, s []string) { truncateBy(t, s[1], 300) }, "shorter than its mark"},
		{"bytes after closed", func(t *testing.T, _ string, s []string) { appendTo(t, s[1], []byte("x")) }, "follow the closed entry"},
		{"opening entry changed", func(t *testing.T, _ string, s []string) { flip(t, s[1], `"type":"opened`) }, "hash does not match"},
		{"newest removed", func(t *testing.T, _ string, s []string) { require.NoError(t, os.Remove(s[1])) }, "shorter than its mark"},
		{"first removed", func(t *testing.T, _ string, s []string) { require.NoError(t, os.Remove(s[0])) }, "ordinal 1 should stand here"},
		{"all removed", func(t *testing.T, _ string, s []string) {
			require.NoError(t, os.Remove(s[0]))
			require.NoError(t, os.Remove(s[1]))
		}, "a mark and no segment"},
		{"sealed lengthened", func(t *testing.T, _ string, s []string) { appendTo(t, s[0], []byte("x\n")) }, "does not declare as cut"},
		{"sealed shortened", func(t *testing.T, _ string, s []string) { truncateBy(t, s[0], 1) }, "vouches for"},
		{"sealed end changed", func(t *testing.T, _ string, s []string) { flip(t, s[0], `"n":"a"}}`) }, "no entry ends here"},
		{"ordinal zero added", func(t *testing.T, folder string, _ []string) {
			require.NoError(t, os.WriteFile(filepath.Join(folder, "0000000000-00000000000000000001.jsonl"), nil, 0o600))
		}, "no segment can have"},
		{"log copied beside", func(t *testing.T, folder string, s []string) {
			other := filepath.Join(filepath.Dir(folder), strings.Repeat("0", 32))
			require.NoError(t, os.Mkdir(other, 0o700))
			data, err := os.ReadFile(s[0])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(other, filepath.Base(s[0])), data, 0o600))
		}, "none of these logs names another"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, chain.Options{Directory: dir})
			write(t, w, "a")
			require.NoError(t, w.Rotate())
			write(t, w, "b")
			require.NoError(t, w.Close())
			segs := segments(t, dir)
			tt.tamper(t, filepath.Dir(segs[0]), segs)
			before := snapshot(t, dir)

			_, err := chain.Open(t.Context(), chain.Options{Directory: dir})
			var tampered *chain.TamperError
			require.ErrorAs(t, err, &tampered)
			require.ErrorContains(t, err, tt.reason)
			require.NotEmpty(t, verifyFaults(t, dir))
			require.Equal(t, before, snapshot(t, dir), "nothing is repaired")

			w = open(t, chain.Options{Directory: dir, OnTampering: chain.TamperNewLog})
			write(t, w, "c")
			id := w.Info().LogID
			require.NoError(t, w.Close())
			w = open(t, chain.Options{Directory: dir})
			require.Equal(t, id, w.Info().LogID, "the new log is the one that goes on")
			require.NoError(t, w.Close())
		})
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir, MaxSize: 1500, MaxAge: time.Hour})
	_, due := w.RotateIn()
	require.False(t, due, "a segment with only system entries does not rotate")
	write(t, w, "a")
	in, due := w.RotateIn()
	require.True(t, due)
	require.InDelta(t, time.Hour, in, float64(time.Minute))
	for in > 0 {
		write(t, w, "x")
		in, _ = w.RotateIn()
	}
	info, err := os.Stat(segments(t, dir)[0])
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(1499))
	require.NoError(t, w.Write([]*chain.Batch{batch("unsynced")}))
	require.NoError(t, w.Rotate())
	require.Equal(t, w.Info().Head, w.Info().Synced)
	require.EqualValues(t, 2, w.Info().Ordinal)
	_, due = w.RotateIn()
	require.False(t, due)
	require.NoError(t, w.Close())
	got := read(t, dir)
	require.Equal(t, []string{"unsynced", "opened rotation", "closed"}, got[len(got)-3:])
}

// What clients cause the log to say of itself must not grow a segment for ever.
func TestSystemEntriesRotateBySize(t *testing.T) {
	w := open(t, chain.Options{Directory: t.TempDir(), MaxSize: 1, MaxAge: time.Nanosecond})
	_, due := w.RotateIn()
	require.False(t, due, "nothing was added")
	b := new(chain.Batch)
	b.EndSystem(append(b.Buffer(), `{"v":1,"type":"refused","time":"2026-11-23T12:00:00Z"}`...))
	require.NoError(t, w.Write([]*chain.Batch{b}))
	in, due := w.RotateIn()
	require.True(t, due)
	require.Zero(t, in)
	require.NoError(t, w.Rotate())
	_, due = w.RotateIn()
	require.False(t, due)
	require.NoError(t, w.Close())
}

func TestRenew(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a")
	kept, dropped := batch("b", "c"), batch("refused")
	require.NoError(t, w.Write([]*chain.Batch{kept, dropped}))
	unsynced := w.Info().Unsynced
	require.NoError(t, w.Renew(errors.New("fdatasync: input/output error"), []*chain.Batch{kept}))
	require.Equal(t, w.Info().Head, w.Info().Synced)
	write(t, w, "d")
	require.NoError(t, w.Close())
	require.Equal(t, []string{
		"opened created", "a", "opened failover", "sync_failed", "b", "c", "d", "closed",
	}, read(t, dir))

	o := opened(t, dir)
	old, err := os.ReadFile(segments(t, dir)[0])
	require.NoError(t, err)
	require.Equal(t, []chain.Cut{{
		Segment: filepath.Base(segments(t, dir)[0]), Offset: o.Previous.Length, Length: unsynced,
		SHA256: sum(old[o.Previous.Length:]), Cause: chain.CutSyncFailed,
	}}, o.Cuts)
	w = open(t, chain.Options{Directory: dir})
	require.NoError(t, w.Close())
}

func TestTouchedFromOutside(t *testing.T) {
	for name, touch := range map[string]func(t *testing.T, path string){
		"unlinked": func(t *testing.T, p string) { require.NoError(t, os.Remove(p)) },
		"renamed":  func(t *testing.T, p string) { require.NoError(t, os.Rename(p, p+".away")) },
		"replaced": func(t *testing.T, p string) {
			require.NoError(t, os.Remove(p))
			require.NoError(t, os.WriteFile(p, []byte("{}\n"), 0o600))
		},
		"linked":      func(t *testing.T, p string) { require.NoError(t, os.Link(p, p+".link")) },
		"appended to": func(t *testing.T, p string) { appendTo(t, p, []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, chain.Options{Directory: dir})
			write(t, w, "a")
			touch(t, segments(t, dir)[0])
			b := batch("b")
			if name != "appended to" {
				require.NoError(t, w.Write([]*chain.Batch{b}))
			}
			err := w.Sync()
			var touched *chain.TouchedError
			require.ErrorAs(t, err, &touched)
			require.Error(t, w.Sync(), "a failed sync is final")
			require.Error(t, w.Write([]*chain.Batch{b}))
			require.NoError(t, w.Renew(err, []*chain.Batch{b}))
			require.NoError(t, w.Close())
			require.Equal(t, []string{"opened created", "a", "opened failover", "touched", "b", "closed"}, read(t, dir))
			w = open(t, chain.Options{Directory: dir})
			require.NoError(t, w.Close())
		})
	}
}

// What was removed while the writer was at work and can't be copied back is
// recorded: the next start accepts exactly that, and verify calls it broken.
func TestRemovedFromOutside(t *testing.T) {
	for _, tt := range []struct {
		name    string
		touch   func(t *testing.T, dir string, segs []string)
		missing int // segments
	}{
		{"newest shortened", func(t *testing.T, _ string, s []string) { truncateBy(t, s[1], 7) }, 1},
		{"log folder removed", func(t *testing.T, _ string, s []string) {
			require.NoError(t, os.RemoveAll(filepath.Dir(s[0])))
		}, 1},
		{"directory removed", func(t *testing.T, dir string, _ []string) { require.NoError(t, os.RemoveAll(dir)) }, 1},
		{"directory swapped for an empty one", func(t *testing.T, dir string, _ []string) {
			require.NoError(t, os.Rename(dir, dir+".away"))
			require.NoError(t, os.Mkdir(dir, 0o700))
		}, 1},
		{"first segment removed with the newest", func(t *testing.T, _ string, s []string) {
			require.NoError(t, os.Remove(s[0]))
			require.NoError(t, os.Remove(s[1]))
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "audit")
			w := open(t, chain.Options{Directory: dir})
			write(t, w, "a")
			require.NoError(t, w.Rotate())
			write(t, w, "b")
			tt.touch(t, dir, segments(t, dir))
			c := batch("c")
			err := w.Write([]*chain.Batch{c})
			if err == nil {
				err = w.Sync()
			}
			var touched *chain.TouchedError
			require.ErrorAs(t, err, &touched)
			require.NoError(t, w.Renew(err, []*chain.Batch{c}))
			write(t, w, "d")
			require.NoError(t, w.Close())
			_, marked := chain.ReadMark(osFS(), filepath.Dir(segments(t, dir)[0]), w.Info().LogID)
			require.True(t, marked, "the mark goes on, too")
			missing := opened(t, dir).Missing
			require.Len(t, missing, tt.missing)

			w = open(t, chain.Options{Directory: dir, VerifyOnStart: chain.VerifyFull})
			write(t, w, "e")
			require.Equal(t, missing, w.Info().Missing)
			require.NoError(t, w.Rotate())
			require.NoError(t, w.Close())
			require.Equal(t, missing, opened(t, dir).Missing, "repeated in later segments")
			faults := verifyFaults(t, dir)
			require.NotEmpty(t, faults)
			for _, f := range faults {
				require.NotEmpty(t, f.Recorded, f.String())
			}

			// Nothing else may be missing.
			s := segments(t, dir)
			require.NoError(t, os.Remove(s[len(s)-2]))
			_, err = chain.Open(t.Context(), chain.Options{Directory: dir})
			var tampered *chain.TamperError
			require.ErrorAs(t, err, &tampered)
		})
	}
}

func TestRecreatedDirectoryOfAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a")
	require.NoError(t, os.Rename(dir, dir+".away"))
	require.NoError(t, os.Mkdir(dir, 0o700))
	other, err := durable.OS().Lock(dir)
	require.NoError(t, err)
	err = w.Sync()
	var held *chain.HeldError
	require.ErrorAs(t, w.Renew(err, nil), &held)
	require.NoError(t, other.Unlock())
	require.NoError(t, w.Renew(err, nil))
	require.NoError(t, w.Close())
}

func TestCloseOfAFailedLog(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a")
	require.NoError(t, os.Remove(segments(t, dir)[0]))
	require.Error(t, w.Sync())
	require.Error(t, w.Close())
	require.NoError(t, w.Abandon(), "flush abandons after a Close that failed")
	_, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	var tampered *chain.TamperError
	require.ErrorAs(t, err, &tampered)
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	w.Closing()
	_, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	var held *chain.HeldError
	require.ErrorAs(t, err, &held)
	require.True(t, held.Closing)
	require.NoError(t, w.Close())
	w = open(t, chain.Options{Directory: dir})
	require.NoError(t, w.Close())
}

func TestSealedSegmentsAreBelievedUnlessAllIsVerified(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a", "b")
	require.NoError(t, w.Rotate())
	require.NoError(t, w.Close())
	path := segments(t, dir)[0]
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, bytes.Replace(data, []byte(`"n":"a"`), []byte(`"n":"A"`), 1), 0o600))

	w = open(t, chain.Options{Directory: dir})
	require.NoError(t, w.Close())
	require.Equal(t, "tail", opened(t, dir).Checked)
	_, err = chain.Open(t.Context(), chain.Options{Directory: dir, VerifyOnStart: chain.VerifyFull})
	var tampered *chain.TamperError
	require.ErrorAs(t, err, &tampered)
	require.EqualValues(t, 2, tampered.Fault.Seq)
	require.Equal(t, 2, tampered.Fault.Line)
	require.Equal(t, filepath.Base(path), tampered.Fault.Segment)
}

// A process that dies at any byte of what it was writing loses nothing that was
// synced, and nothing that was whole.
func TestCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a")
	require.NoError(t, w.Write([]*chain.Batch{batch("b"), batch("c")}))
	require.NoError(t, w.Abandon())
	path := segments(t, dir)[0]
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	mark, err := os.ReadFile(filepath.Join(filepath.Dir(path), "mark"))
	require.NoError(t, err)
	for n := bytes.Index(whole, []byte(`"n":"a"}}`)) + 10; n <= len(whole); n++ {
		cut := filepath.Join(t.TempDir(), filepath.Base(filepath.Dir(path)))
		require.NoError(t, os.Mkdir(cut, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(cut, filepath.Base(path)), whole[:n], 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(cut, "mark"), mark, 0o600))
		w, err := chain.Open(t.Context(), chain.Options{Directory: filepath.Dir(cut), FS: quick{osFS()}})
		require.NoError(t, err, "cut at byte %d", n)
		require.NoError(t, w.Abandon())
		got := read(t, filepath.Dir(cut))
		want := []string{"opened created", "a", "b", "c"}[:2+bytes.Count(whole[:n], []byte("\n"))-2]
		require.Equal(t, append(want, "opened start"), got, "cut at byte %d", n)
	}
}

// A log of a later version is not judged by this one's rules, and not called
// tampered with.
func TestLaterFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	require.NoError(t, w.Close())
	folder := filepath.Dir(segments(t, dir)[0])
	id, _ := chain.ParseLogID(filepath.Base(folder))
	genesis := chain.Genesis(id)
	body := fmt.Appendf(nil, `{"v":1,"type":"opened","time":"2026-11-23T12:00:00Z","log_id":"%s","ordinal":1,"format":2}`, id)
	require.NoError(t, os.Chmod(segments(t, dir)[0], 0o600))
	require.NoError(t, os.WriteFile(segments(t, dir)[0], systemLine(genesis, body), 0o600))
	require.NoError(t, os.Remove(filepath.Join(folder, "mark")))

	_, err := chain.Open(t.Context(), chain.Options{Directory: dir, OnTampering: chain.TamperNewLog})
	var later *chain.FormatError
	require.ErrorAs(t, err, &later)
	require.Equal(t, 2, later.Format)
	_, err = chain.Verify(t.Context(), durable.OS(), folder, chain.VerifyOptions{})
	require.ErrorAs(t, err, &later)
}

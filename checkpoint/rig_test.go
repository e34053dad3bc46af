package checkpoint_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const directory = "/var/audit"

// rig is a log with a notary on a file system that fails as told. It is used in a
// synctest bubble.
type rig struct {
	t      *testing.T
	fs     *faultfs.FS
	o      checkpoint.Options
	w      *chain.Writer
	n      *checkpoint.Notary
	tamper chain.TamperPolicy
	events atomic.Int64
	// writing is full while somebody writes; capacity 1.
	writing chan struct{}

	mu      sync.Mutex
	known   []checkpoint.Record // that left the process, of this and earlier ones
	states  []checkpoint.State
	notices []string
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, fs: faultfs.New(t, directory), writing: make(chan struct{}, 1)}
	r.o = checkpoint.Options{Key: key(t), Interval: time.Second, Heartbeat: time.Minute}
	return r
}

// bubble runs a test with a rig.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() {
			if r.w != nil {
				r.w.Abandon()
			}
			synctest.Wait()
		}()
		test(t, r)
		if r.w != nil {
			require.NoError(t, r.w.Abandon())
			r.w = nil
		}
		synctest.Wait()
		if !r.fs.Off() {
			require.Empty(t, r.fs.OpenFiles())
		}
	})
}

// on goes on with another file system, after a crash.
func (r *rig) on(fs *faultfs.FS) *rig {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := &rig{t: r.t, fs: fs, o: r.o, tamper: r.tamper, writing: make(chan struct{}, 1), known: append([]checkpoint.Record(nil), r.known...)}
	next.events.Store(r.events.Load())
	return next
}

func (r *rig) tryOpen() error {
	o := r.o
	o.FS = r.fs
	o.Signed = func(c checkpoint.Record) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.known = append(r.known, c)
	}
	o.OnState = func(s checkpoint.State) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.states = append(r.states, s)
	}
	o.Notice = func(n chain.Notice) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notices = append(r.notices, n.Text)
	}
	r.n = checkpoint.NewNotary(o)
	w, err := chain.Open(r.t.Context(), chain.Options{
		Directory: directory, FS: r.fs, BootID: r.fs.BootID(), Software: "test", OnTampering: r.tamper,
		Anchor: r.n.Anchor, Synced: r.n.Synced, LetGo: r.n.LetGo,
	})
	if err != nil {
		return err
	}
	r.w = w
	return r.n.Begin(w.Info())
}

func (r *rig) open() {
	r.t.Helper()
	require.NoError(r.t, r.tryOpen())
	synctest.Wait()
}

// write adds n events; they are synced.
func (r *rig) write(n int) error {
	b := new(chain.Batch)
	for range n {
		b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, r.events.Add(1)))
	}
	r.writing <- struct{}{}
	defer func() { <-r.writing }()
	err := r.w.Write([]*chain.Batch{b})
	if err == nil {
		err = r.w.Sync()
	}
	if err != nil && !r.fs.Off() {
		err = r.w.Renew(err, []*chain.Batch{b})
	}
	return err
}

func (r *rig) append(n int) {
	r.t.Helper()
	require.NoError(r.t, r.write(n))
}

// sign waits until everything synced is signed.
func (r *rig) sign() {
	r.t.Helper()
	require.NoError(r.t, r.n.Cover(r.t.Context(), r.w.Info().Synced.Seq))
	synctest.Wait()
}

func (r *rig) close() {
	r.t.Helper()
	r.writing <- struct{}{}
	require.NoError(r.t, r.w.Close())
	<-r.writing
	r.w = nil
	synctest.Wait()
}

func (r *rig) folder() string {
	r.t.Helper()
	folder, err := chain.FindLog(r.fs, directory)
	require.NoError(r.t, err)
	return folder
}

func (r *rig) verifier() *checkpoint.Verifier {
	id, ok := chain.ParseLogID(filepath.Base(r.folder()))
	require.True(r.t, ok)
	return verifierOf(r.t, r.o.Key, id)
}

func (r *rig) file() checkpoint.File {
	r.t.Helper()
	f, err := checkpoint.ReadFile(r.fs, r.folder())
	require.NoError(r.t, err)
	return f
}

func (r *rig) last() checkpoint.Record {
	r.t.Helper()
	f := r.file()
	require.NotEmpty(r.t, f.Records)
	return f.Records[len(f.Records)-1]
}

func (r *rig) state() checkpoint.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.states) == 0 {
		return checkpoint.State{}
	}
	return r.states[len(r.states)-1]
}

// check verifies the log, and that every checkpoint in its file, and every one that
// ever left a process, is of entries that it holds.
func (r *rig) check(story ...any) {
	r.t.Helper()
	what := fmt.Sprint(story...)
	file := r.file()
	r.mu.Lock()
	known := append([]checkpoint.Record(nil), r.known...)
	r.mu.Unlock()
	all := append(file.Records, known...)
	var sizes []uint64
	for _, c := range all {
		sizes = append(sizes, c.Size)
	}
	roots := checkpoint.NewRoots(sizes)
	report, err := chain.Verify(r.t.Context(), r.fs, r.folder(), chain.VerifyOptions{Fold: roots, Workers: 1, Lock: chain.LockFree})
	require.NoError(r.t, err, what)
	require.Empty(r.t, report.Faults, what)
	v := r.verifier()
	var before uint64
	for _, c := range all {
		require.LessOrEqual(r.t, c.Size, report.Head.Seq, what)
		want, ok := roots.Root(c.Size)
		require.True(r.t, ok, what)
		require.Equal(r.t, want, c.Root, what)
		_, _, err := v.Open(c.Note)
		require.NoError(r.t, err, what)
	}
	for _, c := range file.Records {
		require.GreaterOrEqual(r.t, c.Size, before, what)
		before = c.Size
	}
	for _, k := range known {
		found := false
		for _, c := range file.Records {
			found = found || string(c.Note) == string(k.Note)
		}
		require.True(r.t, found, "a checkpoint that left the process is not in the file: "+what)
	}
}

// root is the root of the log's first entries, as golang.org/x/mod computes it.
func (r *rig) root(size uint64) tlog.Hash {
	r.t.Helper()
	reader, err := chain.OpenReader(r.fs, r.folder(), chain.ReadOptions{Lock: chain.LockFree})
	require.NoError(r.t, err)
	defer reader.Close()
	var hashes []chain.Hash
	for range size {
		l, err := reader.Next()
		require.NoError(r.t, err)
		hashes = append(hashes, l.Hash)
	}
	root, err := tlog.TreeHash(int64(size), treeOf(r.t, hashes))
	require.NoError(r.t, err)
	return root
}

package witness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/proof"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Grace is how long the witnesses that the quorum does not need are waited for,
// so that their cosignatures stand in the same note.
const Grace = time.Second

// Delays before a witness that did not answer is asked again, growing.
const (
	firstDelay   = time.Second
	longestDelay = time.Minute
)

// PanelOptions are a log's witnesses. Directory, Key, Members and Policy must
// be set.
type PanelOptions struct {
	FS        durable.FS
	Directory string      // that holds the log's folder
	FileMode  fs.FileMode // of the file tree; 0: 0600
	Key       *checkpoint.PublicKey
	Members   []Member
	Policy    *policy.Policy // its quorum is what Cosign and Wait are satisfied by
	Notice    func(chain.Notice)
}

// Member is a witness of a panel.
type Member struct {
	Client   *Client
	Verifier note.Verifier
}

// Panel is all witnesses of a log, asked at once. It implements
// [checkpoint.Witnesses]: Latest and Cosign are called from one goroutine.
type Panel struct {
	o       PanelOptions
	tail    proof.Tail
	members []*member

	closed atomic.Bool
	treeMu sync.Mutex // guards both below
	tree   *proof.Tree
	of     string // origin

	mu       sync.Mutex // guards all below
	last     uint64     // synced entry
	cosigned uint64     // size that the quorum has cosigned
	grown    chan struct{}
}

var _ checkpoint.Witnesses = (*Panel)(nil)

// member is one witness and what is known of it.
type member struct {
	Member
	size  int64 // of its newest checkpoint, as far as known
	delay time.Duration
	after time.Time // not asked before
	told  string    // the last error that was told
}

// NewPanel asks nobody yet.
func NewPanel(o PanelOptions) *Panel {
	if o.FS == nil {
		o.FS = durable.OS()
	}
	if o.Notice == nil {
		o.Notice = func(chain.Notice) {}
	}
	p := &Panel{o: o, grown: make(chan struct{})}
	for _, m := range o.Members {
		p.members = append(p.members, &member{Member: m, delay: firstDelay})
	}
	return p
}

// Close closes files and connections; no file is touched after it. What is under
// way fails.
func (p *Panel) Close() error {
	p.closed.Store(true)
	for _, m := range p.members {
		m.Client.Close()
	}
	p.treeMu.Lock()
	defer p.treeMu.Unlock()
	if p.tree == nil {
		return nil
	}
	t := p.tree
	p.tree, p.of = nil, ""
	return t.Close()
}

var errClosed = errors.New("the log is being closed")

// Append takes the hashes of synced entries, as [chain.Options.Synced] is told
// them. It is cheap.
func (p *Panel) Append(first uint64, hashes []chain.Hash) {
	p.tail.Append(first, hashes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = first + uint64(len(hashes)) - 1
}

// Wait returns when the quorum has cosigned a checkpoint of at least so many
// entries, or the context ends.
func (p *Panel) Wait(ctx context.Context, size uint64) error {
	for {
		p.mu.Lock()
		done, grown := p.cosigned >= size, p.grown
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-grown:
		}
	}
}

// Latest implements [checkpoint.Witnesses]: what the witness tells and, if it
// tells nothing, the size by which it refuses the checkpoint of size 0.
func (p *Panel) Latest(ctx context.Context, origin string, empty []byte) ([]checkpoint.Seen, error) {
	v, err := p.o.Key.For(origin)
	if err != nil {
		return nil, err
	}
	seen := make([]checkpoint.Seen, len(p.members))
	errs := make([]error, len(p.members))
	var all sync.WaitGroup
	for i, m := range p.members {
		all.Go(func() { seen[i], errs[i] = m.latest(ctx, origin, v.Note, empty) })
	}
	all.Wait()
	return seen, errors.Join(errs...)
}

func (m *member) latest(ctx context.Context, origin string, log note.Verifier, empty []byte) (checkpoint.Seen, error) {
	seen := checkpoint.Seen{Witness: m.Client.Name()}
	c, text, err := m.Client.Latest(ctx, origin, log)
	var conflict *ConflictError
	switch {
	case err == nil:
		seen.Size, seen.Checkpoint = uint64(c.N), text
	case errors.Is(err, ErrNothing):
		// It knows nothing, or does not tell: its refusal of an old size does.
		if _, err = m.Client.Add(ctx, 0, nil, empty); errors.As(err, &conflict) {
			seen.Size, err = uint64(conflict.Size), nil
		}
	}
	if err != nil {
		return checkpoint.Seen{}, err
	}
	m.size = int64(seen.Size)
	return seen, nil
}

// outcome is what became of asking one member.
type outcome struct {
	m     *member
	lines []byte
	err   error
}

// Cosign implements [checkpoint.Witnesses]. It returns when all have answered, or
// the quorum has and the others had their [Grace]. With an error the note has the
// cosignatures that there are all the same.
func (p *Panel) Cosign(ctx context.Context, r checkpoint.Record) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan outcome, len(p.members))
	asked := 0
	var errs []error
	for _, m := range p.members {
		if wait := time.Until(m.after); wait > 0 {
			errs = append(errs, fmt.Errorf("witness %s is asked again in %s: %s", m.Client.Name(), wait.Round(time.Second), m.told))
			continue
		}
		asked++
		go func() {
			lines, err := p.ask(ctx, m, r)
			answers <- outcome{m, lines, err}
		}()
	}
	cosigned := r.Note
	var grace <-chan time.Time
	enough := false
	for ; asked > 0; asked-- {
		var a outcome
		select {
		case a = <-answers:
		case <-grace:
			cancel() // the rest answer at once
			grace = nil
			a = <-answers
		}
		if err := p.judge(a); err != nil {
			errs = append(errs, err)
			continue
		}
		cosigned = append(cosigned[:len(cosigned):len(cosigned)], a.lines...)
		if !enough && p.satisfied(cosigned) {
			enough = true
			p.reached(r.Size)
			t := time.NewTimer(Grace)
			defer t.Stop()
			grace = t.C
		}
	}
	p.release()
	other := (*checkpoint.InconsistentError)(nil)
	if err := errors.Join(errs...); !enough || errors.As(err, &other) {
		if err == nil {
			err = errors.New("the cosignatures are not those that the policy asks for")
		}
		return cosigned, err
	}
	return cosigned, nil
}

// judge sets when a member is asked again, and tells once what is wrong with it.
func (p *Panel) judge(a outcome) error {
	m := a.m
	if a.err == nil {
		m.delay, m.after, m.told = firstDelay, time.Time{}, ""
		return nil
	}
	m.after = time.Now().Add(m.delay)
	m.delay = min(2*m.delay, longestDelay)
	if text := a.err.Error(); text != m.told {
		m.told = text
		p.o.Notice(chain.Notice{Text: "a witness did not cosign", Attrs: map[string]any{"witness": m.Client.Name(), "error": text}})
	}
	return a.err
}

// satisfied tells whether a note's cosignatures are those that the policy asks for.
func (p *Panel) satisfied(text []byte) bool {
	var known []note.Verifier
	for _, m := range p.members {
		known = append(known, m.Verifier)
	}
	n, err := note.Open(text, note.VerifierList(known...))
	return err == nil && p.o.Policy.Quorum(n.Sigs) == nil
}

func (p *Panel) reached(size uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size <= p.cosigned {
		return
	}
	p.cosigned = size
	close(p.grown)
	p.grown = make(chan struct{})
}

// release lets go of what is held for proofs that nobody will ask for.
func (p *Panel) release() {
	least := int64(-1)
	for _, m := range p.members {
		if least < 0 || m.size < least {
			least = m.size
		}
	}
	p.tail.Release(uint64(max(least, 0)))
}

// ask has one member cosign, and returns its lines.
func (p *Panel) ask(ctx context.Context, m *member, r checkpoint.Record) ([]byte, error) {
	tree := tlog.Tree{N: int64(r.Size), Hash: r.Root}
	// A witness can have moved on once while it was asked, by the process before
	// this one; more often there is something else wrong.
	for range 3 {
		if m.size > tree.N {
			return nil, fmt.Errorf("witness %s has a checkpoint of size %d, newer than %d", m.Client.Name(), m.size, tree.N)
		}
		steps, err := p.prove(r.Origin, tree, m.size)
		if err != nil {
			return nil, err
		}
		signed, err := m.Client.Add(ctx, m.size, steps, r.Note)
		var conflict *ConflictError
		switch {
		case err == nil:
			m.size = tree.N
			return signed[len(r.Note):], nil
		case errors.Is(err, ErrProof):
			// The proof was checked: what differs is what the witness saw.
			return nil, &checkpoint.InconsistentError{Witness: m.Client.Name(), Err: err}
		case !errors.As(err, &conflict):
			return nil, err
		case conflict.Size == m.size && m.size == tree.N, conflict.Size > p.synced():
			return nil, &checkpoint.InconsistentError{Witness: m.Client.Name(), Err: err}
		case conflict.Size == m.size:
			return nil, err
		}
		m.size = conflict.Size
	}
	return nil, fmt.Errorf("witness %s tells another size each time", m.Client.Name())
}

func (p *Panel) synced() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.last)
}

func (p *Panel) prove(origin string, tree tlog.Tree, old int64) (tlog.TreeProof, error) {
	p.treeMu.Lock()
	defer p.treeMu.Unlock()
	if p.closed.Load() {
		return nil, errClosed
	}
	if p.of != origin {
		_, id, ok := checkpoint.SplitOrigin(origin)
		if !ok {
			return nil, fmt.Errorf("%q is no origin of a log", origin)
		}
		if p.tree != nil {
			if err := p.tree.Close(); err != nil {
				return nil, err
			}
			p.tree, p.of = nil, ""
		}
		t, err := proof.Open(proof.Options{
			FS: p.o.FS, Folder: filepath.Join(p.o.Directory, id.String()), Keep: true, FileMode: p.o.FileMode, Tail: &p.tail, Stop: p.closed.Load,
			// What is read is synced, though the mark, which follows a sync, may not say so yet.
			Read: chain.ReadOptions{Lock: chain.LockHeld, Unsynced: true},
		})
		if err != nil {
			return nil, err
		}
		p.tree, p.of = t, origin
	}
	return p.tree.Consistency(tree, old)
}

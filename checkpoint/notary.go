package checkpoint

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Options configure a Notary. Key and Interval must be set.
type Options struct {
	FS       durable.FS  // nil: the operating system's
	FileMode fs.FileMode // of files made; 0: 0600
	Key      *Key

	Interval  time.Duration // between checkpoints, while entries come
	Heartbeat time.Duration // between checkpoints of the same size, while none come; 0: as Interval

	// Copies are folders, best on other machines, that get the newest checkpoint as
	// `<log id>.checkpoint`. What they have is asked when the log is opened.
	Copies []string
	// Epochs make the keys forward secure; nil: there are none.
	Epochs *EpochOptions
	// Witnesses cosign checkpoints; nil: there are none.
	Witnesses Witnesses

	// Signed is told of each checkpoint that is signed and synced, and again when it
	// was cosigned, one at a time; nil: nobody is. It must return soon.
	Signed func(Record)
	// OnState is told of each change of State, one at a time; nil: nobody is.
	OnState func(State)
	// Notice takes what an operator should know; nil drops it.
	Notice func(chain.Notice)
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = durable.OS()
	}
	if o.FileMode == 0 {
		o.FileMode = 0o600
	}
	if o.Heartbeat < o.Interval {
		o.Heartbeat = o.Interval
	}
	if o.Signed == nil {
		o.Signed = func(Record) {}
	}
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	if o.Notice == nil {
		o.Notice = func(chain.Notice) {}
	}
	return o
}

// Notary signs the checkpoints of one log while a [chain.Writer] adds to it. Its
// methods Anchor, Synced and LetGo are that writer's options.
type Notary struct {
	o     Options
	queue queue
	valve *valve
	wake  chan struct{} // capacity 1: there is much to hash
	ask   chan struct{} // capacity 1: sign now

	// Set by the opening of the log, before run begins.
	verifier *Verifier
	pen      *pen
	anchor   *Record // the newest checkpoint with a signature of our key; nil: none
	foreign  error   // why the newest record is none of ours; nil: it is
	grower   grower
	journal  journal

	// Owned by run.
	begun    bool    // the tree is as far as the log was when it was opened
	entered  bool    // all was asked that must be before anything is signed
	last     *Record // the newest that was signed
	lastAt   time.Time
	unsynced bool // last is not synced yet
	told     State
	keys     *keyStore      // nil: keys are not forward secure, or not read yet
	begins   uint64         // the entry that begins the pending epoch; 0: not known
	others   sync.WaitGroup // goroutines that run started
	turnedAt time.Time      // when the epoch began; zero: none has since the log was opened
	copier   *copier
	cosigner *cosigner

	finish chan struct{} // closed when nothing is to be signed any more, but once if final
	done   chan struct{} // closed when run has ended

	mu      sync.Mutex // guards all below
	stats   Stats
	running bool // Begin was called
	final   bool
	synced  *Record       // the newest that is signed and synced
	at      time.Time     // when it was
	more    chan struct{} // closed when synced changes
}

// NewNotary returns a Notary for one opening of a log.
func NewNotary(o Options) *Notary {
	return &Notary{
		o: o.withDefaults(), valve: newValve(), wake: make(chan struct{}, 1), ask: make(chan struct{}, 1),
		finish: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}),
	}
}

// Anchor is [chain.Options.Anchor]: the newest entry that a checkpoint of this key
// in the log's folder vouches for.
func (n *Notary) Anchor(folder string, id chain.LogID) (chain.Head, error) {
	if err := n.attach(folder, id); err != nil {
		return chain.Head{}, err
	}
	r, foreign, err := newestRecord(n.o.FS, folder, n.verifier)
	if err != nil {
		return chain.Head{}, err
	}
	n.anchor, n.foreign = r, foreign
	if r == nil {
		return chain.Head{}, nil
	}
	return r.Head, nil
}

// attach names the log.
func (n *Notary) attach(folder string, id chain.LogID) error {
	v, err := n.o.Key.Public().For(Origin(n.o.Key.Name(), id))
	if err != nil {
		return err
	}
	n.verifier, n.pen = v, n.o.Key.pen(id)
	n.anchor, n.foreign = nil, nil
	n.grower.folder, n.grower.fsys, n.grower.queue = folder, n.o.FS, &n.queue
	n.journal = journal{fsys: n.o.FS, folder: folder, perm: n.o.FileMode, valve: n.valve, notice: n.o.Notice}
	return nil
}

// Synced is [chain.Options.Synced].
func (n *Notary) Synced(first uint64, hashes []chain.Hash) {
	if n.queue.add(first, hashes) {
		poke(n.wake)
	}
}

// poke sends if nothing waits in c, which has capacity 1.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Begin starts signing for the log that a writer with this Notary's methods has
// opened. LetGo ends it.
func (n *Notary) Begin(log chain.Info) error {
	if n.verifier == nil || n.grower.folder != log.Folder { // the log was just made
		if err := n.attach(log.Folder, log.LogID); err != nil {
			return err
		}
	}
	n.mu.Lock()
	n.stats.At, n.running = time.Now(), true
	n.mu.Unlock()
	go n.run()
	return nil
}

// Sign asks for a checkpoint without waiting for the interval. It does not wait.
func (n *Notary) Sign() { poke(n.ask) }

// Cover returns when a checkpoint of at least this size is signed and synced, or
// with an error when ctx ends or nothing is signed any more.
func (n *Notary) Cover(ctx context.Context, size uint64) error {
	for {
		n.mu.Lock()
		r, more := n.synced, n.more
		n.mu.Unlock()
		if r != nil && r.Size >= size {
			return nil
		}
		n.Sign()
		select {
		case <-more:
		case <-n.done:
			return errStopped
		case <-ctx.Done():
			return fmt.Errorf("couldn't wait for a checkpoint of size %d: %w", size, ctx.Err())
		}
	}
}

// Stats describe what a Notary did.
type Stats struct {
	Signed   uint64    // checkpoints that were signed and synced
	Failures uint64    // attempts that failed
	Size     uint64    // of the newest checkpoint, 0 if there is none yet
	At       time.Time // when it was signed; else when the Notary began
}

// Stats may be called at any time and waits for nothing.
func (n *Notary) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// Last returns the newest checkpoint that this Notary has signed and synced, and
// when; ok is false if there is none.
func (n *Notary) Last() (r Record, at time.Time, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.synced == nil {
		return Record{}, time.Time{}, false
	}
	return *n.synced, n.at, true
}

// letGoPatience is how long a log that was not closed in order waits for an
// operation on the file of checkpoints.
const letGoPatience = time.Second

// LetGo is [chain.Options.LetGo]. Of a log that was closed in order one more
// checkpoint is signed.
func (n *Notary) LetGo(closed bool) {
	n.mu.Lock()
	n.final = closed
	running := n.running
	n.mu.Unlock()
	close(n.finish)
	if running && closed {
		<-n.done
	}
	n.valve.shut(letGoPatience)
}

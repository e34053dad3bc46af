package flush

import "time"

// Batch is the encoded entries of one request. Neither number may change while a Committer has it.
type Batch interface {
	Len() int  // entries
	Size() int // bytes held in memory until synced
}

// Log is what a Committer needs of the log. There are never two Writes at once, nor two of the
// other calls; a Write may overlap a Sync, Tidy anything but Tidy, and nothing else anything. A batch
// is read only while a call that was given it runs.
type Log[B Batch] interface {
	// Write hands all batches, in order, to the operating system. After an error nothing more is
	// written before Renew.
	Write([]B) error
	// Sync makes durable what every Write wrote that returned before the call. After an error it is
	// not called again before Renew.
	Sync() error
	// RotateIn says when a rotation is due (d <= 0: now); !ok: none is foreseen. It does no I/O. It
	// is asked once at the start, after each Write, Rotate and Renew, and before a Rotate.
	RotateIn() (d time.Duration, ok bool)
	// Rotate seals the segment and opens the next. Everything written is synced before it is called;
	// after an error only Renew follows.
	Rotate() error
	// Renew gives up the segment because of cause and continues after the last synced entry in a new
	// one, which begins with keep. On nil everything in keep is synced; an error leaves things so
	// that it can be tried again.
	Renew(cause error, keep []B) error
	// Tidy does what no request need wait for. It is called at the start and after each Rotate and
	// Renew that returned nil, and nobody waits for it.
	Tidy()
	// Close ends a log of which everything written is synced.
	Close() error
	// Abandon writes nothing more and lets the log go. It follows a Close that failed, too.
	Abandon() error
}

// Mode says what must have happened to a request before it is acknowledged.
type Mode int

// The modes. The zero value is the default.
const (
	Hybrid    Mode = iota // critical requests are synced, routine ones written
	Immediate             // every request is synced
	Batched               // every request is written
)

// String returns the mode as it stands in the configuration.
func (m Mode) String() string {
	switch m {
	case Immediate:
		return "immediate"
	case Batched:
		return "batched"
	default:
		return "hybrid"
	}
}

// Options are the rules of a Committer.
type Options[B Batch] struct {
	Mode Mode
	// BatchSize is the number of entries that may be exposed at once.
	BatchSize int
	// BatchInterval is how long an entry is exposed before a sync is started for it.
	BatchInterval time.Duration
	// CriticalImmediate false makes Hybrid treat critical requests as routine.
	CriticalImmediate bool
	// SyncTimeout is how long a call of the Log may take before it is a stall; 0: for ever.
	SyncTimeout time.Duration
	// MaxInFlight bounds the bytes of all batches taken and not yet synced or dropped; 0: no bound.
	MaxInFlight int64
	// Gather is how many bytes of requests that all wait for a sync are held back while one runs, and
	// written at once when it ends; more are written meanwhile, as that takes long enough to be worth
	// it. 0: nothing is held back.
	Gather int64
	// Release is called exactly once for each batch given to Submit, refused ones included, when
	// neither the Committer nor the Log will read it again. synced: its entries are in the log and
	// synced; else they were refused or given up, and the log may hold them all the same. Its waiter may have been answered before.
	Release func(b B, synced bool)
	// OnState is called on every change of State, in order, one call at a time and under no lock.
	// It must return soon and call neither Submit nor Close.
	OnState func(State)
}

// waits says whether a request must be synced before it is acknowledged.
func (o *Options[B]) waits(critical bool) bool {
	switch o.Mode {
	case Immediate:
		return true
	case Batched:
		return false
	default:
		return critical && o.CriticalImmediate
	}
}

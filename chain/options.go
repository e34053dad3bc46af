package chain

import (
	"io/fs"
	"path/filepath"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// VerifyExtent is how much of a log is verified when it is opened.
type VerifyExtent uint8

// VerifyTail checks names and ordinals, the newest segment whole, the end and
// the opening entry of the one before, and the mark. VerifyFull checks all.
const (
	VerifyTail VerifyExtent = iota
	VerifyFull
)

func (v VerifyExtent) String() string {
	if v == VerifyFull {
		return "full"
	}
	return "tail"
}

// TamperPolicy is what opening does with a log that was tampered with.
type TamperPolicy uint8

// TamperRefuse returns a [*TamperError]. TamperNewLog begins a new log beside
// the old one, whose opening entry names the break.
const (
	TamperRefuse TamperPolicy = iota
	TamperNewLog
)

// Options configure a [Writer]. Directory must be set, all else may be zero.
type Options struct {
	Directory string
	FS        durable.FS // nil: the operating system's

	DirectoryMode fs.FileMode // of folders made; 0: 0700
	FileMode      fs.FileMode // of files made; 0: 0600
	SealedMode    fs.FileMode // of sealed segments, a courtesy; 0: 0400

	MaxSize int64         // bytes, after which a segment is due for rotation; 0: never
	MaxAge  time.Duration // since its birth, likewise

	VerifyOnStart VerifyExtent
	OnTampering   TamperPolicy

	// Software, Instance and Config stand in each opening entry.
	Software, Instance string
	Config             ConfigNote
	// BootID names the machine's boot; "": the system's. A log whose newest segment
	// is of the same boot, or of one not known, is written over itself when opened.
	BootID string

	// Anchor is asked, when a log is opened, for the newest of its entries that a
	// checkpoint vouches for: to lack it is tampering. A zero hash: only the sequence
	// number is known; number 0: there is none. nil: nobody is asked.
	Anchor func(folder string, id LogID) (Head, error)
	// LetGo is called once, when nothing is written any more and before the lock is
	// released, for who keeps a file beside the log to end its writes; nil: nobody
	// is. closed: the log was closed in order, and all of it is synced and told of.
	LetGo func(closed bool)
	// Synced is told the hashes of all entries that this Writer made, system
	// entries, too, from its first opening entry on: once the sync that covers them
	// has returned, in order, each once and never taken back. first is the sequence
	// number of the first of them; hashes may be read during the call only. It is
	// called from within the writer's methods and must return soon; nil: nobody is.
	Synced func(first uint64, hashes []Hash)
	// BeforeSync is called by each sync of entries, when it is settled which they are
	// and before they are synced: what they need beside the log is made durable. Its
	// error is the sync's. nil: they need nothing.
	BeforeSync func() error
	// KeepHashes makes [Batch.Hash] work.
	KeepHashes bool

	// Notice takes what an operator should know and nothing else tells; nil
	// drops it. It is called from within the writer's methods.
	Notice func(Notice)
}

// Notice is a message to the operator: a fixed text and attributes that never
// hold content of events.
type Notice struct {
	Text  string
	Attrs map[string]any
}

func (o Options) withDefaults() Options {
	o.Directory = filepath.Clean(o.Directory)
	if o.FS == nil {
		o.FS = durable.OS()
	}
	if o.DirectoryMode == 0 {
		o.DirectoryMode = 0o700
	}
	if o.FileMode == 0 {
		o.FileMode = 0o600
	}
	if o.SealedMode == 0 {
		o.SealedMode = 0o400
	}
	if o.BootID == "" {
		o.BootID = durable.BootID()
	}
	if o.Notice == nil {
		o.Notice = func(Notice) {}
	}
	return o
}

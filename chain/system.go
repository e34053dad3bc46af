package chain

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// SystemVersion is the "v" of every system event.
const SystemVersion = 1

// The types of system events that this version writes. A reader takes an
// unknown type as it is.
const (
	TypeOpened       = "opened"
	TypeClosed       = "closed"
	TypeDiskFull     = "disk_full"
	TypeWriteFailed  = "write_failed"
	TypeSyncFailed   = "sync_failed"
	TypeTouched      = "touched"
	TypeClockJumped  = "clock_jumped"
	TypeRefused      = "refused"
	TypeErased       = "erased"
	TypeOpeningsLost = "openings_lost"
)

// Causes of an opening entry.
const (
	CauseCreated  = "created"
	CauseStart    = "start"
	CauseRotation = "rotation"
	CauseFailover = "failover"
)

// Causes of a cut.
const (
	CutCrash       = "crash"
	CutWriteFailed = "write failed"
	CutSyncFailed  = "sync failed"
	CutTouched     = "touched from outside"
)

// SystemEvent is the members that every system event has.
type SystemEvent struct {
	V    int       `json:"v"`
	Type string    `json:"type"`
	Time time.Time `json:"time"` // by the writer's clock, which nobody vouches for
}

// Opened is the first entry of every segment.
type Opened struct {
	SystemEvent
	Cause    string     `json:"cause"`
	LogID    LogID      `json:"log_id"`
	Ordinal  uint64     `json:"ordinal"`
	Format   int        `json:"format"`
	Software string     `json:"software"`
	Instance string     `json:"instance,omitempty"`
	BootID   string     `json:"boot_id,omitempty"`
	Config   ConfigNote `json:"config"`
	// Previous is the segment before as the writer believes it to be: what
	// follows its length is cut. Absent in the first segment.
	Previous *Previous `json:"previous,omitempty"`
	// Checked says what was verified before: "tail" or "full" at a start, else absent.
	Checked string `json:"checked,omitempty"`
	Cuts    []Cut  `json:"cuts,omitempty"`
	// Missing is what was removed from outside while a writer was at work, from
	// the opening entry on that first tells of it.
	Missing  []Range     `json:"missing,omitempty"`
	Succeeds []Succeeded `json:"succeeds,omitempty"`
}

// ConfigNote is the configuration as an opening entry tells it, without secrets.
type ConfigNote struct {
	Digest   string            `json:"digest,omitempty"`   // 64 hex digits, SHA-256
	Settings map[string]string `json:"settings,omitempty"` // by YAML key
}

// Previous is the extent of a segment that its successor vouches for.
type Previous struct {
	Segment string `json:"segment"` // file name
	Length  int64  `json:"length"`  // bytes
	Head
}

// Cut is bytes of an earlier segment that do not count, and why.
type Cut struct {
	Segment string `json:"segment"` // file name
	Offset  int64  `json:"offset"`  // bytes
	Length  int64  `json:"length"`  // bytes
	SHA256  Hash   `json:"sha256"`
	Cause   string `json:"cause"`
}

// Range is bytes of an earlier segment that are gone.
type Range struct {
	Segment string `json:"segment"` // file name
	Offset  int64  `json:"offset"`  // bytes; at 0 all of the segment is gone
	Length  int64  `json:"length"`  // bytes, to the end of what counted
}

// Succeeded is a log beside this one, broken or given up by an operator, in whose
// place this one goes on.
type Succeeded struct {
	LogID LogID  `json:"log_id"`
	Fault string `json:"fault"`
	// Reason is an operator's. Head is the last entry that was left then, and
	// Checkpoint the last that was known, a signed note.
	Reason     string `json:"reason,omitempty"`
	Head       *Head  `json:"head,omitempty"`
	Checkpoint string `json:"checkpoint,omitempty"`
}

// Closed ends a segment whose writer shut down in order.
type Closed struct {
	SystemEvent
}

// ClockJumped says that the writer's wall clock was set.
type ClockJumped struct {
	SystemEvent        // Time is by the clock as it is after the jump
	By          string `json:"by"` // a Go duration, negative if the clock was set back
}

// Failure is a fault of the storage that the writer recovered from: one of the
// types [TypeDiskFull], [TypeWriteFailed], [TypeSyncFailed], [TypeTouched].
type Failure struct {
	SystemEvent
	Error    string    `json:"error"`
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"` // to open a new segment, the successful one included
}

// Refused tells of requests that were refused for good since the last such entry,
// or since one that could not be written. It may tell of one twice.
type Refused struct {
	SystemEvent
	Requests uint64 `json:"requests"`
	Records  uint64 `json:"records"` // of these requests
	// Listed are records of the latest of the requests, those for which it was
	// refused first. Without it the entry only counts.
	Listed []RefusedRecord `json:"listed,omitempty"`
}

// RefusedRecord is one of a refused request.
type RefusedRecord struct {
	ID      string   `json:"id,omitempty"`      // the record id, if it is short and printable ASCII
	SHA256  Hash     `json:"sha256"`            // the record's digest, event/FORMAT.md
	Invalid []string `json:"invalid,omitempty"` // what is wrong with it; nothing of its content
}

// Erased says that keys are to be destroyed, and all that is encrypted with them so
// erased. It stands in the log before they are.
type Erased struct {
	SystemEvent
	// Subject is a keyed hash of whom the erased values were about: withhold/FORMAT.md.
	Subject Hash `json:"subject"`
	// Keys are the ids of the keys, 32 hex digits, that events name.
	Keys   []string `json:"keys"`
	By     string   `json:"by,omitempty"` // who asked for it, and why, as they say
	Reason string   `json:"reason,omitempty"`
}

// OpeningsLost says that a crash took the openings of some events, none of which was
// synced when it came.
type OpeningsLost struct {
	SystemEvent
	Entries []SeqRange `json:"entries"`
}

// SeqRange is sequence numbers, both ends included.
type SeqRange struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// ParseErased reads an erased entry's body.
func ParseErased(body []byte) (Erased, error) { return parseSystem[Erased](body) }

// ParseOpeningsLost reads an openings_lost entry's body.
func ParseOpeningsLost(body []byte) (OpeningsLost, error) { return parseSystem[OpeningsLost](body) }

// ParseSystem reads the members common to all system events from a body.
func ParseSystem(body []byte) (SystemEvent, error) { return parseSystem[SystemEvent](body) }

// ParseOpened reads an opening entry's body.
func ParseOpened(body []byte) (Opened, error) { return parseSystem[Opened](body) }

// parseSystem refuses names that only look like those of the format: the decoder
// would take "Type", or "\u017Fucceeds", for a member it knows.
func parseSystem[T any](body []byte) (v T, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return v, err
	}
	for name := range members {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return v, errors.New("a member's name has other characters than a-z, 0-9 and _")
		}
	}
	err = json.Unmarshal(body, &v)
	return v, err
}

// marshalSystem encodes a system event of this package; their types can't fail.
func marshalSystem(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// journal is what the log's own entries tell of when it was open and how often
// checkpoints were to be signed.
type journal struct {
	opened []uint64 // sequence numbers of the entries at which a process began
	clock  []uint64 // of those, and of the entries that tell that the clock was set back
	every  []pace   // by sequence number

	key    string             // with which the newest opening entry says that the log signs, "" if it does not
	epochs *checkpoint.Epochs // nil if no key is known to sign this log
	faults []chain.Fault      // of epochs
}

// pace is the interval at which the log signs from an entry on, 0 for never.
type pace struct {
	from     uint64
	interval time.Duration
}

// keySetting is the key in an opening entry's settings of the log's verifier key.
const keySetting = "checkpoint.key"

// The keys in an opening entry's settings by which checkpoints are due: while
// entries come, and while none do.
var intervalSettings = []string{"checkpoint.interval", "checkpoint.heartbeat"}

func (j *journal) add(e chain.Entry) {
	if j.epochs != nil {
		if err := j.epochs.Add(e.Seq, e.Body); err != nil {
			j.faults = append(j.faults, chain.Fault{Seq: e.Seq, Reason: err.Error()})
		}
	}
	s, err := chain.ParseSystem(e.Body)
	if err == nil && s.Type == chain.TypeClockJumped {
		var jump chain.ClockJumped
		if json.Unmarshal(e.Body, &jump) == nil && strings.HasPrefix(jump.By, "-") {
			j.clock = append(j.clock, e.Seq)
		}
	}
	if err != nil || s.Type != chain.TypeOpened {
		return
	}
	o, err := chain.ParseOpened(e.Body)
	if err != nil {
		return
	}
	if o.Cause == chain.CauseStart || o.Cause == chain.CauseCreated {
		j.opened = append(j.opened, e.Seq)
		j.clock = append(j.clock, e.Seq)
	}
	j.key = o.Config.Settings[keySetting]
	p := pace{from: e.Seq}
	for _, setting := range intervalSettings {
		if d, err := time.ParseDuration(o.Config.Settings[setting]); err == nil {
			p.interval = max(p.interval, d)
		}
	}
	j.every = append(j.every, p)
}

// interval returns that which held at an entry.
func (j *journal) interval(seq uint64) time.Duration {
	i, _ := slices.BinarySearchFunc(j.every, seq, func(p pace, seq uint64) int {
		if p.from <= seq {
			return -1
		}
		return 1
	})
	if i == 0 {
		return 0
	}
	return j.every[i-1].interval
}

// started tells whether a process began at an entry after the first a, up to b.
func (j *journal) started(a, b uint64) bool { return anyWithin(j.opened, a, b) }

// clockSet tells whether the clock may have been set back there.
func (j *journal) clockSet(a, b uint64) bool { return anyWithin(j.clock, a, b) }

func anyWithin(seqs []uint64, a, b uint64) bool {
	i, _ := slices.BinarySearch(seqs, a+1)
	return i < len(seqs) && seqs[i] <= b
}

// Gap is a time for which a log that was open signed nothing, though it signs at
// least every Interval.
type Gap struct {
	Size     uint64        `json:"seq"` // entries covered before it
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Interval time.Duration `json:"interval_ns"`
}

// late is how much later than due a checkpoint may be: signing waits for a sync.
const late = time.Minute

const checkpointsFile = checkpoint.FileName

// unsealed says which epoch has no checkpoint at its end. The first seal is of
// what stood before the first epoch.
func unsealed(epoch int, size uint64) string {
	if epoch == 0 {
		return fmt.Sprintf("no checkpoint of the first %d entries, which the first epoch follows", size)
	}
	return fmt.Sprintf("epoch %d is not sealed: its key signed no checkpoint of the first %d entries", epoch, size)
}

// gaps returns the gaps between the log's own checkpoints, in order, by its own
// clock. A time in which no process had the log open is none.
func (j *journal) gaps(own []Statement) (found []Gap) {
	var before *Statement
	for i := range own {
		s := &own[i]
		if s.Own().IsZero() {
			continue
		}
		if before != nil {
			interval := j.interval(before.Size)
			if interval > 0 && s.Own().Sub(before.Own()) > 2*interval+late && !j.started(before.Size, s.Size) {
				found = append(found, Gap{Size: before.Size, From: before.Own(), To: s.Own(), Interval: interval})
			}
		}
		before = s
	}
	return found
}

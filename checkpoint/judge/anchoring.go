package judge

import (
	"slices"

	"github.com/otelaudit/auditexporter/checkpoint"
)

// Anchoring is how far checkpoints of trusted keys vouch for a log.
type Anchoring struct {
	// Checkpoints are those of the log's own file that a trusted key signed,
	// Foreign those that only others did; ForeignKeys are some of these.
	Checkpoints int      `json:"checkpoints"`
	Foreign     int      `json:"checkpoints_by_other_keys,omitempty"`
	ForeignKeys []string `json:"other_keys,omitempty"`
	Future      int      `json:"checkpoints_from_the_future,omitempty"` // anchor nothing
	// Damaged is what of the file is no record: a crash leaves such, too.
	Damaged    []checkpoint.Damage `json:"damaged,omitempty"`
	Matched    int                 `json:"matched"`
	Mismatched int                 `json:"mismatched,omitempty"`
	Omitted    int                 `json:"checkpoint_faults_omitted,omitempty"` // beyond those listed
	Epochs     int                 `json:"epochs,omitempty"`                    // that the log's entries begin
	// LogSays is the key with which the log says that it signs, if it does.
	LogSays string `json:"log_says_key,omitempty"`
	// Proven: entries 1 to Size are those that were signed and, if there is a policy, cosigned.
	Proven    Anchor  `json:"proven"`
	Witnessed *Anchor `json:"witnessed,omitempty"` // likewise, by another's clock; nil: nobody cosigned
	// Unproven is the end of an intact log for which no checkpoint vouches.
	Unproven *Span `json:"unproven,omitempty"`
	// FirstUntrusted is the first entry that can't be trusted; 0: nothing is wrong.
	FirstUntrusted uint64 `json:"first_untrusted,omitempty"`
	NoQuorum       string `json:"no_quorum,omitempty"`      // why a newer checkpoint does not count
	ClockBack      int    `json:"clock_set_back,omitempty"` // times that a checkpoint is of an earlier time than the one before
	Gaps           []Gap  `json:"gaps,omitempty"`
}

// Anchor is a head that is vouched for, and when that was.
type Anchor struct {
	Size  uint64 `json:"seq"`
	Clock *Clock `json:"clock,omitempty"` // the latest at this size
}

// Span is a range of sequence numbers.
type Span struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// advance goes on to a checkpoint of at least the size.
func (a *Anchor) advance(size uint64, times ...Clock) {
	if size > a.Size {
		*a = Anchor{Size: size}
	}
	for _, c := range times {
		if a.Clock == nil || c.Time.After(a.Clock.Time) {
			a.Clock = &c
		}
	}
}

// maxKeys is how many keys of others are listed.
const maxKeys = 10

func (r *Anchoring) foreign(keys []string) {
	for _, k := range keys {
		if len(r.ForeignKeys) < maxKeys && !slices.Contains(r.ForeignKeys, k) {
			r.ForeignKeys = append(r.ForeignKeys, k)
		}
	}
}

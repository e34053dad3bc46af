package judge

import (
	"errors"
	"fmt"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// Place is where a checkpoint was found.
type Place struct {
	File   string
	Offset int64 // bytes
}

// Statement is a checkpoint as its signatures show it.
type Statement struct {
	checkpoint.Checkpoint
	Place Place
	LogID chain.LogID
	// By checks what the log's key signs, if a key that is trusted has signed, else nil.
	By    *checkpoint.Verifier
	Times []Clock // of the cosignatures that are trusted, the log's own first
	// NoQuorum is why the policy is not satisfied; nil if it is, or if there is none.
	NoQuorum error
	Unknown  []string // other keys that signed

	refused bool // a key did not sign it that had to
}

// Clock is a time that somebody vouches for.
type Clock struct {
	Name string    `json:"name"` // of the key
	Own  bool      `json:"own"`  // it is the log's own
	Time time.Time `json:"time"`
}

// Own returns the time by the log's own clock, zero if there is none.
func (s *Statement) Own() time.Time {
	if len(s.Times) > 0 && s.Times[0].Own {
		return s.Times[0].Time
	}
	return time.Time{}
}

// Open parses a checkpoint that was found at a place and checks its signatures. A
// bad signature by a key that is trusted is an error, one by another key is not.
func (t *Trust) Open(at Place, msg []byte) (Statement, error) {
	c, err := checkpoint.Parse(msg)
	if err != nil {
		return Statement{Place: at}, err
	}
	return t.open(at, c)
}

func (t *Trust) open(at Place, c checkpoint.Checkpoint) (Statement, error) {
	s := Statement{Checkpoint: c, Place: at}
	var ok bool
	if _, s.LogID, ok = checkpoint.SplitOrigin(c.Origin); !ok {
		return s, fmt.Errorf("couldn't use checkpoint: %q is not the origin of a log", c.Origin)
	}
	vs := t.verifiers(c.Origin)
	n, err := note.Open(c.Note, note.VerifierList(vs.all...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n = unverified.Note
	} else if err != nil {
		return s, fmt.Errorf("couldn't verify checkpoint: %w", err)
	}
	for _, sig := range n.Sigs {
		by, timed := vs.signer(sig)
		if by != nil && !timed {
			s.By = by
			continue
		}
		unix, err := torchwood.CosignatureTimestamp(sig)
		if err != nil {
			return s, fmt.Errorf("couldn't read the time of a checkpoint: %w", err)
		}
		clock := Clock{Name: sig.Name, Own: by != nil, Time: time.Unix(unix, 0).UTC()}
		if clock.Own {
			s.Times = append([]Clock{clock}, s.Times...)
		} else {
			s.Times = append(s.Times, clock)
		}
	}
	for _, sig := range n.UnverifiedSigs {
		s.Unknown = append(s.Unknown, fmt.Sprintf("%s+%08x", sig.Name, sig.Hash))
	}
	if t.Quorum != nil {
		s.NoQuorum = t.Quorum(n.Sigs)
	}
	return s, nil
}

// future tells whether a time of s is later than that.
func (s *Statement) future(now time.Time) bool {
	for _, c := range s.Times {
		if c.Time.After(now) {
			return true
		}
	}
	return false
}

// fault is what is wrong with a checkpoint.
func (p Place) fault(seq uint64, format string, args ...any) chain.Fault {
	return chain.Fault{Segment: p.File, Offset: p.Offset, Seq: seq, Reason: fmt.Sprintf(format, args...)}
}

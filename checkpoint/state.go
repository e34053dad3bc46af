package checkpoint

import (
	"errors"
	"fmt"

	"github.com/otelaudit/auditexporter/chain"
)

// State says whether checkpoints are signed and, if not, why.
type State struct {
	Err       error // nil: they are
	Permanent bool  // nothing but an operator changes that
}

// refusal is why nothing is signed for this log any more.
type refusal struct {
	error
	ever bool // nor after the next opening, whatever is known then
}

func (e *refusal) Unwrap() error { return e.error }

func refuse(format string, args ...any) error {
	return &refusal{error: fmt.Errorf(format, args...)}
}

// refuseForEver is for a log that is not the one that was signed.
func refuseForEver(format string, args ...any) error {
	return &refusal{error: fmt.Errorf(format, args...), ever: true}
}

// forEver tells whether err is to be remembered.
func forEver(err error) bool {
	var r *refusal
	var i *inconsistentError
	return errors.As(err, &r) && r.ever || errors.As(err, &i)
}

// permanent tells whether trying again can't help: the log is not the one that
// checkpoints were signed of.
func permanent(err error) bool {
	var r *refusal
	var i *inconsistentError
	var t *chain.TamperError
	return errors.As(err, &r) || errors.As(err, &i) || errors.As(err, &t)
}

// report tells of the outcome of an attempt to sign, if it differs from the last.
func (n *Notary) report(err error) {
	if errors.Is(err, errStopped) {
		return
	}
	if err != nil {
		n.mu.Lock()
		n.stats.Failures++
		n.mu.Unlock()
	}
	s := State{Err: err, Permanent: permanent(err)}
	if n.told == s || n.told.Err != nil && err != nil && n.told.Err.Error() == err.Error() {
		return
	}
	n.told = s
	n.o.OnState(s)
}

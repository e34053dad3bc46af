package checkpoint

import (
	"errors"
	"time"
)

// errStopped says that the log was let go, so nothing may be written any more.
var errStopped = errors.New("the log was let go")

// valve lets one operation on the log's files through at a time, until it is shut.
type valve struct {
	turn chan struct{} // capacity 1; full while an operation runs, and for ever once shut
	stop chan struct{} // closed when it is to be shut
}

func newValve() *valve {
	return &valve{turn: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (v *valve) do(f func() error) error {
	select {
	case <-v.stop:
		return errStopped
	case v.turn <- struct{}{}:
	}
	defer func() { <-v.turn }()
	select {
	case <-v.stop:
		return errStopped
	default:
		return f()
	}
}

// shut waits a while for the operation that runs. One that hangs longer can have
// its effect later, as those of the log itself can; none follows it.
func (v *valve) shut(patience time.Duration) {
	close(v.stop)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case v.turn <- struct{}{}:
	case <-t.C:
	}
}

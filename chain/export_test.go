package chain

import "time"

// SetWallClock makes the writer take the time of day from now.
func (w *Writer) SetWallClock(now func() time.Time) { w.clock.set = now }

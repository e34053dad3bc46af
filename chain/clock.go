package chain

import "time"

// clockTolerance is how far the wall clock may move away from the steady one
// between two Writes before the log says so. It is far above what NTP slews.
const clockTolerance = time.Second

// clock watches the wall clock, which nobody vouches for: order in a log is by
// sequence number, and rotation by the steady clock. Write owns it.
type clock struct {
	wall   func() time.Time // without a monotonic reading
	steady func() time.Duration
	// offset is wall minus steady at the last look, in nanoseconds since 1970.
	offset int64
}

func newClock() *clock {
	start := time.Now()
	c := &clock{
		wall:   func() time.Time { return time.Now().Round(0) },
		steady: func() time.Duration { return time.Since(start) },
	}
	c.jump()
	return c
}

// jump returns by how much the wall clock has jumped since the last look, 0 if
// it is within the tolerance.
func (c *clock) jump() time.Duration {
	offset := c.wall().UnixNano() - int64(c.steady())
	by := time.Duration(offset - c.offset)
	if by.Abs() <= clockTolerance {
		return 0 // and the offset stays: many small steps add up to a jump
	}
	c.offset = offset
	return by
}

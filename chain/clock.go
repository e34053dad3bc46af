package chain

import "time"

// clockTolerance is how far the wall clock may move away from the steady one
// between two Writes before the log says so. It is far above what NTP slews.
const clockTolerance = time.Second

// clock watches the wall clock, which nobody vouches for: order in a log is by
// sequence number, and rotation by the steady clock. Write owns it.
type clock struct {
	start time.Time
	set   func() time.Time // the time of day, if not the system's
	// offset is wall minus steady at the last look, in nanoseconds since 1970.
	offset int64
}

func newClock() *clock {
	c := &clock{start: time.Now()}
	c.jump()
	return c
}

// read returns the time of day, without a monotonic reading, and the steady one.
func (c *clock) read() (wall time.Time, steady time.Duration) {
	now := time.Now()
	wall, steady = now.Round(0), now.Sub(c.start)
	if c.set != nil {
		wall = c.set()
	}
	return wall, steady
}

// wall returns the time of day.
func (c *clock) wall() time.Time {
	wall, _ := c.read()
	return wall
}

// jump returns by how much the wall clock has jumped since the last look, 0 if
// it is within the tolerance.
func (c *clock) jump() time.Duration {
	wall, steady := c.read()
	offset := wall.UnixNano() - int64(steady)
	by := time.Duration(offset - c.offset)
	if by.Abs() <= clockTolerance {
		return 0 // and the offset stays: many small steps add up to a jump
	}
	c.offset = offset
	return by
}

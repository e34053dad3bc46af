//go:build !linux

package durable

// Reserve does nothing.
func (f osFile) Reserve(int64) error { return nil }

// BootID returns "": the boot is not known, which a log takes for the same boot
// and so for the more careful way of opening.
func BootID() string { return "" }

// LockHeld reports that the system does not tell.
func LockHeld(string) (held, known bool, err error) { return false, false, nil }

// Warning knows nothing of this system's file systems.
func Warning(string) string { return "" }

//go:build !linux && !darwin

package durable

// Free reports that the system does not tell.
func Free(string) (bytes uint64, known bool, err error) { return 0, false, nil }

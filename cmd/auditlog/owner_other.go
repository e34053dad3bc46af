//go:build !unix

package main

// ownedByUs can't tell here.
func ownedByUs(...string) error { return nil }

//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// ownedByUs makes sure that what this process makes in folders can be used by whoever
// owns them: a collector could not read another user's files.
func ownedByUs(folders ...string) error {
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if err != nil {
			return &exitError{exitUnreadable, err}
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
			return &exitError{exitUnreadable, fmt.Errorf("%s is another user's: run this as user %d, as the collector does", folder, st.Uid)}
		}
	}
	return nil
}

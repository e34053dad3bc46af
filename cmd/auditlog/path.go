package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// resolve returns the absolute path of a folder, and whether its name says that
// it is one log.
func resolve(path string) (folder string, isLog bool, err error) {
	folder, err = filepath.Abs(path)
	if err != nil {
		return "", false, err
	}
	// A log is found by its name, a lock by the folder that is meant.
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return "", false, err
	}
	info, err := os.Stat(folder)
	if err != nil {
		return "", false, err
	}
	if !info.IsDir() {
		return "", false, fmt.Errorf("%s is not a folder: name the exporter's directory or a log's folder", path)
	}
	if _, isLog = chain.ParseLogID(filepath.Base(folder)); isLog {
		return folder, true, nil
	}
	names, err := os.ReadDir(folder)
	if err != nil {
		return "", false, err
	}
	for _, n := range names {
		if _, ok := chain.ParseSegmentName(n.Name()); ok {
			return "", false, fmt.Errorf("%s holds segments, but its name is no log id: give the folder its name back, 32 hex digits", path)
		}
	}
	return folder, false, nil
}

// findLog returns the folder of the log that path means.
func findLog(path string) (string, error) {
	folder, isLog, err := resolve(path)
	if err != nil || isLog {
		return folder, readError(err)
	}
	folder, err = chain.FindLog(durable.OS(), folder)
	return folder, readError(err)
}

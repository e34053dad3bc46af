package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

// keyVariable holds the key-encryption key where no file does.
const keyVariable = "AUDITLOG_KEY_ENCRYPTION_KEY"

// keyStoreFlags say where the keys of withheld values are.
type keyStoreFlags struct {
	folder string
	file   string
}

func (f *keyStoreFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.folder, "key-store", "", "folder of the keys, retention.withhold.key_store")
	c.Flags().StringVar(&f.file, "key-encryption-key-file", "", "file of the key-encryption key, 64 hex digits (or "+keyVariable+")")
}

// key is the key-encryption key, nil: none.
func (f *keyStoreFlags) key() ([]byte, error) {
	text, from := os.Getenv(keyVariable), keyVariable
	if f.file != "" {
		b, err := os.ReadFile(f.file)
		if err != nil {
			return nil, &exitError{exitUnreadable, fmt.Errorf("couldn't read key-encryption key: %w", err)}
		}
		text, from = string(b), f.file
	}
	if text == "" {
		return nil, nil
	}
	key, err := withhold.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return key, nil
}

// open opens the key store for reading.
func (f *keyStoreFlags) open() (*withhold.Keys, error) {
	if f.folder == "" {
		return nil, errors.New("--key-store is missing: name the folder of the keys")
	}
	key, err := f.key()
	if err != nil {
		return nil, err
	}
	keys, err := withhold.OpenKeys(durable.OS(), f.folder, key)
	if err != nil {
		return nil, &exitError{exitUnreadable, err}
	}
	return keys, nil
}

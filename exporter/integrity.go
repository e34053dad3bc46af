package exporter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otelaudit/auditexporter/event/producer"
)

// Integrity is what is looked at of what producers say of their records.
type Integrity struct {
	Verify     string // off, annotate, require
	Sequences  bool   // check the producers' chains
	MaxStreams int    // chains that are remembered
	Keys       []TrustedKey
}

// TrustedKey is one key that producers sign with; one of Key, KeyFile and Secret is set.
type TrustedKey struct {
	ID, Algorithm, Form string
	Key                 string              // PEM
	KeyFile             string              // of PEM, or of base64 for an HMAC; read at start
	Secret              configopaque.String // base64, for an HMAC
}

const (
	verifyOff     = "off"
	verifyRequire = "require"
)

// maxKeyFile is the longest file of a key, in bytes.
const maxKeyFile = 1 << 20

// CheckKeys names what is wrong with trusted keys by its YAML key. It reads no file.
func CheckKeys(keys []TrustedKey) error {
	var errs []error
	seen := make(map[string]bool)
	for i := range keys {
		k, name := &keys[i], fmt.Sprintf("integrity.trusted_keys[%d]", i)
		switch {
		case !plainName(k.ID):
			errs = append(errs, fmt.Errorf("%s.id: must be 1 to %d of the characters a-z, A-Z, 0-9, '.', '_' and '-'", name, maxKeyID))
		case seen[k.ID]:
			errs = append(errs, fmt.Errorf("%s.id: %q stands twice", name, k.ID))
		}
		seen[k.ID] = true
		if err := k.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", name, err))
		}
	}
	if len(keys) > producer.MaxKeys {
		errs = append(errs, fmt.Errorf("integrity.trusted_keys: %d keys: at most %d are allowed", len(keys), producer.MaxKeys))
	}
	return errors.Join(errs...)
}

// maxKeyID is the longest id of a key, in bytes: it stands in events.
const maxKeyID = 64

func plainName(s string) bool {
	return s != "" && len(s) <= maxKeyID &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

func (k *TrustedKey) check() error {
	symmetric := producer.Symmetric(k.Algorithm)
	given := 0
	for _, s := range []string{k.Key, k.KeyFile, string(k.Secret)} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1 && symmetric:
		return errors.New("secret: one of secret and key_file must be set")
	case given != 1:
		return errors.New("key: one of key and key_file must be set")
	case symmetric && k.Key != "":
		return fmt.Errorf("key: not for %s: set secret", k.Algorithm)
	case !symmetric && k.Secret != "":
		return fmt.Errorf("secret: not for %q: set key or key_file", k.Algorithm)
	case k.KeyFile != "":
		return producer.CheckNames(k.Algorithm, k.Form)
	}
	text := k.Key
	if symmetric {
		text = string(k.Secret)
	}
	_, err := k.parse(text)
	return err
}

// parse makes the key of its text: PEM, or base64 of a secret.
func (k *TrustedKey) parse(text string) (producer.Key, error) {
	out := producer.Key{ID: k.ID, Algorithm: k.Algorithm, Form: k.Form}
	if producer.Symmetric(k.Algorithm) {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return out, errors.New("secret: must be standard base64")
		}
		out.Secret = secret
	} else {
		out.PEM = []byte(text)
	}
	return out, out.Check()
}

// load reads the keys. What can't be read or parsed is invalid configuration.
func (o *Integrity) load() (*producer.Keys, error) {
	if o.Verify == verifyOff {
		return nil, nil
	}
	var keys []producer.Key
	for i := range o.Keys {
		k := &o.Keys[i]
		text := k.Key + string(k.Secret)
		if k.KeyFile != "" {
			b, err := readKeyFile(k.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("integrity.trusted_keys[%d].key_file: %w", i, err)
			}
			text = string(b)
		}
		one, err := k.parse(text)
		if err != nil {
			if k.KeyFile != "" {
				return nil, fmt.Errorf("integrity.trusted_keys[%d].key_file: %s: %w", i, k.KeyFile, err)
			}
			return nil, fmt.Errorf("integrity.trusted_keys[%d].%w", i, err)
		}
		keys = append(keys, one)
	}
	return producer.NewKeys(keys)
}

func readKeyFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(), info.Size() > maxKeyFile:
		return nil, fmt.Errorf("%s: no regular file of at most %d bytes", name, maxKeyFile)
	}
	return os.ReadFile(name)
}

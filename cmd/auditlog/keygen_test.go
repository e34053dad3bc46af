package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/checkpoint"
)

func keygenRun(t *testing.T, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"keygen"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// The key goes to a file for its owner only, and the public half to stdout.
func TestKeygen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	code, vkey, stderr := keygenRun(t, "example.com/audit", file)
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stderr)
	public, err := checkpoint.ParsePublicKey(vkey)
	require.NoError(t, err)
	require.Equal(t, "example.com/audit", public.Name())
	k, err := checkpoint.ReadKeyFile(file)
	require.NoError(t, err)
	require.Equal(t, public, k.Public())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, vkey, strings.SplitN(string(text), "+", 5)[4][:10])
	if runtime.GOOS != "windows" {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	code, again, _ := keygenRun(t, "--public", file)
	require.Equal(t, exitOK, code)
	require.Equal(t, vkey, again)

	code, _, stderr = keygenRun(t, "example.com/audit", file)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "not overwritten")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, after)
}

func TestKeygenUsage(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"a bad name":     {"a b", filepath.Join(dir, "key")},
		"no file":        {"example.com/audit"},
		"no folder":      {"example.com/audit", filepath.Join(dir, "none", "key")},
		"not a key":      {"--public", dir},
		"public and two": {"--public", "a", "b"},
	} {
		code, stdout, _ := keygenRun(t, args...)
		require.Equal(t, exitUsage, code, name)
		require.Empty(t, stdout, name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A file that others can read is no place for a key.
func TestKeyFilePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	file := filepath.Join(t.TempDir(), "key")
	code, _, _ := keygenRun(t, "example.com/audit", file)
	require.Equal(t, exitOK, code)
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o610: false, 0o602: false, 0o777: false} {
		require.NoError(t, os.Chmod(file, mode))
		_, err := checkpoint.ReadKeyFile(file)
		require.Equal(t, ok, err == nil, "%o", mode)
		if !ok {
			require.ErrorContains(t, err, "chmod 600")
		}
	}
}

package checkpoint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/checkpoint"
)

func TestKeyFileIsItsOwnersAlone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(name, []byte(exampleKey+"\n"), 0o600))
	k, err := checkpoint.ReadKeyFile(name)
	require.NoError(t, err)
	require.Equal(t, key(t).Text(), k.Text())
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		require.NoError(t, os.Chmod(name, mode))
		_, err := checkpoint.ReadKeyFile(name)
		require.ErrorContains(t, err, "chmod 600")
	}
	require.NoError(t, os.Chmod(name, 0o600))
	for _, text := range []string{"", "PRIVATE+KEY+secret", strings.Repeat("secret", 1000)} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		_, err := checkpoint.ReadKeyFile(name)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err = checkpoint.ReadKeyFile(t.TempDir())
	require.ErrorContains(t, err, "no regular file")
	_, err = checkpoint.ReadKeyFile(name + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestKeyCosigns(t *testing.T) {
	s, err := key(t).Cosigner()
	require.NoError(t, err)
	signed, err := note.Sign(&note.Note{Text: "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"}, s)
	require.NoError(t, err)
	_, err = note.Open(signed, note.VerifierList(s.Verifier()))
	require.NoError(t, err)
}

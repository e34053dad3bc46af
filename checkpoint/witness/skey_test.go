package witness_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
)

// skey is a key in the form of [note.NewSigner].
func skey(t testing.TB, name string, key ed25519.PrivateKey) string {
	v, err := note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	hash := strings.SplitN(v, "+", 3)[1]
	return fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{1}, key.Seed()...)))
}

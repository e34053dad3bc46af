package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/witness"
)

// startWitness runs auditlog witness until stop is called, which returns its exit code.
func startWitness(t *testing.T, args ...string) (vkey, url string, stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	out, toOut := io.Pipe()
	log, toLog := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"witness", "--listen", "127.0.0.1:0"}, args...), toOut, toLog)
		toOut.Close()
		toLog.Close()
	}()
	var err error
	vkey, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	lines := bufio.NewReader(log)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	found := regexp.MustCompile(`listens on (127\.0\.0\.1:[0-9]+)`).FindStringSubmatch(line)
	require.Len(t, found, 2, line)
	go io.Copy(io.Discard, lines)
	return strings.TrimSpace(vkey), "http://" + found[1], func() int { cancel(); return <-code }
}

func TestWitnessCommand(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	own, err := checkpoint.GenerateKey("witness.example")
	require.NoError(t, err)
	log, err := checkpoint.GenerateKey("example.com/audit")
	require.NoError(t, err)
	args := []string{"--key", file("key", own.Text()), "--state", filepath.Join(dir, "state"), "--log", file("log", log.Public().VKey())}

	sign := func(n int64) []byte {
		s, err := note.NewSigner(log.Text())
		require.NoError(t, err)
		tree := tlog.Tree{N: n, Hash: tlog.RecordHash([]byte("entry"))}
		signed, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: s.Name(), Tree: tree}.String()}, s)
		require.NoError(t, err)
		return signed
	}

	vkey, url, stop := startWitness(t, args...)
	v, err := torchwood.NewCosignatureVerifier(vkey)
	require.NoError(t, err)
	c := witness.NewClient(witness.ClientOptions{URL: url, Verifier: v})
	defer c.Close()
	_, err = c.Add(t.Context(), 0, nil, sign(1))
	require.NoError(t, err)
	require.Equal(t, exitUnreadable, run(t.Context(), append([]string{"witness"}, args...), io.Discard, io.Discard), "the state is another's")
	require.Equal(t, exitOK, stop())

	// What it cosigned it knows when it is started again, with a policy for its logs.
	args = append(args[:4:4], "--policy", file("policy", "log "+log.Public().VKey()+"\nquorum none\n"))
	again, url, stop := startWitness(t, args...)
	require.Equal(t, vkey, again)
	c2 := witness.NewClient(witness.ClientOptions{URL: url, Verifier: v})
	defer c2.Close()
	_, err = c2.Add(t.Context(), 0, nil, sign(2))
	var conflict *witness.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.EqualValues(t, 1, conflict.Size)
	require.Equal(t, exitOK, stop())
}

func TestWitnessCommandRefuses(t *testing.T) {
	dir := t.TempDir()
	key, err := checkpoint.GenerateKey("witness.example")
	require.NoError(t, err)
	path := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(path, []byte(key.Text()), 0o600))
	open := filepath.Join(dir, "open")
	require.NoError(t, os.WriteFile(open, []byte(key.Text()), 0o644))
	state, log := filepath.Join(dir, "state"), key.Public().VKey()
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitUsage, []string{"--state", state, "--log", log}},
		{exitUsage, []string{"--key", path, "--log", log}},
		{exitUsage, []string{"--key", path, "--state", state}},
		{exitUsage, []string{"--key", path, "--state", state, "--log", "nonsense"}},
		{exitUsage, []string{"--key", path, "--state", state, "--log", log, "--tls-cert", "x"}},
		{exitUnreadable, []string{"--key", open, "--state", state, "--log", log}},
		{exitUnreadable, []string{"--key", path, "--state", state, "--log", log, "--listen", "256.0.0.1:1"}},
		{exitUnreadable, []string{"--key", path, "--state", filepath.Join(dir, "no", "such"), "--log", log}},
	} {
		require.Equal(t, c.code, run(t.Context(), append([]string{"witness"}, c.args...), io.Discard, io.Discard), "%v", c.args)
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of each log of the corpus, the answer and its exit code: the place is told,
// and what no chain can show is never passed over.
func TestVectors(t *testing.T) {
	headers, err := filepath.Glob("../../testdata/vectors/*/expect.txt")
	require.NoError(t, err)
	require.Greater(t, len(headers), 100)
	for _, path := range headers {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			header, err := os.ReadFile(path)
			require.NoError(t, err)
			want := map[string]string{}
			for line := range strings.Lines(string(header)) {
				if key, value, ok := strings.Cut(line, ": "); ok {
					want[key] = strings.TrimSpace(value)
				}
			}
			exit, err := strconv.Atoi(want["exit"])
			require.NoError(t, err)
			var stdout, stderr strings.Builder
			got := run(t.Context(), []string{"verify", "--chain-only", filepath.Dir(path)}, &stdout, &stderr)
			require.Equal(t, exit, got, stdout.String())
			require.Contains(t, stdout.String()+stderr.String(), want["says"])
			require.Equal(t, exit == exitOK, strings.Contains(stdout.String(), "truncation not excluded"))
			if want["segment"] != "" && want["line"] != "0" {
				ordinal, err := strconv.Atoi(want["segment"])
				require.NoError(t, err)
				require.Regexp(t, fmt.Sprintf(`(BROKEN|NOT RECOVERED) %010d-\d{20}\.jsonl: line %s, `, ordinal, want["line"]), stdout.String())
			}
			if exit == exitOK {
				got = run(t.Context(), []string{"verify", filepath.Dir(path)}, &stdout, &stderr)
				require.Equal(t, exitUnanchored, got)
			}
		})
	}
}

// Of a log with bytes recorded as missing, what is there is shown, and on stderr
// what is not.
func TestMissingIsTold(t *testing.T) {
	for vector, seqs := range map[string][]string{"segment-missing-recorded": {"4", "5", "6", "7"}, "segment-shortened-recorded": {"1", "2", "4", "5", "6", "7"}} {
		for _, args := range [][]string{{"cat"}, {"tail"}, {"show", "3"}} {
			var stdout, stderr strings.Builder
			code := run(t.Context(), append(args, "../../testdata/vectors/"+vector), &stdout, &stderr)
			require.Contains(t, stderr.String(), "auditlog: missing: ", "%s %v", vector, args)
			require.Contains(t, stderr.String(), "bytes of 0000000001-00000000000000000001.jsonl from offset ")
			if args[0] == "show" {
				require.Equal(t, exitUnreadable, code)
				require.Contains(t, stderr.String(), "entry 3 is missing")
				require.Empty(t, stdout.String())
				continue
			}
			require.Equal(t, exitOK, code)
			var got []string
			for line := range strings.Lines(stdout.String()) {
				seq := strings.TrimPrefix(line, `{"seq":`)
				got = append(got, seq[:strings.IndexAny(seq, ", ")])
			}
			require.Equal(t, seqs, got)
		}
	}
}

package chain

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/independent"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

const vectorsDir = "../testdata/vectors"

// vector is a directory of logs, good or bad, and what is to be found in it.
type vector struct {
	name string // of its folder
	what string // was done to it
	exit int    // of `auditlog verify --chain-only`
	// at is the place of the first fault, or of what a crash tore: the segment's
	// ordinal and the line. Without them it is of the folder.
	at   string
	says string // a part of the answer
	// chain is the exit code of verify.py, which looks at neither cuts nor mark.
	chain int
	make  func(l *testLog) // from an empty log
	// more, for a directory of several logs, makes them all; logs and chains are
	// then the exit codes of each, by id.
	more         func(t *testing.T) []*testLog
	logs, chains []int
	files        map[string]string // further files in the log's folder
	links        map[string]string // files that lie under another name there, with a symbolic link to that in their place
}

func (v vector) header() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nexit: %d\n", v.what, v.exit)
	if v.at != "" {
		segment, line, _ := strings.Cut(v.at, ":")
		fmt.Fprintf(&b, "segment: %s\nline: %s\n", segment, line)
	}
	fmt.Fprintf(&b, "says: %s\n", v.says)
	if v.more == nil {
		v.logs, v.chains = []int{v.exit}, []int{v.chain}
	}
	fmt.Fprintf(&b, "logs: %s\nverify.py: %s\n", strings.Trim(fmt.Sprint(v.logs), "[]"), strings.Trim(fmt.Sprint(v.chains), "[]"))
	return b.String()
}

const headerFile = "expect.txt"

// write writes the vector's folder below dir.
func (v vector) write(t *testing.T, dir string) {
	folder := filepath.Join(dir, v.name)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, headerFile), []byte(v.header()), 0o644))
	logs := []*testLog{newTestLog(t)}
	if v.more != nil {
		logs = v.more(t)
	} else {
		v.make(logs[0])
	}
	for _, l := range logs {
		log := l.save(folder)
		for name, content := range v.files {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(log, name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(log, name), []byte(content), 0o600))
		}
		for name, target := range v.links {
			require.NoError(t, os.Rename(filepath.Join(log, name), filepath.Join(log, target)))
			require.NoError(t, os.Symlink(target, filepath.Join(log, name)))
		}
	}
}

func allVectors() []vector {
	return slices.Concat(goodVectors, unseenVectors, crashVectors, lineVectors, bodyVectors, segmentVectors, cutVectors, markVectors, systemVectors, directoryVectors)
}

// What stands in testdata/vectors is what the code makes: go test -update writes it.
func TestVectorsAreMade(t *testing.T) {
	if *update {
		require.NoError(t, os.RemoveAll(vectorsDir))
		for _, v := range allVectors() {
			v.write(t, vectorsDir)
		}
	}
	dir := t.TempDir()
	for _, v := range allVectors() {
		require.NoDirExists(t, filepath.Join(dir, v.name), "two vectors have a name")
		v.write(t, dir)
	}
	require.NoError(t, exec.CommandContext(t.Context(), "diff", "-r", "--no-dereference", dir, vectorsDir).Run(), "go test ./chain -run Vectors -update")
}

// stored is a vector as it stands in testdata.
type stored struct {
	name, folder string
	want         map[string]string // by the header's keys
	logs         []string          // their folders
}

func storedVectors(t *testing.T) (all []stored) {
	names, err := os.ReadDir(vectorsDir)
	require.NoError(t, err)
	for _, n := range names {
		s := stored{name: n.Name(), folder: filepath.Join(vectorsDir, n.Name()), want: map[string]string{}}
		header, err := os.ReadFile(filepath.Join(s.folder, headerFile))
		require.NoError(t, err)
		for line := range strings.Lines(string(header)) {
			if key, value, ok := strings.Cut(line, ": "); ok {
				s.want[key] = strings.TrimSpace(value)
			}
		}
		require.Contains(t, s.want, "exit")
		ids, err := listLogs(durable.OS(), s.folder)
		require.NoError(t, err)
		for _, id := range ids {
			s.logs = append(s.logs, filepath.Join(s.folder, id.String()))
		}
		require.NotEmpty(t, s.logs)
		all = append(all, s)
	}
	return all
}

// Each log of the corpus, by Verify and by the verifier that shares no code.
func TestVectors(t *testing.T) {
	exits := map[string]int{}
	defer func() { t.Log("vectors by exit code:", exits) }()
	for _, s := range storedVectors(t) {
		exits[s.want["exit"]]++
		t.Run(s.name, func(t *testing.T) {
			want := strings.Fields(s.want["logs"])
			require.Len(t, want, len(s.logs))
			for i, folder := range s.logs {
				got, place := judgeVector(t, folder)
				require.Equal(t, want[i], got)
				if len(s.logs) == 1 && s.want["segment"] != "" {
					require.Equal(t, s.want["segment"]+":"+s.want["line"], place)
				}
				require.Equal(t, want[i], judgeIndependently(folder))
			}
		})
	}
}

// judgeVector returns the exit code that a log's report gives, and the place of
// what is found.
func judgeVector(t *testing.T, folder string) (exit, place string) {
	r, err := Verify(t.Context(), durable.OS(), folder, VerifyOptions{Lock: LockFree})
	at := func(f Fault) string {
		name, _ := ParseSegmentName(f.Segment)
		return fmt.Sprintf("%d:%d", name.Ordinal, f.Line)
	}
	var format *FormatError
	switch {
	case errors.As(err, &format):
		return "4", ""
	case err != nil:
		t.Fatal(err)
	case r.Broken():
		return "1", at(r.Faults[0])
	case r.Tail != nil:
		return "3", at(r.Tail.Fault)
	}
	return "0", ""
}

func judgeIndependently(folder string) string {
	err := independent.Check(folder)
	var fault *independent.Error
	switch {
	case err == nil:
		return "0"
	case !errors.As(err, &fault):
		return "4"
	case fault.Crash:
		return "3"
	}
	return "1"
}

// pythonExits prints for each folder it is given what verify.py would exit with.
const pythonExits = `
import io, sys, verify
for folder in sys.argv[1:]:
    out, sys.stdout, err, sys.stderr = sys.stdout, io.StringIO(), sys.stderr, io.StringIO()
    code = verify.main([folder])
    sys.stdout, sys.stderr = out, err
    print(code)
`

func TestVectorsByPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	require.NoError(t, err, "this test needs python3, as chain/verify.py is part of what is promised")
	var folders, want, of []string
	for _, s := range storedVectors(t) {
		for i, exit := range strings.Fields(s.want["verify.py"]) {
			folders, want, of = append(folders, s.logs[i]), append(want, exit), append(of, s.name)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", pythonExits}, folders...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	got := strings.Fields(string(out))
	require.Len(t, got, len(want))
	for i := range got {
		require.Equal(t, want[i], got[i], of[i])
	}
}

// lines returns the lines of the segment with an ordinal.
func (l *testLog) lines(ordinal int) [][]byte {
	lines := bytes.SplitAfter(l.segments[ordinal-1].data, []byte("\n"))
	return lines[:len(lines)-1]
}

func (l *testLog) setLines(ordinal int, lines ...[]byte) {
	l.segments[ordinal-1].data = bytes.Join(lines, nil)
}

// replace replaces the first old in the line of the segment with an ordinal.
func (l *testLog) replace(ordinal, line int, old, by string) {
	lines := l.lines(ordinal)
	if !bytes.Contains(lines[line-1], []byte(old)) {
		panic(old)
	}
	lines[line-1] = bytes.Replace(lines[line-1], []byte(old), []byte(by), 1)
	l.setLines(ordinal, lines...)
}

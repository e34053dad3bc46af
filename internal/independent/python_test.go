package independent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const (
	formatText = "../../chain/FORMAT.md"
	verifyTool = "../../chain/verify.py"
)

// runTool calls main of verify.py for each folder of standard input.
const runTool = `
import contextlib, io, json, runpy, sys
main = runpy.run_path(sys.argv[1])["main"]
for folder in sys.stdin.read().splitlines():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = main([folder])
    print(json.dumps({"Status": status, "Said": out.getvalue()}))
`

// requireAgreement requires verify.py to say of each log what CheckChain says, at the same place.
func requireAgreement(t *testing.T, folders ...string) {
	t.Helper()
	tool := exec.Command("python3", "-B", "-c", runTool, verifyTool)
	tool.Stdin = strings.NewReader(strings.Join(folders, "\n"))
	tool.Stderr = t.Output()
	out, err := tool.Output()
	require.NoError(t, err, "this test needs python3 to run chain/verify.py")
	answers := json.NewDecoder(bytes.NewReader(out))
	for _, folder := range folders {
		var python struct {
			Status int
			Said   string
		}
		require.NoError(t, answers.Decode(&python))
		err := CheckChain(folder)
		var fault *Error
		status, place := 0, "the chain of "
		if errors.As(err, &fault) {
			status, place = 1, strings.TrimSuffix(fault.Error(), fault.Reason)
		} else if err != nil {
			status, place = 4, "couldn't read the log: "
		}
		require.Equal(t, status, python.Status, "verify.py: %q, here: %v", python.Said, err)
		require.True(t, strings.HasPrefix(python.Said, place), "verify.py: %q, here: %v", python.Said, err)
		require.Equal(t, 1, strings.Count(python.Said, "\n"), python.Said)
	}
}

// block is the first fenced block of a kind in FORMAT.md.
func block(t *testing.T, kind string) string {
	text, err := os.ReadFile(formatText)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```"+kind+"\n")
	require.True(t, found, "no block %s in FORMAT.md", kind)
	body, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	return body
}

const exampleID, exampleName = "000102030405060708090a0b0c0d0e0f", "0000000001-00000000000000000001.jsonl"

// The hex of the example, hashed as the text says, yields the hashes of its lines.
func TestExampleInHex(t *testing.T) {
	lines := strings.SplitAfter(block(t, "jsonl"), "\n")
	inputs := strings.Split(strings.TrimSpace(block(t, "text")), "\n")
	require.Len(t, lines, 4)
	require.Len(t, inputs, 4)
	id := unhex(t, exampleID)
	head := genesis(id)
	require.Equal(t, append([]byte("auditlog/log/v1\n"), id...), unhex(t, strings.TrimPrefix(inputs[0], "0 ")))
	for i, line := range lines[:3] {
		e, err := parseLine([]byte(line))
		require.NoError(t, err)
		require.Equal(t, head.String(), e.prevHash)
		tag, prefix := fmt.Sprintf("%x", tags[e.kind]), fmt.Sprintf("%d ", i+1)
		require.Equal(t, fmt.Sprintf("%s%s %s %016x %s", prefix, tag, head, i+1, sum(e.body)), inputs[i+1])
		require.Equal(t, e.hash, sum(unhex(t, strings.TrimPrefix(inputs[i+1], prefix))).String())
		head = link(e.kind, head, e.seq, e.body)
		require.Equal(t, e.hash, head.String())
	}
}

func TestExampleAgrees(t *testing.T) {
	good := block(t, "jsonl")
	folders := []string{save(t, exampleID, fstest.MapFS{exampleName: {Data: []byte(good)}})}
	require.NoError(t, Check(folders[0]))
	for at := 0; at < len(good); at += 7 {
		edited := []byte(good)
		edited[at] ^= 1
		folder := save(t, exampleID, fstest.MapFS{exampleName: {Data: edited}})
		requireFault(t, CheckChain(folder))
		folders = append(folders, folder)
	}
	requireAgreement(t, folders...)
}

// Both verifiers agree on a log of several segments and on edits of whatever is in the folder.
func TestFoldersAgree(t *testing.T) {
	good := goodLog(t)
	folders := []string{
		save(t, good.id, good.files()),
		save(t, good.id, fstest.MapFS{}),
		save(t, "8f14e45fceea167a5a36dedd4bea2544", good.files()),
		save(t, "no-log-id", good.files()),
		filepath.Join(t.TempDir(), good.id),
	}
	edited := func(name string, data string) {
		files := good.files()
		files[name] = &fstest.MapFile{Data: []byte(data)}
		folders = append(folders, save(t, good.id, files))
	}
	for _, name := range []string{
		"0000000000-00000000000000000001.jsonl", "0000000001-00000000000000000002.jsonl",
		"0000000007-00000000000000000099.jsonl", "0000000006-00000000000000000001.jsonl",
		"0000000006-00000000000000000099.jsonl", "6-99.jsonl",
	} {
		edited(name, "")
	}
	for _, s := range good.segments {
		removed := good.files()
		delete(removed, s.name)
		folders = append(folders, save(t, good.id, removed))
		data := string(s.bytes())
		edited(s.name, data+"\n")
		edited(s.name, strings.TrimSuffix(data, "\n"))
		edited(s.name, data[len(s.lines[0]):])
		edited(s.name, data[:len(s.lines[0])])
		edited(s.name, strings.Replace(data, "\n", "\r\n", 1))
	}
	requireAgreement(t, folders...)
}

// A folder or a link under the name of a segment is a fault, even if it leads to one.
func TestNoFilesAgree(t *testing.T) {
	good := goodLog(t)
	name := good.segments[2].name
	files := good.files()
	delete(files, name)
	inside := save(t, good.id, files)
	require.NoError(t, os.Mkdir(filepath.Join(inside, name), 0o700))
	linked := save(t, good.id, files)
	target := filepath.Join(t.TempDir(), "target")
	require.NoError(t, os.WriteFile(target, good.segments[2].bytes(), 0o600))
	require.NoError(t, os.Symlink(target, filepath.Join(linked, name)))
	for _, folder := range []string{inside, linked} {
		require.Equal(t, name, requireFault(t, CheckChain(folder)).Segment)
	}
	requireAgreement(t, inside, linked)
}

// Bodies that a forger chains correctly: only the form of the body can be wrong.
func TestForgedBodiesAgree(t *testing.T) {
	var folders []string
	deep := strings.Repeat(`{"a":[`, 100) + strings.Repeat(`]}`, 100)
	valid := []string{
		`{}`, `{ "a" : [ ] }`, "{\t\"a\":\r1}", `{"a":1e999,"b":-0,"c":` + strings.Repeat("9", 5000) + `}`,
		`{"a":"\ud800","b":"\u0000"}`, "{\"a\":\"\x7f\u2028\"}", `{"a":1,"a":2}`, deep, `{"type":"closed"}`,
	}
	invalid := []string{
		`{"a":NaN}`, `{"a":-Infinity}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{"a":'b'}`, `{"a":1,}`, `{a:1}`,
		"{\"a\":\"\t\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xc0\x80\"}",
		`{"a":"\x41"}`, `{"a":"\u12g4"}`, `{}{}`, `{},"system":{}`, ` {}`, `{} `, `[]`, "{\n}", "{\u00a0}", "\ufeff{}",
		`{"a":1}}`, `{"a":True}`,
	}
	for _, body := range slices.Concat(valid, invalid) {
		l := newTestLog(t)
		l.open("created", nil)
		l.add("event", body)
		l.event(1)
		folder := save(t, l.id, l.files())
		folders = append(folders, folder)
		if slices.Contains(valid, body) {
			require.NoError(t, Check(folder), "%q", body)
		} else {
			require.Equal(t, 2, requireFault(t, Check(folder), "%q", body).Line, "%q", body)
		}
	}
	requireAgreement(t, folders...)
}

// System entries that a forger chains correctly: what the chain check looks into, and nothing else.
func TestForgedSystemEntriesAgree(t *testing.T) {
	var folders []string
	opening := func(typ, id, ordinal string) string {
		return fmt.Sprintf(`{"type":%s,"log_id":%s,"ordinal":%s,"format":1}`, typ, id, ordinal)
	}
	id := `"` + testLogID + `"`
	tests := []struct {
		kind, opening, second string
		good                  bool
	}{
		{"system", opening(`"opened"`, id, "1"), `{"type":"unknown"}`, true},
		{"system", opening(`"\u006fpened"`, id, "1"), `{}`, true},
		{"system", opening(`"opened"`, id, "1"), `{"Type":"closed"}`, false},
		{"system", opening(`"opened"`, id, "1"), `{"type":"x","\u0054ype":"closed"}`, false},
		{"system", opening(`"opened"`, id, "1"), `{"":1}`, false},
		{"system", opening(`"opened"`, id, "1"), `{"ty\npe":1}`, false},
		{"system", opening(`"opened"`, id, "1"), `{"type\n":1}`, false},
		{"system", opening(`"opened"`, id, "1"), `{"settings":{"flush.Mode":1}}`, true},
		{"system", opening(`"opened"`, id, "1"), `{"type":"closed","type":"x"}`, true},
		{"system", opening(`"opened"`, id, "1"), `{"type":"x","type":"closed"}`, false},
		{"system", opening(`"opened"`, id, "1"), opening(`"opened"`, id, "1"), false},
		{"system", `{"type":"opened","log_id":` + id + `,"ordinal":1,"format":2}`, "{\n}", false},
		{"system", `{"type":"opened","log_id":` + id + `,"ordinal":1,"format":"1"}`, `{}`, false},
		{"system", `{"type":"opened","log_id":` + id + `,"ordinal":1,"format":1.0}`, `{}`, false},
		{"system", `{"type":"opened","log_id":` + id + `,"ordinal":1}`, `{}`, false},
		{"system", opening(`"opened"`, id, "1"), `{"type":["closed"]}`, true},
		{"system", opening(`"opened"`, id, "1"), `{"type":"closed"}`, false},
		{"event", opening(`"opened"`, id, "1"), `{}`, false},
		{"system", opening(`"closed"`, id, "1"), `{}`, false},
		{"system", opening(`"opened"`, id, "2"), `{}`, false},
		{"system", opening(`"opened"`, id, `"1"`), `{}`, false},
		{"system", opening(`"opened"`, id, "1.0"), `{}`, false},
		{"system", opening(`"opened"`, id, "null"), `{}`, false},
		{"system", opening(`"opened"`, strings.ToUpper(id), "1"), `{}`, false},
		{"system", opening("null", id, "1"), `{}`, false},
		{"system", `{"TYPE":"opened","LOG_ID":` + id + `,"ORDINAL":1}`, `{}`, false},
		{"system", `{}`, `{}`, false},
	}
	for _, test := range tests {
		l := newTestLog(t)
		l.openRaw(test.kind, test.opening)
		l.add("system", test.second)
		l.event(1)
		folder := save(t, l.id, l.files())
		folders = append(folders, folder)
		require.Equal(t, test.good, CheckChain(folder) == nil, "%v", test)
	}
	requireAgreement(t, folders...)
}

// The tool as an auditor runs it.
func TestVerifyTool(t *testing.T) {
	good := goodLog(t)
	broken := goodLog(t)
	broken.segments[1].lines[1] = "{}\n"
	for _, test := range []struct {
		arguments []string
		status    int
		said      string
	}{
		{nil, 2, "usage: "},
		{[]string{"a", "b"}, 2, "usage: "},
		{[]string{"--help"}, 2, "usage: "},
		{[]string{filepath.Join(t.TempDir(), good.id)}, 4, "couldn't read the log: "},
		{
			[]string{save(t, good.id, good.files())},
			0,
			fmt.Sprintf("the chain of 15 entries holds; head: seq 15, hash %s; truncation not excluded\n", good.heads[15]),
		},
		{
			[]string{save(t, broken.id, broken.files())},
			1,
			fmt.Sprintf("%s: line 2, offset %d, seq 5: ", broken.segments[1].name, len(broken.segments[1].lines[0])),
		},
	} {
		tool := exec.Command("python3", append([]string{verifyTool}, test.arguments...)...)
		out, err := tool.CombinedOutput()
		require.NotNil(t, tool.ProcessState, "this test needs python3 to run chain/verify.py: %v", err)
		require.Equal(t, test.status, tool.ProcessState.ExitCode(), "%s", out)
		require.True(t, strings.HasPrefix(string(out), test.said), "%s", out)
	}
	require.NoDirExists(t, "../../chain/__pycache__")
}

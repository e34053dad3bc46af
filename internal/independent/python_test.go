package independent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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

// python is the path of a Python 3 interpreter.
func python(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	require.NoError(t, err, "this test needs python3 to run chain/verify.py")
	return strings.TrimSpace(string(out))
}

// requireAgreement requires verify.py to say of a log what CheckChain says, at the same place.
func requireAgreement(t *testing.T, python, folder string) {
	t.Helper()
	out, err := exec.Command(python, verifyTool, folder).CombinedOutput()
	said := string(out)
	fault := CheckChain(folder)
	if fault == nil {
		require.NoError(t, err, said)
		require.Contains(t, said, "truncation not excluded")
		return
	}
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "verify.py: %s, but: %v", said, fault)
	require.Equal(t, 1, exit.ExitCode(), said)
	where := strings.TrimSuffix(fault.Error(), requireFault(t, fault).Reason)
	require.True(t, strings.HasPrefix(said, where), "%q, but: %v", said, fault)
	require.Equal(t, 1, strings.Count(said, "\n"), said)
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
	interpreter := python(t)
	good := block(t, "jsonl")
	folder := save(t, exampleID, fstest.MapFS{exampleName: {Data: []byte(good)}})
	require.NoError(t, Check(folder))
	requireAgreement(t, interpreter, folder)
	for at := 0; at < len(good); at += 31 {
		edited := []byte(good)
		edited[at] ^= 1
		folder := save(t, exampleID, fstest.MapFS{exampleName: {Data: edited}})
		requireFault(t, CheckChain(folder))
		requireAgreement(t, interpreter, folder)
	}
}

// Both verifiers agree on a log of several segments and on edits of whatever is in the folder.
func TestFoldersAgree(t *testing.T) {
	interpreter := python(t)
	good := goodLog(t)
	requireAgreement(t, interpreter, save(t, good.id, good.files()))
	requireAgreement(t, interpreter, save(t, "8f14e45fceea167a5a36dedd4bea2544", good.files()))
	requireAgreement(t, interpreter, save(t, "no-log-id", good.files()))
	requireAgreement(t, interpreter, save(t, good.id, fstest.MapFS{}))
	for _, name := range []string{
		"0000000000-00000000000000000001.jsonl", "0000000001-00000000000000000002.jsonl",
		"0000000007-00000000000000000099.jsonl", "0000000006-00000000000000000001.jsonl",
		"0000000006-00000000000000000099.jsonl", "6-99.jsonl",
	} {
		files := good.files()
		files[name] = &fstest.MapFile{}
		requireAgreement(t, interpreter, save(t, good.id, files))
	}
	for k, s := range good.segments {
		removed := good.files()
		delete(removed, s.name)
		requireAgreement(t, interpreter, save(t, good.id, removed))
		for n, change := range []func(string) string{
			func(data string) string { return data + "\n" },
			func(data string) string { return strings.TrimSuffix(data, "\n") },
			func(data string) string { return data[strings.Index(data, "\n")+1:] },
			func(data string) string { return data[:len(s.lines[0])] },
			func(data string) string { return strings.Replace(data, "\n", "\r\n", 1) },
		} {
			files := good.files()
			files[s.name] = &fstest.MapFile{Data: []byte(change(string(s.bytes())))}
			t.Run(fmt.Sprintf("segment %d change %d", k+1, n), func(t *testing.T) {
				requireAgreement(t, interpreter, save(t, good.id, files))
			})
		}
	}
}

// Bodies that a forger chains correctly: only the form of the body can be wrong.
func TestForgedBodiesAgree(t *testing.T) {
	interpreter := python(t)
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
		requireAgreement(t, interpreter, folder)
		if slices.Contains(valid, body) {
			require.NoError(t, Check(folder), "%q", body)
		} else {
			require.Equal(t, 2, requireFault(t, Check(folder), "%q", body).Line, "%q", body)
		}
	}
}

// System entries that a forger chains correctly: what the chain check looks into, and nothing else.
func TestForgedSystemEntriesAgree(t *testing.T) {
	interpreter := python(t)
	opening := func(typ, id, ordinal string) string {
		return fmt.Sprintf(`{"type":%s,"log_id":%s,"ordinal":%s}`, typ, id, ordinal)
	}
	id := `"` + testLogID + `"`
	tests := []struct {
		kind, opening, second string
		good                  bool
	}{
		{"system", opening(`"opened"`, id, "1"), `{"type":"unknown"}`, true},
		{"system", opening(`"\u006fpened"`, id, "1"), `{}`, true},
		{"system", opening(`"opened"`, id, "1"), `{"Type":"closed"}`, true},
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
		requireAgreement(t, interpreter, folder)
		require.Equal(t, test.good, CheckChain(folder) == nil, "%v", test)
	}
}

func TestVerifyToolUsage(t *testing.T) {
	interpreter := python(t)
	for _, arguments := range [][]string{{}, {"a", "b"}, {"--help"}} {
		var exit *exec.ExitError
		require.ErrorAs(t, exec.Command(interpreter, append([]string{verifyTool}, arguments...)...).Run(), &exit)
		require.Equal(t, 2, exit.ExitCode())
	}
	require.NoDirExists(t, "../../chain/__pycache__")
}

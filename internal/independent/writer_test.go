package independent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const testLogID = "8f14e45fceea167a5a36dedd4bea2543"

// testSegment is a segment to be written: its lines, and the bytes behind those that count.
type testSegment struct {
	name  string
	lines []string
	cut   string
}

func (s *testSegment) bytes() []byte { return []byte(strings.Join(s.lines, "") + s.cut) }

func (s *testSegment) length() int { return len(strings.Join(s.lines, "")) }

// testLog is a log under construction. It writes what FORMAT.md says, and it can be made to lie.
type testLog struct {
	id       string
	segments []*testSegment
	heads    []hash // by seq
	mark     []byte // nil: none
}

func newTestLog(t *testing.T) *testLog {
	id, err := hex.DecodeString(testLogID)
	require.NoError(t, err)
	return &testLog{id: testLogID, heads: []hash{genesis(id)}}
}

func (l *testLog) newest() *testSegment { return l.segments[len(l.segments)-1] }

func (l *testLog) seq() uint64 { return uint64(len(l.heads)) - 1 }

// add appends an entry with any body at all, correctly chained.
func (l *testLog) add(kind, body string) {
	seq, previous := l.seq()+1, l.heads[l.seq()]
	own := link(kind, previous, seq, []byte(body))
	l.heads = append(l.heads, own)
	s := l.newest()
	s.lines = append(s.lines,
		fmt.Sprintf(`{"seq":%d,"prev_hash":"%s","hash":"%s","%s":%s}`+"\n", seq, previous, own, kind, body))
}

func (l *testLog) event(n int) { l.add("event", fmt.Sprintf(`{"v":1,"n":%d,"s":"a\"}ü"}`, n)) }

func (l *testLog) closed() {
	l.add("system", `{"v":1,"type":"closed","time":"2026-11-23T12:00:01Z"}`)
}

// open starts a segment; members are of its opening entry and replace those it would have.
func (l *testLog) open(cause string, members map[string]any) {
	ordinal := len(l.segments) + 1
	opening := map[string]any{
		"v": 1, "type": "opened", "time": "2026-11-23T12:00:00Z", "cause": cause,
		"log_id": l.id, "ordinal": ordinal, "format": 1,
	}
	if ordinal > 1 {
		s := l.newest()
		opening["previous"] = map[string]any{
			"segment": s.name, "length": s.length(), "seq": l.seq(), "hash": l.heads[l.seq()].String(),
		}
		if s.cut != "" {
			opening["cuts"] = []any{l.cut(s.cut)}
		}
	}
	for name, value := range members {
		opening[name] = value
		if value == nil {
			delete(opening, name)
		}
	}
	body, err := json.Marshal(opening)
	if err != nil {
		panic(err)
	}
	l.openRaw("system", string(body))
}

func (l *testLog) openRaw(kind, body string) {
	l.segments = append(l.segments, &testSegment{name: fmt.Sprintf("%010d-%020d.jsonl", len(l.segments)+1, l.seq()+1)})
	l.add(kind, body)
}

// cut declares handed as the bytes behind the newest segment's entries that count.
func (l *testLog) cut(handed string) map[string]any {
	s, sum := l.newest(), sha256.Sum256([]byte(handed))
	return map[string]any{
		"segment": s.name, "offset": s.length(), "length": len(handed),
		"sha256": hex.EncodeToString(sum[:]), "cause": "test",
	}
}

// giveUp makes the newest n entries cut bytes, as a failed sync does.
func (l *testLog) giveUp(n int) {
	s := l.newest()
	keep := len(s.lines) - n
	s.cut = strings.Join(s.lines[keep:], "")
	s.lines = slices.Clone(s.lines[:keep])
	l.heads = slices.Clone(l.heads[:len(l.heads)-n])
}

// note makes the head the mark, the other slot being older or empty.
func (l *testLog) note() {
	var older []byte
	if l.mark != nil {
		older = l.mark[:slotSize]
	} else {
		older = make([]byte, slotSize)
	}
	s := l.newest()
	newer := slot(l.id, len(l.segments), s.length(), l.seq(), l.heads[l.seq()].String())
	l.mark = append([]byte(newer), older...)
}

func slot(id string, ordinal, offset int, seq uint64, head string) string {
	object := fmt.Sprintf(`{"log_id":"%s","ordinal":%d,"offset":%d,"seq":%d,"hash":"%s"}`, id, ordinal, offset, seq, head)
	object += strings.Repeat(" ", slotObject-len(object))
	return object + fmt.Sprintf("%08x\n", crc32.Checksum([]byte(object), crc32.MakeTable(crc32.Castagnoli)))
}

// failoverCut is the index of the segment of goodLog that was given up.
const failoverCut = 2

// goodLog is a log of five segments: closed; torn by a crash; given up and cut; rotated; closed.
func goodLog(t *testing.T) *testLog {
	l := newTestLog(t)
	l.open("created", nil)
	l.event(1)
	l.closed()
	l.open("start", map[string]any{"checked": "tail"})
	l.event(2)
	l.event(3)
	l.newest().cut = l.newest().lines[1][:70] + "\x00\x00\x00"
	l.open("start", map[string]any{"checked": "tail"})
	l.event(4)
	l.event(5)
	l.event(6)
	l.giveUp(2)
	l.open("failover", nil)
	l.add("system", `{"v":1,"type":"sync_failed","time":"2026-11-23T12:00:02Z","error":"input/output error"}`)
	l.event(5)
	l.event(6)
	l.note()
	l.open("rotation", nil)
	l.event(7)
	l.closed()
	l.note()
	return l
}

// files is the log folder in memory.
func (l *testLog) files() fstest.MapFS {
	files := fstest.MapFS{"index.tmp": {Data: []byte("not read")}}
	for _, s := range l.segments {
		files[s.name] = &fstest.MapFile{Data: s.bytes()}
	}
	if l.mark != nil {
		files["mark"] = &fstest.MapFile{Data: l.mark}
	}
	return files
}

// save writes a folder below a new temporary one and returns its path.
func save(t *testing.T, id string, files fstest.MapFS) string {
	folder := filepath.Join(t.TempDir(), id)
	require.NoError(t, os.Mkdir(folder, 0o700))
	for name, file := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), file.Data, 0o600))
	}
	return folder
}

func checkChain(files fstest.MapFS) error {
	_, fault, err := readLog(files, testLogID)
	return firstOf(err, fault)
}

// requireFault requires a fault and returns it.
func requireFault(t *testing.T, err error, what ...any) *Error {
	t.Helper()
	var fault *Error
	require.ErrorAs(t, err, &fault, what...)
	return fault
}

func sum(data []byte) hash { return sha256.Sum256(data) }

// unhex decodes hex digits between which there may be spaces.
func unhex(t *testing.T, digits string) []byte {
	data, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	require.NoError(t, err)
	return data
}

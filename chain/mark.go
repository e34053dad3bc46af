package chain

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// markSlot is the size of one of the two slots of a mark: a sector, so that a
// torn write of one leaves the other whole.
const markSlot = 512

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Mark is the writer's own note of the last synced entry: where it ends and
// what it is. After a crash it is a lower bound. It is no defence against
// anyone who can write the folder.
type Mark struct {
	LogID   LogID  `json:"log_id"`
	Ordinal uint64 `json:"ordinal"`
	Offset  int64  `json:"offset"` // bytes of the segment that are synced
	Head
}

// appendSlot appends m as a slot: JSON as encoding/json writes it, padding of spaces, the CRC-32C of both
// in 8 hex digits, LF.
func (m Mark) appendSlot(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, `{"log_id":"`...)
	dst = hex.AppendEncode(dst, m.LogID[:])
	dst = append(dst, `","ordinal":`...)
	dst = strconv.AppendUint(dst, m.Ordinal, 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, m.Offset, 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, m.Seq, 10)
	dst = append(dst, `,"hash":"`...)
	dst = hex.AppendEncode(dst, m.Hash[:])
	dst = append(dst, `"}`...)
	for len(dst)-start < markSlot-9 {
		dst = append(dst, ' ')
	}
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(dst[start:], castagnoli))
	return append(hex.AppendEncode(dst, sum[:]), '\n')
}

func parseSlot(slot []byte) (Mark, error) {
	var m Mark
	if len(slot) != markSlot {
		return m, errors.New("slot is not whole")
	}
	text := slot[:markSlot-9]
	if want := fmt.Sprintf("%08x\n", crc32.Checksum(text, castagnoli)); string(slot[markSlot-9:]) != want {
		return m, errors.New("slot's checksum does not match")
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return Mark{}, err
	}
	if !bytes.Equal(m.appendSlot(nil), slot) {
		return Mark{}, errors.New("slot is not in canonical form")
	}
	return m, nil
}

// ParseMark parses a mark file: the newer of its readable slots that are of log
// id. ok is false if there is none, which counts as no mark.
func ParseMark(file []byte, id LogID) (m Mark, ok bool) {
	for i := 0; i < 2 && (i+1)*markSlot <= len(file); i++ {
		s, err := parseSlot(file[i*markSlot : (i+1)*markSlot])
		if err == nil && s.LogID == id && (!ok || m.before(s)) {
			m, ok = s, true
		}
	}
	return m, ok
}

func (m Mark) before(o Mark) bool {
	if m.Ordinal != o.Ordinal {
		return m.Ordinal < o.Ordinal
	}
	return m.Offset < o.Offset
}

// ReadMark reads the mark of the log in folder.
func ReadMark(fsys durable.FS, folder string, id LogID) (m Mark, ok bool) {
	m, ok, _ = readMark(fsys, folder, id)
	return m, ok
}

// readMark is [ReadMark], but returns an error if the mark may be found when the
// process has what it lacks now. Whatever else keeps the mark from being read
// counts as none.
func readMark(fsys durable.FS, folder string, id LogID) (m Mark, ok bool, err error) {
	b := make([]byte, 2*markSlot)
	n := 0
	f, err := fsys.Open(filepath.Join(folder, markName))
	if err == nil {
		defer f.Close()
		n, err = f.ReadAt(b, 0)
	}
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return Mark{}, false, fmt.Errorf("couldn't read mark: %w", err)
	case err != nil && !errors.Is(err, io.EOF):
		return Mark{}, false, nil
	}
	m, ok = ParseMark(b[:n], id)
	return m, ok, nil
}

// markFile writes marks, alternately into the two slots. An error of it refuses
// nothing: the mark is then merely older than it could be.
type markFile struct {
	f    durable.File
	next int // the slot that does not hold the newest mark
	buf  []byte
}

// openMark opens the mark of a log for writing, after readers have judged by
// it, or makes it.
func openMark(fsys durable.FS, folder string, id LogID, perm fs.FileMode) (m *markFile, made bool, err error) {
	name := filepath.Join(folder, markName)
	f, err := fsys.OpenWrite(name)
	if durable.IsNotExist(err) {
		made = true
		f, err = fsys.Create(name, perm)
	}
	if err != nil {
		return nil, false, fmt.Errorf("couldn't open mark: %w", err)
	}
	b := make([]byte, markSlot)
	first, firstOK := Mark{}, false
	if n, _ := f.ReadAt(b, 0); n == markSlot {
		first, firstOK = ParseMark(b, id)
	}
	m = &markFile{f: f}
	if newest, ok := ReadMark(fsys, folder, id); firstOK && ok && newest == first {
		m.next = 1
	}
	return m, made, nil
}

func (m *markFile) write(mark Mark) error {
	m.buf = mark.appendSlot(m.buf[:0])
	if _, err := m.f.WriteAt(m.buf, int64(m.next)*markSlot); err != nil {
		return fmt.Errorf("couldn't write mark: %w", err)
	}
	m.next ^= 1
	return nil
}

package withhold

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// The parts of the format on disk.
const (
	openingsMagic = "auditlog/openings/v1\n"
	openingsExt   = ".openings"
	openingsSize  = len(openingsMagic) + 16 + 8 + 8 + 4

	// maxFrame is the longest frame in bytes, its first and last four apart.
	maxFrame = 64 << 20
)

// frameSize is the bytes of a frame of so many bytes of openings.
func frameSize(openings int) int { return 4 + 32 + overhead + openings + 4 }

// Frame is the openings of an event, as they lie in a file.
type Frame struct {
	Event, Key ID
	Sealed     []byte
}

// Header is what a file of openings says of itself.
type Header struct {
	Log     ID
	Ordinal uint64
	// After is the sequence number of the last entry whose openings lie in earlier
	// files, all of them durable.
	After uint64
}

func (h Header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(append(dst, openingsMagic...), h.Log[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.Ordinal)
	dst = binary.BigEndian.AppendUint64(dst, h.After)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crcTable))
}

func openingsName(ordinal uint64) string { return fmt.Sprintf("%010d%s", ordinal, openingsExt) }

// Writer appends to the openings of a log. There are never two calls of it at once, but
// for a Sync beside an Append.
type Writer struct {
	fsys      durable.FS
	logFolder string
	folder    string
	log       ID

	buf []byte // owned by Append

	mu      sync.Mutex
	file    durable.File // nil before the first Begin
	ordinal uint64       // of file, or the last that is there
	size    int64
	dirty   bool
	failed  bool // no byte more is written to file
	unsafe  bool // a Sync of file failed: none is believed again
}

// NewWriter makes the folder of a log's openings if it is not there. Begin must follow.
func NewWriter(fsys durable.FS, logFolder, folder string, log ID) (*Writer, error) {
	w := &Writer{fsys: fsys, logFolder: logFolder, folder: filepath.Join(logFolder, folder), log: log}
	if err := makeFolder(fsys, w.folder); err != nil {
		return nil, err
	}
	files, err := List(fsys, w.folder)
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		w.ordinal = files[len(files)-1].Ordinal
	}
	return w, nil
}

// Begin goes on in a new file, which gets its name when its first frames are durable. A
// file that holds no frame is removed.
func (w *Writer) Begin(after uint64, frames ...[]byte) error {
	name := openingsName(w.ordinal + 1)
	f, err := create(w.fsys, filepath.Join(w.folder, name+newExt))
	if err != nil {
		return err
	}
	b := Header{Log: w.log, Ordinal: w.ordinal + 1, After: after}.append(nil)
	for _, frame := range frames {
		b = append(b, frame...)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = rename(w.fsys, w.folder, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("couldn't begin openings %s: %w", name, err), f.Close())
	}
	w.mu.Lock()
	old, empty := w.file, w.size == int64(openingsSize)
	w.file, w.size, w.dirty, w.failed, w.unsafe = f, int64(len(b)), false, false, false
	w.ordinal++
	w.mu.Unlock()
	if old == nil {
		return nil
	}
	err = old.Close()
	if empty {
		err = errors.Join(err, w.fsys.Remove(filepath.Join(w.folder, openingsName(w.ordinal-1))))
	}
	if err != nil {
		return fmt.Errorf("couldn't end openings %s: %w", openingsName(w.ordinal-1), err)
	}
	return nil
}

var errOpeningsFailed = errors.New("the file of openings is given up")

// Append hands frames to the operating system. After an error of Append or Sync it
// refuses until Begin has succeeded.
func (w *Writer) Append(frames [][]byte) error {
	w.buf = w.buf[:0]
	for _, f := range frames {
		w.buf = append(w.buf, f...)
	}
	b := w.buf
	if cap(w.buf) > maxBuffer {
		w.buf = nil
	}
	w.mu.Lock()
	f, at, failed := w.file, w.size, w.failed
	w.mu.Unlock()
	if failed {
		return errOpeningsFailed
	}
	if len(b) == 0 {
		return nil
	}
	_, err := f.WriteAt(b, at)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed = true
		return fmt.Errorf("couldn't write openings: %w", err)
	}
	w.size, w.dirty = at+int64(len(b)), true
	return nil
}

// maxBuffer is the memory that Append keeps, in bytes.
const maxBuffer = 1 << 20

// Sync makes durable what Appends that returned before have written, also after one that
// failed. An error is final for the file.
func (w *Writer) Sync() error {
	w.mu.Lock()
	f, dirty, unsafe := w.file, w.dirty, w.unsafe
	w.dirty = false
	w.mu.Unlock()
	switch {
	case unsafe:
		return errOpeningsFailed
	case !dirty:
		return nil
	}
	if err := f.Sync(); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failed, w.unsafe = true, true
		return fmt.Errorf("couldn't sync openings: %w", err)
	}
	return nil
}

// Close closes the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file, w.failed, w.unsafe = nil, true, true
	return f.Close()
}

// File is a file of openings.
type File struct {
	Path    string
	Ordinal uint64
	fsys    durable.FS
}

// List lists the files of openings in a folder, in order. What has no name of theirs is
// left out.
func List(fsys durable.FS, folder string) ([]File, error) {
	names, err := fsys.ReadDir(folder)
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't list openings: %w", err)
	}
	var files []File
	for _, n := range names {
		digits, ok := strings.CutSuffix(n.Name(), openingsExt)
		ordinal, err := strconv.ParseUint(digits, 10, 64)
		if ok && err == nil && openingsName(ordinal) == n.Name() {
			files = append(files, File{Path: filepath.Join(folder, n.Name()), Ordinal: ordinal, fsys: fsys})
		}
	}
	return files, nil
}

// Frames gives the frames of a file in order. It ends with its first fault, as what
// follows one was never synced. A frame is valid until the next; the error is of
// reading, or the header's.
func (f File) Frames(each func(Frame) error) (Header, error) {
	file, err := f.fsys.Open(f.Path)
	if err != nil {
		return Header{}, fmt.Errorf("couldn't open openings: %w", err)
	}
	defer file.Close()
	in := bufio.NewReaderSize(io.NewSectionReader(file, 0, 1<<62), 1<<16)
	h, err := readHeader(in)
	if err != nil {
		return h, fmt.Errorf("couldn't read %s: %w", f.Path, err)
	}
	var buf []byte
	for {
		frame, ok, err := readFrame(in, &buf)
		if err != nil {
			return h, fmt.Errorf("couldn't read %s: %w", f.Path, err)
		}
		if !ok {
			return h, nil
		}
		if err := each(frame); err != nil {
			return h, err
		}
	}
}

var errHeader = errors.New("not a file of openings")

func readHeader(in io.Reader) (h Header, err error) {
	b := make([]byte, openingsSize)
	if _, err := io.ReadFull(in, b); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return h, errHeader
	} else if err != nil {
		return h, err
	}
	rest := b[len(openingsMagic):]
	copy(h.Log[:], rest)
	h.Ordinal, h.After = binary.BigEndian.Uint64(rest[16:]), binary.BigEndian.Uint64(rest[24:])
	if string(h.append(nil)) != string(b) {
		return Header{}, errHeader
	}
	return h, nil
}

// readFrame reads the next frame; ok is false where there is none that is whole.
func readFrame(in io.Reader, buf *[]byte) (f Frame, ok bool, err error) {
	ended := func(err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		return err
	}
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return f, false, ended(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 32+overhead || n > maxFrame {
		return f, false, nil
	}
	// Read in steps: a length that is torn must not take memory.
	b := append((*buf)[:0], head[:]...)
	for want := int(n) + 8; len(b) < want; {
		start := len(b)
		b = append(b, make([]byte, min(want-start, 1<<20))...)
		if _, err := io.ReadFull(in, b[start:]); err != nil {
			return f, false, ended(err)
		}
	}
	*buf = b
	end := len(b) - 4
	if crc32.Checksum(b[:end], crcTable) != binary.BigEndian.Uint32(b[end:]) {
		return f, false, nil
	}
	return Frame{Event: ID(b[4:20]), Key: ID(b[20:36]), Sealed: b[36:end]}, true, nil
}

// IsMalformed tells whether err says that a file is none of openings, or that its
// beginning was torn.
func IsMalformed(err error) bool { return errors.Is(err, errHeader) }

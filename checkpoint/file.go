package checkpoint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"path/filepath"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// FileName is the name of a log's file of checkpoints, in the log's folder.
const FileName = chain.CheckpointsName

// maxLine is the longest line in bytes that a record can be.
const maxLine = 1 << 20

// File is what stands in a log's file of checkpoints.
type File struct {
	Records []Record
	Refused []Refusal
	Damaged []Damage
}

// Damage is a line that is no record: what a crash tore, or somebody wrote.
type Damage struct {
	Offset int64  `json:"offset"` // bytes
	Length int64  `json:"length"` // bytes
	Reason string `json:"reason"`
}

// ReadFile reads the checkpoints of the log in folder, in the order in which they
// were signed. Without a file there are none. Signatures are not checked.
func ReadFile(fsys durable.FS, folder string) (File, error) {
	file, err := openFile(fsys, folder)
	if file == nil || err != nil {
		return File{}, err
	}
	defer file.Close()
	var f File
	r := bufio.NewReaderSize(io.NewSectionReader(file, 0, math.MaxInt64), maxLine)
	for at := int64(0); ; {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return File{}, fmt.Errorf("couldn't read checkpoints: %w", err)
		}
		if len(line) == 0 {
			return f, nil
		}
		if refusal, ok := parseRefusal(line); ok {
			refusal.Offset = at
			f.Refused = append(f.Refused, refusal)
		} else if record, err := ParseRecord(line); err != nil {
			f.Damaged = append(f.Damaged, Damage{Offset: at, Length: int64(len(line)), Reason: err.Error()})
		} else {
			record.Offset = at
			f.Records = append(f.Records, record)
		}
		at += int64(len(line))
	}
}

// openFile opens a log's checkpoints for reading; nil if there are none.
func openFile(fsys durable.FS, folder string) (durable.File, error) {
	file, err := fsys.Open(filepath.Join(folder, FileName))
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't open checkpoints: %w", err)
	}
	return file, nil
}

// backwards gives the records of a file of so many bytes, the last one first, and
// as errors of the type *refusal those lines that are one. Other lines are left out.
func backwards(f io.ReaderAt, size int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		end := size // of the line to be given next
		for step := int64(64 << 10); end > 0; {
			from := max(0, end-step)
			block := make([]byte, end-from)
			if _, err := f.ReadAt(block, from); err != nil && !errors.Is(err, io.EOF) {
				yield(Record{}, fmt.Errorf("couldn't read checkpoints: %w", err))
				return
			}
			first := bytes.IndexByte(block, '\n') + 1 // where lines are known to begin
			if from == 0 {
				first = 0
			}
			if first == len(block) || first == 0 && from > 0 {
				if step *= 4; step > 2*maxLine {
					end, step = from, 64<<10 // no record is as long
				}
				continue
			}
			for block = block[:len(block):len(block)]; len(block) > first; {
				at := max(first, bytes.LastIndexByte(block[:len(block)-1], '\n')+1)
				if refused, ok := parseRefusal(block[at:]); ok {
					if !yield(Record{}, refuse("%s", refused.Refused)) {
						return
					}
				} else if r, err := ParseRecord(block[at:]); err == nil {
					r.Offset = from + int64(at)
					if !yield(r, nil) {
						return
					}
				}
				block = block[:at]
			}
			end = from + int64(first)
		}
	}
}

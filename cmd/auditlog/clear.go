package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mention is a file in which a text stands.
type mention struct {
	path   string
	lines  int
	offset int64 // of the first such line
}

// findClear looks for text in all files below path but those of openings: segments, with
// what of them is cut, what a crash left, exports. It looks for the text as it is and as
// JSON has it, so it finds it as a part of others, too.
func findClear(path, text string) ([]mention, error) {
	if text == "" {
		return nil, nil
	}
	forms := [][]byte{[]byte(text)}
	if b, err := json.Marshal(text); err == nil && !bytes.Equal(b[1:len(b)-1], forms[0]) {
		forms = append(forms, b[1:len(b)-1])
	}
	var found []mention
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".openings") {
			return err
		}
		c, err := clearIn(path, forms)
		if err == nil && c.lines > 0 {
			found = append(found, c)
		}
		return err
	})
	return found, err
}

func clearIn(path string, forms [][]byte) (mention, error) {
	c := mention{path: path}
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for offset := int64(0); ; {
		line, err := r.ReadBytes('\n')
		for _, form := range forms {
			if bytes.Contains(line, form) {
				if c.lines++; c.lines == 1 {
					c.offset = offset
				}
				break
			}
		}
		offset += int64(len(line))
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, err
		}
	}
}

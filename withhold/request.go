package withhold

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// Request asks the log's writer, which alone writes the key store and the log, to erase
// a subject. It holds the subject's tag and nothing else of it.
type Request struct {
	Name    string `json:"-"`       // of its file
	Tag     string `json:"tag"`     // 32 hex digits
	Subject string `json:"subject"` // what stands for it in the log, 64 hex digits
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Answer is what became of a request.
type Answer struct {
	Seq   uint64   `json:"seq,omitempty"` // of the erased entry, 0: there was nothing to erase
	Keys  []string `json:"keys,omitempty"`
	Error string   `json:"error,omitempty"` // why not, for good
}

const (
	requestExt = ".request"
	answerExt  = ".answer"
	maxRequest = 64 << 10 // bytes
	maxRemark  = 200      // bytes of By and Reason
)

// NewRequest asks for the erasing of a subject. by and reason stand in the log.
func (s *secrets) NewRequest(subject, by, reason string) Request {
	tag, erased := s.Tag(subject), s.Erased(subject)
	return Request{Tag: hex.EncodeToString(tag[:]), Subject: hex.EncodeToString(erased[:]), By: by, Reason: reason}
}

// Check finds what may not stand in a request.
func (r Request) Check() error {
	if tag, err := hex.DecodeString(r.Tag); err != nil || len(tag) != 16 {
		return errors.New("tag is not 32 hex digits")
	}
	if sum, err := hex.DecodeString(r.Subject); err != nil || len(sum) != 32 {
		return errors.New("subject is not 64 hex digits")
	}
	for _, text := range []string{r.By, r.Reason} {
		if len(text) > maxRemark || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
			return fmt.Errorf("by and reason must be at most %d printable ASCII characters", maxRemark)
		}
	}
	return nil
}

// TagOf is the tag of a request that Check finds nothing wrong with.
func (r Request) TagOf() Tag {
	b, _ := hex.DecodeString(r.Tag)
	return Tag(b)
}

// PutRequest leaves a request in a key store's folder, durably, and returns its name.
func PutRequest(fsys durable.FS, folder string, r Request) (string, error) {
	var id ID
	rand.Read(id[:]) // never fails
	b, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return id.String(), replace(fsys, filepath.Join(folder, requestsName), id.String()+requestExt, append(b, '\n'))
}

// Requests lists the requests of a key store that are not answered. One that can't be
// read as such is answered so.
func Requests(fsys durable.FS, folder string) ([]Request, error) {
	folder = filepath.Join(folder, requestsName)
	names, err := fsys.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("couldn't list requests: %w", err)
	}
	var all []Request
	for _, n := range names {
		name, ok := strings.CutSuffix(n.Name(), requestExt)
		if !ok {
			continue
		}
		b, err := readFile(fsys, filepath.Join(folder, n.Name()), maxRequest)
		if durable.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("couldn't read request: %w", err)
		}
		var r Request
		if err := json.Unmarshal(b, &r); err != nil {
			r = Request{} // its Check fails
		}
		r.Name = name
		all = append(all, r)
	}
	return all, nil
}

// Reply answers a request and removes it. After a crash it may be there still.
func Reply(fsys durable.FS, folder string, r Request, a Answer) error {
	folder = filepath.Join(folder, requestsName)
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := replace(fsys, folder, r.Name+answerExt, append(b, '\n')); err != nil {
		return err
	}
	if err := fsys.Remove(filepath.Join(folder, r.Name+requestExt)); err != nil {
		return fmt.Errorf("couldn't remove request: %w", err)
	}
	return fsys.SyncDir(folder)
}

// TakeAnswer reads and removes the answer to a request; ok is false if there is none
// yet.
func TakeAnswer(fsys durable.FS, folder, name string) (a Answer, ok bool, err error) {
	path := filepath.Join(folder, requestsName, name+answerExt)
	b, err := readFile(fsys, path, maxRequest)
	if durable.IsNotExist(err) {
		return a, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err == nil {
		err = fsys.Remove(path)
	}
	if err != nil {
		return Answer{}, false, fmt.Errorf("couldn't take answer: %w", err)
	}
	return a, true, nil
}

// Names are the ids as an answer and the log have them.
func Names(ids []ID) []string {
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

package witness

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// ServerOptions say what a witness cosigns. All must be set.
type ServerOptions struct {
	FS        durable.FS
	Directory string       // of its state: who rolls it back makes the witness forget
	Signer    note.Signer  // of cosignatures, type 0x04: [torchwood.CosignatureSigner]
	Logs      []policy.Log // whose checkpoints it cosigns
	Logger    *slog.Logger
}

// Server is a witness. It holds its state folder locked.
type Server struct {
	o     ServerOptions
	store *store
	mux   *http.ServeMux

	mu   sync.Mutex             // guards seen
	seen map[string]*sync.Mutex // by origin of a log that signed: between check and write no other request of the log comes
}

// NewServer opens the state folder. An [durable.ErrLocked] says that another
// witness has it.
func NewServer(o ServerOptions) (*Server, error) {
	st, err := openStore(o.FS, o.Directory)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, store: st, mux: http.NewServeMux(), seen: map[string]*sync.Mutex{}}
	s.mux.HandleFunc("POST "+addPath, s.serveAdd)
	s.mux.HandleFunc("GET /{hash}/checkpoint", s.serveLatest)
	return s, nil
}

// ServeHTTP serves the protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close lets the state folder go. No request may be under way.
func (s *Server) Close() error { return s.store.close() }

// refusal is an answer that is no cosignature.
type refusal struct {
	status int
	why    string
}

func (e *refusal) Error() string { return e.why }

func (s *Server) serveAdd(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		http.Error(w, "couldn't read the request", http.StatusBadRequest)
		return
	}
	sigs, err := s.add(body)
	var (
		conflict *ConflictError
		refused  *refusal
	)
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(sigs)
	case errors.As(err, &conflict):
		w.Header().Set("Content-Type", sizeType)
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", conflict.Size)
	case errors.As(err, &refused):
		http.Error(w, refused.why, refused.status)
	default:
		s.o.Logger.Error("couldn't cosign", "error", err)
		http.Error(w, "the witness can't keep its state", http.StatusInternalServerError)
	}
}

// add makes the checks of the specification in their order, and cosigns.
func (s *Server) add(body []byte) ([]byte, error) {
	req, err := parseRequest(body)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, err.Error()}
	}
	origin, _, _ := strings.Cut(string(req.checkpoint), "\n")
	keys := s.keys(origin)
	if len(keys) == 0 {
		return nil, &refusal{http.StatusNotFound, "unknown log"}
	}
	n, err := note.Open(req.checkpoint, note.VerifierList(keys...))
	if err != nil {
		return nil, &refusal{http.StatusForbidden, "no signature of a trusted key, or a wrong one"}
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || c.String() != n.Text {
		return nil, &refusal{http.StatusBadRequest, "malformed checkpoint"}
	}
	if req.old > c.N {
		return nil, &refusal{http.StatusBadRequest, "old is larger than the checkpoint"}
	}
	// Only now, so that nobody without a log's key takes memory or waits for others.
	defer s.only(origin)()
	known, err := s.known(origin)
	if err != nil {
		return nil, err
	}
	if err := s.check(origin, known, req, c); err != nil {
		return nil, err
	}
	return s.cosign(origin, n)
}

// check compares a checkpoint with the one known before it.
func (s *Server) check(origin string, known tlog.Tree, req request, c torchwood.Checkpoint) error {
	switch {
	case req.old != known.N:
		return &ConflictError{known.N}
	case req.old == 0:
		if len(req.proof) > 0 {
			return &refusal{http.StatusUnprocessableEntity, "a proof from size 0 must be empty"}
		}
		if empty, _ := tlog.TreeHash(0, nil); c.N == 0 && c.Hash != empty {
			return &refusal{http.StatusUnprocessableEntity, "the root of size 0 is wrong"}
		}
	case req.old == c.N && c.Hash != known.Hash:
		s.forked(origin, req, "another root of the size that was cosigned")
		return &ConflictError{known.N}
	default:
		if err := tlog.CheckTree(req.proof, c.N, c.Hash, known.N, known.Hash); err != nil {
			s.forked(origin, req, "no proof that it extends what was cosigned")
			return &refusal{http.StatusUnprocessableEntity, "the proof does not hold"}
		}
	}
	return nil
}

// forked keeps what a log has signed beside what was cosigned: the two can prove
// that it has two histories. Failing to keep it changes no answer.
func (s *Server) forked(origin string, req request, why string) {
	s.o.Logger.Error("refused a checkpoint: "+why, "origin", origin, "old", req.old)
	if err := s.store.keep(origin, req.checkpoint); err != nil {
		s.o.Logger.Error("couldn't keep a refused checkpoint", "origin", origin, "error", err)
	}
}

// cosign signs and makes the checkpoint the log's newest, before anyone is told.
func (s *Server) cosign(origin string, n *note.Note) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: n.Text}, s.o.Signer)
	if err != nil {
		return nil, fmt.Errorf("couldn't sign: %w", err)
	}
	_, cosigned, ok := splitNote(signed)
	if !ok {
		return nil, errors.New("couldn't find own signature")
	}
	// What is kept and served holds no signature that was not checked.
	kept := append([]byte(n.Text), '\n')
	for _, sig := range n.Sigs {
		kept = fmt.Appendf(kept, "— %s %s\n", sig.Name, sig.Base64)
	}
	if err := s.store.write(origin, append(kept, cosigned...)); err != nil {
		return nil, err
	}
	return cosigned, nil
}

// known returns the tree of the newest cosigned checkpoint, size 0 if there is none.
func (s *Server) known(origin string) (tlog.Tree, error) {
	b, err := s.store.read(origin)
	if err != nil || b == nil {
		return tlog.Tree{}, err
	}
	text, _, _ := splitNote(b)
	c, err := torchwood.ParseCheckpoint(string(text))
	if err != nil || c.Origin != origin {
		// Never "as if there were none": that would cosign a second history.
		return tlog.Tree{}, fmt.Errorf("state of %s is damaged", origin)
	}
	return c.Tree, nil
}

func (s *Server) keys(origin string) (keys []note.Verifier) {
	for _, l := range s.o.Logs {
		if v, ok := l.Verifier(origin); ok {
			keys = append(keys, v)
		}
	}
	return keys
}

// only waits until no other request of the log is judged.
func (s *Server) only(origin string) (done func()) {
	s.mu.Lock()
	m := s.seen[origin]
	if m == nil {
		m = new(sync.Mutex)
		s.seen[origin] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (s *Server) serveLatest(w http.ResponseWriter, r *http.Request) {
	b, err := s.store.readName(r.PathValue("hash"))
	switch {
	case err != nil:
		s.o.Logger.Error("couldn't tell a checkpoint", "error", err)
		http.Error(w, "the witness can't read its state", http.StatusInternalServerError)
	case b == nil:
		http.Error(w, "no checkpoint", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(b)
	}
}

package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ClientOptions say which witness is asked, and how.
type ClientOptions struct {
	URL        string        // prefix of add-checkpoint
	Monitoring string        // prefix of what the witness tells; "": URL
	Verifier   note.Verifier // of the witness's cosignatures, type 0x04
	Timeout    time.Duration // of one question; 0: 10 s
	HTTP       *http.Client  // nil: one of its own, which follows no redirect
}

// Client asks one witness. Many goroutines may use it.
type Client struct {
	o ClientOptions
}

// NewClient returns a client. It opens no connection.
func NewClient(o ClientOptions) *Client {
	o.URL = strings.TrimSuffix(o.URL, "/")
	o.Monitoring = strings.TrimSuffix(o.Monitoring, "/")
	if o.Monitoring == "" {
		o.Monitoring = o.URL
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{
			Transport: http.DefaultTransport.(*http.Transport).Clone(),
			// A witness is where it is configured to be.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Client{o: o}
}

// Name returns the name of the witness's key.
func (c *Client) Name() string { return c.o.Verifier.Name() }

// ConflictError says that the witness's newest checkpoint of the log is of
// another size than the client said; or, if it is the size of the checkpoint
// itself, has another root.
type ConflictError struct {
	Size int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the witness holds a checkpoint of size %d", e.Size)
}

// Answers of a witness that trying again does not change.
var (
	ErrUnknownLog = errors.New("the witness does not know the log")                                     // 404
	ErrUntrusted  = errors.New("the witness does not trust the key that signed the checkpoint")         // 403
	ErrProof      = errors.New("the witness refuses the proof: the log is not the one it saw before")   // 422
	ErrRequest    = errors.New("the witness calls the request malformed")                               // 400
	ErrForged     = errors.New("the answer holds no valid cosignature of the witness's key")            // 200, but
	ErrNothing    = errors.New("the witness has no checkpoint of the log, or does not tell its newest") // GET: 404
)

// Add submits a checkpoint with the proof that it extends one of size old, and
// returns the checkpoint with the witness's verified cosignature lines after its
// own signatures. Besides the errors above it returns a *[ConflictError], and
// others, after which it may be tried again.
func (c *Client) Add(ctx context.Context, old int64, proof tlog.TreeProof, checkpoint []byte) ([]byte, error) {
	body := request{old, proof, checkpoint}.format()
	status, answer, err := c.do(ctx, http.MethodPost, c.o.URL+addPath, body)
	if err != nil {
		return nil, fmt.Errorf("couldn't ask witness %s: %w", c.Name(), err)
	}
	switch status {
	case http.StatusOK:
		return c.merge(checkpoint, answer)
	case http.StatusConflict:
		n, ok := parseSize(strings.TrimSuffix(string(answer), "\n"))
		if !ok {
			return nil, fmt.Errorf("witness %s: a conflict without a size", c.Name())
		}
		return nil, fmt.Errorf("witness %s: %w", c.Name(), &ConflictError{n})
	case http.StatusNotFound:
		err = ErrUnknownLog
	case http.StatusForbidden:
		err = ErrUntrusted
	case http.StatusUnprocessableEntity:
		err = ErrProof
	case http.StatusBadRequest:
		err = ErrRequest
	default:
		err = fmt.Errorf("status %d", status)
	}
	return nil, fmt.Errorf("witness %s: %w", c.Name(), err)
}

// merge returns the checkpoint with those lines of the answer that are valid
// cosignatures of the witness. Others are left out.
func (c *Client) merge(checkpoint, answer []byte) ([]byte, error) {
	text, _, ok := bytes.Cut(checkpoint, []byte("\n\n"))
	if !ok {
		return nil, errors.New("couldn't read own checkpoint: it is no note")
	}
	n, err := note.Open(append(append(bytes.Clone(text), "\n\n"...), answer...), note.VerifierList(c.o.Verifier))
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w: %w", c.Name(), ErrForged, err)
	}
	merged := bytes.Clone(checkpoint)
	for _, s := range n.Sigs {
		merged = fmt.Appendf(merged, "— %s %s\n", s.Name, s.Base64)
	}
	return merged, nil
}

// Latest returns the newest checkpoint that the witness has cosigned for a log,
// and the note, in which its cosignature and the log's signature are verified.
// It returns [ErrNothing] if the witness tells none.
func (c *Client) Latest(ctx context.Context, origin string, log note.Verifier) (torchwood.Checkpoint, []byte, error) {
	status, answer, err := c.do(ctx, http.MethodGet, c.o.Monitoring+latestPath(origin), nil)
	switch {
	case err != nil:
		return torchwood.Checkpoint{}, nil, fmt.Errorf("couldn't ask witness %s: %w", c.Name(), err)
	case status == http.StatusNotFound:
		return torchwood.Checkpoint{}, nil, fmt.Errorf("witness %s: %w", c.Name(), ErrNothing)
	case status != http.StatusOK:
		return torchwood.Checkpoint{}, nil, fmt.Errorf("witness %s: status %d", c.Name(), status)
	}
	both := torchwood.ThresholdPolicy(3, torchwood.OriginPolicy(origin),
		torchwood.SingleVerifierPolicy(log), torchwood.SingleVerifierPolicy(c.o.Verifier))
	found, _, err := torchwood.VerifyCheckpoint(answer, both)
	if err != nil {
		return torchwood.Checkpoint{}, nil, fmt.Errorf("witness %s: %w: %w", c.Name(), ErrForged, err)
	}
	return found, answer, nil
}

func (c *Client) do(ctx context.Context, method, url string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	res, err := c.o.HTTP.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxMessage+1))
	if err != nil {
		return 0, nil, err
	}
	if len(answer) > maxMessage {
		return 0, nil, fmt.Errorf("the answer is longer than %d bytes", maxMessage)
	}
	return res.StatusCode, answer, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.o.HTTP.CloseIdleConnections() }

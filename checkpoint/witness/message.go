package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Parts of the protocol.
const (
	addPath  = "/add-checkpoint"
	sizeType = "text/x.tlog.size"
	maxProof = 63
	// maxMessage bounds a request and an answer in bytes: 63 hashes, and a
	// checkpoint with 100 signatures.
	maxMessage = 64 << 10
)

// latestPath is where a witness tells its newest checkpoint of a log.
func latestPath(origin string) string { return "/" + originHash(origin) + "/checkpoint" }

func originHash(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}

// request is a parsed add-checkpoint.
type request struct {
	old        int64
	proof      tlog.TreeProof
	checkpoint []byte
}

// format returns the body of the request.
func (r request) format() []byte {
	b := fmt.Appendf(nil, "old %d\n", r.old)
	for _, h := range r.proof {
		b = fmt.Appendf(b, "%s\n", h)
	}
	b = append(b, '\n')
	return append(b, r.checkpoint...)
}

var errForm = errors.New("malformed request")

// parseRequest parses a request's body. It takes exactly what format makes.
func parseRequest(b []byte) (request, error) {
	head, checkpoint, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		return request{}, errForm
	}
	lines := strings.Split(string(head), "\n")
	s, ok := strings.CutPrefix(lines[0], "old ")
	if !ok || len(lines) > 1+maxProof {
		return request{}, errForm
	}
	r := request{checkpoint: checkpoint}
	if r.old, ok = parseSize(s); !ok {
		return request{}, errForm
	}
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil || h.String() != line {
			return request{}, errForm
		}
		r.proof = append(r.proof, h)
	}
	return r, nil
}

// parseSize parses a tree size: decimal, without a leading zero.
func parseSize(s string) (n int64, ok bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, false
	}
	return n, true
}

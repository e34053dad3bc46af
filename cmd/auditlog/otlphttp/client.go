// Package otlphttp sends log records to a collector by OTLP over HTTP, and tells
// whether the collector has taken all of them.
//
// It speaks OTLP/JSON with the standard library, so that the auditor's tool links
// neither gRPC nor the collector.
package otlphttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// maxAnswer is the most of an answer that is read, in bytes.
const maxAnswer = 64 << 10

// Client sends to one endpoint. [New] makes one.
type Client struct {
	endpoint string
	headers  http.Header
	timeout  time.Duration
	http     *http.Client
}

// Send returns nil when the collector has acknowledged every record of ld. It
// sends again, the same bytes, while the collector says that it is to be tried
// later, for as long as the client's timeout allows; a record must have an id by
// which a copy is known. Redirections are not followed.
func (c *Client) Send(ctx context.Context, ld plog.Logs) error {
	body, err := new(plog.JSONMarshaler).MarshalLogs(ld)
	if err != nil {
		return fmt.Errorf("couldn't encode record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for later := error(nil); ; {
		wait, err := c.post(ctx, body)
		switch {
		case err != nil && ctx.Err() != nil && later != nil:
			return later // tells more than that time is up
		case err == nil || wait == 0:
			return err
		}
		later = err
		select {
		case <-ctx.Done():
			return later
		case <-time.After(wait):
		}
	}
}

// post sends once. wait is not 0 if it is to be sent again after that.
func (c *Client) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, values := range c.headers {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("couldn't read the answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return 0, accepted(answer)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		wait = retryAfter(resp.Header)
	}
	return wait, fmt.Errorf("%s answered %s%s", c.endpoint, resp.Status, reason(answer))
}

// accepted tells whether the answer is that of an OTLP endpoint which has taken
// everything. What is not one, such as the page of a web server, has taken nothing.
func accepted(answer []byte) error {
	var r struct {
		PartialSuccess struct {
			Rejected json.RawMessage `json:"rejectedLogRecords"`
			Message  string          `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return errors.New("the answer is none of OTLP over HTTP")
	}
	switch strings.Trim(string(r.PartialSuccess.Rejected), `"`) {
	case "", "0", "null":
		return nil
	}
	return fmt.Errorf("the collector rejected the record: %s", r.PartialSuccess.Message)
}

func reason(answer []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &status) != nil || status.Message == "" {
		return ""
	}
	return ": " + status.Message
}

func retryAfter(h http.Header) time.Duration {
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	return time.Second
}

package otlphttp

import (
	"context"
	"net"
	"net/http"
)

// SetDial has the client connect by dial, without keeping connections.
func (c *Client) SetDial(dial func() (net.Conn, error)) {
	c.http.Transport = &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return dial() },
		DisableKeepAlives: true,
	}
}

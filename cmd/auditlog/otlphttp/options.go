package otlphttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Options say where to send and how. What is not given is taken from the
// environment, by the names that OpenTelemetry's SDKs use: OTEL_EXPORTER_OTLP_
// ENDPOINT, HEADERS, CERTIFICATE, CLIENT_CERTIFICATE, CLIENT_KEY and TIMEOUT, each
// overruled by that of OTEL_EXPORTER_OTLP_LOGS_.
type Options struct {
	// Endpoint is a URL. One without a path gets /v1/logs. Plain http is for a
	// collector on this machine only.
	Endpoint string
	CA       string   // file of certificates in PEM; "": those of the system
	Cert     string   // file of the client's certificate in PEM
	Key      string   // file of its key in PEM
	Headers  []string // NAME=VALUE
}

const (
	defaultEndpoint = "http://127.0.0.1:4318"
	defaultTimeout  = 10 * time.Second
	path            = "/v1/logs"
)

// New returns a client, or an error that names the option or the variable that is
// wrong and no secret. getenv is os.Getenv but in tests.
func New(o Options, getenv func(string) string) (*Client, error) {
	env := environment(getenv)
	c := &Client{timeout: defaultTimeout}
	if err := c.setEndpoint(o.Endpoint, env); err != nil {
		return nil, err
	}
	if err := c.setHeaders(o.Headers, env); err != nil {
		return nil, err
	}
	if ms := env.get("TIMEOUT"); ms != "" {
		n, err := strconv.ParseUint(ms, 10, 31)
		if err != nil || n == 0 {
			return nil, errors.New("OTEL_EXPORTER_OTLP_TIMEOUT: want milliseconds")
		}
		c.timeout = time.Duration(n) * time.Millisecond
	}
	conf, err := o.tls(env)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = conf
	c.http = &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

type environment func(string) string

func (e environment) get(name string) string {
	if v := e("OTEL_EXPORTER_OTLP_LOGS_" + name); v != "" {
		return v
	}
	return e("OTEL_EXPORTER_OTLP_" + name)
}

func (c *Client) setEndpoint(endpoint string, env environment) error {
	what := "endpoint"
	if endpoint == "" {
		switch p := env.get("PROTOCOL"); {
		case env.get("ENDPOINT") == "":
			endpoint = defaultEndpoint
		case p != "" && !strings.HasPrefix(p, "http/"):
			return errors.New("OTEL_EXPORTER_OTLP_PROTOCOL: access is recorded over HTTP; name the collector's HTTP endpoint")
		default:
			what = "OTEL_EXPORTER_OTLP_ENDPOINT"
			if endpoint = env("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"); endpoint == "" {
				endpoint = strings.TrimSuffix(env("OTEL_EXPORTER_OTLP_ENDPOINT"), "/") + path
			}
		}
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%s: want a URL such as https://collector:4318, without a password", what)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return fmt.Errorf("%s: want https, or http for a collector on this machine", what)
	case !loopback(u.Hostname()):
		return fmt.Errorf("%s: plain http is for a collector on this machine only: want https", what)
	}
	c.endpoint = u.String()
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func (c *Client) setHeaders(given []string, env environment) error {
	c.headers = http.Header{}
	if len(given) == 0 {
		for h := range strings.SplitSeq(env.get("HEADERS"), ",") {
			if strings.TrimSpace(h) == "" {
				continue
			}
			h, err := url.PathUnescape(h)
			if err != nil {
				return errors.New("OTEL_EXPORTER_OTLP_HEADERS: a value is not percent-encoded")
			}
			given = append(given, h)
		}
	}
	for _, h := range given {
		name, value, ok := strings.Cut(h, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(h, "\r\n\x00") {
			return errors.New("header: want NAME=VALUE")
		}
		c.headers.Add(name, strings.TrimSpace(value))
	}
	return nil
}

func (o Options) tls(env environment) (*tls.Config, error) {
	// The draft demands TLS 1.2 of whoever carries audit records.
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	ca, cert, key := o.CA, o.Cert, o.Key
	if ca == "" {
		ca = env.get("CERTIFICATE")
	}
	if cert == "" && key == "" {
		cert, key = env.get("CLIENT_CERTIFICATE"), env.get("CLIENT_KEY")
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("couldn't read certificates: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", ca)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("couldn't read the client's certificate and key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

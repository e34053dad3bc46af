package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/cmd/auditlog/otlphttp"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// recordAccessVariable turns recording on without a flag.
const recordAccessVariable = "AUDITLOG_RECORD_ACCESS"

// accessFlags are the flags by which a command that shows content has a collector
// record that it does. Why so: docs/decisions/0007-recording-access.md.
type accessFlags struct {
	on bool
	to otlphttp.Options
}

func (f *accessFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&f.on, "record-access", false, "show nothing before a collector has recorded who reads what (or "+recordAccessVariable+"=true)")
	flags.StringVar(&f.to.Endpoint, "record-endpoint", "", "OTLP/HTTP URL of that collector (or OTEL_EXPORTER_OTLP_ENDPOINT; default http://127.0.0.1:4318)")
	flags.StringArrayVar(&f.to.Headers, "record-header", nil, "NAME=VALUE, such as a token; better by OTEL_EXPORTER_OTLP_HEADERS, which ps does not show")
	flags.StringVar(&f.to.CA, "record-ca", "", "file of the certificates that the collector's is checked against")
	flags.StringVar(&f.to.Cert, "record-cert", "", "file of a client certificate")
	flags.StringVar(&f.to.Key, "record-key", "", "file of its key")
}

// wanted tells whether access is to be recorded.
func (f *accessFlags) wanted() (bool, error) {
	v := os.Getenv(recordAccessVariable)
	if f.on || v == "" {
		return f.on, nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, &exitError{exitUsage, errors.New(recordAccessVariable + ": want true or false")}
	}
	return on, nil
}

// access is what somebody is about to be shown of a log.
type access struct {
	folder string // of the log
	action string // READ or EXPORT
	first  uint64 // sequence numbers; 0: not known
	last   uint64 // 0: to the end, or not known
	asked  string // what was asked for beside the range, such as a record id
	format string // of an export
	err    error  // why nothing is shown; nil: it will be
}

// record has the collector record a, if that is wanted. Only after nil may a byte
// of what a names be shown. It returns a.err if there is one.
func (f *accessFlags) record(cmd *cobra.Command, a access) error {
	on, err := f.wanted()
	if err == nil && on {
		err = f.send(cmd, a)
	}
	if a.err != nil && err != nil {
		complain(cmd.ErrOrStderr(), "%v", err)
	}
	if a.err != nil {
		return a.err
	}
	return err
}

func (f *accessFlags) send(cmd *cobra.Command, a access) error {
	client, err := otlphttp.New(f.to, os.Getenv)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("couldn't record access: %w", err)}
	}
	if err := client.Send(cmd.Context(), a.entry(cmd.Name(), reader(), time.Now())); err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("nothing is shown, as access couldn't be recorded: %w", err)}
	}
	return nil
}

// upTo is the last entry that a reader with these options is shown, so that the
// record of an access says where it ended; to if that comes before, 0 if it can't
// be told. It costs nothing unless access is recorded.
func (f *accessFlags) upTo(folder string, to uint64, o chain.ReadOptions) uint64 {
	if on, err := f.wanted(); err != nil || !on {
		return to
	}
	o.From, o.Missing = 0, nil
	head, err := chain.ReadHead(durable.OS(), folder, o)
	if err != nil {
		return to
	}
	if to == 0 || head.Seq < to {
		return head.Seq
	}
	return to
}

// target names the log and what of it, as 0123...ef:2-5.
func (a access) target() string {
	id := filepath.Base(a.folder)
	switch {
	case a.first == 0:
		return id
	case a.last == 0:
		return fmt.Sprintf("%s:%d-", id, a.first)
	}
	return fmt.Sprintf("%s:%d-%d", id, a.first, a.last)
}

// entry is the audit record of a, as the OTel Audit Logging draft has it.
func (a access) entry(command string, by person, now time.Time) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "auditlog")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(now))
	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
	lr.SetEventName("audit.log." + strings.ToLower(a.action))
	outcome := "success"
	if a.err != nil {
		outcome = "failure"
	}
	attrs := lr.Attributes()
	for _, s := range [][2]string{
		{"audit.record.id", uuid.NewString()},
		{"audit.actor.id", by.name},
		{"audit.actor.type", "user"},
		{"audit.action", a.action},
		{"audit.outcome", outcome},
		{"audit.target.id", a.target()},
		{"audit.target.type", "audit.log"},
		{"audit.source.id", by.host},
		{"audit.schema.version", "1.0.0"},
		{"auditlog.command", command},
		{"auditlog.asked", strings.ToValidUTF8(a.asked, "\ufffd")},
		{"auditlog.format", a.format},
		{"auditlog.uid", by.uid},
		{"auditlog.login_uid", by.login},
	} {
		if s[1] != "" {
			attrs.PutStr(s[0], s[1])
		}
	}
	if by.host != "" {
		rl.Resource().Attributes().PutStr("host.name", by.host)
		attrs.PutStr("audit.source.type", "hostname")
	}
	return logs
}

// person is who runs this process, as the system says and no variable of the
// environment.
type person struct {
	name  string // of the real user id; uid:N if it has none
	uid   string // the real user id, "" where there is none
	login string // who signed in, whatever they became since, as Linux keeps it; "" if not known
	host  string
}

func reader() person {
	var p person
	p.host, _ = os.Hostname()
	if runtime.GOOS == "windows" {
		if u, err := user.Current(); err == nil {
			p.name = u.Username
		}
		if p.name == "" {
			p.name = "unknown"
		}
		return p
	}
	p.uid = strconv.Itoa(os.Getuid())
	p.name = "uid:" + p.uid
	// Not user.Current, which takes $USER for whom the system's files don't name.
	if u, err := user.LookupId(p.uid); err == nil && u.Username != "" {
		p.name = u.Username
	}
	const nobodySignedIn = "4294967295"
	if b, err := os.ReadFile("/proc/self/loginuid"); err == nil {
		if login := strings.TrimSpace(string(b)); login != nobodySignedIn {
			p.login = login
		}
	}
	return p
}

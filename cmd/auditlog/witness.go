package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/witness"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// witnessFlags are what a witness is and whom it cosigns for.
type witnessFlags struct {
	listen, key, state, policy string
	logs                       []string
	cert, tlsKey               string
	vkey                       string // of key, as a witness's
}

func newWitnessCommand() *cobra.Command {
	var f witnessFlags
	c := &cobra.Command{
		Use:   "witness --key FILE --state DIR --log VKEY...",
		Short: "Serve as a witness: cosign checkpoints of logs that only ever grow",
		Long: `witness serves C2SP tlog-witness: POST /add-checkpoint, and GET
/<hex SHA-256 of the origin>/checkpoint for the newest cosigned one. It cosigns the
checkpoints of the logs named by --log, or by the log lines of a --policy, each only
with a proof that it extends the one before, and so refuses the second of two
histories. Run it on another machine than the log, under another administrator.

--key is a file of auditlog keygen with a name of its own. --state is a folder that
must not be lost or set back: what a witness forgot it can't refuse. It prints its
verifier key, which goes into the witnesses of a collector and into policies, and
serves until it is interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options(cmd)
			if err != nil {
				return err
			}
			return f.serve(cmd, o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:7380", "address to listen on")
	flags.StringVar(&f.key, "key", "", "file of the witness's signer key")
	flags.StringVar(&f.state, "state", "", "folder of its state")
	flags.StringArrayVar(&f.logs, "log", nil, "verifier key of a log, or a file of it; may be repeated")
	flags.StringVar(&f.policy, "policy", "", "file of a tlog-policy whose logs are cosigned")
	flags.StringVar(&f.cert, "tls-cert", "", "file of a certificate, to serve HTTPS")
	flags.StringVar(&f.tlsKey, "tls-key", "", "file of its key")
	return c
}

func (f *witnessFlags) options(cmd *cobra.Command) (witness.ServerOptions, error) {
	o := witness.ServerOptions{FS: durable.OS(), Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))}
	for _, n := range [][2]string{{"--key", f.key}, {"--state", f.state}} {
		if n[1] == "" {
			return o, fmt.Errorf("%s must be given", n[0])
		}
	}
	if (f.cert == "") != (f.tlsKey == "") {
		return o, errors.New("--tls-cert and --tls-key go together")
	}
	key, err := checkpoint.ReadKeyFile(f.key)
	if err != nil {
		return o, &exitError{exitUnreadable, err}
	}
	signer, err := key.Cosigner()
	if err != nil {
		return o, err
	}
	o.Signer, f.vkey = signer, signer.Verifier().String()
	if o.Directory, err = filepath.Abs(f.state); err != nil {
		return o, err
	}
	for _, arg := range f.logs {
		l, err := policy.ParseLog(keyText(arg))
		if err != nil {
			return o, fmt.Errorf("--log: %w", err)
		}
		o.Logs = append(o.Logs, l)
	}
	if f.policy != "" {
		p, err := (&signerFlags{policy: f.policy}).load()
		if err != nil {
			return o, err
		}
		o.Logs = append(o.Logs, p.Logs...)
	}
	if len(o.Logs) == 0 {
		return o, errors.New("a witness of no log has nothing to do: add --log or --policy")
	}
	return o, nil
}

// Limits of a request, so that none that is slow holds the witness up.
const (
	witnessRequest  = 10 * time.Second
	witnessIdle     = 2 * time.Minute
	witnessShutdown = 5 * time.Second
)

// serve runs the witness until the command's context ends.
func (f *witnessFlags) serve(cmd *cobra.Command, o witness.ServerOptions) error {
	s, err := witness.NewServer(o)
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	defer s.Close()
	l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", f.listen)
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	server := &http.Server{
		Handler: s, ReadTimeout: witnessRequest, WriteTimeout: witnessRequest, IdleTimeout: witnessIdle,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() {
		if f.cert != "" {
			done <- server.ServeTLS(l, f.cert, f.tlsKey)
			return
		}
		done <- server.Serve(l)
	}()
	p := newPrinter(cmd.OutOrStdout())
	p.printf("%s", f.vkey)
	complain(cmd.ErrOrStderr(), "witness of %s listens on %s", count(uint64(len(o.Logs)), "log key", "log keys"), l.Addr())
	select {
	case err := <-done:
		return &exitError{exitUnreadable, fmt.Errorf("couldn't serve: %w", err)}
	case <-cmd.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), witnessShutdown)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(&exitError{exitUnreadable, fmt.Errorf("couldn't stop in order: %w", err)}, server.Close())
	}
	return nil
}

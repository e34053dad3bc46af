package auditexporter_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/otelaudit/auditexporter"

// importRule is what the packages below a folder may import, tests excepted.
type importRule struct {
	folder   string
	own      []string // packages of this module, by folder
	foreign  bool     // of other modules, the collector's excepted
	pdata    bool     // the collector's pdata
	all      bool     // all of the collector
	unwanted []string // of the standard library
}

// The rules of design.md. Imports point one way, flush and chain do not know each other, and nothing
// below exporter knows the collector, so that an auditor's tool needs none of it.
var importRules = map[string]importRule{
	".":                 {own: []string{"exporter", "internal/metadata"}, all: true},
	"exporter":          {own: []string{"event", "event/producer", "flush", "chain", "checkpoint", "checkpoint/policy", "checkpoint/proof", "checkpoint/witness", "idindex", "withhold", "internal/metadata", "internal/durable"}, foreign: true, all: true},
	"withhold":          {own: []string{"internal/durable"}, unwanted: []string{"net", "net/http", "database/sql"}},
	"idindex":           {own: []string{"internal/durable"}},
	"event":             {pdata: true, unwanted: []string{"os", "io/fs", "net", "net/http", "syscall", "database/sql"}},
	"event/canonical":   {pdata: true, foreign: true, unwanted: []string{"os", "io/fs", "net", "net/http", "syscall", "database/sql"}},
	"event/producer":    {own: []string{"event/canonical"}, pdata: true, unwanted: []string{"os", "io/fs", "net/http", "syscall", "database/sql"}},
	"flush":             {unwanted: []string{"os", "io/fs", "net", "syscall"}},
	"chain":             {own: []string{"internal/durable", "internal/sha256pair"}, foreign: true},
	"checkpoint":        {own: []string{"chain", "checkpoint", "internal/durable", "internal/sha256pair"}, foreign: true},
	"checkpoint/judge":  {own: []string{"chain", "checkpoint", "internal/durable"}, foreign: true},
	"cmd/auditlog":      {own: []string{"chain", "checkpoint", "checkpoint/judge", "checkpoint/policy", "checkpoint/proof", "checkpoint/witness", "event", "idindex", "withhold", "internal/durable"}, foreign: true, pdata: true},
	"internal/durable":  {foreign: true},
	"internal/metadata": {foreign: true, all: true},
	"internal/*":        {own: []string{"chain", "internal/durable"}, foreign: true},
}

func ruleFor(folder string) (importRule, bool) {
	for f := folder; ; {
		if r, ok := importRules[f]; ok {
			r.folder = f
			return r, true
		}
		i := strings.LastIndexByte(f, '/')
		if i < 0 {
			break
		}
		f = f[:i]
	}
	if strings.HasPrefix(folder, "internal/") {
		r := importRules["internal/*"]
		r.folder = folder
		return r, true
	}
	return importRule{}, false
}

func (r importRule) allows(path string) bool {
	const collector = "go.opentelemetry.io/collector/"
	own, isOwn := strings.CutPrefix(path, module+"/")
	switch {
	case isOwn:
		return slices.Contains(r.own, own) || strings.HasPrefix(own, r.folder+"/")
	case strings.HasPrefix(path, collector+"pdata/"):
		return r.pdata || r.all
	case strings.HasPrefix(path, collector), strings.HasPrefix(path, "github.com/open-telemetry/opentelemetry-collector-contrib/"):
		return r.all
	case strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
		return r.foreign
	}
	return !slices.Contains(r.unwanted, path)
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...").Output()
	require.NoError(t, err)
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		folder := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if folder == "" {
			folder = "."
		}
		if folder == "internal/metadatatest" { // helps tests only
			continue
		}
		seen[folder] = true
		rule, ok := ruleFor(folder)
		require.True(t, ok, "no rule for folder %s", folder)
		for _, i := range p.Imports {
			require.True(t, rule.allows(i), "%s must not import %s", folder, i)
		}
	}
	for _, folder := range []string{".", "exporter", "event", "flush", "chain"} {
		require.True(t, seen[folder], folder)
	}
}

// The rules say what they mean.
func TestImportRules(t *testing.T) {
	for _, bad := range [][2]string{
		{"flush", module + "/chain"},
		{"chain", module + "/flush"},
		{"chain", "go.opentelemetry.io/collector/pdata/plog"},
		{"chain", module + "/exporter"},
		{"event", "go.opentelemetry.io/collector/component"},
		{"event", "os"},
		{"flush", "go.uber.org/zap"},
		{"cmd/auditlog", "go.opentelemetry.io/collector/confmap"},
		{"cmd/auditlog", module + "/exporter"},
		{"cmd/auditlog/view", module + "/flush"},
		{".", module + "/chain"},
		{"internal/independent", module + "/exporter"},
	} {
		rule, ok := ruleFor(bad[0])
		require.True(t, ok)
		require.False(t, rule.allows(bad[1]), "%s imports %s", bad[0], bad[1])
	}
	for _, good := range [][2]string{
		{"cmd/auditlog", module + "/cmd/auditlog/view"},
		{"cmd/auditlog", "go.opentelemetry.io/collector/pdata/plog"},
		{"cmd/auditlog", "github.com/spf13/cobra"},
		{"event", "go.opentelemetry.io/collector/pdata/pcommon"},
		{"flush", "sync"},
	} {
		rule, ok := ruleFor(good[0])
		require.True(t, ok)
		require.True(t, rule.allows(good[1]), "%s imports %s", good[0], good[1])
	}
	_, ok := ruleFor("util")
	require.False(t, ok)
}

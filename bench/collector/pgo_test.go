package collector

import (
	"os"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"
)

// The profile that `make build PGO=default.pgo` gives to the compiler is one of our collector, and does not
// say where that was built.
func TestProfile(t *testing.T) {
	f, err := os.Open("../../default.pgo")
	require.NoError(t, err)
	defer f.Close()
	p, err := profile.Parse(f)
	require.NoError(t, err)
	for _, m := range p.Mapping {
		require.NotContains(t, m.File, "/")
	}
	ours := false
	for _, f := range p.Function {
		ours = ours || f.Name == "github.com/otelaudit/auditexporter/event.(*Source).append"
	}
	require.True(t, ours)
}

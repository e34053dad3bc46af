//go:build !purego

package sha256pair

import "golang.org/x/sys/cpu"

// blocks updates a by n blocks from p, and b by n blocks from q.
//
//go:noescape
func blocks(a, b *[8]uint32, p, q *byte, n int)

// hasSHA tells whether the processor has the SHA extensions: CPUID leaf 7, EBX bit 29.
func hasSHA() bool

func supported() bool { return cpu.X86.HasSSSE3 && cpu.X86.HasSSE41 && hasSHA() }

//go:build !amd64 || purego

package sha256pair

func supported() bool { return false }

func blocks(*[8]uint32, *[8]uint32, *byte, *byte, int) { panic("sha256pair: not supported") }

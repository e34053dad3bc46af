package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errHex = errors.New("not a lower-case hex digit")

// decodeHex accepts lower-case hex of exactly twice dst's length, which is a
// multiple of 4. After an error dst holds anything.
func decodeHex(dst, src []byte) error {
	if len(src) != 2*len(dst) {
		return fmt.Errorf("want %d hex digits, have %d", 2*len(dst), len(src))
	}
	differ := uint64(0)
	for i := 0; i+4 <= len(dst); i += 4 {
		text := binary.LittleEndian.Uint64(src[2*i:])
		b := hexBytes(text)
		differ |= hexDigits(b) ^ text
		binary.LittleEndian.PutUint32(dst[i:], b)
	}
	if differ != 0 {
		return errHex
	}
	return nil
}

// appendHex appends h in lower-case hex.
func appendHex(dst []byte, h *Hash) []byte {
	for i := 0; i < len(h); i += 4 {
		dst = binary.LittleEndian.AppendUint64(dst, hexDigits(binary.LittleEndian.Uint32(h[i:])))
	}
	return dst
}

// hexDigits returns the 8 hex digits of 4 bytes, in the order of both in memory.
func hexDigits(b uint32) uint64 {
	v := uint64(b)
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v>>4 | v<<8) & 0x0f0f0f0f0f0f0f0f
	letters := (v + lows*6) >> 4 & lows // 1 where a digit is above 9
	return v + lows*'0' + letters*('a'-'0'-10)
}

// hexBytes returns the 4 bytes of 8 hex digits; of anything else, something of
// which hexDigits does not make it.
func hexBytes(text uint64) uint32 {
	v := text&(lows*0x0f) + text>>6&lows*9
	v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16)
}

package event

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	hexDigits = "0123456789abcdef"

	// replacement stands for each byte that is no part of valid UTF-8; the
	// byte itself stands in the exact member.
	replacement = "\uFFFD"
)

// appendString appends s as a JSON string in which no control or direction
// character stands raw, and returns what is notable in s. Where that has
// markUTF8, the string in dst holds U+FFFD for each byte that is no part of
// valid UTF-8, and appendByteTag keeps those.
func appendString(dst []byte, s string) ([]byte, marks) {
	n := len(s)
	if cap(dst)-len(dst) < n+2 {
		dst = slices.Grow(dst, n+2)
	}
	b := dst[len(dst) : len(dst)+n+2]
	b[0] = '"'
	if i := copyClean(b[1:n+1], s); i < n {
		dst, m := appendEscaped(dst[:len(dst)+1+i], s[i:])
		return append(dst, '"'), m
	}
	b[n+1] = '"'
	return dst[:len(dst)+n+2], 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// unclean marks those of 8 bytes that are not clean, by the highest bit of each.
// The lowest bit set is that of the first: only such a byte borrows from the next.
func unclean(w uint64) uint64 {
	quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
	return (w | (w - ones*' ') | (quote - ones) | (slash - ones) | (del - ones)) & highs
}

// eightOf is the first 8 bytes of s, little-endian, and fourOf the first 4.
func eightOf(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func fourOf(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// copyClean copies s to dst, which is as long, and returns how many leading bytes
// it has copied. They are clean, and those that follow them begin with one that
// is not, or hold one among the next eight.
func copyClean(dst []byte, s string) int {
	n := len(s)
	i := 0
	for ; i+8 <= n; i += 8 {
		w := eightOf(s[i : i+8])
		if unclean(w) != 0 {
			return i
		}
		binary.LittleEndian.PutUint64(dst[i:i+8], w)
	}
	switch {
	case i == n:
		return n
	case n >= 8:
		w := eightOf(s[n-8:])
		if unclean(w) != 0 {
			return i
		}
		binary.LittleEndian.PutUint64(dst[n-8:], w)
	case n >= 4:
		low, high := fourOf(s), fourOf(s[n-4:])
		if unclean(uint64(low)|uint64(high)<<32) != 0 {
			return 0
		}
		binary.LittleEndian.PutUint32(dst, low)
		binary.LittleEndian.PutUint32(dst[n-4:], high)
	default:
		first, middle, last := s[0], s[n/2], s[n-1]
		if !clean[first] || !clean[middle] || !clean[last] {
			return 0
		}
		dst[0], dst[n/2], dst[n-1] = first, middle, last
	}
	return n
}

// isClean tells whether s stands for itself in a JSON string.
func isClean(s string) bool {
	for i := range len(s) {
		if !clean[s[i]] {
			return false
		}
	}
	return true
}

// clean says which bytes stand for themselves in a JSON string.
var clean = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func appendEscaped(dst []byte, s string) ([]byte, marks) {
	var m marks
	judged := 0 // backslashes before it need no look
	for i := 0; i < len(s); {
		if len(s)-i >= 8 {
			if cap(dst)-len(dst) < 8 {
				dst = slices.Grow(dst, len(s)-i+8)
			}
			w := eightOf(s[i : i+8])
			binary.LittleEndian.PutUint64(dst[len(dst):len(dst)+8], w)
			n := bits.TrailingZeros64(unclean(w)) >> 3 // 8 if all are clean
			dst = dst[:len(dst)+n]
			if i += n; n == 8 {
				continue
			}
		} else if clean[s[i]] {
			dst = append(dst, s[i])
			i++
			continue
		}
		switch c := s[i]; {
		case c == '"':
			dst = append(dst, '\\', '"')
			i++
			continue
		case c < utf8.RuneSelf:
			if c == '\\' && i >= judged {
				n, lone := judgeBackslash(s[i:])
				m |= lone
				judged = i + n
			}
			m |= marksASCII[c]
			dst = appendEscape(dst, rune(c))
			i++
			continue
		}
		var n int
		var of marks
		dst, n, of = appendBeyond(dst, s[i:])
		m |= of
		i += n
	}
	return dst, m
}

// appendBeyond appends the characters beyond ASCII that s begins with, n bytes.
func appendBeyond(dst []byte, s string) (_ []byte, n int, m marks) {
	for n < len(s) && s[n] >= utf8.RuneSelf {
		if size := letter(s[n:]); size == 2 {
			dst = append(dst, s[n], s[n+1])
			n += 2
			continue
		} else if size == 3 {
			dst = append(dst, s[n], s[n+1], s[n+2])
			n += 3
			continue
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, replacement...)
			m |= markUTF8
		case hidden(r):
			dst = appendEscape(dst, r)
			m |= marksOf(r)
		default:
			dst = append(dst, s[n:n+size]...)
		}
		n += size
	}
	return dst, n, m
}

// letter returns the bytes of the character that s begins with if it is of those
// that most text beyond ASCII consists of, none of them hidden: U+00C0 to U+07FF
// but for U+0600 to U+063F, U+3000 to U+CFFF. Else 0.
func letter(s string) int {
	switch c := s[0]; {
	case c >= 0xc3 && c <= 0xdf && c != 0xd8:
		if len(s) >= 2 && s[1]&0xc0 == 0x80 {
			return 2
		}
	case c >= 0xe3 && c <= 0xec:
		if len(s) >= 3 && s[1]&0xc0 == 0x80 && s[2]&0xc0 == 0x80 {
			return 3
		}
	}
	return 0
}

// fit returns how many leading bytes of s stand in room bytes of an event: as a
// JSON string without its quotes, and with their tags if they are not valid
// UTF-8. It splits no character.
func fit(s string, room int) int {
	for i := 0; i < len(s); {
		size, cost := 1, 1
		if c := s[i]; c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError || hidden(r) {
				cost = 12
			} else {
				cost = size
			}
		} else if !clean[c] {
			cost = 6
		}
		if room -= cost; room < 0 {
			return i
		}
		i += size
	}
	return len(s)
}

// prefix returns the first n bytes of s if it has more, or up to three fewer so as to split no
// character.
func prefix(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for i := n; i > 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError && i+size > n {
				return s[:i]
			}
			break
		}
	}
	return s[:n]
}

func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if r >= 0x10000 {
		r -= 0x10000
		dst = appendUnit(dst, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

// appendByteTag appends the exact tag of a string that is not valid UTF-8:
// "string:" and, for each U+FFFD of the string as it stands in the event, two
// hex digits of the byte it stands for, or "--" for a U+FFFD of s itself.
func appendByteTag(dst []byte, s string) []byte {
	dst = append(dst, `"`+tagString...)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case r == utf8.RuneError:
			dst = append(dst, '-', '-')
		}
		i += size
	}
	return append(dst, '"')
}

// restoreBytes is the inverse of appendByteTag: it puts the bytes of tag, what
// follows "string:", back into text.
func restoreBytes(text, tag string) (string, bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, replacement)
		b.WriteString(before)
		if !found {
			break
		}
		if len(tag) < 2 {
			return "", false
		}
		if tag[:2] == "--" {
			b.WriteString(replacement)
		} else {
			hi, lo := strings.IndexByte(hexDigits, tag[0]), strings.IndexByte(hexDigits, tag[1])
			if hi < 8 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
		}
		text, tag = after, tag[2:]
	}
	s := b.String()
	return s, tag == "" && !utf8.ValidString(s)
}

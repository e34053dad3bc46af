package event

import (
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
	dst = append(dst, '"')
	n := cleanPrefix(s)
	dst = append(dst, s[:n]...)
	var m marks
	if n < len(s) {
		dst, m = appendEscaped(dst, s[n:])
	}
	return append(dst, '"'), m
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// cleanPrefix returns how many leading bytes of s are printable ASCII but for
// the quote and the backslash, at least in steps of eight.
func cleanPrefix(s string) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		p := s[i : i+8]
		w := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
		quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
		if (w|(w-ones*0x20)|(quote-ones)|(slash-ones)|(del-ones))&highs != 0 {
			break
		}
	}
	for ; i < len(s) && clean[s[i]]; i++ {
	}
	return i
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
		c := s[i]
		if c < utf8.RuneSelf {
			if clean[c] {
				dst = append(dst, c)
				i++
				continue
			}
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
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, replacement...)
			m |= markUTF8
		case hidden(r):
			dst = appendEscape(dst, r)
			m |= marksOf(r)
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	return dst, m
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

package event

import (
	"strings"
	"unicode/utf16"
)

// marks are what is notable in a text. FORMAT.md has the table.
type marks uint16

const (
	markNUL       marks = 1 << iota // U+0000
	markEscape                      // U+001B
	markControl                     // any other control (Cc) but TAB, LF, CR
	markBidi                        // U+202A to U+202E, U+2066 to U+2069
	markBOM                         // U+FEFF
	markUTF8                        // a byte that is no part of valid UTF-8
	markSurrogate                   // text that escapes a lone surrogate, as \ud800
	markLine                        // TAB, LF, CR, U+2028, U+2029
	markHidden                      // any other character that is escaped

	// contentMarks are violations wherever they stand, identityMarks in identity
	// fields.
	contentMarks  = markNUL | markEscape | markControl | markBidi | markBOM | markUTF8 | markSurrogate
	identityMarks = contentMarks | markLine | markHidden
)

// markNames are the words for marks in an event, by bit. They are part of the
// format on disk.
var markNames = [...]string{"nul", "escape", "control", "bidi", "bom", "utf-8", "surrogate", "line", "hidden"}

// append appends the names of m as a JSON array.
func (m marks) append(dst []byte) []byte {
	dst = append(dst, '[')
	for i, name := range markNames {
		if m&(1<<i) == 0 {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"')
	}
	return append(dst, ']')
}

// marksASCII is marksOf for ASCII; zero for what is ordinary.
var marksASCII = func() (t [128]marks) {
	for c := range rune(0x20) {
		t[c] = marksOf(c)
	}
	t[0x7f] = markControl
	return t
}()

// marksOf is what a character that is escaped means.
func marksOf(r rune) marks {
	switch {
	case r == 0:
		return markNUL
	case r == 0x1b:
		return markEscape
	case r == '\t', r == '\n', r == '\r', r == 0x2028, r == 0x2029:
		return markLine
	case r < 0xa0:
		return markControl
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return markBidi
	case r == 0xfeff:
		return markBOM
	default:
		return markHidden
	}
}

// hidden tells the characters beyond ASCII that never stand raw in an event:
// C1 controls, direction marks and overrides, line separators, the BOM, and
// further invisible format characters that change what a reader sees. Joiners
// (U+200B to U+200D) are ordinary text.
func hidden(r rune) bool {
	switch {
	case r < 0xa0:
		return r >= 0x7f
	case r < 0x200e:
		return r == 0x61c || r == 0x180e
	case r < 0x10000:
		return r <= 0x200f ||
			r >= 0x2028 && r <= 0x202e ||
			r >= 0x2060 && r <= 0x206f ||
			r == 0xfeff ||
			r >= 0xfff9 && r <= 0xfffb
	default:
		return r >= 0xe0000 && r <= 0xe0fff
	}
}

// judgeBackslash looks at the escape that s begins with: how many bytes it is,
// and markSurrogate if a JSON reader would make a lone surrogate of it.
func judgeBackslash(s string) (int, marks) {
	if len(s) > 1 && s[1] == '\\' {
		return 2, 0
	}
	u := escapedUnit(s)
	if !utf16.IsSurrogate(u) {
		return 1, 0
	}
	if low := escapedUnit(s[6:]); utf16.IsSurrogate(low) && utf16.DecodeRune(u, low) != 0xfffd {
		return 12, 0
	}
	return 6, markSurrogate
}

// escapedUnit is the UTF-16 unit whose escape s begins with, -1 if none.
func escapedUnit(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	u := rune(0)
	for _, c := range []byte(s[2:6]) {
		i := strings.IndexByte(hexDigits, c|0x20)
		if i < 0 || c < '0' {
			return -1
		}
		u = u<<4 | rune(i)
	}
	return u
}

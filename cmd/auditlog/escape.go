package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// appendSafe appends text with all that could drive a terminal, or hide or turn
// around what stands beside it, escaped as in JSON: control characters (ESC, C1),
// bidi controls, other format characters, line separators. Bytes that are not
// UTF-8 become \x and two hex digits. Joiners of scripts and emoji stay.
func appendSafe[T string | []byte](dst []byte, text T) []byte {
	for len(text) > 0 {
		if c := text[0]; c >= ' ' && c < 0x7f {
			dst, text = append(dst, c), text[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(string(text[:min(len(text), utf8.UTFMax)]))
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, text[0])
		case unicode.IsGraphic(r) || r == 0x200c || r == 0x200d:
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}

// printer writes lines for people: every one of them is escaped.
type printer struct {
	w   *bufio.Writer
	buf []byte
}

func newPrinter(w io.Writer) *printer { return &printer{w: bufio.NewWriter(w)} }

// printf writes a text of one or more lines, and a line end.
func (p *printer) printf(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		p.buf = append(appendSafe(p.buf[:0], line), '\n')
		p.w.Write(p.buf)
	}
	p.w.Flush()
}

// oneLine makes a text that may hold line ends fit on one line of printf.
func oneLine(s string) string { return string(appendSafe(nil, s)) }

package event

import (
	"strconv"
	"strings"
)

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// resolve follows a JSON pointer (RFC 6901) that is not empty; nil if it leads
// nowhere.
func (n *node) resolve(pointer string) *node {
	if !strings.HasPrefix(pointer, "/") {
		return nil
	}
	for _, token := range strings.Split(pointer[1:], "/") {
		switch {
		case n == nil:
			return nil
		case n.kind == jsonArray:
			i, err := strconv.ParseUint(token, 10, 31)
			if err != nil || int(i) >= len(n.items) || strconv.FormatUint(i, 10) != token {
				return nil
			}
			n = &n.items[i]
		default:
			n = n.get(unescapePointer.Replace(token))
		}
	}
	return n
}

// lastToken is the last token of a pointer.
func lastToken(pointer string) string {
	token := pointer[strings.LastIndexByte(pointer, '/')+1:]
	if strings.IndexByte(token, '~') < 0 {
		return token
	}
	return unescapePointer.Replace(token)
}

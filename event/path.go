package event

import "strconv"

// path is the way from the body to the value being read.
type path struct {
	steps []step
}

// step is one level down: an object's key, or an array's index if >= 0.
type step struct {
	key   string
	index int
}

func (p *path) push(key string, index int) { p.steps = append(p.steps, step{key, index}) }
func (p *path) leave()                     { p.steps = p.steps[:len(p.steps)-1] }

// enter is push with the bound on nesting.
func (p *path) enter(r *reader, key string, index int) error {
	p.push(key, index)
	if len(p.steps) > maxDepth {
		return r.fail("nested too deep")
	}
	return nil
}

// maxPointer is how many bytes of a pointer an error shows.
const maxPointer = 256

func (p *path) fail(reason string) error {
	var b []byte
	for _, s := range p.steps {
		if len(b) > maxPointer {
			b = append(b, "..."...)
			break
		}
		b = append(b, '/')
		if s.index >= 0 {
			b = strconv.AppendInt(b, int64(s.index), 10)
			continue
		}
		for i, c := range s.key {
			if i > maxPointer {
				b = append(b, "..."...)
				break
			}
			switch {
			case c == '~':
				b = append(b, "~0"...)
			case c == '/':
				b = append(b, "~1"...)
			case c < 0x20, hidden(c), c == 0x7f:
				b = appendEscape(b, c)
			default:
				b = append(b, string(c)...)
			}
		}
	}
	return &FormatError{Pointer: string(b), Reason: reason}
}

package event

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A letter is a whole character that stands as it is.
func TestLetters(t *testing.T) {
	some := 0
	for r := range utf8.MaxRune + 1 {
		s := string(r) // U+FFFD for a surrogate
		if r < utf8.RuneSelf {
			continue
		}
		if n := letter(s); n > 0 {
			some++
			if n != len(s) || hidden(r) {
				require.Fail(t, "taken for a letter", "%U", r)
			}
		}
		for i := 1; i < len(s); i++ {
			if letter(s[:i])+letter(s[:i]+"(")+letter(s[i:]) > 0 {
				require.Fail(t, "a part is taken for a letter", "%U", r)
			}
		}
	}
	require.Greater(t, some, 40_000)
}

// Text of each length with each byte at each place.
func TestAppendStringAgrees(t *testing.T) {
	plain := "abcdefghijklmnopqrstuvwxyz"
	for n := range len(plain) {
		for at := range n {
			for c := range 256 {
				b := []byte(plain[:n])
				b[at] = byte(c)
				s := string(b)
				want, wantMarks := []byte{'"'}, marks(0)
				for i := range len(s) {
					part, m := appendEscaped(nil, s[i:i+1])
					want, wantMarks = append(want, part...), wantMarks|m
				}
				for _, room := range []int{0, 64} {
					got, m := appendString(make([]byte, 0, room), s)
					if string(got) != string(want)+`"` || m != wantMarks {
						require.Fail(t, "wrong text", "%q: %s", s, got)
					}
				}
			}
		}
	}
}

// What is short enough to be cut by no limit is not looked at twice.
func TestNoLimitIsBelowWhatIsShort(t *testing.T) {
	for _, b := range bounds {
		if b.key == "value_kib" || b.key == "identity_bytes" {
			require.GreaterOrEqual(t, b.low, shortText, b.key)
			require.GreaterOrEqual(t, b.low, maxCachedKey, b.key)
		}
	}
}

// A double is printed as its shortest decimal.
func TestDoublesAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	w := &writer{}
	root := place{}
	for i := range 200_000 {
		f := float64(r.Int64N(1<<r.IntN(62)+1)) / []float64{1, 2, 3, 8, 10, 100, 1000, 10_000, 1e15}[i%9]
		if i%2 == 0 {
			f = -f
		}
		got := string(w.double(nil, f, root.child("x")))
		want := strconv.FormatFloat(f, 'f', -1, 64)
		if a := math.Abs(f); a != 0 && a < 1e-6 {
			want = strconv.FormatFloat(f, 'e', -1, 64)
		} else if f == math.Trunc(f) {
			want += ".0"
		}
		if got != want {
			require.Fail(t, "wrong number", "%s, want %s", got, want)
		}
	}
}

func TestEightDigits(t *testing.T) {
	var c clock
	for _, n := range []uint64{0, 1, 9, 10, 99, 100, 999, 9999, 10000, 12345678, 99999999, 90909090, 9090909} {
		ns := 1772600767000000000 + n*10 + n%10
		back, err := parseTime(string(c.append(nil, ns)[1:31]))
		require.NoError(t, err)
		require.Equal(t, ns, back)
	}
	for n := range uint64(100_000) {
		ns := 3_600_000_000_000 + n*10_007
		back, err := parseTime(string(c.append(nil, ns)[1:31]))
		require.NoError(t, err)
		require.Equal(t, ns, back)
	}
}

package event

import (
	"encoding/binary"
	"errors"
	"time"
)

const secondsPerDay = 24 * 60 * 60

// clock appends timestamps. It keeps the text of the last second it was asked for.
type clock struct {
	second uint64 // since 1970
	day    uint64 // likewise
	text   [len(`"2006-01-02T15:04:05.000000000Z"`)]byte
	set    bool
}

// Where the parts of a time stand in its text.
const (
	hourAt     = len(`"2006-01-02T`)
	fractionAt = len(`"2006-01-02T15:04:05.`)
)

// append appends ns, unsigned nanoseconds since 1970 as OTel has them, as a
// quoted RFC 3339 time in UTC with nine digits of fraction. The largest is
// 2554-07-21T23:34:33.709551615Z.
func (c *clock) append(dst []byte, ns uint64) []byte {
	second, fraction := ns/1e9, uint32(ns%1e9)
	if second != c.second || !c.set {
		c.setSecond(second)
	}
	dst = append(dst, c.text[:]...)
	t := dst[len(dst)-len(c.text):]
	binary.LittleEndian.PutUint64(t[fractionAt:], eightDigits(fraction/10))
	t[fractionAt+8] = byte('0' + fraction%10)
	return dst
}

func (c *clock) setSecond(second uint64) {
	if day := second / secondsPerDay; day != c.day || !c.set {
		time.Unix(int64(second), 0).UTC().AppendFormat(c.text[:0], `"2006-01-02T15:04:05.000000000Z"`)
		c.day = day
	}
	s := uint32(second % secondsPerDay)
	h, m := s/3600, s/60%60
	s %= 60
	t := c.text[hourAt:fractionAt]
	t[0], t[1] = byte('0'+h/10), byte('0'+h%10)
	t[3], t[4] = byte('0'+m/10), byte('0'+m%10)
	t[6], t[7] = byte('0'+s/10), byte('0'+s%10)
	c.second, c.set = second, true
}

// eightDigits returns the decimal digits of n < 1e8, the first in the lowest byte.
func eightDigits(n uint32) uint64 {
	x := uint64(n/1e4) | uint64(n%1e4)<<32 // two numbers of four digits
	y := x * 10486 >> 20 & 0x7f_0000007f   // each by 100
	x = y | (x-100*y)<<16
	y = x * 103 >> 10 & 0xf_000f_000f_000f // each of four by 10
	return (y | (x-10*y)<<8) + ones*'0'
}

// nanoseconds returns t as OTel counts time, 0 if it has no such number.
func nanoseconds(t time.Time) uint64 {
	if sec := t.Unix(); sec > 0 && sec <= 18446744072 {
		return uint64(sec)*1e9 + uint64(t.Nanosecond())
	}
	return 0
}

var errTime = errors.New("not a UTC time with nine digits of fraction")

// parseTime is the inverse of clock.append, without the quotes.
func parseTime(s string) (uint64, error) {
	t, err := time.Parse("2006-01-02T15:04:05.000000000Z", s)
	if err != nil || len(s) != len("2006-01-02T15:04:05.000000000Z") || t.Unix() < 0 {
		return 0, errTime
	}
	sec, frac := uint64(t.Unix()), uint64(t.Nanosecond())
	if ns := sec*1e9 + frac; sec <= 18446744073 && ns/1e9 == sec && ns != 0 {
		return ns, nil
	}
	return 0, errTime
}

// unixNano returns ns as a time in UTC, the zero time for 0.
func unixNano(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(int64(ns/1e9), int64(ns%1e9)).UTC()
}

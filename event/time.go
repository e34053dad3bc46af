package event

import (
	"errors"
	"time"
)

const secondsPerDay = 24 * 60 * 60

// clock appends timestamps. It keeps the text of the last day it was asked for.
type clock struct {
	day  uint64 // days since 1970-01-01
	date [11]byte
	set  bool
}

// append appends ns, unsigned nanoseconds since 1970 as OTel has them, as a
// quoted RFC 3339 time in UTC with nine digits of fraction. The largest is
// 2554-07-21T23:34:33.709551615Z.
func (c *clock) append(dst []byte, ns uint64) []byte {
	sec, frac := ns/1e9, uint32(ns%1e9)
	if day := sec / secondsPerDay; !c.set || day != c.day {
		c.setDay(day)
	}
	s := uint32(sec % secondsPerDay)
	h, m := s/3600, s/60%60
	s %= 60
	milli, micro, nano := frac/1e6, frac/1e3%1e3, frac%1e3
	dst = append(dst, '"')
	dst = append(dst, c.date[:]...)
	return append(dst,
		byte('0'+h/10), byte('0'+h%10), ':',
		byte('0'+m/10), byte('0'+m%10), ':',
		byte('0'+s/10), byte('0'+s%10), '.',
		byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10),
		byte('0'+micro/100), byte('0'+micro/10%10), byte('0'+micro%10),
		byte('0'+nano/100), byte('0'+nano/10%10), byte('0'+nano%10),
		'Z', '"')
}

func (c *clock) setDay(day uint64) {
	t := time.Unix(int64(day*secondsPerDay), 0).UTC()
	t.AppendFormat(c.date[:0], "2006-01-02T")
	c.day, c.set = day, true
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

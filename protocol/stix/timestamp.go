package stix

import "time"

const timeReason = "not a time such as 2024-01-31T12:00:00.000Z"

// parseTime reads an RFC 3339 time in UTC, written with Z, that exists in the
// calendar, with up to nine digits of a second.
func parseTime(s string) (time.Time, bool) {
	if !patternTime(s) || len(s) > len("0000-00-00T00:00:00.000000000Z") || s[17] == '6' {
		return time.Time{}, false
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	nanos, unit := 0, 100_000_000
	for i := len("0000-00-00T00:00:00."); i < len(s)-1; i++ {
		nanos += int(s[i]-'0') * unit
		unit /= 10
	}
	day := two(8)
	t := time.Date(two(0)*100+two(2), time.Month(two(5)), day, two(11), two(14), two(17), nanos, time.UTC)
	return t, t.Day() == day // 31 April would become 1 May
}

func validTime(s string) bool {
	_, ok := parseTime(s)
	return ok
}

// appendTime writes t in UTC to the millisecond, what is below cut off.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), t.Nanosecond()/1e6, 3)
	return append(b, 'Z')
}

func appendDigits(b []byte, n, width int) []byte {
	for unit := [...]int{1, 10, 100, 1000}[width-1]; unit > 0; unit /= 10 {
		b = append(b, byte('0'+n/unit%10))
	}
	return b
}

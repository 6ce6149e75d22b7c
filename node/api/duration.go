package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time as the door's JSON and flags carry it: "30d",
// "12h", "90m", "1d12h". A day is 24 hours; "1y" is 365 days.
type Duration time.Duration

// maxDays keeps a length of time far from where arithmetic with it overflows.
const maxDays = 36500

// ParseDuration reads what [Duration] describes: a whole number of years, or
// what [time.ParseDuration] reads, with an optional whole number of days in front. It is never negative
// and at most 100 years.
func ParseDuration(s string) (time.Duration, error) {
	if years, ok := strings.CutSuffix(s, "y"); ok {
		n, err := strconv.ParseUint(years, 10, 32)
		if err != nil || n > maxDays/365 {
			return 0, fmt.Errorf("duration %q: a whole number of years, at most %d", s, maxDays/365)
		}
		return time.Duration(n) * 365 * 24 * time.Hour, nil
	}
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || s == "" {
		return 0, fmt.Errorf("duration %q: write it like 30d, 12h, 90m or 1d12h", s)
	}
	var d time.Duration
	if rest != "" {
		if d, err = time.ParseDuration(rest); err != nil {
			return 0, fmt.Errorf("duration %q: write it like 30d, 12h, 90m or 1d12h", s)
		}
	}
	if d < 0 || n > maxDays || d > maxDays*24*time.Hour {
		return 0, fmt.Errorf("duration %q: it must lie between 0 and %dd", s, maxDays)
	}
	return d + time.Duration(n)*24*time.Hour, nil
}

// String writes days apart and leaves out parts that are zero: "30d", "1d12h".
func (d Duration) String() string {
	days, rest := time.Duration(d)/(24*time.Hour), time.Duration(d)%(24*time.Hour)
	text := ""
	if days != 0 {
		text = strconv.FormatInt(int64(days), 10) + "d"
	}
	if rest != 0 || text == "" {
		part := rest.String()
		if strings.HasSuffix(part, "m0s") {
			part = strings.TrimSuffix(part, "0s")
		}
		if strings.HasSuffix(part, "h0m") {
			part = strings.TrimSuffix(part, "0m")
		}
		text += part
	}
	return text
}

// MarshalText writes what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [ParseDuration] reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err == nil {
		*d = Duration(parsed)
	}
	return err
}

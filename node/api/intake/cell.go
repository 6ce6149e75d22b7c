package intake

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits on what people wrote about a value, in bytes.
const (
	maxDescription = 1024
	maxLabel       = 64
	maxLabels      = 16
)

// dateLayouts are the dates seen in such files, besides days and months in
// numbers with slashes, which [parseDate] orders.
func dateLayouts() []string {
	return []string{
		time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04:05 MST", "2006-01-02 15:04",
		"2006/01/02", "2006/01/02 15:04:05", "20060102", "Jan 2, 2006", "January 2, 2006", "2 Jan 2006", "2 January 2006", "02-Jan-2006", "02.01.2006",
	}
}

// parseDate reads a date; without a zone it is UTC. dayFirst decides 3/4/2026.
func parseDate(cell string, dayFirst bool) (time.Time, error) {
	if absent(cell) || strings.EqualFold(cell, "never") {
		return time.Time{}, nil
	}
	for _, layout := range dateLayouts() {
		if t, err := time.Parse(layout, cell); err == nil {
			return t.UTC(), nil
		}
	}
	day := "1/2/"
	if dayFirst {
		day = "2/1/"
	}
	for _, rest := range []string{"2006", "2006 15:04", "2006 15:04:05", "06", "06 15:04", "06 15:04:05"} {
		if t, err := time.Parse(day+rest, cell); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("not a date: %q", excerpt(cell))
}

// dayFirst looks for a date with slashes that can only be D/M/Y.
func dayFirst(rows [][]string, columns []column) bool {
	for i, c := range columns {
		if c.role != from && c.role != until {
			continue
		}
		for _, row := range rows {
			if i >= len(row) {
				continue
			}
			first, _, slashed := strings.Cut(trim(row[i]), "/")
			if n, err := strconv.Atoi(first); slashed && err == nil && n > 12 && n <= 31 {
				return true
			}
		}
	}
	return false
}

// parseConfidence reads a number from 0 to 100 (with or without %) or one of
// the words of STIX 2.1 appendix A; -1 for anything else.
func parseConfidence(cell string) int {
	switch strings.ToLower(cell) {
	case "none":
		return 0
	case "low":
		return 15
	case "medium", "med":
		return 50
	case "high":
		return 85
	}
	n, err := strconv.Atoi(strings.TrimSuffix(cell, "%"))
	if err != nil || n < 0 || n > 100 {
		return -1
	}
	return n
}

// description is text about a value, cut to size. Text with an e-mail address
// in it is dropped: whose it is nobody can tell.
func description(text string) string {
	text = trim(strings.ToValidUTF8(text, ""))
	for i := 1; i+1 < len(text); i++ {
		if text[i] == '@' && isWordByte(text[i-1]) && isWordByte(text[i+1]) {
			return ""
		}
	}
	return cutAt(text, maxDescription)
}

// labelText is a tag as a label, "" for none.
func labelText(text string) string {
	text = trim(strings.ToValidUTF8(text, ""))
	if absent(text) || len(text) > maxLabel || strings.ContainsAny(text, "@") {
		return ""
	}
	return text
}

// cutAt shortens text to at most n bytes without splitting a character.
func cutAt(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

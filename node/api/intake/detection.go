package intake

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// MaxAlert is the size of one alert in bytes: CrowdSec's carries its events.
const MaxAlert = 4 << 20

// A detection is what is taken of an alert, and nothing else of it.
type detection struct {
	source      string // the address or block that attacked
	by          string // which program
	name        string // of the scenario or the rule; "": none that may be told
	label       string // the same for machines; "": none
	first, last time.Time
}

// detections reads alerts: lists of them, or one after the other.
func (s *source) detections(next yield, read func(row *Row, raw []byte)) {
	sc := newScanner(s.in)
	one := func(place string) error {
		raw, line, whole, err := sc.capture(MaxAlert)
		if err != nil {
			return err
		}
		row := Row{Line: line, Place: place}
		if whole {
			read(&row, raw)
		} else {
			refuse(&row, fmt.Sprintf("alert larger than %d MiB", MaxAlert>>20), "")
		}
		if !next(row, nil) {
			return errStopped
		}
		return nil
	}
	err := eachAlert(sc, one)
	if err != nil && err != errStopped {
		next(Row{}, fmt.Errorf("%s:%d: %w", s.o.Name, sc.line, err))
	}
}

func eachAlert(sc *scanner, one func(place string) error) error {
	for {
		c, ok := sc.next()
		var err error
		switch {
		case !ok:
			return sc.err
		case c == '[':
			i := -1
			err = sc.elements(func() error { i++; return one("/" + strconv.Itoa(i)) })
		case c == '{':
			err = one("")
		default:
			err = sc.fault("%q where an alert should be", c)
		}
		if err != nil {
			return err
		}
	}
}

// detected fills in row for a detection.
func (s *source) detected(row *Row, d detection) {
	values, _, err := one(addressType(d.source), d.source)
	if err != nil {
		refuse(row, "the source is neither address nor block", "")
		return
	}
	about := "detected by " + d.by
	if d.name != "" {
		about += ": " + d.name
	}
	m := meta{from: d.first, confidence: -1, description: description(about + span(d.first, d.last))}
	if d.label != "" {
		m.labels = []string{d.label}
	}
	s.accept(row, values, m, "")
}

// span is a time, or from when to when.
func span(first, last time.Time) string {
	const layout = "2006-01-02 15:04:05 UTC"
	switch {
	case first.IsZero():
		return ""
	case last.IsZero() || last.Sub(first) < time.Second:
		return ", " + first.UTC().Format(layout)
	}
	return ", " + first.UTC().Format(layout) + " to " + last.UTC().Format(layout)
}

// stamp reads a time of an alert; zero where there is none, or it lies ahead.
func (s *source) stamp(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil && at.Year() > 1970 && !at.After(s.o.Now.Add(time.Hour)) {
			return at.UTC().Truncate(time.Millisecond)
		}
	}
	return time.Time{}
}

// public reports whether a text is an address that attacks may be said of.
func public(text string) bool {
	a, err := netip.ParseAddr(text)
	if err != nil || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	o, err := stix.Canonical(addressType(text), text)
	return err == nil && o.SpecialUse() == ""
}

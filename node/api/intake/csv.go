package intake

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// csv reads records under a layout.
func (s *source) csv(l layout, next yield) {
	r := records{s: s, delim: l.delim}
	for {
		fields, line, long, err := r.next()
		if err != nil {
			if err != io.EOF {
				next(Row{}, err)
			}
			return
		}
		row := Row{Line: line}
		first := trim(fields[0])
		switch {
		case long:
			refuse(&row, "line longer than 64 KiB", first)
		case blankRow(fields):
			row.Skipped = skipBlank
		case first != "" && first[0] == '#':
			row.Skipped = skipComment
			s.mention(strings.Join(fields, string(l.delim)))
		case len(fields) == 1 && conflictMarker(first):
			row.Skipped = skipConflict
		case l.header != nil && slices.Equal(fields, l.header):
			row.Skipped = skipHeader
		default:
			s.record(&row, l, fields)
		}
		if !next(row, nil) {
			return
		}
	}
}

// record fills in row from the cells of a record.
func (s *source) record(row *Row, l layout, fields []string) {
	text := strings.Join(fields, string(l.delim))
	m, err := s.recordMeta(l, fields)
	if err != nil {
		refuse(row, err.Error(), text)
		return
	}
	values, place, skip, err := s.recordValues(l, fields)
	row.Place = place
	switch {
	case len(values) > 0:
		s.accept(row, values, m, text)
	case skip != "":
		row.Skipped = skip
	case err == nil:
		row.Skipped = "no value"
	default:
		refuse(row, reason(err, text), text)
	}
}

// recordMeta reads the cells that speak about the value.
func (s *source) recordMeta(l layout, fields []string) (m meta, err error) {
	m.confidence = -1
	for i, c := range l.columns {
		if i >= len(fields) {
			break
		}
		cell := trim(fields[i])
		if cell == "" {
			continue
		}
		switch c.role {
		case labelled:
			t, e := protocol.ParseTLP(cell)
			if e != nil {
				return m, errors.New("unknown TLP label: " + excerpt(cell))
			}
			m.tlp = m.tlp.Stricter(t)
		case from:
			m.from, _ = parseDate(cell, l.dayFirst)
		case until:
			if m.until, err = parseDate(cell, l.dayFirst); err != nil {
				return m, errors.New("valid until is no date: " + excerpt(cell))
			}
		case certainty:
			m.confidence = parseConfidence(cell)
		case remark:
			if m.description == "" {
				m.description = description(cell)
			}
		case tag:
			if name := labelText(cell); name != "" {
				m.labels = append(m.labels, name)
			}
		}
	}
	return m, nil
}

// recordValues reads the value cells. place names the first column that holds
// one; err is why one that should holds none.
func (s *source) recordValues(l layout, fields []string) (values []stix.Observable, place, skip string, err error) {
	hint := stix.Type("")
	if l.kindAt >= 0 && l.kindAt < len(fields) {
		hint = cellType(trim(fields[l.kindAt]))
	}
	for i, c := range l.columns {
		if i >= len(fields) || c.role != valued && c.role != contextal {
			continue
		}
		cell := trim(fields[i])
		if absent(cell) {
			continue
		}
		if hint == stix.FileName && !s.o.Context && !hashes(cell) {
			skip = "context only: a file name"
			continue
		}
		h := hint
		if h == "" {
			h = c.hint
		}
		found, e := cellValues(cell, h)
		switch {
		case e != nil:
			if err == nil && c.role == valued {
				err = e
			}
			continue
		case c.role == contextal && !s.o.Context:
			skip = "context only: column " + strconv.Quote(excerpt(c.name))
			continue
		}
		if place == "" {
			place = "column " + strconv.Itoa(i+1)
		}
		values = append(values, withPort(found, l, fields)...)
	}
	return values, place, skip, err
}

// absent recognises what people write for nothing.
func absent(cell string) bool {
	switch strings.ToLower(cell) {
	case "", "-", "--", "n/a", "na", "none", "null", "nil", "unknown", "tbd", "?":
		return true
	}
	return false
}

// hashes reports whether all of a cell is hashes.
func hashes(cell string) bool {
	return len(cell) >= 32 && strings.Trim(strings.ToLower(cell), "0123456789abcdef,;| ") == ""
}

// cellType is the type a type column names, "" where it names none we know.
func cellType(word string) stix.Type {
	lower := strings.ToLower(word)
	switch lower {
	case "filename", "file name", "file path", "filepath", "path", "pdb", "btc", "bitcoin", "wallet":
		return stix.FileName
	case "file", "hash":
		return ""
	}
	if t, err := stix.ParseType(word); err == nil {
		return t
	}
	if t, ok := typeWord(columnWords(word)); ok {
		return t
	}
	return ""
}

// cellValues reads a cell. The value decides its type; hint tells apart what
// looks alike, and reads what cannot be told from its looks.
func cellValues(cell string, hint stix.Type) ([]stix.Observable, error) {
	cell = trim(cell)
	if values, err, ok := pattern(cell); ok {
		return values, err
	}
	values, _, err := detectAll(cell)
	if err != nil {
		if hint != "" && (errors.Is(err, stix.ErrAmbiguous) || hintAlone(hint)) {
			if o, e := stix.Canonical(hint, cell); e == nil {
				return []stix.Observable{o}, nil
			}
		}
		if errors.Is(err, errSeveral) {
			values = prose(cell)
		}
		if len(values) == 0 {
			return nil, err
		}
	}
	for i, o := range values {
		if hint != "" && o.Type != hint && alike(o.Type, hint) {
			values[i].Type = hint
		}
	}
	return values, nil
}

// hintAlone reports whether only a type column can say that a value is of t.
func hintAlone(t stix.Type) bool {
	switch t {
	case stix.Mutex, stix.UserAgent, stix.WindowsRegistryKey, stix.FileName, stix.AutonomousSystem, stix.MACAddr,
		stix.X509MD5, stix.X509SHA1, stix.X509SHA256, stix.JA4, stix.TLSH, stix.SSDEEP, stix.URLPath:
		return true
	}
	return false
}

// alike reports whether a value of type t reads the same as one of type u.
func alike(t, u stix.Type) bool {
	switch t {
	case stix.MD5:
		return u == stix.JA3 || u == stix.JA3S || u == stix.X509MD5
	case stix.SHA1:
		return u == stix.X509SHA1
	case stix.SHA256:
		return u == stix.X509SHA256
	}
	return false
}

// withPort joins an address with the cell of the port column.
func withPort(values []stix.Observable, l layout, fields []string) []stix.Observable {
	i := l.portAt
	if i < 0 || i >= len(fields) || len(values) != 1 || absent(trim(fields[i])) {
		return values
	}
	return []stix.Observable{atPort(values[0], trim(fields[i]))}
}

package intake

import (
	"bufio"
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A layout is how a CSV file is taken apart.
type layout struct {
	delim    byte
	header   []string // the header row as found; nil without one
	columns  []column
	kindAt   int  // the type column, -1 for none
	portAt   int  // the port column, -1 for none
	dayFirst bool // in dates such as 3/4/2026
	domains  bool // of a list: a name that may be a file's is a domain
}

// sampleRows is how many records decide a layout.
const sampleRows = 200

// A sample is the beginning of a CSV file under one delimiter.
type sample struct {
	delim   byte
	rows    [][]string
	comment []string // the last comment before the first row, as fields
	width   int      // the most common number of fields
	share   float64  // of rows that have it
}

// takeSample reads the first records of head.
func takeSample(head []byte, delim byte) sample {
	whole := len(head) < window
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 && !whole {
		head = head[:i]
	}
	r := records{s: newSource(Options{}, bufio.NewReaderSize(bytes.NewReader(head), len(head)+1)), delim: delim}
	p := sample{delim: delim}
	widths := map[int]int{}
	for len(p.rows) < sampleRows {
		fields, _, long, err := r.next()
		if err != nil {
			break
		}
		first := trim(fields[0])
		switch {
		case long, blankRow(fields), len(fields) == 1 && conflictMarker(first):
		case strings.HasPrefix(first, "#"):
			if len(p.rows) == 0 {
				p.comment = slices.Clone(fields)
				p.comment[0] = strings.TrimLeft(first, "# ")
			}
		default:
			p.rows = append(p.rows, slices.Clone(fields))
			widths[len(fields)]++
		}
	}
	for width, n := range widths {
		if best := widths[p.width]; width > 1 && (n > best || n == best && width > p.width) {
			p.width = width
		}
	}
	if p.width > 0 {
		p.share = float64(widths[p.width]) / float64(len(p.rows))
	}
	return p
}

// markdown reports whether the rows are those of a table in a text, with a bar
// in front of each.
func (p sample) markdown() bool {
	barred := 0
	for _, row := range p.rows {
		if trim(row[0]) == "" {
			barred++
		}
	}
	return p.delim == '|' && barred*2 > len(p.rows)
}

func blankRow(fields []string) bool {
	return !slices.ContainsFunc(fields, func(f string) bool { return trim(f) != "" })
}

// guessLayout finds the delimiter and the columns. ok is false where head does
// not look like a table of indicators.
func guessLayout(head []byte, o Options) (l layout, ok bool, err error) {
	var best sample
	for _, delim := range []byte{',', ';', '\t', '|'} {
		if p := takeSample(head, delim); p.share > best.share || p.share == best.share && p.width > best.width {
			best = p
		}
	}
	if best.width == 0 {
		best = takeSample(head, ',')
		best.width = 1
	}
	l = best.layout()
	if o.Column != "" {
		return l, true, l.choose(o.Column)
	}
	return l, best.share >= 0.7 && l.has(valued, contextal) && !best.markdown(), nil
}

// layout finds the header and what each column is for.
func (p sample) layout() layout {
	l := layout{delim: p.delim}
	rows := p.rows
	switch {
	case len(rows) > 0 && headerRow(rows[0]):
		l.header, rows = rows[0], rows[1:]
	case len(p.comment) == p.width && headerRow(p.comment):
		l.columns = columnsOf(p.comment)
	}
	if l.header != nil {
		l.columns = columnsOf(l.header)
	}
	headless := l.columns == nil
	for len(l.columns) < p.width {
		l.columns = append(l.columns, column{})
	}
	if headless || !l.has(valued, contextal) {
		l.bySample(rows)
	}
	l.chooseKind(rows)
	l.dayFirst = dayFirst(rows, l.columns)
	l.portAt = slices.IndexFunc(l.columns, func(c column) bool { return c.role == port })
	return l
}

func columnsOf(names []string) []column {
	columns := make([]column, len(names))
	for i, name := range names {
		columns[i] = columnOf(name)
	}
	return columns
}

// headerRow reports whether a record names columns: at least one name is
// known, and none of the cells is a value.
func headerRow(fields []string) bool {
	known := false
	for _, f := range fields {
		if _, err := stix.Detect(trim(f)); err == nil {
			return false
		}
		c := columnOf(f)
		known = known || c.role != unknown && c.role != ignored && len(f) < 60
	}
	return known
}

// bySample makes valued the unnamed columns most of whose cells hold values,
// but for one whose URLs all lead to one site: a reference.
func (l *layout) bySample(rows [][]string) {
	reference := -1
	for i := range l.columns {
		if l.columns[i].role != unknown {
			continue
		}
		cells, values, sites := 0, 0, map[string]bool{}
		for _, row := range rows {
			if i >= len(row) || trim(row[i]) == "" {
				continue
			}
			cells++
			if found, _ := cellValues(row[i], ""); len(found) > 0 {
				values++
				sites[site(found[0])] = true
			}
		}
		if values == 0 || values*2 < cells {
			continue
		}
		if len(sites) == 1 && !sites[""] && values >= 5 {
			reference = i
			continue
		}
		l.columns[i].role = valued
	}
	if reference >= 0 && !l.has(valued) {
		l.columns[reference].role = valued
	}
}

// site is the host of a URL with a scheme, "" for everything else.
func site(o stix.Observable) string {
	if o.Type != stix.URL {
		return ""
	}
	u, err := url.Parse(o.Value)
	if err != nil {
		return ""
	}
	return u.Host
}

// chooseKind keeps one type column: the one whose cells name the most types.
func (l *layout) chooseKind(rows [][]string) {
	best, most := -1, -1
	for i, c := range l.columns {
		if c.role != kind {
			continue
		}
		n := 0
		for _, row := range rows {
			if i < len(row) {
				if _, err := stix.ParseType(row[i]); err == nil {
					n++
				}
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	for i := range l.columns {
		if l.columns[i].role == kind && i != best {
			l.columns[i].role = ignored
		}
	}
	l.kindAt = best
}

// choose makes one column the only one with values: by name or number.
func (l *layout) choose(name string) error {
	at := slices.IndexFunc(l.columns, func(c column) bool { return strings.EqualFold(c.name, trim(name)) && c.name != "" })
	if n, err := strconv.Atoi(name); at < 0 && err == nil && n >= 1 && n <= len(l.columns) {
		at = n - 1
	}
	if at < 0 {
		return fmt.Errorf("no column %q: the file has %s", name, l.names())
	}
	for i := range l.columns {
		if c := &l.columns[i]; c.role == valued || c.role == contextal {
			c.role = ignored
		}
	}
	l.columns[at].role = valued
	return nil
}

func (l *layout) has(roles ...role) bool {
	return slices.ContainsFunc(l.columns, func(c column) bool { return slices.Contains(roles, c.role) })
}

func (l *layout) names() string {
	var names []string
	for i, c := range l.columns {
		names = append(names, fmt.Sprintf("%d %q", i+1, excerpt(c.name)))
	}
	return strings.Join(names, ", ")
}

// describe says in words what the layout is.
func (l *layout) describe() string {
	delims := map[byte]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "pipe"}
	out := delims[l.delim]
	switch {
	case l.header != nil:
		out += ", header row"
	case slices.ContainsFunc(l.columns, func(c column) bool { return c.name != "" }):
		out += ", header in a comment"
	default:
		out += ", no header"
	}
	roles := []struct {
		role role
		word string
	}{{valued, "value"}, {contextal, "context"}, {kind, "type"}, {port, "port"}, {labelled, "TLP"}, {from, "valid from"},
		{until, "valid until"}, {certainty, "confidence"}, {remark, "description"}, {tag, "tag"}}
	for _, r := range roles {
		for i, c := range l.columns {
			if c.role != r.role {
				continue
			}
			out += fmt.Sprintf(", %s in column %d", r.word, i+1)
			if c.name != "" {
				out += fmt.Sprintf(" %q", excerpt(c.name))
			}
		}
	}
	return out
}

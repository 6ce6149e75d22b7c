package feed

import (
	"io"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// productFormats are those of single products that the plain lists do not serve.
func productFormats() []Format {
	return []Format{
		newFormat("panos", "PAN-OS, external dynamic lists of type URL", mediaText, sheet{parts: []part{{types: []stix.Type{stix.URL}, line: panosURL}}}),
		newFormat("cisco", "Cisco threat intelligence director, flat files", mediaText,
			flat("ipv4.txt", stix.IPv4Addr), flat("ipv6.txt", stix.IPv6Addr), flat("domain.txt", stix.DomainName), flat("url.txt", stix.URL), flat("sha256.txt", stix.SHA256)),
		defender(),
	}
}

// panosURL writes a URL without its scheme. The firewall takes an entry for all
// that is below it, so a URL of a whole site cannot be said, nor one with its
// placeholders; a port or a user is not part of what it compares.
func panosURL(b []byte, _ *Document, e *Entry) []byte {
	rest := e.Value
	if scheme, after, ok := strings.Cut(e.Value, "://"); ok && (scheme == "http" || scheme == "https") {
		rest = after
	}
	i := strings.IndexAny(rest, "/?#")
	if i < 0 || rest[i:] == "/" || strings.ContainsAny(rest[:i], ":@[]") || strings.ContainsAny(rest, "*^#") {
		return b
	}
	return enclosed(b, "", rest, "\n")
}

// flat is a file of single values of one type, without what could be taken for a
// quote or for something between two values.
func flat(name string, t stix.Type) sheet {
	return sheet{name: name, parts: []part{{types: []stix.Type{t}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if !single(e) || strings.ContainsAny(e.Value, "\"'`,;|") {
			return b
		}
		return enclosed(b, "", e.Value, "\n")
	}}}}
}

const (
	defenderHead  = "indicatorType,indicatorValue,action,title,description,expirationTime,severity\n"
	defenderBatch = 500 // the most rows that one import takes
)

// defender is as many files as an import in batches needs, 1.csv and so on; the
// first is always there.
func defender() Format {
	rows := part{types: []stix.Type{stix.IPv4Addr, stix.IPv6Addr, stix.DomainName, stix.URL, stix.SHA1, stix.SHA256}, line: defenderRow}
	f := newFormat("defender", "Microsoft Defender for Endpoint, import of indicators", csvMedia, sheet{parts: []part{rows}})
	f.Files = []string{"1.csv"}
	f.write = func(w io.Writer, d *Document, file string) error { return writeBatch(w, d, rows, file) }
	return f
}

func writeBatch(w io.Writer, d *Document, rows part, file string) error {
	number, isCSV := strings.CutSuffix(file, ".csv")
	n, err := strconv.Atoi(number)
	if err != nil || !isCSV || n < 1 || strconv.Itoa(n) != number || n > MaxLines/defenderBatch {
		return noFile("defender", file)
	}
	row, whole := 0, rows.line
	rows.most = defenderBatch
	rows.line = func(b []byte, d *Document, e *Entry) []byte {
		line := whole(b, d, e)
		if len(line) > len(b) {
			row++
		}
		if row <= (n-1)*defenderBatch {
			return b
		}
		return line
	}
	batch := sheet{parts: []part{rows}}
	if n == 1 {
		batch.head = text(defenderHead)
		return batch.write(w, d)
	}
	counter := &counted{Writer: w}
	batch.parts[0].before = defenderHead
	if err := batch.write(counter, d); err != nil || counter.n > 0 {
		return err
	}
	return noFile("defender", file)
}

// counted is a writer that knows whether anything was written.
type counted struct {
	io.Writer
	n int
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += n
	return n, err
}

// defenderRow knows single values only, and a URL by its scheme.
func defenderRow(b []byte, d *Document, e *Entry) []byte {
	kind := ""
	switch e.Type {
	case stix.IPv4Addr, stix.IPv6Addr:
		kind = "IpAddress"
	case stix.DomainName:
		kind = "DomainName"
	case stix.URL:
		if !strings.HasPrefix(e.Value, "http://") && !strings.HasPrefix(e.Value, "https://") {
			return b
		}
		kind = "Url"
	case stix.SHA1:
		kind = "FileSha1"
	case stix.SHA256:
		kind = "FileSha256"
	}
	if !single(e) || computed(e) {
		return b
	}
	action, severity := "Audit", "Informational"
	switch d.Tier {
	case score.Block:
		action, severity = "Block", "High"
	case score.Alert:
		severity = "Medium"
	}
	b = appendCell(append(append(b, kind...), ','), e.Value)
	b = append(append(append(b, ','), action...), ",Tocsin "...)
	b = append(append(b, d.Tier.String()...), ',')
	b = append(append(b, e.TLP.Label()...), " score "...)
	b = append(strconv.AppendInt(b, int64(e.Score), 10), ',')
	if !e.Until.IsZero() {
		b = e.Until.UTC().AppendFormat(b, "2006-01-02T15:04:05.0Z")
	}
	return append(append(append(b, ','), severity...), '\n')
}

package intake

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// list reads one value per line. domains says that the list is one of domain
// names, where "name.zip" is no file.
func (s *source) list(domains bool, next yield) {
	first := true
	s.lines(next, func(row *Row, line string) {
		switch {
		case skipLine(row, line):
			s.mention(line)
		case first && headerWord(line):
			row.Skipped = skipHeader
			first = false
		default:
			first = false
			s.listRow(row, domains, line)
		}
	})
}

// listRow fills in row for a line that is neither blank nor a comment.
func (s *source) listRow(row *Row, domains bool, line string) {
	values, skip, err := listLine(line)
	if domains && errors.Is(err, stix.ErrAmbiguous) {
		if o, e := stix.Canonical(stix.DomainName, line); e == nil {
			values = []stix.Observable{o}
		}
	}
	switch {
	case len(values) > 0:
		s.accept(row, values, meta{confidence: -1}, line)
	case skip != "":
		row.Skipped = skip
	case wordsOnly(line):
		row.Skipped = skipNothing
	default:
		refuse(row, reason(err, line), line)
	}
}

// wordsOnly recognises headings and underlines: nothing in them could be meant
// as a value.
func wordsOnly(line string) bool {
	line = strings.TrimRight(line, ":.")
	return !strings.ContainsAny(line, ".:/@[\\0123456789") && (strings.Contains(line, " ") || strings.Trim(line, "-=_*~") == "")
}

// reason is why a text is no observable, without the words every such error
// begins with.
func reason(err error, text string) string {
	switch {
	case strings.ContainsRune(text, utf8.RuneError):
		return refuseUTF8
	case err == nil:
		return skipNothing
	}
	return strings.TrimPrefix(err.Error(), stix.ErrNotObservable.Error()+": ")
}

// skipLine recognises lines that say nothing in any line format.
func skipLine(row *Row, line string) bool {
	switch {
	case line == "":
		row.Skipped = skipBlank
	case line[0] == '#', line[0] == '!', line[0] == ';', strings.HasPrefix(line, "//"):
		row.Skipped = skipComment
	case conflictMarker(line):
		row.Skipped = skipConflict
	}
	return row.Skipped != ""
}

// conflictMarker recognises what git leaves in a file it could not merge.
func conflictMarker(line string) bool {
	return line == "=======" || strings.HasPrefix(line, "<<<<<<< ") ||
		strings.HasPrefix(line, ">>>>>>> ") || strings.HasPrefix(line, "||||||| ")
}

// listLine returns the values of a line, or why it is to be skipped, or why it
// holds none.
func listLine(line string) (values []stix.Observable, skip string, err error) {
	switch line[0] {
	case '|', '@', '[':
		if values, skip, err, ok := adblockRule(line); ok {
			return values, skip, err
		}
	case '*', 'h':
		if values, err, ok := matchPattern(line); ok {
			return values, "", err
		}
	case 's', 'a', 'l':
		if values, err, ok := dnsmasqRule(line); ok {
			return values, "", err
		}
	}
	if strings.IndexAny(line, " \t") < 0 {
		return detectAll(line)
	}
	if line = trim(inlineComment(line)); line == "" {
		return nil, skipComment, nil
	}
	fields := strings.Fields(line)
	if len(fields) > 1 && sinkAddress(fields[0]) {
		return hostsLine(fields[1:])
	}
	if o, err := stix.Detect(fields[0]); err == nil && aside(line, fields) {
		return []stix.Observable{o}, "", nil
	}
	if values, _, err = detectAll(line); len(values) > 0 {
		return values, "", nil
	}
	return prose(line), "", err
}

// detectAll reads a text that should be one value, or several with
// separators between them.
func detectAll(text string) ([]stix.Observable, string, error) {
	if !severalURLs(text) {
		o, err := stix.Detect(text)
		if err == nil {
			return []stix.Observable{o}, "", nil
		}
		if strings.IndexAny(text, "\n\t ") < 0 {
			if values, _, _ := splitValues(text); len(values) > 0 {
				return values, "", nil
			}
			return nil, "", err
		}
	}
	return splitValues(text)
}

// aside reports whether what follows the first field of a line is a remark on
// it: set off by a tab or more than one blank, or a number.
func aside(line string, fields []string) bool {
	rest := line[strings.Index(line, fields[0])+len(fields[0]):]
	return len(fields) == 1 || rest[0] == '\t' || strings.HasPrefix(rest, "  ") ||
		len(fields) == 2 && strings.Trim(fields[1], "0123456789") == ""
}

// inlineComment cuts a comment that follows a blank.
func inlineComment(line string) string {
	for i := 1; i < len(line); i++ {
		if c := line[i]; (c == '#' || c == ';' || c == '/' && strings.HasPrefix(line[i:], "// ")) && (line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// sinkAddress recognises the addresses a hosts file sends names to.
func sinkAddress(s string) bool {
	switch s {
	case "0.0.0.0", "127.0.0.1", "::", "::1", "0", "255.255.255.255", "fe80::1%lo0":
		return true
	}
	return false
}

// hostsLine returns the names of a hosts line after its address.
func hostsLine(names []string) (values []stix.Observable, skip string, err error) {
	for _, name := range names {
		switch strings.ToLower(name) {
		case "localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback", "0.0.0.0",
			"ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts":
			skip = "the hosts file's own names"
			continue
		}
		o, e := stix.Canonical(stix.DomainName, name)
		if e != nil {
			err = e
			continue
		}
		values = append(values, o)
	}
	return values, skip, err
}

// adblockRule reads ||name^ and what stands around it.
func adblockRule(line string) (values []stix.Observable, skip string, err error, ok bool) {
	switch {
	case strings.HasPrefix(line, "[Adblock"), strings.HasPrefix(line, "[uBlock"):
		return nil, skipHeader, nil, true
	case strings.HasPrefix(line, "@@"):
		return nil, "exception rule", nil, true
	case !strings.HasPrefix(line, "||"):
		return nil, "", nil, false
	}
	rule, options, _ := strings.Cut(line[2:], "$")
	if strings.Contains(options, "domain=") || strings.Contains(options, "badfilter") {
		return nil, "", errors.New("adblock rule that holds only on some sites"), true
	}
	rule = strings.TrimSuffix(rule, "^")
	if strings.ContainsAny(rule, "*^|") {
		return nil, "", errors.New("adblock rule with a wildcard"), true
	}
	t := stix.DomainName
	if strings.ContainsAny(rule, "/?") {
		t = stix.URL
	} else if _, e := netip.ParseAddr(rule); e == nil {
		values, skip, err = detectAll(rule)
		return values, skip, err, true
	}
	o, err := stix.Canonical(t, rule)
	if err != nil {
		return nil, "", err, true
	}
	return []stix.Observable{o}, "", nil, true
}

// matchPattern reads *://*.name/*, the match pattern of browser extensions.
func matchPattern(line string) (values []stix.Observable, err error, ok bool) {
	rest, isAny := strings.CutPrefix(line, "*://")
	if !isAny {
		scheme, after, found := strings.Cut(line, "://")
		if !found || scheme != "http" && scheme != "https" || !strings.HasPrefix(after, "*.") {
			return nil, nil, false
		}
		rest = after
	}
	host, path, _ := strings.Cut(rest, "/")
	if path != "" && path != "*" {
		return nil, errors.New("match pattern with a path"), true
	}
	o, err := stix.Canonical(stix.DomainName, host)
	if err != nil {
		return nil, err, true
	}
	return []stix.Observable{o}, nil, true
}

// dnsmasqRule reads server=/name/, address=/name/0.0.0.0 and local=/name/.
func dnsmasqRule(line string) (values []stix.Observable, err error, ok bool) {
	key, rest, found := strings.Cut(line, "=/")
	if !found || key != "server" && key != "address" && key != "local" {
		return nil, nil, false
	}
	parts := strings.Split(rest, "/")
	for _, name := range parts[:len(parts)-1] {
		o, e := stix.Canonical(stix.DomainName, name)
		if e != nil {
			err = e
			continue
		}
		values = append(values, o)
	}
	if len(values) == 0 && err == nil {
		err = errors.New("dnsmasq rule without a name")
	}
	return values, err, true
}

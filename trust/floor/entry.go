package floor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// reader returns how the entries of a list of the type are read.
func (l *List) reader(kind string) (func(string) error, error) {
	switch kind {
	case "cidr":
		return l.readNetwork, nil
	case "hostname":
		return l.readHostname, nil
	case "string", "": // what MISP takes when none is given
		return l.readString, nil
	case "substring":
		return l.readPart, nil
	case "regex":
		return l.readRegexp, nil
	}
	return nil, fmt.Errorf("%w: %q is of type %q: cidr, hostname, string, substring and regex are known", ErrInvalid, l.name, kind)
}

// typesOf returns what the attribute types of MISP are here, all types where
// none are given. Of a pair ("filename|md5") the file name says nothing.
func typesOf(attributes []string) (types []stix.Type) {
	if len(attributes) == 0 {
		return stix.Types()
	}
	for _, a := range attributes {
		parts := strings.Split(strings.ToLower(strings.TrimSpace(a)), "|")
		for _, part := range parts {
			if len(parts) > 1 && part == "filename" {
				continue
			}
			for _, t := range typesOfPart(part) {
				if !slices.Contains(types, t) {
					types = append(types, t)
				}
			}
		}
	}
	return types
}

func typesOfPart(attribute string) []stix.Type {
	switch attribute {
	case "ip-src", "ip-dst":
		return []stix.Type{stix.IPv4Addr, stix.IPv6Addr, stix.IPPort}
	case "domain", "hostname":
		return []stix.Type{stix.DomainName, stix.DomainPort}
	case "target-email", "email-reply-to", "whois-registrant-email", "dns-soa-email":
		return []stix.Type{stix.EmailAddr}
	}
	if t, err := stix.ParseType(attribute); err == nil {
		return []stix.Type{t}
	}
	return nil
}

func (l *List) about(types ...stix.Type) bool {
	return slices.ContainsFunc(types, func(t stix.Type) bool { return slices.Contains(l.types, t) })
}

// aboutHosts reports a list of names: what is said of URLs holds for their hosts.
func (l *List) aboutHosts() bool { return l.about(stix.DomainName, stix.DomainPort, stix.URL) }

func (l *List) readNetwork(entry string) error {
	t := stix.IPv4Addr
	if strings.Contains(entry, ":") {
		t = stix.IPv6Addr
	}
	o, err := stix.Canonical(t, entry)
	if err != nil {
		return err
	}
	p, _ := o.Prefix()
	if p = unmapped(p); p.Bits() == 0 {
		return errors.New("every address there is")
	}
	l.addNetwork(p)
	return nil
}

func (l *List) readHostname(entry string) error {
	name, _, err := readName(entry)
	if err != nil {
		if l.readNetwork(entry) == nil {
			return nil
		}
		return err
	}
	return l.addName(listedName{name: name, whole: true})
}

func (l *List) addName(n listedName) error {
	hosts, mail := l.aboutHosts(), l.about(stix.EmailAddr)
	if !hosts && !mail {
		return errors.New("a name in a list that is about no type with names")
	}
	if hosts {
		l.names = append(l.names, n)
	}
	if mail {
		l.mailHosts = append(l.mailHosts, n)
	}
	l.entries++
	return nil
}

// readString reads an entry as every type the list is about. A name is meant
// alone, unless a dot stands before it.
func (l *List) readString(entry string) error {
	before := l.entries
	last := errors.New("the list is about no type known here")
	if l.about(stix.IPv4Addr, stix.IPv6Addr) {
		last = l.readNetwork(entry)
	}
	for _, t := range l.types {
		if t == stix.IPv4Addr || t == stix.IPv6Addr || t == stix.DomainName {
			continue // of these there is more than one value to an entry
		}
		o, err := stix.Canonical(t, entry)
		if err != nil {
			last = err
			continue
		}
		l.addValue(o)
	}
	if l.aboutHosts() {
		name, dotted, err := readName(entry)
		if err == nil {
			l.names = append(l.names, listedName{name: name, whole: dotted})
			l.entries++
		}
		last = err
	}
	if l.entries == before {
		return last
	}
	l.entries = before + 1 // read as several types it is one entry
	return nil
}

// readPart reads a substring. One that is a name stands for that name and all
// under it, and one that is the domain of mail for that: as a mere substring it
// would protect whoever calls his host "virustotal.com.evil.example".
func (l *List) readPart(entry string) error {
	if host, ok := strings.CutPrefix(entry, "@"); ok && l.about(stix.EmailAddr) {
		if name, _, err := readName(host); err == nil {
			l.mailHosts = append(l.mailHosts, listedName{name: name})
			l.entries++
			return nil
		}
	}
	if name, dotted, err := readName(entry); err == nil && (dotted || strings.Contains(name, ".")) && l.aboutHosts() {
		return l.addName(listedName{name: name, whole: true})
	}
	return l.readSubstring(entry)
}

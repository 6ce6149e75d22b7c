package floor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Limits of one list.
const (
	maxList    = 16 << 20  // bytes
	maxEntries = 2_000_000 //
	maxEntry   = 4 << 10   // bytes
	maxName    = 200       // bytes
	toldOf     = 5         // entries that were not read, by name
)

// List is a list of values that must never act. It is immutable.
type List struct {
	name    string
	types   []stix.Type // what its expressions are tried on
	entries int

	networks    []netip.Prefix
	names       []listedName
	mailHosts   []listedName
	values      []stix.Observable
	expressions []expression

	skipped int
	told    []string
}

// Name returns what hits call the list.
func (l *List) Name() string { return l.name }

// Len returns how many entries are in force.
func (l *List) Len() int { return l.entries }

// Skipped returns how many entries could not be read, and the first few of
// them, each with the reason.
func (l *List) Skipped() (n int, told []string) { return l.skipped, append([]string(nil), l.told...) }

// ParseList reads a warninglist of MISP. The name is what hits will call it; if
// it is empty the file's own is taken. Entries that cannot be read are skipped
// ([List.Skipped]); a file that is not such a list or is over a limit is refused
// with an error that wraps [ErrInvalid].
func ParseList(name string, r io.Reader) (*List, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", name, err)
	}
	if len(b) > maxList {
		return nil, fmt.Errorf("%w: %q is longer than 16 MiB", ErrInvalid, name)
	}
	var file struct {
		Name       string           `json:"name"`
		Type       string           `json:"type"`
		Attributes []string         `json:"matching_attributes"`
		Entries    []jsontext.Value `json:"list"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &file); err != nil {
		return nil, fmt.Errorf("%w: %q is no JSON of a MISP warninglist: %w", ErrInvalid, name, err)
	}
	if name == "" {
		name = strings.TrimSpace(file.Name)
	}
	l := &List{name: name, types: typesOf(file.Attributes)}
	read, err := l.reader(file.Type)
	switch {
	case err != nil:
		return nil, err
	case name == "" || len(name) > maxName:
		return nil, fmt.Errorf("%w: a list needs a name of 1 to %d bytes", ErrInvalid, maxName)
	case file.Entries == nil:
		return nil, fmt.Errorf("%w: %q has no \"list\"", ErrInvalid, name)
	case len(file.Entries) > maxEntries:
		return nil, fmt.Errorf("%w: %q has more than %d entries", ErrInvalid, name, maxEntries)
	}
	for _, v := range file.Entries {
		l.take(v, read)
	}
	return l, nil
}

// take reads one entry or counts it as skipped.
func (l *List) take(v jsontext.Value, read func(string) error) {
	var entry string
	err := errors.New("not a text")
	if v.Kind() == '"' {
		if err = json.Unmarshal(v, &entry); err == nil {
			err = errors.New("empty, or longer than 4 KiB")
			if entry = strings.TrimSpace(entry); entry != "" && len(entry) <= maxEntry {
				err = read(entry)
			}
		}
	}
	if err == nil {
		return
	}
	l.skipped++
	if len(l.told) < toldOf {
		if entry == "" {
			entry = string(v)
		}
		l.told = append(l.told, shortened(entry)+": "+err.Error())
	}
}

func shortened(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strconv.Quote(s)
}

func (l *List) addNetwork(p netip.Prefix) {
	l.networks = append(l.networks, p)
	l.entries++
}

// addValue adds a value, and the host it is on: who blocks that blocks the value.
func (l *List) addValue(o stix.Observable) {
	l.values = append(l.values, o)
	l.entries++
	if o.Type == stix.EmailAddr {
		return // its host is everybody else's mail too
	}
	host := hostOf(o)
	if a, err := netip.ParseAddr(host); err == nil {
		l.networks = append(l.networks, unmapped(netip.PrefixFrom(a, a.BitLen())))
	} else if host != "" {
		l.names = append(l.names, listedName{name: host})
	}
}

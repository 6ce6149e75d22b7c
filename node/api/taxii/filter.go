package taxii

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	// MaxPage is how many objects a page has at most, and where none is asked for.
	MaxPage = 1000
	// maxFilter is how long filters may be, so that `next` can carry them.
	maxFilter = 8 << 10
	// specVersion is that of every object.
	specVersion = "2.1"
)

// A filter is what is asked for of a collection's objects.
type filter struct {
	limit      int
	after      storage.Moment
	afterGiven bool
	next       string
	match      map[string]string // field -> values, as they were given
	ids        []string          // empty lists stand for all
	types      []string
	specs      []string
	versions   []string // first, last, all or timestamps; empty: last
	exact      []time.Time
}

// Fields lists the match fields of a kind of question.
func Fields(k Kind) []string {
	switch k {
	case OfObject:
		return []string{"version", "spec_version"}
	case OfVersions:
		return []string{"spec_version"}
	}
	return []string{"id", "type", "version", "spec_version"}
}

// parseFilter reads the parameters of a question. Those that TAXII does not have
// are passed over, except a field to match: an answer in which it was not applied
// would be taken for one in which it was.
func parseFilter(kind Kind, query map[string][]string) (f filter, err error) {
	f = filter{limit: MaxPage, match: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		field, isMatch := strings.CutPrefix(name, "match[")
		isMatch = isMatch && strings.HasSuffix(field, "]")
		if !isMatch && name != "limit" && name != "added_after" && name != "next" {
			continue
		}
		if len(query[name]) != 1 {
			return f, fmt.Errorf("%w: parameter %q is given more than once", ErrQuery, name)
		}
		value := query[name][0]
		switch name {
		case "limit":
			f.limit, err = parseLimit(value)
		case "added_after":
			f.after, err = parseAfter(value)
			f.afterGiven = true
		case "next":
			f.next = value
		default:
			f.match[strings.TrimSuffix(field, "]")] = value
		}
		if err != nil {
			return f, err
		}
	}
	return f, f.parseMatch(kind)
}

func parseLimit(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && strings.Trim(text, "0123456789") == "" && text != "" {
		n, err = math.MaxUint64, nil // more digits than fit
	}
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: limit %q is no number from 1 on", ErrQuery, excerpt(text))
	}
	return int(min(n, MaxPage)), nil
}

// parseAfter reads a timestamp with any number of digits, and an offset too: some
// clients send it, and a plus that is not escaped arrives as a blank.
func parseAfter(text string) (storage.Moment, error) {
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "+", 1))
	if err != nil || len(text) > 64 || strings.Contains(text, ",") {
		return 0, fmt.Errorf("%w: added_after %q is no timestamp such as 2026-01-31T12:00:00Z", ErrQuery, excerpt(text))
	}
	return storage.MomentOf(t), nil
}

// parseMatch reads the fields to match.
func (f *filter) parseMatch(kind Kind) error {
	size := 0
	for field, text := range f.match {
		if size += len(field) + len(text); size > maxFilter {
			return fmt.Errorf("%w: filters of more than %d bytes", ErrQuery, maxFilter)
		}
		if !slices.Contains(Fields(kind), field) {
			return fmt.Errorf("%w: match[%s] is no filter of this resource, which has %s", ErrQuery, excerpt(field), strings.Join(Fields(kind), ", "))
		}
		values := strings.Split(text, ",")
		sorted := slices.Sorted(slices.Values(values))
		if len(slices.Compact(sorted)) < len(values) {
			return fmt.Errorf("%w: match[%s] has a value twice", ErrQuery, field)
		}
		for _, v := range values {
			if err := f.value(field, v, len(values)); err != nil {
				return err
			}
		}
	}
	return nil
}

// value reads one of the values of a field.
func (f *filter) value(field, v string, of int) error {
	bad := fmt.Errorf("%w: match[%s] has no place for %q", ErrQuery, field, excerpt(v))
	switch field {
	case "id":
		if !stix.IsID(v) {
			return bad
		}
		f.ids = append(f.ids, v)
	case "type":
		if v == "" || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return bad
		}
		f.types = append(f.types, v)
	case "spec_version":
		major, minor, ok := strings.Cut(v, ".")
		if !ok || strings.Trim(major+minor, "0123456789") != "" || major == "" || minor == "" {
			return bad
		}
		f.specs = append(f.specs, v)
	case "version":
		return f.version(v, of, bad)
	}
	return nil
}

func (f *filter) version(v string, of int, bad error) error {
	switch v {
	case "all":
		if of > 1 {
			return fmt.Errorf("%w: match[version]=all stands alone", ErrQuery)
		}
	case "first", "last":
	default:
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil || !strings.HasSuffix(v, "Z") || strings.Contains(v, ",") {
			return bad
		}
		f.exact = append(f.exact, t)
	}
	f.versions = append(f.versions, v)
	return nil
}

// text is the filters in one form, for `next`.
func (f *filter) text() string {
	q := url.Values{}
	for field, text := range f.match {
		q.Set(field, text)
	}
	return q.Encode()
}

// resume takes the filters that a `next` was given with where the request has
// left them out, as some clients do; others say them again.
func (f *filter) resume(kind Kind, text string) error {
	q, err := url.ParseQuery(text)
	if err != nil {
		return err
	}
	for field, value := range f.match {
		if !q.Has(field) || q.Get(field) != value {
			return fmt.Errorf("%w: match[%s] is not what it was for the page before", ErrQuery, field)
		}
	}
	again := filter{limit: f.limit, after: f.after, afterGiven: f.afterGiven, next: f.next, match: map[string]string{}}
	for field := range q {
		again.match[field] = q.Get(field)
	}
	*f = again
	return f.parseMatch(kind)
}

// takes reports whether an object of a type can be asked for.
func (f *filter) takes(kind, spec string) bool {
	if spec == "" {
		spec = specVersion
	}
	return (len(f.types) == 0 || slices.Contains(f.types, kind)) && (len(f.specs) == 0 || slices.Contains(f.specs, spec))
}

// takesVersion reports whether the version at a place among all of an object's,
// oldest first, is asked for.
func (f *filter) takesVersion(i, of int, at time.Time) bool {
	return len(f.versions) == 0 && i == of-1 ||
		slices.Contains(f.versions, "all") ||
		slices.Contains(f.versions, "last") && i == of-1 ||
		slices.Contains(f.versions, "first") && i == 0 ||
		slices.ContainsFunc(f.exact, at.Equal)
}

// excerpt is a text of a request as an error repeats it.
func excerpt(text string) string { return cutText(text, 80) }

func cutText(text string, most int) string {
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

package policy

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A form goes through the keys of a policy once, to read them from a file or to
// write them to one: each key is named in one place, with its limits and the
// words that explain it.
type form struct {
	path []string

	// Reading: the table at the path, and the keys asked for so far.
	doc   *document
	table map[string]any
	known []string

	// Writing.
	out      *bytes.Buffer
	explain  bool // with a comment at each key
	unopened bool // the table's header is not written yet
}

func (f *form) reading() bool { return f.doc != nil }

func (f *form) at(key string) []string { return append(slices.Clone(f.path), key) }

func (f *form) fault(key, reason, hint string) { f.doc.fault(f.at(key), reason, hint) }

// take returns what the file has at a key.
func (f *form) take(key string) (any, bool) {
	f.known = append(f.known, key)
	v, ok := f.table[key]
	return v, ok
}

// finish reports keys nobody asked for.
func (f *form) finish() {
	for key := range f.table {
		if !slices.Contains(f.known, key) {
			f.doc.unknown(f.at(key), "there is no such key", suggest(key, f.known))
		}
	}
}

// write writes a key with its value, which is TOML, and what it is about.
func (f *form) write(key, value, about string) {
	f.open()
	if f.explain && about != "" {
		fmt.Fprintf(f.out, "# %s\n", about)
	}
	fmt.Fprintf(f.out, "%s = %s\n", quoteKey(key), value)
}

// open writes the header of the table before its first key.
func (f *form) open() {
	if !f.unopened {
		return
	}
	f.unopened = false
	parts := make([]string, len(f.path))
	for i, p := range f.path {
		parts[i] = quoteKey(p)
	}
	fmt.Fprintf(f.out, "\n[%s]\n", strings.Join(parts, "."))
}

// section goes through the table at a key.
func (f *form) section(key string, through func(*form)) {
	inner := &form{path: f.at(key), doc: f.doc, out: f.out, explain: f.explain, unopened: true}
	if f.reading() {
		v, ok := f.take(key)
		if !ok {
			return
		}
		if inner.table, ok = v.(map[string]any); !ok {
			f.fault(key, "it is "+kindOf(v)+", and must be a table", "write ["+f.doc.show(inner.path)+"] and its keys below")
			return
		}
	}
	through(inner)
	if f.reading() {
		inner.finish()
	}
}

// number is a whole number within limits.
func (f *form) number(key string, n *int, least, most int, about string) {
	if !f.reading() {
		f.write(key, strconv.Itoa(*n), about)
		return
	}
	if v, ok := f.take(key); ok {
		f.setNumber(key, v, n, least, most)
	}
}

func (f *form) setNumber(key string, v any, n *int, least, most int) bool {
	i, ok := v.(int64)
	switch {
	case !ok:
		f.fault(key, "it is "+kindOf(v)+", and must be a whole number", fmt.Sprintf("%d to %d", least, most))
	case i < int64(least) || i > int64(most):
		f.fault(key, fmt.Sprintf("%d is out of range", i), fmt.Sprintf("%d to %d", least, most))
		ok = false
	default:
		*n = int(i)
	}
	return ok
}

func (f *form) boolean(key string, b *bool, about string) {
	if !f.reading() {
		f.write(key, strconv.FormatBool(*b), about)
		return
	}
	v, ok := f.take(key)
	if !ok {
		return
	}
	if *b, ok = v.(bool); !ok {
		f.fault(key, "it is "+kindOf(v)+", and must be true or false", "without quotation marks")
	}
}

// text is a text; false: there is none, or a broken one.
func (f *form) text(key string, s *string, check func(string) (string, error), about string) bool {
	if !f.reading() {
		f.write(key, quote(*s), about)
		return true
	}
	v, ok := f.take(key)
	if !ok {
		return false
	}
	return f.setText(f.at(key), v, s, check)
}

func (f *form) setText(path []string, v any, s *string, check func(string) (string, error)) bool {
	text, ok := v.(string)
	if !ok {
		f.doc.fault(path, "it is "+kindOf(v)+", and must be a text", "in quotation marks")
		return false
	}
	checked, err := check(text)
	if err != nil {
		f.doc.fault(path, err.Error(), hintOf(err))
		return false
	}
	*s = checked
	return true
}

// texts is a list of texts, none twice.
func (f *form) texts(key string, list *[]string, most int, check func(string) (string, error), about string) {
	if !f.reading() {
		items := make([]string, len(*list))
		for i, s := range *list {
			items[i] = quote(s)
		}
		f.write(key, "["+strings.Join(items, ", ")+"]", about)
		return
	}
	v, ok := f.take(key)
	if !ok {
		return
	}
	items, ok := v.([]any)
	if !ok {
		f.fault(key, "it is "+kindOf(v)+", and must be a list of texts", `such as ["a", "b"]`)
		return
	}
	if len(items) > most {
		f.fault(key, fmt.Sprintf("%d entries, at most %d are allowed", len(items), most), "")
		return
	}
	*list = nil
	seen := map[string]bool{}
	for i, item := range items {
		path := append(f.at(key), strconv.Itoa(i))
		var s string
		if !f.setText(path, item, &s, check) {
			continue
		}
		if seen[s] {
			f.doc.fault(path, quote(s)+" stands in the list already", "leave it out")
			continue
		}
		seen[s] = true
		*list = append(*list, s)
	}
}

// span is a duration within limits; most may be Forever.
func (f *form) span(key string, d *time.Duration, least, most time.Duration, about string) {
	if !f.reading() {
		f.write(key, quote(writeSpan(*d)), about)
		return
	}
	hint := "such as \"30d\" or \"12h\", " + writeSpan(least) + " or more"
	if most == Forever {
		hint += `, or "forever"`
	} else {
		hint += ", at most " + writeSpan(most)
	}
	v, ok := f.take(key)
	if !ok {
		return
	}
	text, ok := v.(string)
	if !ok {
		f.fault(key, "it is "+kindOf(v)+", and must be a duration", hint)
		return
	}
	read, err := parseSpan(text)
	if text == "forever" && most == Forever {
		read, err = Forever, nil
	}
	switch {
	case err != nil:
		f.fault(key, err.Error(), hint)
	case read < least || read > most || read != Forever && read > longest:
		f.fault(key, text+" is out of range", hint)
	default:
		*d = read
	}
}

// size is a number of bytes.
func (f *form) size(key string, n *int64, least int64, about string) {
	if !f.reading() {
		f.write(key, quote(writeSize(*n)), about)
		return
	}
	v, ok := f.take(key)
	if !ok {
		return
	}
	hint := "such as \"256 MiB\", " + writeSize(least) + " or more"
	text, ok := v.(string)
	if !ok {
		f.fault(key, "it is "+kindOf(v)+", and must be a size", hint)
		return
	}
	read, err := parseSize(text)
	switch {
	case err != nil:
		f.fault(key, err.Error(), hint)
	case read < least || read > math.MaxInt64>>20:
		f.fault(key, text+" is out of range", hint)
	default:
		*n = read
	}
}

// keys returns the keys of a table, in order: those of the file, or when
// writing those of the map.
func keys[V any](f *form, m map[string]V) []string {
	if f.reading() {
		return slices.Sorted(maps.Keys(f.table))
	}
	return slices.Sorted(maps.Keys(m))
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a decimal number"
	case bool:
		return "true or false"
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

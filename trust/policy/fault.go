package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrPolicy is wrapped by every error about a policy file or a decision table.
var ErrPolicy = errors.New("not a policy")

// maxFaults bounds what is reported at once.
const maxFaults = 100

// A Fault is one thing wrong in a file: where (line and column from 1, columns
// in bytes), at which key, why, and what to do. It wraps [ErrPolicy].
type Fault struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Key    string `json:"key,omitempty"`
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d, column %d: ", f.Line, f.Column)
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Reason)
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	return b.String()
}

// Unwrap returns ErrPolicy.
func (f *Fault) Unwrap() error { return ErrPolicy }

// Faults are all that is wrong in a file, by line. It wraps each of them.
type Faults []*Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

// sorted returns the faults by place, each once, and no more than are reported
// at once; nil when there are none.
func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Reason, b.Reason))
	})
	fs = slices.CompactFunc(fs, func(a, b *Fault) bool { return *a == *b })
	if len(fs) > maxFaults {
		last := *fs[maxFaults]
		last.Key, last.Reason, last.Hint = "", fmt.Sprintf("%d more faults from here on", len(fs)-maxFaults), "correct those above first"
		fs = append(fs[:maxFaults:maxFaults], &last)
	}
	return slices.Clip(fs)
}

// hinted is an error with what to do about it.
type hinted struct{ reason, hint string }

func (h hinted) Error() string { return h.reason }

func hintOf(err error) string {
	if h, ok := err.(hinted); ok {
		return h.hint
	}
	return ""
}

// suggest names the word that was likely meant, else all there are.
func suggest(word string, known []string) string {
	known = slices.DeleteFunc(slices.Clone(known), func(k string) bool { return k == "" })
	if hint := nearest(word, known); hint != "" || len(known) == 0 {
		return hint
	}
	return "known here: " + strings.Join(known, ", ")
}

// nearest names the word that was likely meant, if any.
func nearest(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// distance is how many letters must be added, dropped or changed to make one
// word the other (Levenshtein), for words of at most 64 bytes.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

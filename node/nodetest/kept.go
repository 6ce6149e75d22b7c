package nodetest

import (
	"maps"
	"slices"
	"strings"
)

// A Trace is one place where a canary was seen.
type Trace struct {
	Who  string // an organisation, or a hostile host
	Sink string // "store", "file .mem", "GET /v1/search", "log", "metrics", "stream /tocsin/sync/1"
}

// Kept searches what the organisations' nodes show and keep now for all
// canaries, whatever was seen before; [Federation.Seen] lists that.
func (f *Federation) Kept() map[string][]Trace {
	f.t.Helper()
	before := f.taps.clear()
	for _, m := range f.orgs {
		f.scanMember(m)
	}
	f.taps.mu.Lock()
	defer f.taps.mu.Unlock()
	kept := map[string][]Trace{}
	for canary, seen := range f.taps.seen {
		for _, trace := range traces(seen) {
			if !trace.passing() {
				kept[canary] = append(kept[canary], trace)
			}
		}
		maps.Copy(before[canary], seen)
	}
	f.taps.seen = before
	return kept
}

// Seen lists where each canary was seen so far: on streams and in logs at any
// time, elsewhere whenever somebody searched for it.
func (f *Federation) Seen() map[string][]Trace {
	f.taps.mu.Lock()
	defer f.taps.mu.Unlock()
	all := map[string][]Trace{}
	for canary, seen := range f.taps.seen {
		all[canary] = traces(seen)
	}
	return all
}

// clear forgets what was seen, and returns it.
func (t *taps) clear() map[string]map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.seen
	t.seen = map[string]map[string]bool{}
	for canary := range before {
		t.seen[canary] = map[string]bool{}
	}
	return before
}

func traces(seen map[string]bool) (list []Trace) {
	for _, s := range slices.Sorted(maps.Keys(seen)) {
		who, sink, _ := strings.Cut(s, ": ")
		list = append(list, Trace{who, sink})
	}
	return list
}

// passing is what goes by and is not kept.
func (t Trace) passing() bool { return strings.HasPrefix(t.Sink, "stream ") || t.Sink == sinkLog }

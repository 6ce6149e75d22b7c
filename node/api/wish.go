package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file reads what somebody who fetches a feed asks for.

// A wish is what a caller asks for.
type wish struct {
	feed, file  string // file: of a feed of several
	tier        score.Tier
	types       []stix.Type
	labels      protocol.TLP // the strictest; zero: any
	communities []protocol.ID
	md5         bool
}

func (wi *wish) name() string { return strings.TrimSuffix(wi.feed+"/"+wi.file, "/") }

// narrowed reports whether the wish is not for the feed as it is.
func (wi *wish) narrowed(all []stix.Type) bool {
	return wi.labels != protocol.Unlabelled || len(wi.communities) > 0 || !slices.Equal(wi.types, all)
}

// wish reads what a request asks for, and finds its format; nil for a list.
func (d *Door) wish(req *http.Request) (wi wish, f *feed.Format, err error) {
	if wi.tier, err = d.tier(req); err != nil {
		return wi, nil, err
	}
	name, ends := strings.CutSuffix(req.PathValue("name"), ".md5")
	f, all := named(&wi, name)
	wi.md5 = ends
	if all == nil {
		return wi, nil, kindNotFound.problem("no feed "+strconv.Quote(shown(name))+" (one of "+strings.Join(feed.Names(), ", ")+", or of the formats that /feeds/ lists)", "")
	}
	return wi, f, d.narrow(&wi, req.URL.Query(), all)
}

// named finds a feed by its name, and the file of it; no types where there is none.
func named(wi *wish, name string) (*feed.Format, []stix.Type) {
	wi.feed, wi.file = name, ""
	if types := feed.Types(name); types != nil {
		return nil, types
	}
	if name == bundleName {
		return nil, bundleTypes()
	}
	for _, f := range feed.Formats() {
		file, of := strings.CutPrefix(name, f.Name+"/")
		if of = of && len(f.Files) > 0 && file != ""; of || name == f.Name && len(f.Files) == 0 {
			wi.feed, wi.file = f.Name, strings.TrimPrefix(file, f.Name)
			return &f, f.Types
		}
	}
	return nil, nil
}

// narrow reads the parameters that leave values out.
func (d *Door) narrow(wi *wish, q url.Values, all []stix.Type) error {
	wi.types = all
	if text := q.Get("types"); text != "" {
		asked, err := typesNamed(text)
		if err != nil {
			return err
		}
		wi.types = slices.DeleteFunc(slices.Clone(all), func(t stix.Type) bool { return !slices.Contains(asked, t) })
		if len(wi.types) == 0 {
			return kindUsage.errorf("types %q: feed %s carries none of them", shown(text), wi.feed)
		}
	}
	for name := range words(q.Get("labels")) {
		var label protocol.TLP
		if err := label.UnmarshalText([]byte(name)); err != nil || label == protocol.Red {
			return kindUsage.errorf("labels: %q: clear, green, amber or amber+strict", shown(name))
		}
		wi.labels = max(wi.labels, label)
	}
	for name := range words(q.Get("communities")) {
		id, err := d.node.Community(name)
		if err != nil {
			return err
		}
		wi.communities = append(wi.communities, id)
	}
	slices.SortFunc(wi.communities, func(a, b protocol.ID) int { return slices.Compare(a[:], b[:]) })
	return nil
}

// words are the parts of a list with commas.
func words(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" && !yield(word) {
				return
			}
		}
	}
}

func typesNamed(text string) (list []stix.Type, err error) {
	for name := range words(text) {
		types := feed.Types(name)
		if types == nil {
			t, err := observableType(name)
			if err != nil {
				return nil, err
			}
			types = []stix.Type{t}
		}
		list = append(list, types...)
	}
	return list, nil
}

package taxii

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// fewerChecks keeps a property on real files within seconds; -rapid.checks asks
// for more.
func fewerChecks(t *testing.T, n string) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() == f.DefValue {
		f.Value.Set(n)
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
}

// TestPagingSeesAllOnce: with whatever limits, while more arrives, every object that
// is there in the end is given once, in order of its date, by next and by dates.
func TestPagingSeesAllOnce(t *testing.T) {
	fewerChecks(t, "15")
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t)
		defer d.store.Close()
		arrive := func() {
			for range rapid.IntRange(0, 2).Draw(rt, "bulletins") {
				var objects []string
				for range rapid.IntRange(1, 4).Draw(rt, "objects") {
					objects = append(objects, tool(rapid.IntRange(0, 5).Draw(rt, "object"), rapid.IntRange(0, 3).Draw(rt, "version"), ""))
				}
				label := rapid.SampledFrom([]protocol.TLP{protocol.Clear, protocol.Green, protocol.Amber, protocol.Red}).Draw(rt, "label")
				d.say(rapid.SampledFrom([]string{"bank", "hospital"}).Draw(rt, "org"), saying{tlp: label}, objects...)
			}
		}
		arrive()
		var got []string
		var at storage.Moment
		dates, after, next := rapid.Bool().Draw(rt, "dates"), "", ""
		for {
			query := fmt.Sprintf("match[version]=all&limit=%d", rapid.IntRange(1, 4).Draw(rt, "limit"))
			if dates {
				query += "&added_after=" + after
				if after == "" {
					query = strings.TrimSuffix(query, "&added_after=")
				}
			} else {
				query += "&next=" + next
			}
			p, err := d.ask(newest(), whole, OfObjects, "", anyone, query)
			if err != nil {
				rt.Fatal(err)
			}
			for _, i := range p.Items {
				if got = append(got, i.ID+" "+i.Version); i.Moment <= at {
					rt.Fatalf("%s at %d, not after %d", i.ID, i.Moment, at)
				}
				at = i.Moment
			}
			if after, next = p.Last, p.Next; !p.More {
				break
			}
			if len(got) < 60 {
				arrive()
			}
		}
		var want []string
		for _, i := range d.all(newest(), whole, anyone, "match[version]=all", 1000) {
			want = append(want, i.ID+" "+i.Version)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}

// FuzzQuery: whatever is asked, an answer is a page within its limit or an error of
// the asker's, and what next carries comes back as it was.
func FuzzQuery(f *testing.F) {
	d := newDesk(f)
	d.say("bank", saying{tlp: protocol.Green}, tool(1, 0, ""), tool(1, 1, ""), tool(2, 0, ""))
	for _, seed := range []string{"limit=2", "match[version]=all", "match[id]=" + toolID(1), "added_after=2020-01-01T00:00:00Z&limit=1", "match[spec_version]=2.1&match[type]=tool,identity", "next=AAAA", "limit=1&match[version]=first,2000-01-01T00:00:00Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q := Question{Root: newest(), Collection: whole, Kind: OfObjects, Query: values, Asker: Asker{Reader: anyone, Visible: func(*protocol.Header) bool { return true }}}
		p, err := d.Answer(t.Context(), q)
		if err != nil {
			if !errors.Is(err, ErrQuery) && !errors.Is(err, ErrPlace) {
				t.Fatal(err)
			}
			return
		}
		if !jsontext.Value(p.AppendJSON(nil)).IsValid() || p.More != (p.Next != "") || p.More && len(p.Items) == 0 {
			t.Fatalf("%+v", p)
		}
		if p.More {
			q.Query = map[string][]string{"next": {p.Next}}
			if again, err := d.Answer(t.Context(), q); err != nil || len(again.Items) > 0 && again.Items[0].Moment <= p.Items[len(p.Items)-1].Moment {
				t.Fatalf("the next page: %v", err)
			}
		}
	})
}

// FuzzNext: nobody makes a place up, and none is changed.
func FuzzNext(f *testing.F) {
	p := newPlaces("a store")
	f.Add(p.text(place{moment: 1, silence: 2, of: "tlp2 x objects ", filter: "type=tool"}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := p.read(text)
		if err == nil && p.text(at) != text {
			t.Fatalf("%q is read as %+v", text, at)
		}
		if _, err := newPlaces("another").read(text); err == nil {
			t.Fatalf("%q is good at another store", text)
		}
	})
}

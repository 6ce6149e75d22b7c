package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file serves the feeds to those who fetch them.

// fetchRoutes are the routes of the feeds.
func (d *Door) fetchRoutes() []route {
	const summary = "A feed: a list, a format under its name, or a file of one; parameters narrow it, never beyond what the token may see"
	index := route{method: "GET", path: "/feeds/{$}", summary: "What feeds there are", right: read, feeds: true, answer: FeedIndex{}, serve: d.serveIndex}
	one := route{method: "GET", path: "/feeds/{name...}", summary: summary, right: read, feeds: true, query: fetchParams(), gives: "*/*", serve: d.serveFeed}
	secret := one
	secret.path, secret.feeds, secret.secret = "/feeds/key/{token}/{name...}", false, true
	secret.summary = "A feed for programs that send no header: the token, made for paths, is in the path"
	return []route{index, one, secret}
}

func fetchParams() []param {
	return append(tierParams(),
		param{name: "types", about: "of values, such as ipv4-addr, or names of lists, such as ip,domain; all the feed can carry when left out"},
		param{name: "labels", about: "TLP labels, such as clear,green: values that rest on claims up to one of these"},
		param{name: "communities", about: "names or ids: values of which somebody says something in one of these"})
}

// A FeedEntry is one feed of the index.
type FeedEntry struct {
	Feed  string      `json:"feed"`
	About string      `json:"about"`
	Media string      `json:"media"`
	Types []stix.Type `json:"types"`
	Files []string    `json:"files,omitempty"` // of a feed of several: fetched as FEED/FILE; there may be more
}

// A FeedIndex is what feeds there are. Behind each name, .md5 is the MD5 of its
// bytes.
type FeedIndex struct {
	Feeds []FeedEntry `json:"feeds"`
}

const plainText = "text/plain; charset=utf-8"

func index() (list FeedIndex) {
	for _, name := range feed.Names() {
		list.Feeds = append(list.Feeds, FeedEntry{Feed: name, About: "one value a line, nothing else", Media: plainText, Types: feed.Types(name)})
	}
	for _, f := range feed.Formats() {
		list.Feeds = append(list.Feeds, FeedEntry{f.Name, f.About, f.Media, f.Types, f.Files})
	}
	list.Feeds = append(list.Feeds, FeedEntry{Feed: bundleName, About: "the STIX objects behind the values, as a bundle", Media: typeSTIX, Types: bundleTypes()})
	return list
}

func (d *Door) serveIndex(w *answerWriter, _ *http.Request) error { return sendJSON(w, index()) }

// serveFeed answers with a feed, a file of one, or the MD5 of either.
func (d *Door) serveFeed(w *answerWriter, req *http.Request) error {
	if req.PathValue("name") == "" {
		return d.serveIndex(w, req)
	}
	wi, f, err := d.wish(req)
	if err != nil {
		return err
	}
	r, head, err := d.fetch(req.Context(), w.caller, &wi, f)
	if err != nil {
		return feedError(err)
	}
	if wi.md5 {
		if r, err = d.checksum(req.Context(), &r); err != nil {
			return err
		}
	}
	if head.LeftOut > 0 {
		w.Header().Set(leftOutHeader, strconv.Itoa(head.LeftOut))
	}
	if !head.Held.IsZero() {
		w.Header().Set(heldHeader, head.Held.UTC().Format(time.RFC3339))
	}
	d.noteFetch(w, req, wi.name(), wi.tier.String(), &r)
	return d.serveRendering(w, req, &r)
}

// checksum is the MD5 of a rendering, as a rendering.
func (d *Door) checksum(ctx context.Context, r *rendering) (rendering, error) {
	measured := *r
	if r.md5 == "" {
		var err error
		if measured, err = d.made(ctx, codedKey{r.sum, "md5"}, nil, func() rendering { return *r }); err != nil {
			return *r, err
		}
	}
	text := measured.md5 + "\n"
	return render(rendering{media: plainText, changed: r.changed, lines: r.lines, write: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}})
}

// A renderingKey is of who sees the same and asks for the same.
type renderingKey struct {
	reader      trust.Reader
	feed, file  string
	tier        score.Tier
	types       string
	labels      protocol.TLP
	communities string
}

// A renderingState is that of the entries a rendering was made of. What goes by
// claims changes with the store.
type renderingState struct {
	changed  time.Time
	leftOut  int
	held     time.Time
	position uint64
	silence  uint64
}

// fetch returns what is asked for as the caller may see it, and what is said beside it.
func (d *Door) fetch(ctx context.Context, c caller, wi *wish, f *feed.Format) (rendering, FeedHead, error) {
	if f == nil && wi.feed != bundleName && !wi.narrowed(feed.Types(wi.feed)) {
		return d.fetchList(ctx, c, wi)
	}
	q := d.query(c)
	entries, err := d.shelf(c).Entries(ctx, wi.types, wi.tier, q)
	if err != nil {
		return rendering{}, FeedHead{}, err
	}
	key := renderingKey{c.reader, wi.feed, wi.file, wi.tier, fmt.Sprint(wi.types), wi.labels, fmt.Sprint(wi.communities)}
	state := renderingState{changed: entries.Changed, leftOut: entries.LeftOut, held: entries.Held}
	byClaims := len(wi.communities) > 0 || wi.feed == bundleName
	if byClaims {
		state.position, state.silence = d.node.Store().Position(), d.node.Silence()
	}
	r, err := d.made(ctx, key, state, func() rendering {
		r := d.written(wi, f, d.chosen(wi, &entries, q), q)
		if byClaims {
			r.changed = time.Time{} // the bytes may change while the entries do not
		}
		return r
	})
	return r, FeedHead{LeftOut: entries.LeftOut, Held: entries.Held}, err
}

// written is how entries are written as a wish wants them.
func (d *Door) written(wi *wish, f *feed.Format, list feed.Entries, q storage.Query) rendering {
	r := rendering{media: plainText, changed: list.Changed, lines: list.Len}
	switch {
	case wi.feed == bundleName:
		r.media, r.write = typeSTIX, func(w io.Writer) error { return d.writeBundle(w, &list, q) }
	case f != nil:
		doc := &feed.Document{Entries: list, Source: d.node.Identity().Org}
		r.media, r.write = f.Media, func(w io.Writer) error { return f.Write(w, doc, wi.file) }
	default:
		r.write = func(w io.Writer) error { return writeLines(w, &list) }
	}
	return r
}

// fetchList returns a list as it is, whose text is at hand. It is dated by what
// was there before it, so that whoever has that date has no more than that.
func (d *Door) fetchList(ctx context.Context, c caller, wi *wish) (rendering, FeedHead, error) {
	q := d.query(c)
	entries, err := d.shelf(c).Entries(ctx, wi.types, wi.tier, q)
	if err != nil {
		return rendering{}, FeedHead{}, err
	}
	list, err := d.shelf(c).List(ctx, wi.feed, wi.tier, q)
	if err != nil {
		return rendering{}, FeedHead{}, err
	}
	r := rendering{media: plainText, sum: strings.Trim(list.ETag, `"`), size: int64(list.Size), changed: entries.Changed, lines: list.Lines}
	r.write = func(w io.Writer) error {
		for _, part := range list.Parts {
			for p := range slices.Chunk(part, piece) {
				if _, err := w.Write(p); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return r, FeedHead{LeftOut: list.LeftOut, Held: list.Held}, nil
}

// chosen leaves what a wish leaves.
func (d *Door) chosen(wi *wish, entries *feed.Entries, q storage.Query) feed.Entries {
	list := *entries
	if wi.labels == protocol.Unlabelled && len(wi.communities) == 0 {
		return list
	}
	var kept []feed.Entry
	for e := range entries.All {
		if (wi.labels == protocol.Unlabelled || e.TLP <= wi.labels) && (len(wi.communities) == 0 || d.saidIn(e.Observable, wi.communities, q)) {
			kept = append(kept, e)
		}
	}
	list.Len, list.All = len(kept), slices.Values(kept)
	return list
}

// saidIn reports whether somebody says something of a value in one of these communities.
func (d *Door) saidIn(o stix.Observable, communities []protocol.ID, q storage.Query) bool {
	found, _ := d.node.Store().Lookup(o, q) // of what is damaged nothing is known until it was fetched again
	return slices.ContainsFunc(found, func(c storage.Claim) bool {
		return c.Relation == storage.Exact && slices.Contains(communities, c.Community)
	})
}

func writeLines(w io.Writer, list *feed.Entries) error {
	var b []byte
	for e := range list.All {
		if b = append(append(b, e.Value...), '\n'); len(b) >= piece {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

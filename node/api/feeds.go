package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// piece is how much of a list is written at a time: a slow reader has a minute
// for each.
const piece = 64 << 10

// day is for how long scores in lists are what they are without news.
const day = 24 * time.Hour

// leftOutHeader says how many values are in the tier and not in the list, since
// it would have more lines than the policy allows.
const leftOutHeader = "Tocsin-Left-Out"

// heldHeader says until when a list stands still.
const heldHeader = "Tocsin-Held-Until"

// newShelves makes the shelves of the lists of a node, one for each record that
// judgements may go by.
func newShelves(n *node.Node) (all [node.WholeRecord + 1]*feed.Shelf) {
	for r := range all {
		all[r] = newShelf(n, node.Record(r))
	}
	return all
}

// shelf is where the lists for a caller are.
func (d *Door) shelf(c caller) *feed.Shelf { return d.shelves[node.RecordFor(c.reader)] }

// newShelf makes a shelf of the lists of a node: values are judged as the node
// judges them, and the lists held to what its policy says.
func newShelf(n *node.Node, r node.Record) *feed.Shelf {
	self := n.Identity().OrgKey
	return feed.NewShelf(n.Store(), fmt.Sprint(int(r)), func(now time.Time) feed.Judging {
		judges, tonight := n.Judges(now, r), n.Judges(now.Truncate(day).Add(day), r)
		rules, _ := n.Rules()
		limits := rules.Policy.Feeds
		return feed.Judging{
			Mark: judges.Mark, Self: self, ID: node.IDOf, Tiers: judges.Tiers,
			Score: func(o stix.Observable, claims, about []storage.Claim) int {
				t := tonight.Tiers(o, claims, about)
				return t.Score
			},
			Never:  func(o stix.Observable) bool { _, never := judges.Never(o); return never },
			Guards: feed.Guards{Lines: limits.Lines, Percent: limits.Change.Percent, Minimum: limits.Change.Minimum, HoldDown: limits.Change.HoldDown},
		}
	})
}

func tierParams() []param {
	return []param{{name: "tier", about: "observe, alert or block; the policy says which where none is asked for"}}
}

// feedRoutes are the routes about the lists.
func (d *Door) feedRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/feeds", summary: "The lists of a tier, and which lists stand still", right: read,
			query: tierParams(), answer: FeedsAnswer{}, serve: d.serveFeeds},
		{method: "POST", path: "/v1/feeds/{name}/release", summary: "Let a list that stands still change now", right: review,
			query: tierParams(), serve: d.serveRelease},
	}
}

// tier is the tier a caller asks for, or the policy's.
func (d *Door) tier(req *http.Request) (score.Tier, error) {
	text := req.URL.Query().Get("tier")
	if text == "" {
		rules, _ := d.node.Rules()
		text = rules.Policy.Feeds.Tier
	}
	tier, err := score.ParseTier(text)
	if err != nil {
		return tier, kindUsage.errorf("%v", err)
	}
	return tier, nil
}

// hasTag reports whether an If-None-Match names a tag, weakly as it should be
// compared, or everything.
func hasTag(fields []string, tag string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
				return true
			}
		}
	}
	return false
}

func feedError(err error) error {
	switch {
	case errors.Is(err, feed.ErrUnknown):
		return kindNotFound.problem(plain(err, feed.ErrUnknown), "")
	case errors.Is(err, feed.ErrNotHeld):
		return kindNotFound.problem(err.Error(), "the list of feeds says which do")
	case errors.Is(err, feed.ErrTooLong):
		return kindUnavailable.problem(plain(err, feed.ErrTooLong), "such a list is never cut; fetch a narrower one, or read /v1/changes")
	}
	return err
}

// A FeedState is one list as its asker gets it.
type FeedState struct {
	Feed    string     `json:"feed"`
	Tier    string     `json:"tier"`
	Lines   int        `json:"lines"`
	LeftOut int        `json:"left_out,omitzero"` // values that are in the tier and not in the list: it would have too many lines
	Held    *time.Time `json:"held_until,omitempty"`
	ETag    string     `json:"etag,omitempty"`
	Problem string     `json:"problem,omitempty"` // why there is no list
}

// A FeedAlarm is the values of a type that stand still in every list because too
// much of them would have changed at once.
type FeedAlarm struct {
	Feed  string    `json:"feed"` // the list of the type alone; the type where there is none
	Type  stix.Type `json:"type"`
	Tier  string    `json:"tier"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Come  int       `json:"come"` // lines that wait to come,
	Gone  int       `json:"gone"` // and to go
	Lines int       `json:"lines"`
	Orgs  []string  `json:"orgs,omitempty"` // who said most of what waits
}

// StatusAnswer is the state of the node, and the lists that stand still.
type StatusAnswer struct {
	node.Status
	FeedAlarms []FeedAlarm `json:"feed_alarms"`
}

// FeedsAnswer is the lists of one tier, and the alarms about those of all.
type FeedsAnswer struct {
	Feeds  []FeedState `json:"feeds"`
	Alarms []FeedAlarm `json:"alarms"`
}

func (d *Door) serveFeeds(w *answerWriter, req *http.Request) error {
	tier, err := d.tier(req)
	if err != nil {
		return err
	}
	a := FeedsAnswer{}
	for _, name := range feed.Names() {
		l, err := d.shelf(w.caller).List(req.Context(), name, tier, d.query(w.caller))
		state := FeedState{Feed: name, Tier: tier.String(), Lines: l.Lines, LeftOut: l.LeftOut, ETag: l.ETag}
		switch {
		case errors.Is(err, feed.ErrTooLong):
			state.Problem = err.Error()
		case err != nil:
			return err
		case !l.Held.IsZero():
			until := l.Held.UTC()
			state.Held = &until
		}
		a.Feeds = append(a.Feeds, state)
	}
	a.Alarms = d.feedAlarms(w.caller)
	return sendJSON(w, a)
}

// feedAlarms are the lists that stand still, as far as a caller may know.
func (d *Door) feedAlarms(c caller) []FeedAlarm {
	list := []FeedAlarm{}
	names := d.names()
	var alarms []feed.Alarm
	for _, shelf := range d.shelves[:node.RecordFor(c.reader)+1] {
		alarms = append(alarms, shelf.Alarms(d.query(c))...)
	}
	for _, a := range alarms {
		one := FeedAlarm{Feed: a.Name, Type: a.Type, Tier: a.Tier.String(), Since: a.Since.UTC(), Until: a.Until.UTC(), Come: a.Come, Gone: a.Gone, Lines: a.Lines}
		for _, org := range a.Orgs {
			one.Orgs = append(one.Orgs, names.org(org).name)
		}
		list = append(list, one)
	}
	return list
}

// allAlarms are those that callers are told of who see figures about everything:
// no list has anything of RED.
func (d *Door) allAlarms() []FeedAlarm {
	return d.feedAlarms(caller{reader: trust.Reader{Clearance: wholeFrom, PAP: protocol.PAPRed}})
}

// SaveFeeds writes down what the lists are, before an ordered stop. Errors are of
// ctx and the store.
func (d *Door) SaveFeeds(ctx context.Context) (err error) {
	for _, shelf := range d.shelves {
		err = errors.Join(err, shelf.Save(ctx))
	}
	return err
}

// feedFigures are those of the lists: of what stands still by the list of each
// type, where it does for several groups of askers the one of whom most waits.
func (d *Door) feedFigures(send sender) {
	type list struct{ feed, tier string }
	waiting, counts := map[list]int{}, feed.Counts{}
	alarms := d.allAlarms()
	for _, a := range alarms {
		k := list{a.Feed, a.Tier}
		waiting[k] = max(waiting[k], a.Come+a.Gone)
	}
	for _, shelf := range d.shelves {
		c := shelf.Counts()
		counts.Holds, counts.Unwritten = counts.Holds+c.Holds, counts.Unwritten+c.Unwritten
	}
	send(prometheus.GaugeValue, float64(len(waiting)), "feeds_held", "Lists of one type that stand still because too much of them would have changed at once.")
	for k, n := range waiting {
		send(prometheus.GaugeValue, float64(n), "feed_lines_waiting", "Lines that wait to come into a list that stands still, or to go.", "feed", k.feed, "tier", k.tier)
	}
	send(prometheus.CounterValue, float64(counts.Holds), "feed_holds_total", "How often a list of one type was stopped, for any group of askers.")
	send(prometheus.CounterValue, float64(counts.Unwritten), "feed_baselines_unwritten_total", "How often it could not be written down what lists are.")
}

// release lets a list change on every shelf of which a caller sees no less.
func (d *Door) release(ctx context.Context, name string, tier score.Tier, c caller) error {
	released, held := false, error(nil)
	for _, shelf := range d.shelves[:node.RecordFor(c.reader)+1] {
		switch err := shelf.Release(ctx, name, tier, d.query(c)); {
		case err == nil:
			released = true
		case !errors.Is(err, feed.ErrNotHeld):
			return err
		default:
			held = err
		}
	}
	if released {
		return nil
	}
	return held
}

// serveRelease lets a list change that stands still. Whoever says things need
// not be who decides that machines act on them.
func (d *Door) serveRelease(w *answerWriter, req *http.Request) error {
	tier, err := d.tier(req)
	if err == nil {
		err = d.release(req.Context(), req.PathValue("name"), tier, w.caller)
	}
	if err != nil {
		return feedError(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Feeds returns the lists of a tier ("": the policy's), and which lists stand still.
func (c *Client) Feeds(ctx context.Context, tier string) (FeedsAnswer, error) {
	return call[FeedsAnswer](ctx, c, "GET", "/v1/feeds"+tierQuery(tier), nil)
}

// ReleaseFeed lets a list of a tier ("": the policy's) change that stands still.
func (c *Client) ReleaseFeed(ctx context.Context, name, tier string) error {
	_, err := call[struct{}](ctx, c, "POST", "/v1/feeds/"+url.PathEscape(name)+"/release"+tierQuery(tier), nil)
	return err
}

func tierQuery(tier string) string {
	if tier == "" {
		return ""
	}
	return "?" + url.Values{"tier": {tier}}.Encode()
}

// A FeedHead is what is said of a list beside its lines.
type FeedHead struct {
	LeftOut int       // values that are not in it because it would have too many lines
	Held    time.Time // it stands still until then; zero: it does not
}

// FeedNames returns what may be fetched at /feeds/, the lists first. Some formats
// have more files than those named here, and each has its MD5 under NAME.md5.
func FeedNames() []string {
	names := append(feed.Names(), bundleName)
	for _, f := range feed.Formats() {
		if len(f.Files) == 0 {
			names = append(names, f.Name)
		}
		for _, file := range f.Files {
			names = append(names, f.Name+"/"+file)
		}
	}
	return names
}

// FeedFile writes a feed of any format and of a tier ("": the policy's) as it is
// served. An error may come after a part of it.
func (c *Client) FeedFile(ctx context.Context, name, tier string, w io.Writer) (FeedHead, error) {
	resp, err := c.send(ctx, "GET", (&url.URL{Path: "/feeds/" + name}).EscapedPath()+tierQuery(tier), "", nil)
	if err != nil {
		return FeedHead{}, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return FeedHead{}, fmt.Errorf("feed %s: %w", name, cut(err))
	}
	return headOf(resp), nil
}

func headOf(resp *http.Response) (head FeedHead) {
	head.LeftOut, _ = strconv.Atoi(resp.Header.Get(leftOutHeader)) // not said: none
	head.Held, _ = time.Parse(time.RFC3339, resp.Header.Get(heldHeader))
	return head
}

// Feed calls on for every value of a list of a tier ("": the policy's), in its
// order. An error may come after a part of them: what there was then is not the
// list. An error of on ends it and is returned.
func (c *Client) Feed(ctx context.Context, name, tier string, on func(value string) error) (FeedHead, error) {
	resp, err := c.send(ctx, "GET", "/feeds/"+url.PathEscape(name)+tierQuery(tier), "", nil)
	if err != nil {
		return FeedHead{}, err
	}
	head := headOf(resp)
	defer resp.Body.Close()
	in := bufio.NewReaderSize(resp.Body, maxValueLine)
	for {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return head, nil
		}
		if err != nil {
			return head, fmt.Errorf("feed %s: %w", name, cut(err))
		}
		if err := on(string(text[:len(text)-1])); err != nil {
			return head, err
		}
	}
}

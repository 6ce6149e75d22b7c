package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file serves why a value is believed as far as it is, and what may act on it.

// A Why is the answer to why a value is in a tier or not, from what the asker
// may see. Case holds all it was judged from, so that [Why.Replay] can judge it
// again without the node.
type Why struct {
	Value            string    `json:"value"` // as asked
	Judged           time.Time `json:"judged"`
	node.Explanation `json:",inline"`
	NeverBlock       *NeverBlock `json:"never_block,omitempty"`
	Claims           []WhyWord   `json:"claims"`            // that are held, whether they count or not: those that stand first, newest first
	Sightings        []WhyWord   `json:"sightings"`         // and opinions
	LeftOut          int         `json:"left_out,omitzero"` // words behind these
	Next             string      `json:"next,omitempty"`    // cursor of the page they begin
	Unread           []WhyUnread `json:"unread"`            // bulletins held without what they say
	ThenBasis        string      `json:"then_basis"`        // what each then is made from
	Related          []Judged    `json:"related"`           // other values that hold for this one: blocks around it, wildcards above it
	Feeds            []WhyFeed   `json:"feeds"`
	Case             node.Case   `json:"case"`
}

// Known reports whether anything is known that bears on the value.
func (w *Why) Known() bool {
	return len(w.Claims)+len(w.Sightings)+len(w.Related) > 0 || w.NeverBlock != nil
}

// Headers is of how many bulletins only the header is here.
func (w *Why) Headers() (n int) {
	for _, u := range w.Unread {
		n += u.Bulletins
	}
	return n
}

// NeverBlock is why nothing may ever act on a value.
type NeverBlock struct {
	List   string `json:"list"`
	Entry  string `json:"entry,omitempty"`
	Reason string `json:"reason"`
}

// A WhyWord is a claim, a sighting or an opinion, and what became of it.
type WhyWord struct {
	Claim  `json:",inline"`
	Index  int     `json:"index"` // of the object in its bulletin
	From   string  `json:"from"`  // whose node handed it over; our own organisation's name for our own word
	Says   string  `json:"says"`  // claim, sighting, false-positive, nothing
	State  string  `json:"state"` // stands, superseded, revoked, expired, held, peer-blocked, quarantined, author-fallen
	Why    string  `json:"why"`
	Became string  `json:"became,omitempty"` // of what stands: the rule of its organisation's voice, or weaker-word, taken-back, says-nothing
	Weight float64 `json:"weight"`           // 0..1; 0 where it does not count
	Then   WhyThen `json:"then"`
}

// A WhyThen is how the value was judged when the word came; see ThenBasis.
type WhyThen struct {
	Trust float64 `json:"trust"`
	Score int     `json:"score"`
	Tier  string  `json:"tier"`
	By    string  `json:"by"` // journal: by the rules, levels and outcomes of then; now: of now, since the journal does not know
}

// A WhyUnread is how many bulletins of an organisation are held as headers only:
// whether they are about the value is not known.
type WhyUnread struct {
	Org       string       `json:"org"`
	OrgKey    protocol.Org `json:"org_key"`
	State     string       `json:"state"`          // declined, absent (on its way), held (for a person, and too much to look through)
	Rule      string       `json:"rule,omitempty"` // by which it is not here
	Bulletins int          `json:"bulletins"`
}

// A WhyFeed says whether the list of one tier holds a value now, by which rule
// it is for it or not, and why it is otherwise: too-long, full, held.
type WhyFeed struct {
	Feed   string `json:"feed"`
	Tier   string `json:"tier"`
	In     bool   `json:"in"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// whyRoutes are the routes of this file.
func (d *Door) whyRoutes() []route {
	return []route{{method: "GET", path: "/v1/why", summary: "Why a value is in a tier or not: who said what, what became of it, by which rule", right: read,
		query: []param{
			{name: "value", about: "defanged or not"},
			{name: "type", about: "its type, such as domain-name; guessed when left out"},
			{name: "at", about: "judge as of a moment that has passed, as the journal has it: a date, an RFC 3339 time, or a length of time back from now such as 7d"},
			{name: "clearance", about: "judge as for somebody who may see no more than this label"},
			{name: "pap", about: "judge as for somebody who may see no more than this PAP level"},
			{name: "after", about: "the cursor that next was: the words behind, of what was said"},
		}, answer: Why{}, serve: d.serveWhy}}
}

func (d *Door) serveWhy(w *answerWriter, req *http.Request) error {
	q := req.URL.Query()
	t, err := observableType(q.Get("type"))
	if err != nil {
		return err
	}
	if q.Get("value") == "" {
		return kindUsage.errorf("why what? give value")
	}
	o, err := observable(t, q.Get("value"))
	if err != nil {
		return kindUsage.problem(fmt.Sprintf("value %q: %s", shown(q.Get("value")), plain(err, stix.ErrNotObservable)), "if it is one all the same, give its type")
	}
	asked, err := d.whyAsked(q, w.caller)
	if err != nil {
		return err
	}
	answer, err := d.why(req.Context(), o, asked)
	if errors.Is(err, node.ErrGone) {
		return kindCursor.problem("what stood before this page is gone", "begin again without a cursor")
	}
	if err != nil {
		return err
	}
	answer.Value = q.Get("value")
	return sendJSON(w, answer)
}

// A whyAsked is for whom and as of when a value is explained, and from where on.
type whyAsked struct {
	caller caller
	at     time.Time // zero: now
	page   node.Page
}

func (d *Door) whyAsked(q url.Values, c caller) (a whyAsked, err error) {
	if a.at, err = parseSince(q.Get("at"), time.Now()); err != nil {
		return a, err
	}
	if c.reader, err = narrowed(c.reader, q.Get("clearance"), q.Get("pap")); err != nil {
		return a, err
	}
	a.caller = c
	claim, about, _ := strings.Cut(q.Get("after"), ".")
	for text, ref := range map[string]*node.WordRef{claim: &a.page.Claim, about: &a.page.About} {
		if text == "" {
			continue
		}
		m, err := d.cursors.mark(text)
		if err != nil {
			return a, err
		}
		*ref = node.WordRef{Bulletin: m.bulletin, Index: int(m.index)}
	}
	return a, nil
}

// narrowed is a reader who may see no more than what is named.
func narrowed(r trust.Reader, clearance, pap string) (trust.Reader, error) {
	if clearance != "" {
		label, err := protocol.ParseTLP(clearance)
		if err != nil {
			return r, kindUsage.errorf("clearance: %v", err)
		}
		r.Clearance = min(r.Clearance, label)
	}
	if pap != "" {
		level, err := protocol.ParsePAP(pap)
		if err != nil {
			return r, kindUsage.errorf("pap: %v", err)
		}
		r.PAP = min(r.PAP, level)
	}
	return r, nil
}

// nextPage is the cursor of the page behind a page.
func (d *Door) nextPage(page node.Page, found *node.Why) string {
	if found.Left == 0 {
		return ""
	}
	last := func(list []node.Word, before node.WordRef) string {
		if n := len(list); n > 0 {
			before = node.WordRef{Bulletin: list[n-1].Bulletin, Index: list[n-1].Index}
		}
		if before == (node.WordRef{}) {
			return ""
		}
		return d.cursors.text(mark{bulletin: before.Bulletin, index: uint16(before.Index)})
	}
	return last(found.Claims, page.Claim) + "." + last(found.About, page.About)
}

func (d *Door) why(ctx context.Context, o stix.Observable, a whyAsked) (w Why, err error) {
	n, now := d.names(), time.Now()
	if n.judges = d.judges(a.caller, now); !a.at.IsZero() {
		if n.judges, err = d.node.JudgesAt(ctx, a.at, node.RecordFor(a.caller.reader)); err != nil {
			return w, err
		}
	}
	q, may := n.judges.Query(), d.mayShow(a.caller)
	counts := q.Visible
	q.Visible = func(h *protocol.Header) bool { return may(h) && counts(h) }
	found, err := n.judges.Why(ctx, o, q, may, a.page)
	if err != nil {
		return w, err
	}
	w = Why{
		Judged: time.UnixMilli(found.Case.At).UTC(), Explanation: found.Explanation, NeverBlock: neverBlock(found.Never), LeftOut: found.Left, Next: d.nextPage(a.page, &found),
		ThenBasis: node.ThenBasis, Unread: unread(found.Unread), Related: []Judged{}, Case: found.Case,
	}
	w.Claims, w.Sightings = n.words(found.Claims), n.words(found.About)
	near, err := d.node.Store().Lookup(o, q)
	if err != nil {
		return w, err
	}
	near = slices.DeleteFunc(near, func(c storage.Claim) bool {
		return c.Relation == storage.Exact || !node.Bears(c.Relation, c.Observable)
	})
	if w.Related, err = n.judged(near, q); err != nil {
		return w, err
	}
	w.Conclusion += w.beside()
	shelf := d.shelf(a.caller)
	if !a.at.IsZero() {
		shelf = nil // what it holds is what is served now
	}
	w.Feeds, err = n.feeds(ctx, shelf, o, q, &w)
	return w, err
}

func unread(list []node.Unread) []WhyUnread {
	shown := make([]WhyUnread, len(list))
	for i, u := range list {
		shown[i] = WhyUnread(u)
	}
	return shown
}

// beside is what the conclusion says of other values that hold for this one.
func (w *Why) beside() (text string) {
	for _, r := range w.Related {
		if r.Tier != noTier {
			text += fmt.Sprintf("; %s holds for it too and is in %s", r.Value, r.Tier)
		}
	}
	return text
}

func neverBlock(hit *floor.Hit) *NeverBlock {
	if hit == nil {
		return nil
	}
	return &NeverBlock{hit.List, hit.Entry, hit.Reason}
}

// words shows words of a value, with what became of each.
func (n *names) words(list []node.Word) []WhyWord {
	words := make([]WhyWord, len(list))
	for i := range list {
		w := &list[i]
		words[i] = WhyWord{
			Claim: n.claim(&w.Claim), Index: w.Index, From: w.From, Says: w.Says, State: w.State, Why: w.Reason, Became: w.Became, Weight: w.Weight,
			Then: WhyThen{w.Then.Trust, w.Then.Score, w.Then.Tier, "now"},
		}
		switch {
		case w.State == "held":
			words[i].Then = WhyThen{}
		case w.Then.Known:
			words[i].Then.By = "journal"
		}
	}
	return words
}

// judged judges the values that claims are about, each as itself and once.
func (n *names) judged(claims []storage.Claim, q storage.Query) ([]Judged, error) {
	list := []Judged{}
	for i := range claims {
		c := &claims[i]
		if slices.ContainsFunc(list, func(j Judged) bool { return j.Type == c.Observable.Type && j.Value == c.Observable.Value }) {
			continue
		}
		tiers, never, err := n.judges.Judge(c.Observable, q)
		if err != nil {
			return nil, err
		}
		j := Judged{Type: c.Observable.Type, Value: c.Observable.Value, Relation: string(c.Relation), Score: tiers.Score, Tier: node.TierOf(&tiers), tiers: tiers}
		j.Until = leave([]Judged{j}, j.Tier)
		if never != nil {
			j.NeverBlock = never.Reason
		}
		list = append(list, j)
	}
	return list, nil
}

// leaves is when a value leaves a tier in which it is up to a moment, if nothing new
// is said; zero for never. It is to the second, as lists have it.
func leaves(until int64) time.Time {
	t := time.UnixMilli(until + 1).UTC().Truncate(time.Second)
	if until == 0 || t.Year() >= neverYear {
		return time.Time{}
	}
	return t
}

// leave is when the last of some values leaves the tier of that name.
func leave(list []Judged, name string) time.Time {
	tier, err := score.ParseTier(name)
	if err != nil {
		return time.Time{}
	}
	last := int64(0)
	for i := range list {
		last = max(last, list[i].tiers.Until(tier))
	}
	return leaves(last)
}

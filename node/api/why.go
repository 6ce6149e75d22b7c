package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
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
	Claims           []WhyWord   `json:"claims"`    // that are held, whether they count or not: those that stand first, newest first
	Sightings        []WhyWord   `json:"sightings"` // and opinions
	LeftOut          int         `json:"left_out,omitzero"`
	ThenBasis        string      `json:"then_basis"` // what each then is made from
	Related          []Judged    `json:"related"`    // other values that hold for this one: blocks around it, wildcards above it
	Feeds            []WhyFeed   `json:"feeds"`
	Case             node.Case   `json:"case"`
}

// Known reports whether anything is known that bears on the value.
func (w *Why) Known() bool {
	return len(w.Claims)+len(w.Sightings)+len(w.Related) > 0 || w.NeverBlock != nil
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
	State  string  `json:"state"` // stands, superseded, revoked, expired, peer-blocked, quarantined, author-fallen
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
	answer, err := d.why(req.Context(), o, w.caller)
	if err != nil {
		return err
	}
	answer.Value = q.Get("value")
	return sendJSON(w, answer)
}

func (d *Door) why(ctx context.Context, o stix.Observable, c caller) (Why, error) {
	q, n := d.query(c), d.names()
	n.judges = d.judges(c, q.Now)
	found, err := n.judges.Why(o, q, d.mayShow(c))
	if err != nil {
		return Why{}, err
	}
	w := Why{
		Judged: time.UnixMilli(found.Case.At).UTC(), Explanation: found.Explanation, NeverBlock: neverBlock(found.Never), LeftOut: found.Left,
		ThenBasis: node.ThenBasis, Related: []Judged{}, Case: found.Case,
	}
	w.Claims, w.Sightings = n.words(found.Claims), n.words(found.About)
	near, err := d.node.Store().Lookup(o, q)
	if err != nil {
		return Why{}, err
	}
	near = slices.DeleteFunc(near, func(c storage.Claim) bool {
		return c.Relation == storage.Exact || !node.Bears(c.Relation, c.Observable)
	})
	if w.Related, err = n.judged(near, q); err != nil {
		return Why{}, err
	}
	w.Conclusion += w.beside()
	w.Feeds, err = n.feeds(ctx, d.shelf(c), o, q, &w)
	return w, err
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
			Then: WhyThen{w.Then.Trust, w.Then.Score, w.Then.Tier},
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
		j := Judged{Type: c.Observable.Type, Value: c.Observable.Value, Relation: string(c.Relation), Score: tiers.Score, Tier: node.TierOf(&tiers)}
		if never != nil {
			j.NeverBlock = never.Reason
		}
		list = append(list, j)
	}
	return list, nil
}

// feeds says of every list that carries values of the type, in every tier,
// whether it holds the value. Lists are made without what RED, drills and PAP
// above GREEN say.
func (n *names) feeds(ctx context.Context, shelf *feed.Shelf, o stix.Observable, q storage.Query, w *Why) ([]WhyFeed, error) {
	list := []WhyFeed{}
	tiers, err := n.judges.Listed(o, q)
	if err != nil {
		return nil, err
	}
	for _, name := range feed.Holding(o) {
		for i, tier := range score.AllTiers() {
			f := WhyFeed{Feed: name, Tier: tier.String(), Rule: w.Tiers[i].Rule, Reason: w.Tiers[i].Reason, In: w.NeverBlock == nil && tiers.In(tier)}
			switch {
			case f.In == w.Tiers[i].In:
			case w.NeverBlock != nil:
				f.Rule, f.Reason = "never-block", "nothing may ever act on it: "+w.NeverBlock.Reason
			default:
				f.Rule, f.Reason = "may-not-act", "lists are made without what TLP:RED, drills and PAP above GREEN say"
			}
			held, err := shelf.List(ctx, name, tier, q)
			switch {
			case errors.Is(err, feed.ErrTooLong):
				f.In, f.Rule, f.Reason = false, "too-long", "the list would have more lines than any list may have, and is not served"
			case err != nil:
				return nil, err
			default:
				f.hold(o.Value, &held)
			}
			list = append(list, f)
		}
	}
	return list, nil
}

// hold says what the list is that is served, where it is not what is meant.
func (f *WhyFeed) hold(value string, list *feed.List) {
	is := slices.ContainsFunc(list.Parts, func(part []byte) bool {
		return bytes.HasPrefix(part, []byte(value+"\n")) || bytes.Contains(part, []byte("\n"+value+"\n"))
	})
	switch {
	case is == f.In:
		return
	case !list.Held.IsZero():
		f.Rule, f.Reason = "held", "too much of the list would change at once: it stands still until "+list.Held.UTC().Format(time.RFC3339)
	case f.In && list.LeftOut > 0:
		f.Rule, f.Reason = "full", fmt.Sprintf("the list has as many lines as the policy allows: it leaves out %d values", list.LeftOut)
	default:
		f.Rule, f.Reason = "changing", "what is served changes just now: ask again"
	}
	f.In = is
}

// Replay judges the value again by the recorded case alone and names what comes
// out otherwise than it was answered; nothing: the same follows. Errors wrap
// [node.ErrCase].
func (w *Why) Replay() (differences []string, err error) {
	again, err := w.Case.Find()
	if err != nil {
		return nil, err
	}
	differ := func(what string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			differences = append(differences, fmt.Sprintf("%s: was %v, is %v", what, was, is))
		}
	}
	differ("conclusion", w.Conclusion, again.Conclusion+w.beside())
	differ("score", w.Score, again.Score)
	differ("acting", w.Acting, again.Acting)
	differ("tier", w.Tier, again.Tier)
	differ("again", w.Again, again.Again)
	differ("tiers", len(w.Tiers), len(again.Tiers))
	for i := range min(len(w.Tiers), len(again.Tiers)) {
		differ("tier "+again.Tiers[i].Tier, w.Tiers[i], again.Tiers[i])
	}
	differ("voices", len(w.Voices), len(again.Voices))
	for i := range min(len(w.Voices), len(again.Voices)) {
		was := w.Voices[i]
		again.Voices[i].Org, again.Voices[i].Of = was.Org, was.Of // names are not judged by
		differ("voice of "+was.Org, shownVoice(&was), shownVoice(&again.Voices[i]))
	}
	return differences, nil
}

// shownVoice is a voice as text, with what its pointers lead to.
func shownVoice(v *node.Voice) string {
	text, err := encode(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Why returns why a value is in a tier or not; an empty type is guessed.
func (c *Client) Why(ctx context.Context, value string, t stix.Type) (Why, error) {
	q := url.Values{}
	set(q, "value", value)
	set(q, "type", string(t))
	return call[Why](ctx, c, "GET", "/v1/why?"+q.Encode(), nil)
}

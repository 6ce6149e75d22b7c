package api

import (
	"context"
	"fmt"
	"net/url"
	"reflect"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

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

// A WhyQuery is a value to be explained. An empty type is guessed; At, Clearance
// and PAP are as the route has them.
type WhyQuery struct {
	Value              string
	Type               stix.Type
	At, Clearance, PAP string
	After              string // the cursor of a page
}

// Why returns why a value is in a tier or not.
func (c *Client) Why(ctx context.Context, asked WhyQuery) (Why, error) {
	q := url.Values{}
	for name, value := range map[string]string{
		"value": asked.Value, "type": string(asked.Type), "at": asked.At, "clearance": asked.Clearance, "pap": asked.PAP, "after": asked.After,
	} {
		set(q, name, value)
	}
	return call[Why](ctx, c, "GET", "/v1/why?"+q.Encode(), nil)
}

// WhyWhole is [Client.Why] with all pages of what was said.
func (c *Client) WhyWhole(ctx context.Context, asked WhyQuery) (Why, error) {
	w, err := c.Why(ctx, asked)
	for err == nil && w.Next != "" {
		var page Why
		asked.After = w.Next
		if page, err = c.Why(ctx, asked); err == nil {
			w.Claims, w.Sightings = append(w.Claims, page.Claims...), append(w.Sightings, page.Sightings...)
			w.LeftOut, w.Next = page.LeftOut, page.Next
		}
	}
	return w, err
}

package api

import (
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/sink"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file says what sinks with a tier are told: of values whether they are in it.

// A tierSink tells of values whether they are in a tier.
type tierSink struct {
	d      *Door
	q      storage.Query
	judges *node.Judges
	tier   score.Tier
}

// events are what is told of a change: of each value that it speaks of, whether
// that is in the tier now. What was first said and is not, is passed over. An
// erased object names no value any more.
func (t *tierSink) events(change Change, o *stix.Object) (events []sink.Event, err error) {
	values, err := t.about(o)
	switch {
	case err != nil:
		return nil, err
	case len(values) == 0 && change.Op == OpRemove:
		return sinkPlain(change, o)
	}
	lowers := change.Op == OpRemove || o.Opinion != "" || o.Modified.After(o.Created)
	for _, v := range values {
		tiers, err := t.judges.Listed(v, t.q)
		if err != nil {
			return nil, err
		}
		if !tiers.In(t.tier) && !lowers {
			continue
		}
		e, err := t.event(change, v, &tiers)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

func (t *tierSink) event(change Change, v stix.Observable, tiers *score.Tiers) (e sink.Event, err error) {
	claim := *change.Claim
	claim.Type, claim.Value, claim.Values = v.Type, v.Value, nil
	told := struct {
		Change `json:",inline"`
		Score  int       `json:"score"`
		Tier   string    `json:"tier"`
		Until  time.Time `json:"until,omitzero"`
	}{Change{OpRemove, change.Cursor, &claim}, tiers.Score, node.TierOf(tiers), time.Time{}}
	if tiers.In(t.tier) {
		told.Op, told.Until = OpAdd, leaves(tiers.Until(t.tier))
	}
	e = sinkEvent(&told.Change)
	e.Tier, e.Until = told.Tier, told.Until
	e.JSON, err = encode(told)
	return e, err
}

// about returns the values that an object speaks of: those it names, or those of
// the objects that a sighting or an opinion is about.
func (t *tierSink) about(o *stix.Object) ([]stix.Observable, error) {
	ids := o.About()
	if len(ids) == 0 {
		return o.Claims, nil
	}
	var values []stix.Observable
	for _, id := range ids {
		meant, err := t.d.node.Store().Meant(id, t.q)
		if err != nil {
			return nil, err
		}
		for _, v := range meant {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values, nil
}

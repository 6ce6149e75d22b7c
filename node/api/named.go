package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// This file serves who may see what: sharing groups, clients, dry runs.

// A GroupRequest founds a sharing group.
type GroupRequest struct {
	Group   string   `json:"group"`
	Members []string `json:"members,omitempty"` // organisations as they are called here; we are one
}

// A RosterRequest says the next version of a sharing group of ours.
type RosterRequest struct {
	Group   string   `json:"group"`
	Add     []string `json:"add,omitempty"`
	Remove  []string `json:"remove,omitempty"`
	History uint64   `json:"history,omitzero"` // members may read what was said to versions from this one on
}

func (d *Door) groups(context.Context) ([]node.Group, error) { return d.node.Groups(), nil }

func (d *Door) createGroup(ctx context.Context, r GroupRequest) (node.Group, error) {
	members, err := d.resolveAll(r.Members)
	if err != nil {
		return node.Group{}, err
	}
	id, err := d.node.CreateGroup(ctx, r.Group, members)
	if err != nil {
		return node.Group{}, err
	}
	return d.groupOf(id)
}

func (d *Door) changeGroup(ctx context.Context, r RosterRequest) (node.Group, error) {
	id, err := d.node.Group(r.Group)
	if err != nil {
		return node.Group{}, err
	}
	add, err := d.resolveAll(r.Add)
	if err != nil {
		return node.Group{}, err
	}
	var remove []protocol.Org
	for _, name := range r.Remove { // to leave somebody out no name need be confirmed
		org, err := d.node.Resolve(name, true)
		if err != nil {
			return node.Group{}, err
		}
		remove = append(remove, org)
	}
	if len(add) == 0 && len(remove) == 0 && r.History == 0 {
		return node.Group{}, kindUsage.errorf("what is to change? give add, remove or history")
	}
	if _, err := d.node.ChangeGroup(ctx, id, add, remove, r.History); err != nil {
		return node.Group{}, err
	}
	return d.groupOf(id)
}

func (d *Door) groupOf(id protocol.ID) (node.Group, error) {
	for _, g := range d.node.Groups() {
		if g.ID == id {
			return g, nil
		}
	}
	return node.Group{}, fmt.Errorf("%w: no such sharing group", node.ErrNotFound)
}

func (d *Door) resolveAll(names []string) (orgs []protocol.Org, err error) {
	for _, name := range names {
		org, err := d.node.Resolve(name, false)
		if err != nil {
			return nil, err
		}
		orgs = append(orgs, org)
	}
	return orgs, nil
}

// A ClientRequest declares a client of ours, or ends that.
type ClientRequest struct {
	Org    string `json:"org"`
	Remove bool   `json:"remove,omitzero"`
}

func (d *Door) clients(context.Context) ([]string, error) { return d.node.Clients(), nil }

func (d *Door) changeClient(ctx context.Context, r ClientRequest) (nothing, error) {
	org, err := d.node.Resolve(r.Org, r.Remove)
	if err != nil {
		return nothing{}, err
	}
	if r.Remove {
		return nothing{}, d.node.RemoveClient(ctx, org)
	}
	return nothing{}, d.node.AddClient(ctx, org)
}

func whoParams() []param {
	return []param{
		{name: "bulletin", about: "id of one that is held; else tlp says what would be said"},
		{name: "tlp", about: "clear, green, amber, amber+strict or red"},
		{name: "community", about: "up to green; may be left out where the node is in one"},
		{name: "group", about: "amber and above"},
		{name: "to", about: "amber and above: an organisation, for red ORG/PERSON; may be repeated", many: true},
		{name: "tag", about: "of what would be said, for the share rules; may be repeated", many: true},
		{name: "peer", about: "an organisation: what it would get of us, by label and audience"},
	}
}

// A WhoAnswer says who would get something, or what somebody would get.
type WhoAnswer struct {
	Who     *node.Who    `json:"who,omitempty"`
	Reaches []node.Reach `json:"reaches,omitempty"`
}

func (d *Door) serveWho(w *answerWriter, req *http.Request) error {
	q := req.URL.Query()
	r := SubmitRequest{Community: q.Get("community"), Group: q.Get("group"), To: q["to"], Tags: q["tag"]}
	if text := q.Get("tlp"); text != "" {
		if err := r.TLP.UnmarshalText([]byte(text)); err != nil {
			return kindUsage.errorf("tlp: %v", err)
		}
	}
	if err := d.mayAsk(w.caller, q.Get("bulletin")); err != nil {
		return err
	}
	answer, err := d.who(w.caller, q.Get("bulletin"), q.Get("peer"), &r)
	if err != nil {
		return err
	}
	return sendJSON(w, answer)
}

// mayAsk fails for the id of a bulletin that the caller may not see.
func (d *Door) mayAsk(c caller, bulletin string) error {
	var id protocol.ID
	if bulletin == "" || id.UnmarshalText([]byte(bulletin)) != nil {
		return nil
	}
	return d.mayKnow(c, id)
}

func (d *Door) who(c caller, bulletin, peer string, r *SubmitRequest) (WhoAnswer, error) {
	switch {
	case bulletin != "" && (peer != "" || r.TLP.Valid()) || peer != "" && r.TLP.Valid():
		return WhoAnswer{}, kindUsage.errorf("give one of bulletin, tlp and peer")
	case bulletin != "":
		var id protocol.ID
		if err := id.UnmarshalText([]byte(bulletin)); err != nil {
			return WhoAnswer{}, kindUsage.errorf("bulletin: %v", err)
		}
		who, err := d.node.WhoOf(id)
		return WhoAnswer{Who: &who}, err
	case peer != "":
		org, err := d.node.Resolve(peer, true)
		if err != nil {
			return WhoAnswer{}, err
		}
		return WhoAnswer{Reaches: d.node.Reaches(org)}, nil
	case !r.TLP.Valid():
		return WhoAnswer{}, kindUsage.errorf("who would get what? give tlp, bulletin or peer")
	}
	t, err := d.terms(r, c.reader.Person)
	if err != nil {
		return WhoAnswer{}, err
	}
	t.person, t.role, t.by = c.reader.Person, string(c.role), c.name()
	who, err := d.node.WhoWould(t.issue(r.TLP, []stix.Draft{{Confidence: neverStated, Labels: t.tags}}))
	return WhoAnswer{Who: &who}, err
}

// A TakeBackRequest says what of our word is to be taken back.
type TakeBackRequest struct {
	Values    []string      `json:"values,omitempty"`    // observables, or STIX ids
	Type      string        `json:"type,omitempty"`      // of the values; empty: guessed
	Bulletins []protocol.ID `json:"bulletins,omitempty"` // whole bulletins
}

// A TakeBackAnswer lists what was taken back. All of it is durable here.
type TakeBackAnswer struct {
	Taken []node.TakenBack `json:"taken"`
}

func (d *Door) takeBack(how func(context.Context, node.Selection) ([]node.TakenBack, error)) func(*answerWriter, *http.Request) error {
	return func(w *answerWriter, req *http.Request) error {
		var r TakeBackRequest
		if err := decodeJSON(req, &r); err != nil {
			return err
		}
		s, err := selection(&r)
		if err != nil {
			return err
		}
		if !w.caller.operatorAtHome() { // who may take back anything of ours
			s.Visible = d.mayShow(w.caller)
		}
		taken, err := how(req.Context(), s)
		if err != nil {
			return err
		}
		for i := range taken { // the operator need not be one of the persons named
			if d.mayKnow(w.caller, taken[i].Bulletin) != nil {
				taken[i].Claims, taken[i].Audience = nil, ""
			}
		}
		return sendJSON(w, TakeBackAnswer{Taken: taken})
	}
}

func selection(r *TakeBackRequest) (node.Selection, error) {
	s := node.Selection{Bulletins: r.Bulletins}
	if n := len(r.Values) + len(r.Bulletins); n == 0 || n > maxValues {
		return s, kindUsage.errorf("what is to be taken back? give 1 to %d values or bulletins", maxValues)
	}
	t, err := observableType(r.Type)
	if err != nil {
		return s, err
	}
	for _, value := range r.Values {
		if r.Type == "" && stix.IsID(value) {
			s.IDs = append(s.IDs, value)
			continue
		}
		o, err := observable(t, value)
		if err != nil {
			return s, kindUsage.errorf("value %q: %s", shown(value), plain(err, stix.ErrNotObservable))
		}
		s.Values = append(s.Values, o)
	}
	return s, nil
}

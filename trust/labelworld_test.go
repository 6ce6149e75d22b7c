package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A labelWorld is what testdata/labels.txt draws: who there is. Everybody in it
// has a view of it by the statements that organisation can have.
type labelWorld struct {
	keys        map[string]ed25519.PrivateKey
	communities map[string]History
	nodes       map[string]string // to the organisation
	expired     map[string]bool
	revoked     map[string]bool
	rosters     []drawnRoster
	shown       map[string]map[string]bool // roster, to whom besides its members
	blocked     map[string][]string
	clients     map[string][]string
	quarantined []string
	views       map[string]*View // those asked before, in a world that changes no more
}

type drawnRoster struct {
	group, owner string
	version      uint64
	Roster
}

func newLabelWorld(keys map[string]ed25519.PrivateKey) *labelWorld {
	return &labelWorld{
		keys: keys, communities: map[string]History{}, nodes: map[string]string{}, expired: map[string]bool{},
		revoked: map[string]bool{}, shown: map[string]map[string]bool{}, blocked: map[string][]string{}, clients: map[string][]string{},
	}
}

func (w *labelWorld) key(org string) ed25519.PrivateKey {
	if w.keys[org] == nil {
		seed := sha256.Sum256([]byte("key of " + org))
		w.keys[org] = ed25519.NewKeyFromSeed(seed[:])
	}
	return w.keys[org]
}

func (w *labelWorld) org(name string) protocol.Org { return protocol.OrgOf(w.key(name)) }

func (w *labelWorld) orgs(names []string) (orgs []protocol.Org) {
	for _, name := range names {
		orgs = append(orgs, w.org(name))
	}
	return orgs
}

func (w *labelWorld) group(name string) (id, salt protocol.ID) {
	salt = sha256.Sum256([]byte("group " + name))
	for _, r := range w.rosters {
		if r.group == name {
			return protocol.GroupOf(w.org(r.owner), salt), salt
		}
	}
	return protocol.GroupOf(w.org("bank"), salt), salt
}

// draw takes one line of the world.
func (w *labelWorld) draw(f []string) bool {
	switch f[0] {
	case "community": // NAME: FOUNDER MEMBER...
		h := History{Charter: protocol.Charter{Name: f[1], Founders: w.orgs(f[2:3]), Monthly: 5, Needed: 1}}
		for _, m := range f[3:] {
			ref := refNumbered(f[1] + m)
			h.Introductions = append(h.Introductions, Introduction{Ref: ref, Bulletin: ref, By: w.org(f[2]), Of: w.org(m)})
			w.nodes[m] = m
		}
		w.nodes[f[2]], w.communities[f[1]] = f[2], h
	case "removed": // COMMUNITY: ORG...
		h := w.communities[f[1]]
		for _, m := range f[2:] {
			h.Removals = append(h.Removals, Removal{Refs: []protocol.ID{refNumbered(f[1] + m)}, By: h.Charter.Founders})
		}
		w.communities[f[1]] = h
	case "node": // NODE of ORG
		w.nodes[f[1]] = f[3]
	case "expired":
		w.expired[f[1]] = true
	case "revoked":
		w.revoked[f[1]] = true
	case "roster":
		w.drawRoster(f[1:])
	case "blocks":
		w.blocked[f[1]] = f[2:]
	case "clients":
		w.clients[f[1]] = f[2:]
	case "quarantined":
		w.quarantined = f[1:]
	default:
		return false
	}
	return true
}

// drawRoster takes GROUP.VERSION by OWNER DAYS MEMBER... [history N shown ORG...].
func (w *labelWorld) drawRoster(f []string) {
	group, version, _ := strings.Cut(f[0], ".")
	r := drawnRoster{group: group, owner: f[2], version: number(version)}
	r.Issued = protocol.Millis(worldNow.Add(-time.Duration(number(f[3])) * day))
	members := f[4:]
	if i := slices.Index(members, "history"); i >= 0 {
		r.History = number(members[i+1])
		members = slices.Delete(slices.Clone(members), i, i+2)
	}
	if i := slices.Index(members, "shown"); i >= 0 {
		w.shown[f[0]] = map[string]bool{}
		for _, org := range members[i+1:] {
			w.shown[f[0]][org] = true
		}
		members = members[:i]
	}
	r.Name, r.Members = group, w.orgs(members)
	slices.SortFunc(r.Members, protocol.Org.Compare)
	w.rosters = append(w.rosters, r)
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		panic(err)
	}
	return n
}

// view is what an organisation knows: the communities it is or was in, every
// certificate, and the rosters it was in or that were opened to it; "heir@4"
// holds version 4 alone.
func (w *labelWorld) view(who string) *View {
	who, only, limited := strings.Cut(who, "@")
	self := w.org(who)
	v := &View{
		Self: self, Communities: map[protocol.ID]*Community{}, Nodes: map[protocol.Node]protocol.Certificate{},
		Blocked: map[protocol.Org]bool{}, Quarantined: map[protocol.Org]Proof{}, Revocations: Revocations{},
		Groups: map[protocol.ID]*Group{}, Clients: map[protocol.Org]bool{},
	}
	for name, h := range w.communities {
		if c := NewCommunity(h); c.Known[self] {
			v.Communities[communityNamed(name)] = c
		}
	}
	for node := range w.nodes {
		c := w.certificate(node)
		v.Nodes[c.Node] = c
		if w.revoked[node] {
			v.Revocations[NodeKey{c.Org, c.Node}] = [][]protocol.ID{nil}
		}
	}
	for _, r := range w.rosters {
		id, _ := w.group(r.group)
		held := r.has(self) || r.version > 0 && w.shown[r.group+"."+strconv.FormatUint(r.version, 10)][who] || w.org(r.owner) == self
		if limited && strconv.FormatUint(r.version, 10) != only || !held {
			continue
		}
		if v.Groups[id] == nil {
			v.Groups[id] = &Group{ID: id, Owner: w.org(r.owner), Rosters: map[uint64]Roster{}}
		}
		if r.version > 0 {
			v.Groups[id].Rosters[r.version] = r.Roster
		}
	}
	for _, org := range w.blocked[who] {
		v.Blocked[w.org(org)] = true
	}
	for _, org := range w.clients[who] {
		v.Clients[w.org(org)] = true
	}
	for _, org := range w.quarantined {
		v.Quarantined[w.org(org)] = Proof{Fault: Equivocation, Org: w.org(org)}
	}
	return v
}

func (w *labelWorld) certificate(node string) protocol.Certificate {
	until := worldNow.Add(time.Hour)
	if w.expired[node] {
		until = worldNow.Add(-time.Hour)
	}
	org := w.nodes[node]
	if org == "" {
		org = node
	}
	return protocol.Certificate{
		Org: w.org(org), Node: nodeNamed(node),
		NotBefore: protocol.Millis(worldNow.Add(-100 * day)), NotAfter: protocol.Millis(until),
	}
}

// audience reads ORG, GROUP.VERSION, ORG/PERSON and + between them; "nobody".
// Under RED whoever has no person gets one, but for ORG! and groups.
func (w *labelWorld) audience(label protocol.TLP, words string) (audience []protocol.Recipient) {
	if words == "nobody" {
		return nil
	}
	for word := range strings.SplitSeq(words, "+") {
		name, person, _ := strings.Cut(word, "/")
		group, version, isGroup := strings.Cut(name, ".")
		if isGroup {
			id, _ := w.group(group)
			audience = append(audience, protocol.Recipient{Group: id, Version: number(version), Person: person})
			continue
		}
		name, bare := strings.CutSuffix(name, "!")
		if label == protocol.Red && person == "" && !bare {
			person = "anna"
		}
		audience = append(audience, protocol.Recipient{Org: w.org(name), Person: person})
	}
	return audience
}

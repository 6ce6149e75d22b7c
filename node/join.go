package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// maxJoinBulletins bounds the statements an inviter may hand over.
const maxJoinBulletins = 100_000

// An invitation is what the inviter remembers of a token: never the secret.
type invitation struct {
	Community protocol.ID   `json:"community"`
	Expires   time.Time     `json:"expires"`
	Name      string        `json:"name,omitempty"` // what the inviter will call the joiner
	BurntBy   *protocol.Org `json:"burnt_by,omitempty"`
}

var (
	errBurnt = errors.New("this invite was used by another organisation")
	errLimit = errors.New("whoever made this invite may introduce nobody more this month")
)

// Invite makes a token that lets one organisation into a community, until it
// expires. A name, when given, is what the joiner will be called here.
func (n *Node) Invite(ctx context.Context, community protocol.ID, name string, valid time.Duration) (string, error) {
	o := n.look()
	c := o.Communities[community]
	if c == nil {
		return "", fmt.Errorf("%w: no such community", ErrNotFound)
	}
	if v := c.History.MayIntroduce(n.cert.Org, time.Now()); !v.Allowed {
		return "", refusal(v)
	}
	if valid <= 0 || valid > 90*24*time.Hour {
		return "", fmt.Errorf("%w: an invite is valid for up to 90 days", ErrUsage)
	}
	i := protocol.Invite{
		Community: community, Name: c.Charter.Name, Org: n.cert.Org, OrgName: n.title, Node: n.cert.Node,
		Addrs: n.ownAddrs(), Expires: protocol.Millis(time.Now().Add(valid)),
	}
	if len(i.Addrs) == 0 {
		return "", fmt.Errorf("%w: this node listens nowhere, so nobody could join through it: configure listen addresses", ErrRefused)
	}
	rand.Read(i.Secret[:])
	record, err := json.Marshal(invitation{Community: community, Expires: protocol.Time(i.Expires), Name: name})
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(i.Secret[:])
	if err := n.store.Table(tableInvites).Set(ctx, key[:], record); err != nil {
		return "", err
	}
	n.refreshInvites()
	n.NoteDone(ctx, onCommunity(ActInvite, community, "make"))
	return i.Text(), nil
}

func (n *Node) ownAddrs() []string {
	var addrs []string
	if n.host == nil { // see Consult
		return addrs
	}
	for _, a := range n.host.Addrs() {
		addrs = append(addrs, a.String())
	}
	return addrs[:min(len(addrs), 16)]
}

// refreshInvites tells the gate whether an invite is open.
func (n *Node) refreshInvites() {
	open := false
	for _, value := range n.store.Table(tableInvites).All() {
		var i invitation
		if json.Unmarshal(value, &i) == nil && i.BurntBy == nil && time.Now().Before(i.Expires) {
			open = true
		}
	}
	n.gate.setInvites(open)
}

// serveJoin lets a guest in who holds an invite, or a node that shows a
// certificate under a member's key.
func (n *Node) serveJoin(s network.Stream) {
	if !n.takeStream(s) {
		s.Reset()
		return
	}
	defer n.leaveStream(s)
	defer n.welcoming(s.Conn().RemotePeer())()
	ctx, cancel := context.WithTimeout(n.ctx, guestStay)
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	request, err := protocol.ReadFrame[protocol.JoinRequest](s, 16<<10)
	if err != nil {
		s.Reset()
		return
	}
	if err := n.welcome(ctx, s, request); err != nil {
		n.log.Warn("join refused", "peer", s.Conn().RemotePeer(), "err", err)
		protocol.WriteFrame(s, protocol.JoinAnswer{Refused: refusedText(err)})
	}
	s.CloseWrite()
	io.Copy(io.Discard, io.LimitReader(s, 1)) // until the other side has read it all and closes
	s.Close()
}

// welcoming keeps the door from closing a guest that has just become a member
// while its answer is on the way.
func (n *Node) welcoming(p peer.ID) (end func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.joining[p]++
	return func() {
		n.mu.Lock()
		if n.joining[p]--; n.joining[p] <= 0 {
			delete(n.joining, p)
		}
		n.mu.Unlock()
		signal(n.enforce)
	}
}

// refusedText is what a stranger is told: no more than it needs.
func refusedText(err error) string {
	switch {
	case errors.Is(err, errBurnt):
		return errBurnt.Error()
	case errors.Is(err, errLimit):
		return errLimit.Error()
	case errors.Is(err, ErrRefused), errors.Is(err, ErrNotFound):
		return "this invite is unknown, used or expired"
	}
	return "the node cannot answer now: try again"
}

func (n *Node) welcome(ctx context.Context, s network.Stream, r protocol.JoinRequest) error {
	cert := r.Certificate
	if err := cert.Check(); err != nil {
		return err
	}
	if PeerID(cert.Node) != s.Conn().RemotePeer() || !cert.Covers(protocol.Millis(time.Now())) {
		return fmt.Errorf("%w: its certificate is not of the node that shows it, or is not valid now", ErrRefused)
	}
	if len(r.Secret) == 0 {
		return n.welcomeNode(ctx, s, r.Community, cert)
	}
	if c := n.look().Communities[r.Community]; c != nil {
		if _, is := c.Members[cert.Org]; !is && !c.History.MayIntroduce(n.cert.Org, time.Now()).Allowed {
			return errLimit // before the invite is burnt: it serves next month, if it lasts
		}
	}
	invite, err := n.burn(ctx, r, cert.Org)
	if err != nil {
		return err
	}
	if err := n.introduceJoiner(ctx, invite, r); err != nil {
		return err
	}
	n.counters.joined.Add(1)
	return n.handOver(ctx, s, invite.Community)
}

// burn uses up a token, durably and before anything is signed. The organisation
// it was burnt by may come again, in case it never got the answer.
func (n *Node) burn(ctx context.Context, r protocol.JoinRequest, org protocol.Org) (invitation, error) {
	var i invitation
	key := sha256.Sum256(r.Secret)
	err := n.store.Table(tableInvites).Update(ctx, key[:], func(old []byte, ok bool) ([]byte, error) {
		if !ok {
			return nil, fmt.Errorf("%w: unknown invite", ErrRefused)
		}
		if err := json.Unmarshal(old, &i); err != nil {
			return nil, err
		}
		switch {
		case subtle.ConstantTimeCompare(i.Community[:], r.Community[:]) != 1:
			return nil, fmt.Errorf("%w: the invite is for another community", ErrRefused)
		case i.BurntBy != nil && *i.BurntBy != org:
			return nil, errBurnt
		case i.BurntBy == nil && time.Now().After(i.Expires):
			return nil, fmt.Errorf("%w: the invite has expired", ErrRefused)
		case n.look().Blocked[org]:
			return nil, fmt.Errorf("%w: the organisation is blocked here", ErrRefused)
		}
		i.BurntBy = &org
		return json.Marshal(i)
	})
	n.refreshInvites()
	n.noteInvite(ctx, r.Community, org, err)
	return i, err
}

func (n *Node) introduceJoiner(ctx context.Context, i invitation, r protocol.JoinRequest) error {
	name := i.Name
	if name == "" {
		name = r.Name
	}
	if err := protocol.CheckName(name); err != nil {
		return err
	}
	if err := n.rememberAddrs(ctx, r.Certificate.Node, r.Addrs); err != nil {
		return err
	}
	return n.Introduce(ctx, i.Community, r.Certificate, name)
}

// Introduce brings an organisation into a community under our name, unless it
// is a member already, and calls it by name from now on.
func (n *Node) Introduce(ctx context.Context, community protocol.ID, cert protocol.Certificate, name string) error {
	if err := cert.Check(); err != nil {
		return err
	}
	c := n.look().Communities[community]
	if c == nil {
		return fmt.Errorf("%w: no such community", ErrNotFound)
	}
	n.mu.Lock()
	_, named := n.known.petnames[cert.Org]
	name = n.known.freeName(cert.Org, name)
	n.mu.Unlock()
	if !named {
		if err := n.setName(ctx, cert.Org, name); err != nil {
			return err
		}
	}
	if _, is := c.Members[cert.Org]; is {
		return nil
	}
	if v := c.History.MayIntroduce(n.cert.Org, time.Now()); !v.Allowed {
		return refusal(v)
	}
	n.noteMember(ctx, community, cert.Org, "introduce")
	_, err := n.state(ctx, community, protocol.Statement{Introduction: &protocol.Introduction{Name: name, Certificate: cert}})
	return err
}

// handOver sends a community's charter and statements, and nothing else.
func (n *Node) handOver(ctx context.Context, w io.Writer, community protocol.ID) error {
	charter := n.look().charters[community]
	if charter == nil {
		return fmt.Errorf("%w: no such community", ErrNotFound)
	}
	var wires [][]byte
	for b, err := range n.store.Statements(community) {
		if err != nil {
			return err
		}
		wires = append(wires, b.Wire())
	}
	if err := protocol.WriteFrame(w, protocol.JoinAnswer{Charter: charter.Encode(), Count: uint64(len(wires))}); err != nil {
		return err
	}
	for _, wire := range wires {
		if err := protocol.WriteBytes(w, wire); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// welcomeNode takes a new node of a member: from now on it may connect.
func (n *Node) welcomeNode(ctx context.Context, w io.Writer, community protocol.ID, cert protocol.Certificate) error {
	c := n.look().Communities[community]
	if c == nil {
		return fmt.Errorf("%w: no such community", ErrNotFound)
	}
	if _, is := c.Members[cert.Org]; !is {
		return fmt.Errorf("%w: its organisation is not a member", ErrRefused)
	}
	if n.look().RevokedFor(cert.Org, cert.Node) {
		return fmt.Errorf("%w: its organisation has revoked the node's key", ErrRefused)
	}
	if err := n.store.Table(tableCerts).Set(ctx, cert.Node[:], cert.Encode()); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { learnCert(k.proven, cert) })
	return n.handOver(ctx, w, community)
}

// Join redeems an invite: it dials the inviter, shows our certificate, takes
// the community's charter and statements, and checks that they make us a member.
func (n *Node) Join(ctx context.Context, token string) (community protocol.ID, name string, err error) {
	i, err := protocol.ParseInvite(token)
	if err != nil {
		return community, "", fmt.Errorf("%w: %v", ErrUsage, err)
	}
	if time.Now().After(protocol.Time(i.Expires)) {
		return community, "", fmt.Errorf("%w: the invite expired on %s: ask %s for another", ErrRefused, protocol.Time(i.Expires).Format(time.DateTime), i.OrgName)
	}
	if i.Org == n.cert.Org {
		return community, "", fmt.Errorf("%w: this invite is our own: run it on the other organisation's node", ErrUsage)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	charter, statements, err := n.redeem(ctx, i)
	if err != nil {
		return community, "", err
	}
	return i.Community, charter.Charter.Name, n.settle(ctx, i, charter, statements)
}

func (n *Node) redeem(ctx context.Context, i protocol.Invite) (*protocol.SignedCharter, []*protocol.Bulletin, error) {
	request := protocol.JoinRequest{Community: i.Community, Secret: i.Secret[:], Certificate: n.certificate(), Name: n.title, Addrs: n.ownAddrs()}
	return n.askToJoin(ctx, peer.AddrInfo{ID: PeerID(i.Node), Addrs: parseAddrs(i.Addrs)}, i.OrgName, request)
}

// askToJoin dials a node, which need not know us, makes a request and returns
// what it hands over. Errors call it by name.
func (n *Node) askToJoin(ctx context.Context, at peer.AddrInfo, name string, r protocol.JoinRequest) (*protocol.SignedCharter, []*protocol.Bulletin, error) {
	defer n.gate.dialling(at.ID)()
	if err := n.host.Connect(ctx, at); err != nil {
		return nil, nil, fmt.Errorf("cannot reach %s at %v: %s", name, at.Addrs, explain(err.Error()))
	}
	s, err := n.host.NewStream(ctx, at.ID, protocol.JoinProtocol)
	if err != nil {
		return nil, nil, fmt.Errorf("join stream to %s: %s", name, explain(err.Error()))
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	if err := protocol.WriteFrame(s, r); err != nil {
		return nil, nil, fmt.Errorf("join: %w", err)
	}
	return readHandOver(s, name, r.Community)
}

func readHandOver(r io.Reader, name string, community protocol.ID) (*protocol.SignedCharter, []*protocol.Bulletin, error) {
	answer, err := protocol.ReadFrame[protocol.JoinAnswer](r, 2*protocol.MaxCharter)
	if err != nil {
		return nil, nil, fmt.Errorf("join: no answer from %s: %w", name, err)
	}
	if answer.Refused != "" {
		return nil, nil, fmt.Errorf("%w by %s: %s", ErrRefused, name, answer.Refused)
	}
	charter, err := protocol.DecodeCharter(answer.Charter)
	if err != nil {
		return nil, nil, err
	}
	if charter.ID() != community || answer.Count > maxJoinBulletins {
		return nil, nil, fmt.Errorf("%w: %s answered for another community", ErrRefused, name)
	}
	var statements []*protocol.Bulletin
	for range answer.Count {
		wire, err := protocol.ReadBytes(r, protocol.MaxFrame)
		if err != nil {
			return nil, nil, fmt.Errorf("join: %w", err)
		}
		b, err := protocol.Open(wire)
		if err != nil {
			return nil, nil, err
		}
		if b.Header.Kind == protocol.Statements && b.Header.Community == community {
			statements = append(statements, b)
		}
	}
	return charter, statements, nil
}

// settle makes a community ours. Until the statements show that we are a
// member nothing is kept but the charter.
func (n *Node) settle(ctx context.Context, i protocol.Invite, charter *protocol.SignedCharter, statements []*protocol.Bulletin) error {
	if err := n.rememberAddrs(ctx, i.Node, i.Addrs); err != nil {
		return err
	}
	n.mu.Lock()
	_, named := n.known.petnames[i.Org]
	name := n.known.freeName(i.Org, i.OrgName)
	n.mu.Unlock()
	if !named {
		if err := n.setName(ctx, i.Org, name); err != nil {
			return err
		}
	}
	if err := n.Adopt(ctx, charter, statements); err != nil {
		return err
	}
	inviter := PeerID(i.Node)
	n.host.Network().ClosePeer(inviter) // a new connection announces the topic
	n.mu.Lock()
	delete(n.dials, i.Node)
	n.mu.Unlock()
	signal(n.redial)
	return nil
}

// Adopt takes part in a community whose charter and statements somebody handed
// us. The statements pass the same door as all others, in whatever order makes
// their authors known.
func (n *Node) Adopt(ctx context.Context, charter *protocol.SignedCharter, statements []*protocol.Bulletin) error {
	if err := n.store.Table(tableCommunities).Set(ctx, idKey(charter.ID()), charter.Encode()); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.follow(charter) })
	n.NoteDone(ctx, onCommunity(ActCommunity, charter.ID(), "follow"))
	for left := statements; len(left) > 0; {
		var known []arrival
		var unknown []*protocol.Bulletin
		c := n.look().Communities[charter.ID()]
		for _, b := range left {
			if c.Known[b.Header.Org()] {
				known = append(known, arrival{bulletin: b})
			} else {
				unknown = append(unknown, b)
			}
		}
		if len(known) == 0 {
			break
		}
		if _, err := n.receive(ctx, known); err != nil {
			return err
		}
		left = unknown
	}
	if _, is := n.look().Communities[charter.ID()].Members[n.cert.Org]; !is {
		return fmt.Errorf("%w: the statements handed over do not make us a member of %s yet", ErrRefused, charter.Charter.Name)
	}
	return n.present(ctx, charter.ID())
}

func idKey(id protocol.ID) []byte { return id[:] }

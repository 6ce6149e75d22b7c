package node_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// near returns whom a hostile member can connect to now.
func (s *spread) near(b *nodetest.Byzantine) (orgs []string) {
	for _, org := range s.honest {
		if s.m.links[edge{b.Name, org}] && !s.down[org] && b.Connect(org) == nil {
			orgs = append(orgs, org)
		}
	}
	return orgs
}

// misbehave has a hostile member do one of the things it must not get away with.
func (s *spread) misbehave(b *nodetest.Byzantine) {
	near := s.near(b)
	if len(near) == 0 {
		return
	}
	org := pick(s, near)
	how := pick(s, []struct {
		name string
		do   func(*nodetest.Byzantine, string)
	}{
		{"asks for everything", s.askAll}, {"replays", s.replay}, {"relabels", s.relabel}, {"forwards", s.forward},
		{"forges forwards", s.forgeForwards}, {"equivocates", s.equivocate}, {"floods", s.flood}, {"signs for others", s.signForOthers},
	})
	s.note("%s %s at %s", b.Name, how.name, org)
	s.tallies["misdeeds"]++
	how.do(b, org)
}

// askAll asks for all that was ever said, by its id and by its stream.
func (s *spread) askAll(b *nodetest.Byzantine, org string) {
	var asks []protocol.Want
	for _, x := range s.m.words {
		asks = append(asks, protocol.Want{Bodies: []protocol.ID{x.id}})
	}
	for _, h := range s.honest {
		if s.down[h] {
			continue
		}
		for _, st := range s.fed.Node(h).Store().Streams() {
			asks = append(asks, nodetest.Everything(st.ID))
		}
	}
	b.Converse(org, asks)
	s.offerAll(b, org)
}

// offerAll offers what it does not have, to learn who has it.
func (s *spread) offerAll(b *nodetest.Byzantine, org string) {
	for _, x := range s.m.words {
		if signed := b.Probe(org, x.id); len(signed) > 0 && !s.m.may(x, false)[b.Name] {
			s.t.Errorf("%s has told %s that it holds %s", org, b.Name, s.tell(x))
		}
	}
}

// replay hands over what others said, by every road.
func (s *spread) replay(b *nodetest.Byzantine, org string) {
	for _, x := range b.Got() {
		b.Gossip(x.Wire())
	}
	b.Converse(org, nil)
	b.Deliver(org, bare, b.Got()...)
}

func bare(*protocol.Bulletin) *protocol.Forward { return nil }

// relabel alters labels under signatures of others.
func (s *spread) relabel(b *nodetest.Byzantine, org string) {
	var wires [][]byte
	for _, x := range b.Got() {
		if x.Header.TLP == protocol.Clear || len(wires) > 30 {
			continue
		}
		label := []byte{9, byte(x.Header.TLP)} // key 9 of the header
		for _, other := range []protocol.TLP{protocol.Clear, protocol.Green, protocol.Amber} {
			if wire := bytes.Replace(x.Wire(), label, []byte{9, byte(other)}, 1); other < x.Header.TLP {
				wires = append(wires, wire)
			}
		}
	}
	for _, wire := range wires {
		if _, err := protocol.Open(wire); err == nil {
			s.t.Errorf("a label was altered and nobody could tell")
		}
	}
	b.Converse(org, nil, wires[:min(len(wires), 3)]...)
	for _, wire := range wires[:min(len(wires), 3)] {
		b.Gossip(wire)
	}
}

// forward passes on what it holds to whoever it likes, as if to clients. What it
// was sent itself under AMBER it can give to anybody, and say so.
func (s *spread) forward(b *nodetest.Byzantine, org string) {
	var list []*protocol.Bulletin
	for _, x := range s.m.words {
		for _, held := range b.Got() {
			if held.ID() == x.id && x.label > protocol.Green && held.HasBody() {
				list = append(list, held)
				x.aside[org] = x.label == protocol.Amber
			}
		}
	}
	b.Deliver(org, func(x *protocol.Bulletin) *protocol.Forward {
		return protocol.SignForward(b.Key, b.Cert, x.ID(), s.keys[org])
	}, list...)
}

// forgeForwards passes on with forwards that name others, or are of nobody.
func (s *spread) forgeForwards(b *nodetest.Byzantine, org string) {
	node, cert := s.fed.Invented()
	for i := range 3 {
		var list []*protocol.Bulletin
		for _, x := range b.Got() {
			if x.Header.TLP > protocol.Green && x.HasBody() {
				list = append(list, x)
			}
		}
		b.Deliver(org, func(x *protocol.Bulletin) *protocol.Forward {
			switch i {
			case 0:
				return protocol.SignForward(b.Key, b.Cert, x.ID(), s.keys[b.Name])
			case 1:
				return protocol.SignForward(node, cert, x.ID(), s.keys[org])
			}
			f := protocol.SignForward(b.Key, b.Cert, x.ID(), s.keys[org])
			f.Certificate = x.Header.Certificate
			return f
		}, list...)
	}
}

// equivocate says two things at one place.
func (s *spread) equivocate(b *nodetest.Byzantine, org string) {
	h := protocol.Header{Community: s.fed.Community(), TLP: protocol.Green}
	one := b.Say(h, `{"a":1}`)
	h.Epoch, h.Seq, h.Prev = one.Header.Epoch, one.Header.Seq, one.Header.Prev
	other := b.Bulletin(h, `{"a":2}`)
	b.Gossip(one.Wire())
	b.Converse(org, nil, other.Wire())
}

// flood says a lot.
func (s *spread) flood(b *nodetest.Byzantine, org string) {
	for i := range 200 {
		b.Gossip(b.Say(protocol.Header{Community: s.fed.Community(), TLP: protocol.Green}, fmt.Sprintf(`{"n":%d}`, i)).Wire())
	}
}

// signForOthers hands over receipts of organisations that it made up, of itself
// for what it never had, and of others with its own signature.
func (s *spread) signForOthers(b *nodetest.Byzantine, org string) {
	node, cert := s.fed.Invented()
	var good, forged []*protocol.Receipt
	for _, x := range s.m.words {
		at := protocol.Millis(time.Now())
		good = append(good, protocol.SignReceipt(node, cert, x.id, protocol.ReceiptHeld, at), protocol.SignReceipt(b.Key, b.Cert, x.id, protocol.ReceiptErased, at))
		_, _, other := s.fed.Keys(pick(s, s.honest))
		forged = append(forged, protocol.SignReceipt(b.Key, other, x.id, protocol.ReceiptHeld, at))
	}
	b.Claim(org, good...)
	b.Claim(org, forged...)
}

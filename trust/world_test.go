package trust

import (
	"crypto/ed25519"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	allLabels    = []protocol.TLP{protocol.Clear, protocol.Green, protocol.Amber, protocol.AmberStrict, protocol.Red}
	mostlyOnward = []protocol.TLP{protocol.Amber, protocol.Green, protocol.Amber, protocol.Red, protocol.Amber, protocol.AmberStrict}
)

// TestCuttingOffNeverWidens: blocking, leaving, falling, expiry, and being left
// out of a group give nobody anything, whoever holds the bulletin.
func TestCuttingOffNeverWidens(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, allLabels...)
		who, whom := fair(t, "who", cast), fair(t, "whom", cast)
		before := s.receivers(s.allKnowing(who))
		what := fair(t, "what", []string{"block", "fall", "expire", "client", "group", "revoke"})
		switch what {
		case "block":
			s.blocked[who] = append(s.blocked[who], whom)
		case "fall":
			for name := range s.communities {
				s.lines("removed " + name + " " + whom)
			}
		case "expire":
			s.expired[whom] = true
		case "client":
			s.clients[who] = without(s.clients[who], whom)
		case "revoke":
			s.revoked[whom] = true
		case "group":
			if s.versions > 0 {
				last := s.rosters[len(s.rosters)-1]
				last.version++
				last.Members = slices.DeleteFunc(slices.Clone(last.Members), func(o protocol.Org) bool { return o == s.org(whom) })
				last.History = 0
				s.rosters = append(s.rosters, last)
			}
		}
		within(t, what+" "+whom, s.receivers(s.allKnowing(who)), before)
	})
}

// holds reports whether an organisation has the bulletin by the rules: it is the
// author, and may speak so; or it let it in.
func (s *scene) holds(org string) bool {
	author := s.h.Org()
	if author == s.org(org) {
		return !s.allKnowing(org).outsideGroup(&s.h)
	}
	return s.view(org).MayAdmit(&s.h, worldNow).Outcome >= Decline
}

// TestWhatMayBeSentIsLetIn: what the rules let a node send, the receiver lets
// in or declines by a choice of its own; it never refuses.
func TestWhatMayBeSentIsLetIn(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	sent, forwarded := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, mostlyOnward...)
		author := s.h.Org()
		for _, from := range cast {
			if !s.holds(from) || s.allKnowing(from).outsideGroup(&s.h) || !s.current(from) {
				continue
			}
			sender := s.view(from)
			for _, to := range cast {
				receiver := s.view(to)
				if from == to || !receiver.isMember(author) { // known to them by another community
					continue
				}
				if v := sender.MaySee(s.h.Stream(), author, nodeNamed(to), worldNow); v.Allowed {
					sent++
					if a := receiver.MayAdmit(&s.h, worldNow); a.Outcome < Decline {
						t.Fatalf("%s sends %s to %s (%s), who says %+v", from, s.h.TLP.Label(), to, v.Rule, a)
					}
					continue
				}
				if receiver.Blocked[s.org(from)] || !receiver.isMember(s.org(from)) || receiver.named(s.h.Audience, receiver.Self).Allowed {
					continue
				}
				if v := sender.MayReceive(&s.h, nodeNamed(to), worldNow); v.Allowed {
					forwarded++
					f := &protocol.Forward{Certificate: s.certificate(from), To: receiver.Self}
					if a := receiver.AdmitForwarded(&s.h, f, worldNow); a.Outcome < Decline {
						t.Fatalf("%s passes it on to its client %s, who says %+v", from, to, a)
					}
				}
			}
		}
	})
	if (sent == 0 || forwarded == 0) && !testing.Short() {
		t.Errorf("%d sent, %d passed on: nothing was tried", sent, forwarded)
	}
}

// TestWhatIsLetInMayBeSent: what a receiver lets in of an honest author's, that
// author was allowed to send it, by all the rosters there are.
func TestWhatIsLetInMayBeSent(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, allLabels...)
		for _, from := range cast {
			author := s.allKnowing(from)
			if s.org(from) != s.h.Org() || !s.holds(from) || !s.current(from) {
				continue
			}
			for _, to := range cast {
				receiver := s.view(to)
				_, member := joinedFor(receiver, &s.h)
				if from == to || author.Blocked[s.org(to)] || !s.current(to) || !member || !author.isMember(s.org(to)) || !receiver.isMember(s.h.Org()) {
					continue
				}
				if a := receiver.MayAdmit(&s.h, worldNow); a.Outcome == Admit {
					tried++
					if v := author.MaySee(s.h.Stream(), s.h.Org(), nodeNamed(to), worldNow); !v.Allowed {
						t.Fatalf("%s lets in (%s) what %s could not send it: %+v", to, a.Rule, from, v)
					}
				}
			}
		}
	})
	if tried == 0 && !testing.Short() {
		t.Error("nothing was let in")
	}
}

// TestEmptyAudienceIsNobody: without recipients nothing above GREEN goes
// anywhere, by any road, nor comes in.
func TestEmptyAudienceIsNobody(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, protocol.Amber, protocol.AmberStrict, protocol.Red)
		s.h.Audience = nil
		for _, org := range cast {
			v := s.view(org)
			if allowed := s.receivers(v); len(allowed) > 0 {
				t.Fatalf("%s sends what names nobody to %v", org, allowed)
			}
			if v.MayAdmit(&s.h, worldNow).Outcome != Refuse || v.MaySubmitTo(s.h.TLP, nil).Allowed || v.MayCarry(&s.h, s.orgs(cast[:1])).Allowed {
				t.Fatalf("%s lets it in, says it, or puts it on a medium", org)
			}
		}
	})
}

// TestStricterIsNarrower: in one community, whoever may receive a bulletin
// under a label may receive it under every wider one, and CLEAR goes from node
// to node as GREEN does.
func TestStricterIsNarrower(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, protocol.AmberStrict)
		delete(s.communities, "clinic")
		audience := s.h.Audience
		who := fair(t, "who", cast)
		v := s.view(who)
		if !v.isMember(v.Self) {
			return
		}
		wider := map[string]bool(nil)
		for _, label := range allLabels {
			s.h.TLP, s.h.Community, s.h.Audience = label, communityNamed("isac"), nil
			if label > protocol.Green {
				s.h.Community, s.h.Audience = protocol.ID{}, audience
			}
			now := s.receivers(v)
			if wider != nil {
				within(t, label.Label(), now, wider)
			}
			if label == protocol.Green {
				within(t, "TLP:CLEAR", wider, now)
			}
			wider = now
		}
	})
}

// TestOnwardOnce: whoever got a bulletin as a client gives it to nobody, and
// nobody takes it from one.
func TestOnwardOnce(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	onward := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, mostlyOnward...)
		for _, from := range cast {
			for _, client := range cast {
				if !s.holds(from) || !s.view(from).MayForward(s.h.Stream(), s.h.Org(), s.org(client)).Allowed {
					continue
				}
				onward++
				v := s.view(client)
				if s.h.TLP != protocol.Amber {
					t.Fatalf("%s went on to %s", s.h.TLP.Label(), client)
				}
				if v.named(s.h.Audience, v.Self).Allowed { // by a roster that the forwarder has not
					continue
				}
				if allowed := s.receivers(v); len(allowed) > 0 {
					t.Fatalf("%s, a client of %s, passes it on to %v", client, from, allowed)
				}
				s.refusedByAll(t, client)
			}
		}
	})
	if onward == 0 && !testing.Short() {
		t.Error("nothing went on to anybody")
	}
}

// refusedByAll: nobody who can know the whole audience takes it from a client.
func (s *scene) refusedByAll(t *rapid.T, client string) {
	f := &protocol.Forward{Certificate: s.certificate(client)}
	for _, second := range cast {
		v := s.view(second)
		f.To = v.Self
		unknown := v.named(s.h.Audience, f.Certificate.Org).Rule == "unknown-roster"
		if a := v.AdmitForwarded(&s.h, f, worldNow); a.Outcome != Refuse && !unknown {
			t.Fatalf("%s takes it from the client %s: %+v", second, client, a)
		}
	}
}

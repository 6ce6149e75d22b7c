package node_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// holders returns who holds a word now with its body, and who its header.
func (s *spread) holders(x *word) (held, seen map[string]bool) {
	held, seen = map[string]bool{}, map[string]bool{}
	for _, org := range s.honest {
		header, body := s.fed.Node(org).Store().Has(x.id)
		if header {
			seen[org] = true
		}
		if body == storage.Held {
			held[org] = true
		}
	}
	for _, b := range s.byz {
		if b.Holds(x.id) {
			held[b.Name], seen[b.Name] = true, true
		}
	}
	return held, seen
}

func (s *spread) tell(x *word) string {
	what := fmt.Sprint(x.receipt.Claims)
	if x.statement {
		what = "statement"
	}
	to := strings.Join(x.to, " ")
	if x.circle != nil {
		to = fmt.Sprintf("group %s v%d", x.circle.id.String()[:6], x.version)
	}
	if x.community != nil {
		to = x.community.name
	}
	return fmt.Sprintf("%s of %s under %s to %s (%s)", what, x.author, x.label, to, x.id.String()[:8])
}

// lacking says what somebody must hold, have signed for or have destroyed, and has
// not; "" for nothing.
func (s *spread) lacking(musts, signs map[*word]map[string]bool) string {
	for _, x := range s.m.words {
		held, _ := s.holders(x)
		for org := range musts[x] {
			if !held[org] {
				header, body := s.fed.Node(org).Store().Has(x.id)
				return fmt.Sprintf("%s must hold %s: header %v, body %v", org, s.tell(x), header, body)
			}
		}
		for org := range x.rid(musts) {
			if held[org] {
				return fmt.Sprintf("%s must have destroyed %s", org, s.tell(x))
			}
		}
	}
	for _, x := range s.m.words {
		signed := s.signed(x)
		for org, must := range signs[x] {
			if must && !signed[org] {
				return fmt.Sprintf("%s must have a receipt of %s for %s", x.author, org, s.tell(x))
			}
		}
	}
	return ""
}

// signed returns whose receipts for a word its author has.
func (s *spread) signed(x *word) map[string]bool {
	set := map[string]bool{}
	if x.label <= protocol.Green {
		return set
	}
	d, err := s.fed.Node(x.author).Delivery(x.id)
	s.check(err)
	for _, p := range d.Peers {
		set[p.Org] = set[p.Org] || p.Signed != nil
	}
	return set
}

// checkHolders: nobody has what he may not have, not even a header.
func (s *spread) checkHolders() {
	s.t.Helper()
	for _, x := range s.m.words {
		held, seen := s.holders(x)
		for body, set := range map[bool]map[string]bool{true: held, false: seen} {
			may := s.m.may(x, body)
			for org := range set {
				if !may[org] {
					s.t.Errorf("%s holds %s (body: %v), which is for %v", org, s.tell(x), body, slices.Sorted(maps.Keys(may)))
				}
			}
		}
	}
}

// checkRevoked: what was taken back is answered by nobody who was told.
func (s *spread) checkRevoked(musts map[*word]map[string]bool) {
	s.t.Helper()
	for _, y := range s.m.words {
		told := musts[y]
		if y.revokes == nil {
			continue
		}
		for org := range told {
			n := s.fed.Node(org)
			claims, err := n.Store().Lookup(y.receipt.Claims[0], n.Query())
			s.check(err)
			for _, c := range claims {
				if c.Bulletin == y.revokes.id {
					s.t.Errorf("%s answers for %s, which was revoked", org, s.tell(y.revokes))
				}
			}
		}
	}
}

// A secret is what is known of a canary: the words that carry it.
type secret struct {
	may     map[string]bool // who may have kept it
	sent    map[string]bool // who may have been sent it, whether he took it or not
	rid     map[string]bool // who has to have destroyed it
	hostile bool            // one of them hands it to others in the clear
	red     bool
}

func (s *spread) secrets(musts map[*word]map[string]bool) map[string]*secret {
	all := map[string]*secret{}
	for _, x := range s.m.words {
		maps.Copy(x.ever, s.m.may(x, true))
		maps.Copy(x.reached, s.m.sent(x))
		if x.canary == "" {
			continue
		}
		c, destroyed := all[x.canary], x.rid(musts)
		if c == nil {
			c = &secret{may: map[string]bool{}, sent: map[string]bool{}, rid: destroyed, red: x.label == protocol.Red}
			all[x.canary] = c
		}
		maps.Copy(c.may, x.ever)
		maps.Copy(c.sent, x.reached)
		maps.DeleteFunc(c.rid, func(org string, _ bool) bool { return !destroyed[org] })
		c.hostile = slices.ContainsFunc(s.byz, func(b *nodetest.Byzantine) bool { return c.sent[b.Name] })
	}
	return all
}

// checkCanaries: content is nowhere but where it may be, what was erased is
// nowhere at all, and neither logs nor metrics show any of it.
func (s *spread) checkCanaries(musts map[*word]map[string]bool) {
	s.t.Helper()
	secrets := s.secrets(musts)
	for canary, traces := range s.fed.Kept() {
		for _, at := range traces {
			c := secrets[canary]
			switch {
			case c == nil:
				s.t.Errorf("%s kept what was refused: %s", at.Who, at.Sink)
			case c.rid[at.Who]:
				s.t.Errorf("%s has destroyed %.8s and it is still in its %s", at.Who, canary, at.Sink)
			case c.red && strings.HasPrefix(at.Sink, "GET "):
				s.t.Errorf("%s shows RED to whoever asks: %s", at.Who, at.Sink)
			}
		}
	}
	for canary, traces := range s.fed.Seen() {
		for _, at := range traces {
			s.checkTrace(at, secrets[canary])
		}
	}
}

// checkTrace judges one place where content was seen, at any time.
func (s *spread) checkTrace(at nodetest.Trace, c *secret) {
	s.t.Helper()
	passed := strings.HasPrefix(at.Sink, "stream ")
	switch {
	case at.Sink == "log" || at.Sink == "metrics":
		s.t.Errorf("%s has content in its %s", at.Who, at.Sink)
	case c == nil:
		s.t.Errorf("%s saw what was refused: %s", at.Who, at.Sink)
	case c.may[at.Who], passed && c.sent[at.Who], passed && c.hostile && !s.m.hostile[at.Who]:
	default:
		s.t.Errorf("%s saw content that was for %v: %s", at.Who, slices.Sorted(maps.Keys(c.may)), at.Sink)
	}
}

// checkReceipts: nobody is believed to have signed for what he never had. Of
// clients the author knows only by those who relay their receipts, so these may
// make some up, of what goes on to clients.
func (s *spread) checkReceipts() {
	s.t.Helper()
	for _, x := range s.m.words {
		hostile := slices.ContainsFunc(s.byz, func(b *nodetest.Byzantine) bool { return x.reached[b.Name] })
		for org, signed := range s.signed(x) {
			_, known := s.keys[org]
			invented := !known && hostile && x.label == protocol.Amber
			if signed && !x.reached[org] && !invented {
				s.t.Errorf("%s has a receipt of %s for %s", x.author, org, s.tell(x))
			}
		}
	}
}

// checkShown: summaries tell a hostile member of no stream that is not for it.
func (s *spread) checkShown() {
	s.t.Helper()
	for _, b := range s.byz {
		for _, stream := range b.Shown() {
			said, may := "", false
			for _, x := range s.m.words {
				if x.stream == stream && x.label > protocol.Green { // below it presences were there before
					said, may = s.tell(x), may || x.reached[b.Name]
				}
			}
			if said != "" && !may {
				s.t.Errorf("%s was shown that there is %s", b.Name, said)
			}
		}
	}
}

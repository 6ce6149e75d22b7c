package score

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	day     = int64(24 * time.Hour / time.Millisecond)
	testNow = 20_000 * day
	forever = 253402300799000 // the end of the year 9999
)

func orgNamed(name string) protocol.Org      { return sha256.Sum256([]byte("org " + name)) }
func communityNamed(name string) protocol.ID { return sha256.Sum256([]byte("community " + name)) }

// A company is who is trusted how far, and who let in whom.
type company struct {
	model    Model
	levels   map[protocol.Org]Level
	outcomes map[protocol.Org]Outcomes
	members  map[protocol.ID]map[protocol.Org]trust.Member
	voices   *Voices
}

func newCompany() *company {
	return &company{
		model: Default(), levels: map[protocol.Org]Level{}, outcomes: map[protocol.Org]Outcomes{},
		members: map[protocol.ID]map[protocol.Org]trust.Member{},
	}
}

func (c *company) community(name string) map[protocol.Org]trust.Member {
	id := communityNamed(name)
	if c.members[id] == nil {
		c.members[id] = map[protocol.Org]trust.Member{}
	}
	return c.members[id]
}

func (c *company) founder(community, name string) {
	c.community(community)[orgNamed(name)] = trust.Member{Founder: true}
}

func (c *company) introduce(community, by, of string) {
	m := c.community(community)
	was := m[orgNamed(of)]
	was.By = append(slices.Clone(was.By), trust.Introduction{By: orgNamed(by), Of: orgNamed(of)})
	m[orgNamed(of)] = was
}

func (c *company) level(name string, role Role, number int) {
	c.levels[orgNamed(name)] = Level{role, number}
}

func (c *company) levelOf(org protocol.Org) Level {
	if l, ok := c.levels[org]; ok {
		return l
	}
	return Level{Stranger, Unstated}
}

func (c *company) trust(org protocol.Org, now int64) Trust {
	return c.model.Trust(c.levelOf(org), c.outcomes[org], now)
}

// judge returns a judge who trusts as is trusted at a moment.
func (c *company) judge(now int64) *Judge {
	if c.voices == nil {
		c.voices = NewVoices(c.levelOf, c.members)
	}
	return &Judge{Model: &c.model, Voices: c.voices, Trust: func(org protocol.Org, _ stix.Type) Trust { return c.trust(org, now) }}
}

// town is the company that testdata/judge.txt describes.
func town() *company {
	c := newCompany()
	c.level("we", Own, Unstated)
	c.level("cert", Anchor, Unstated)
	c.level("csirt", Anchor, Unstated)
	c.level("bank", Chosen, 80)
	c.level("hospital", Chosen, Unstated)
	c.level("vendor", Chosen, 40)
	c.level("foe", Chosen, 0)
	c.founder("isac", "we")
	for _, of := range []string{"cert", "csirt", "bank", "hospital", "vendor", "foe", "ann", "ben"} {
		c.introduce("isac", "we", of)
	}
	for by, of := range map[string][]string{"ann": {"amy", "ada"}, "amy": {"abe"}, "bank": {"bob", "bea"}, "bob": {"bix"}, "foe": {"fay"}} {
		for _, o := range of {
			c.introduce("isac", by, o)
		}
	}
	c.introduce("isac", "hospital", "hal")
	c.founder("club", "carl")
	c.founder("club", "cleo")
	c.introduce("club", "carl", "cody")
	c.introduce("club", "carl", "we")
	return c
}

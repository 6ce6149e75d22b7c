package protocol

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// The samples of all tests: organisation 1 has node 2, organisation 3 node 4;
// their certificates run over the year 2026.
const (
	year2026 = 1767225600000
	year2027 = 1798761600000
	someday  = 1772366400000 // 2026-03-01
)

// seeded returns the private key whose seed is n, 32 times.
func seeded(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = n
	}
	return ed25519.NewKeyFromSeed(seed)
}

func certOf(org, node byte) Certificate {
	return Certify(seeded(org), NodeOf(seeded(node)), Time(year2026), Time(year2027))
}

func hashOf(text string) ID { return sha256.Sum256([]byte(text)) }

// green is the header of a first bulletin to a community.
func green() Header {
	return Header{
		Version: Version, Kind: Objects, Community: hashOf("community"), Certificate: certOf(1, 2),
		Epoch: 7 << 32, Seq: 1, Issued: someday, TLP: Green,
	}
}

// labelled is green's sibling above GREEN.
func labelled(label TLP, audience ...Recipient) Header {
	h := green()
	h.Community, h.TLP, h.Audience = ID{}, label, audience
	SortAudience(h.Audience)
	return h
}

func toOrg(n byte) Recipient { return Recipient{Org: OrgOf(seeded(n))} }

// saltedOf salts objects in a way that is the same every time.
func saltedOf(objects ...string) [][]byte {
	var salted [][]byte
	for i, o := range objects {
		salt := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("salt"), uint64(i)))
		salted = append(salted, append(salt[:saltSize:saltSize], o...))
	}
	return salted
}

// filled sets of a header what its body decides.
func filled(h Header, body []byte, leaves []ID) Header {
	var list []byte
	for _, l := range leaves {
		list = append(list, l[:]...)
	}
	h.Count, h.Size, h.Root = uint64(len(leaves)), uint64(len(body)), sha256.Sum256(list)
	return h
}

func leavesOf(salted [][]byte) []ID {
	var leaves []ID
	for _, s := range salted {
		leaves = append(leaves, Leaf(s))
	}
	return leaves
}

// fixed makes the bulletin of node 2 that Sign would make, with salts that are
// the same every time.
func fixed(h Header, objects ...string) *Bulletin {
	salted := saltedOf(objects...)
	body := JoinBody(salted, nil)
	header := encode(filled(h, body, leavesOf(salted)))
	b := must(OpenHeader(header, sign(seeded(2), bulletinDomain, header)))
	return must(b.WithBody(body))
}

// signed makes a bulletin of node 2 with the random salts of Sign.
func signed(t testing.TB, h Header, objects ...string) *Bulletin {
	t.Helper()
	var list [][]byte
	for _, o := range objects {
		list = append(list, []byte(o))
	}
	b, err := Sign(seeded(2), h.Certificate, h, list)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func indicator(i int) string {
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","pattern":"[ipv4-addr:value = '203.0.113.%d']"}`, i%256)
}

func indicators(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = indicator(i)
	}
	return list
}

func charterOf(name string, founders ...byte) *SignedCharter {
	c := Charter{Name: name, Created: someday, Nonce: hashOf("nonce"), Monthly: 5, Needed: 1}
	for _, f := range founders {
		c.Founders = append(c.Founders, OrgOf(seeded(f)))
	}
	sortOrgs(c.Founders)
	return signCharter(c, founders...)
}

// signCharter signs what may be no valid charter at all.
func signCharter(c Charter, founders ...byte) *SignedCharter {
	s := &SignedCharter{Charter: c, content: encode(c)}
	for _, org := range c.Founders {
		for _, f := range founders {
			if OrgOf(seeded(f)) == org {
				s.by = append(s.by, OrgSigning{org, sign(seeded(f), charterDomain, s.content)})
			}
		}
	}
	return s
}

func inviteOf() Invite {
	return Invite{
		Community: hashOf("community"), Name: "isac", Org: OrgOf(seeded(1)), OrgName: "bank", Node: NodeOf(seeded(2)),
		Addrs: []string{"/ip4/203.0.113.7/tcp/4001", "/dns4/node.bank.example/udp/4001/quic-v1"}, Secret: [16]byte{1, 2, 3}, Expires: someday,
	}
}

func at(millis uint64) time.Time { return Time(millis) }

// rosterOf is a version of the group that organisation 1 founded.
func rosterOf(version uint64, name string, members ...Org) Roster {
	owner, salt := OrgOf(seeded(1)), hashOf("salt of a group")
	return Roster{Group: GroupOf(owner, salt), Version: version, Name: name, Members: members, Owner: owner, Salt: salt}
}

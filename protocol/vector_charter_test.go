package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

func readCharter(in map[string]string) (map[string]string, error) {
	s, err := DecodeCharter(blob(in, "charter"))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(s.Encode(), blob(in, "charter")) {
		return nil, fmt.Errorf("encodes to other bytes")
	}
	return map[string]string{"community": s.ID().String(), "topic": TopicOf(s.ID())}, nil
}

func charterVectors() []vector {
	ok := func(name string, s *SignedCharter) vector {
		return accept(name, bytesField("charter", s.Encode()), field{"community", s.ID().String()}, field{"topic", TopicOf(s.ID())})
	}
	changed := func(change func(*Charter)) field {
		c := charterOf("isac", 1, 3).Charter
		change(&c)
		return bytesField("charter", signCharter(c, 1, 3, 5).Encode())
	}
	strict := charterOf("closed", 1, 3).Charter
	strict.Monthly, strict.Needed = 0, 2
	two, three := charterOf("isac", 1, 3), charterOf("isac", 1, 3, 5)
	crossed := &SignedCharter{content: two.content, by: []OrgSigning{two.by[1], two.by[0]}}
	foreign := &SignedCharter{content: two.content, by: three.by[:2]}
	twice := &SignedCharter{content: two.content, by: []OrgSigning{two.by[0], two.by[0]}}
	padded := &SignedCharter{content: append(bytes.Clone(two.content), 0), by: two.by}
	small := charterOf("isac", 1).Charter
	small.Founders = []Org{{1}}
	return []vector{
		ok("one founder", charterOf("isac", 1)),
		ok("three founders", three),
		ok("a name beyond ASCII", charterOf("Sécurité – 警報", 1)),
		ok("two introductions needed, by founders alone", signCharter(strict, 1, 3)),
		refuse("no founders", "1 to 32 founders", "1 to 32 founders", changed(func(c *Charter) { c.Founders = nil })),
		refuse("founders out of order", "founders are in the order of their keys", "sorted", changed(func(c *Charter) { c.Founders[0], c.Founders[1] = c.Founders[1], c.Founders[0] })),
		refuse("a founder twice", "founders differ", "sorted", changed(func(c *Charter) { c.Founders[1] = c.Founders[0] })),
		refuse("no introduction needed", "at least one is needed", "charter", changed(func(c *Charter) { c.Needed = 0 })),
		refuse("33 introductions needed", "at most 32", "charter", changed(func(c *Charter) { c.Needed = 33 })),
		refuse("made after the year 9999", "dates end with the year 9999", "charter", changed(func(c *Charter) { c.Created = maxMillis + 1 })),
		refuse("without a name", "a name has 1 to 64 characters", "name", changed(func(c *Charter) { c.Name = "" })),
		refuse("a name with a right-to-left override", "a name has printable characters", "cannot be shown", changed(func(c *Charter) { c.Name = "isac\u202e" })),
		refuse("a founder's signature is missing", "every founder signs", "not signed by all", bytesField("charter", signCharter(two.Charter, 1).Encode())),
		refuse("a signature too many", "founders alone sign", "not signed by all", bytesField("charter", (&SignedCharter{content: two.content, by: three.by}).Encode())),
		refuse("signatures out of order", "signatures are in the order of founders", "wrong signature", bytesField("charter", crossed.Encode())),
		refuse("signatures of another charter", "signature", "wrong signature", bytesField("charter", foreign.Encode())),
		refuse("one founder signs twice", "every founder signs", "wrong signature", bytesField("charter", twice.Encode())),
		refuse("a founder's key of small order", "not a key", "small order", bytesField("charter", (&SignedCharter{content: encode(small), by: []OrgSigning{{Org: Org{1}}}}).Encode())),
		refuse("content with a byte behind its end", "trailing bytes", "extraneous", bytesField("charter", padded.Encode())),
		refuse("a byte behind the end", "trailing bytes", "extraneous", bytesField("charter", append(two.Encode(), 0))),
	}
}

func readInvite(in map[string]string) (map[string]string, error) {
	i, err := ParseInvite(in["token"])
	if err != nil {
		return nil, err
	}
	if i.Text() != in["token"] {
		return nil, fmt.Errorf("written as another token")
	}
	return inviteFields(i), nil
}

func inviteFields(i Invite) map[string]string {
	return map[string]string{
		"community": i.Community.String(), "community-name": i.Name, "org": i.Org.String(), "org-name": i.OrgName, "node": i.Node.String(),
		"addrs": strings.Join(i.Addrs, " "), "secret": fmt.Sprintf("%x", i.Secret), "expires": strconv.FormatUint(i.Expires, 10),
	}
}

// token is what Text makes of bytes that may be no invite at all.
func token(b []byte) field {
	sum := sha256.Sum256(b)
	return field{"token", invitePrefix + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(b), sum[:4]...))}
}

func inviteVectors() []vector {
	ok := func(name string, i Invite) vector {
		v, values := accept(name, field{"token", i.Text()}), inviteFields(i)
		for _, key := range []string{"community", "community-name", "org", "org-name", "node", "addrs", "secret", "expires"} {
			v.fields = append(v.fields, field{key, values[key]})
		}
		return v
	}
	bad := func(name, reason, says string, change func(*Invite)) vector {
		i := inviteOf()
		change(&i)
		return refuse(name, reason, says, field{"token", i.Text()})
	}
	unreachable := inviteOf()
	unreachable.Addrs = nil
	text, plain := inviteOf().Text(), pairsOf(encode(inviteOf()))
	last := strings.LastIndexAny("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[len(text)-1:])
	bent := text[:len(text)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])
	return []vector{
		ok("two addresses", inviteOf()),
		ok("no addresses", unreachable),
		refuse("cut short", "the checksum fails", "damaged", field{"token", text[:len(text)-5]}),
		refuse("a letter changed", "the checksum fails", "damaged", field{"token", strings.Replace(text, text[40:41], "_", 1)}),
		refuse("bits behind the end", "the last letter carries bits that must be zero", "damaged", field{"token", bent}),
		refuse("padded", "base64url without padding", "damaged", field{"token", text + "="}),
		refuse("without the prefix", "a token begins with tocsin-invite-1-", "begins with", field{"token", strings.TrimPrefix(text, invitePrefix)}),
		refuse("of a later version", "a token begins with tocsin-invite-1-", "begins with", field{"token", strings.Replace(text, "-1-", "-2-", 1)}),
		refuse("only the prefix", "the checksum fails", "damaged", field{"token", invitePrefix}),
		bad("no community", "the community is a charter's hash", "community", func(i *Invite) { i.Community = ID{} }),
		bad("no name", "a name has 1 to 64 characters", "name", func(i *Invite) { i.Name = "" }),
		bad("an organisation's name with an escape sequence", "a name has printable characters", "cannot be shown", func(i *Invite) { i.OrgName = "bank\x1b[2J" }),
		bad("17 addresses", "at most 16", "17 addresses", func(i *Invite) { i.Addrs = make([]string, 17) }),
		bad("an empty address", "1 to 256 bytes", "0 bytes", func(i *Invite) { i.Addrs = []string{""} }),
		bad("an address of 257 bytes", "1 to 256 bytes", "257 bytes", func(i *Invite) { i.Addrs = []string{strings.Repeat("a", 257)} }),
		bad("expires after the year 9999", "dates end with the year 9999", "never expires", func(i *Invite) { i.Expires = maxMillis + 1 }),
		bad("an organisation's key of small order", "not a key", "small order", func(i *Invite) { i.Org = Org{} }),
		bad("a node's key of small order", "not a key", "small order", func(i *Invite) { i.Node = Node{1} }),
		refuse("a secret of 15 bytes", "a secret has 16 bytes", "canonical", token(mapOf(with(plain, 7, append([]byte{0x4f}, make([]byte, 15)...)...)))),
		refuse("an empty list of addresses", "an absent field is left out", "canonical", token(mapOf(with(plain, 6, 0x80)))),
		refuse("an unknown field", "key 9", "unknown", token(mapOf(with(plain, 9, 0)))),
	}
}

package protocol

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

func readStatement(in map[string]string) (map[string]string, error) {
	s, err := DecodeStatement(blob(in, "statement"))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(s.Encode(), blob(in, "statement")) {
		return nil, fmt.Errorf("encodes to other bytes")
	}
	return nil, nil
}

func said(s Statement) field { return bytesField("statement", s.Encode()) }

// removalOf is signed by the organisations.
func removalOf(r Removal, by ...byte) Removal {
	for _, n := range by {
		r.Sign(seeded(n))
	}
	return r
}

func revocationOf(last ...ID) Revocation {
	r := Revocation{Node: NodeOf(seeded(2)), Last: last}
	r.Sign(seeded(1))
	return r
}

func sortedIDs(texts ...string) []ID {
	var ids []ID
	for _, t := range texts {
		ids = append(ids, hashOf(t))
	}
	slices.SortFunc(ids, ID.Compare)
	return ids
}

// equivocationOf is two bulletins at one place, if their headers agree on it.
func equivocationOf(a, b Header) Equivocation {
	headerA, sigA := fixed(a, indicator(1)).HeaderBytes()
	headerB, sigB := fixed(b, indicator(2)).HeaderBytes()
	return Equivocation{headerA, sigA, headerB, sigB}
}

func statementVectors() []vector {
	return slices.Concat(goodStatements(), memberVectors(), removalVectors(), keyStatementVectors(), groupVectors(), formVectors())
}

func goodStatements() []vector {
	removal := removalOf(Removal{Community: hashOf("community"), Introductions: sortedIDs("a", "b"), Reason: "left"}, 3, 1, 5)
	seat := removalOf(Removal{Community: hashOf("community"), Seat: OrgOf(seeded(1))}, 1)
	bare, last, proof := revocationOf(), revocationOf(sortedIDs("a", "b")...), equivocationOf(green(), green())
	roster, empty := rosterOf(3, "health-isac", OrgOf(seeded(1)), OrgOf(seeded(3))), rosterOf(1, "empty")
	roster.History = 2
	sortOrgs(roster.Members)
	return []vector{
		accept("introduction", said(Statement{Introduction: &Introduction{"hospital", certOf(3, 4)}})),
		accept("removal of introductions by three", said(Statement{Removal: &removal})),
		accept("removal of a seat", said(Statement{Removal: &seat})),
		accept("presence", said(Statement{Presence: &Presence{certOf(1, 2), []string{"/ip4/203.0.113.7/tcp/4001"}}})),
		accept("presence without addresses", said(Statement{Presence: &Presence{Certificate: certOf(1, 2)}})),
		accept("revocation of all a node said", said(Statement{Revocation: &bare})),
		accept("revocation", said(Statement{Revocation: &last})),
		accept("encryption key", said(Statement{EncryptionKey: &EncryptionKey{NodeOf(seeded(2)), 0x20, bytes.Repeat([]byte{7}, 32)}})),
		accept("roster", said(Statement{Roster: &roster})),
		accept("roster of nobody", said(Statement{Roster: &empty})),
		accept("erasure", said(Statement{Erasure: &Erasure{hashOf("bulletin"), []uint64{0, 7, 999}}})),
		accept("equivocation", said(Statement{Equivocation: &proof})),
	}
}

func memberVectors() []vector {
	addrs := func(list ...string) field { return said(Statement{Presence: &Presence{certOf(1, 2), list}}) }
	return []vector{
		refuse("introduction without name", "a name has 1 to 64 characters", "name", said(Statement{Introduction: &Introduction{"", certOf(3, 4)}})),
		refuse("introduction with a false certificate", "the certificate's signature", "wrong signature", said(Statement{Introduction: &Introduction{"hospital", misCertified()}})),
		refuse("presence with 17 addresses", "at most 16", "17 addresses", addrs(make([]string, 17)...)),
		refuse("presence with an empty address", "1 to 256 bytes", "0 bytes", addrs("")),
		refuse("presence with a long address", "1 to 256 bytes", "257 bytes", addrs(strings.Repeat("a", 257))),
		refuse("presence with a false certificate", "the certificate's signature", "wrong signature", said(Statement{Presence: &Presence{Certificate: misCertified()}})),
	}
}

func removalVectors() []vector {
	good := Removal{Community: hashOf("community"), Introductions: sortedIDs("a", "b")}
	bad := func(name, reason, says string, r Removal, by ...byte) vector {
		r = removalOf(r, by...)
		return refuse("removal "+name, reason, says, said(Statement{Removal: &r}))
	}
	both, nothing, nowhere, unsorted, long, many := good, good, good, good, good, good
	both.Seat, nothing.Introductions, nowhere.Community = OrgOf(seeded(1)), nil, ID{}
	unsorted.Introductions = []ID{good.Introductions[1], good.Introductions[0]}
	long.Reason = strings.Repeat("a", MaxName+1)
	for i := range 65 {
		many.Introductions = append(many.Introductions, hashOf(fmt.Sprint(i)))
	}
	slices.SortFunc(many.Introductions, ID.Compare)
	changed, crossed, twice, small := removalOf(good, 1), removalOf(good, 1, 3), removalOf(good, 1), removalOf(good, 1)
	changed.Reason = "added later"
	slices.Reverse(crossed.By)
	twice.By = append(twice.By, twice.By[0])
	small.By[0].Org = Org{1}
	return []vector{
		bad("of nothing", "it names introductions or a seat", "introductions or a seat", nothing, 1),
		bad("of introductions and a seat", "it names one of both", "introductions or a seat", both, 1),
		bad("without community", "it names the community", "community", nowhere, 1),
		bad("that nobody signed", "at least one signature", "be signed", good),
		bad("of 65 introductions", "at most 64", "introductions", many, 1),
		bad("with introductions out of order", "introductions are in order", "not sorted", unsorted, 1),
		bad("with a long reason", "a reason has at most 64 characters", "1 to 64", long, 1),
		bad("changed after signing", "signature", "wrong signature", changed),
		bad("with signatures out of order", "signatures are in the order of keys", "not sorted", crossed),
		bad("signed twice by one", "an organisation signs once", "signs twice", twice),
		bad("signed by a key of small order", "not a key", "small order", small),
	}
}

func keyStatementVectors() []vector {
	bad := func(name, reason, says string, r Revocation) vector {
		return refuse("revocation "+name, reason, says, said(Statement{Revocation: &r}))
	}
	ids := sortedIDs("a", "b")
	var many []ID
	for i := range 65 {
		many = append(many, hashOf(fmt.Sprint(i)))
	}
	slices.SortFunc(many, ID.Compare)
	shortened, small, foreign := revocationOf(ids...), revocationOf(), revocationOf()
	shortened.Last = shortened.Last[:1]
	small.Node = Node{1}
	foreign.Org = OrgOf(seeded(3))
	key := func(size int) field {
		return said(Statement{EncryptionKey: &EncryptionKey{NodeOf(seeded(2)), 0x20, make([]byte, size)}})
	}
	return []vector{
		bad("with a header taken away", "signature", "wrong signature", shortened),
		bad("with headers out of order", "headers are in order", "not sorted", revocationOf(ids[1], ids[0])),
		bad("with 65 headers", "at most 64", "more than 64", revocationOf(many...)),
		bad("of a key of small order", "not a key", "small order", small),
		bad("by another organisation", "signature", "wrong signature", foreign),
		refuse("encryption key of no bytes", "1 to 2048 bytes", "0 bytes", key(0)),
		refuse("encryption key of 2049 bytes", "1 to 2048 bytes", "2049 bytes", key(2049)),
		refuse("encryption key of no node", "not a key", "small order", said(Statement{EncryptionKey: &EncryptionKey{Suite: 0x20, Key: []byte{1}}})),
	}
}

func groupVectors() []vector {
	members := []Org{OrgOf(seeded(1)), OrgOf(seeded(3))}
	sortOrgs(members)
	roster := func(change func(*Roster)) field {
		r := rosterOf(3, "health-isac", slices.Clone(members)...)
		change(&r)
		return said(Statement{Roster: &r})
	}
	erasure := func(objects ...uint64) field { return said(Statement{Erasure: &Erasure{hashOf("bulletin"), objects}}) }
	second, elsewhere := green(), green()
	second.Seq, second.Prev = 2, hashOf("the header before")
	elsewhere.Community = hashOf("another community")
	twin := equivocationOf(green(), green())
	twin.HeaderB, twin.SigB = twin.HeaderA, twin.SigA
	false1, place, stream := equivocationOf(green(), green()), equivocationOf(green(), second), equivocationOf(green(), elsewhere)
	false1.SigB = false1.SigA
	return []vector{
		refuse("roster of another group", "the group is of the owner and the salt", "not of its owner", roster(func(r *Roster) { r.Group = ID{} })),
		refuse("roster of version 0", "versions start at 1", "no version", roster(func(r *Roster) { r.Version = 0 })),
		refuse("roster with a later history", "history is at most its version", "roster", roster(func(r *Roster) { r.History = 4 })),
		refuse("roster out of order", "members are in the order of their keys", "not sorted", roster(func(r *Roster) { slices.Reverse(r.Members) })),
		refuse("roster with a key of small order", "not a key", "small order", roster(func(r *Roster) { r.Members = []Org{{1}} })),
		refuse("roster without name", "a name has 1 to 64 characters", "name", roster(func(r *Roster) { r.Name = "" })),
		refuse("erasure of nothing", "it names objects", "names nothing", erasure()),
		refuse("erasure in no bulletin", "it names a bulletin", "names nothing", said(Statement{Erasure: &Erasure{Objects: []uint64{1}}})),
		refuse("erasure out of order", "indices ascend", "ascending", erasure(2, 1)),
		refuse("erasure of one object twice", "indices ascend", "ascending", erasure(1, 1)),
		refuse("erasure beyond the last object", "an index is below 1000", "ascending", erasure(1000)),
		refuse("equivocation of a header with itself", "the headers differ", "contradict", said(Statement{Equivocation: &twin})),
		refuse("equivocation at two places", "the headers have one position", "contradict", said(Statement{Equivocation: &place})),
		refuse("equivocation in two streams", "the headers have one stream", "contradict", said(Statement{Equivocation: &stream})),
		refuse("equivocation with a false signature", "signature", "wrong signature", said(Statement{Equivocation: &false1})),
	}
}

func formVectors() []vector {
	erasure := Statement{Erasure: &Erasure{hashOf("bulletin"), []uint64{1}}}
	two := erasure
	empty := rosterOf(1, "empty")
	two.Roster = &empty
	return []vector{
		refuse("no kind", "a statement is one thing", "0 kinds", said(Statement{})),
		refuse("two kinds", "a statement is one thing", "2 kinds", said(two)),
		refuse("null for an erasure", "a statement is one thing", "canonical", bytesField("statement", []byte{0xa1, 7, 0xf6})),
		refuse("a byte behind the end", "trailing bytes", "extraneous", bytesField("statement", append(erasure.Encode(), 0))),
		refuse("a key in two bytes", "key 7 as 18 07", "canonical", bytesField("statement", slices.Concat([]byte{0xa1, 0x18}, erasure.Encode()[1:]))),
		refuse("an unknown kind beside a known one", "a statement is one thing", "unknown", bytesField("statement", slices.Concat([]byte{0xa2}, erasure.Encode()[1:], []byte{9, 0xa0}))),
		refuse("kind 0", "kinds start at 1", "unknown", bytesField("statement", []byte{0xa1, 0, 0xa0})),
		later("kind 9", "a kind of a later version", "kind 9", bytesField("statement", []byte{0xa1, 9, 0xa0})),
	}
}

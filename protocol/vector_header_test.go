package protocol

import (
	"fmt"
	"strings"
)

// signedHeader is a header as it stands, signed by node 2 whatever it says.
func signedHeader(header []byte) []field {
	return []field{bytesField("header", header), {"signature", fmt.Sprintf("%x", sign(seeded(2), bulletinDomain, header))}}
}

func goodHeader(name string, h Header) vector {
	header := encode(bodied(h))
	b := must(OpenHeader(header, sign(seeded(2), bulletinDomain, header)))
	return accept(name, append(signedHeader(header), field{"id", b.ID().String()}, field{"stream", b.Header.Stream().ID().String()})...)
}

// bodied gives a header the root of a body of one object.
func bodied(h Header) Header {
	salted := saltedOf(indicator(1))
	return filled(h, JoinBody(salted, nil), leavesOf(salted))
}

// changed is a header with one thing changed, and nothing else wrong.
func changed(h Header, change func(*Header)) []field {
	h = bodied(h)
	change(&h)
	return signedHeader(encode(h))
}

func headerVectors() []vector {
	list := goodHeaders()
	list = append(list, placeVectors()...)
	list = append(list, labelVectorsOfHeaders()...)
	return append(list, sizeVectors()...)
}

func goodHeaders() []vector {
	full := green()
	full.Seq, full.Prev, full.PAP, full.Drill = 12, hashOf("the header before"), PAPAmber, "Tocsin 2026"
	full.Floor = &Position{7 << 32, 12}
	full.Extensions = map[uint64][]byte{1: {}, 24: {1}, 1 << 40: []byte("later")}
	statement, open := green(), green()
	statement.Kind, open.TLP = Statements, Clear
	edge := green()
	edge.Issued, edge.Epoch, edge.Seq, edge.Prev = year2027, 1<<64-1, 1<<64-1, hashOf("the header before")
	older := green()
	older.Floor, older.Seq, older.Prev = &Position{1, 1}, 2, hashOf("the header before")
	var crowd []Recipient
	for i := range MaxAudience {
		crowd = append(crowd, Recipient{Group: hashOf(fmt.Sprint(i)), Version: 1})
	}
	return []vector{
		goodHeader("GREEN", green()),
		goodHeader("CLEAR", open),
		goodHeader("statements", statement),
		goodHeader("every field", full),
		goodHeader("at the end of its certificate, at the highest position", edge),
		goodHeader("a floor in an earlier epoch", older),
		goodHeader("AMBER to an organisation", labelled(Amber, toOrg(3))),
		goodHeader("AMBER to a group and an organisation", labelled(Amber, toOrg(3), Recipient{Group: hashOf("group"), Version: 2})),
		goodHeader("AMBER to two versions of a group", labelled(Amber, Recipient{Group: hashOf("group"), Version: 1}, Recipient{Group: hashOf("group"), Version: 2})),
		goodHeader("AMBER+STRICT", labelled(AmberStrict, toOrg(3))),
		goodHeader("AMBER+STRICT to 64", labelled(AmberStrict, crowd...)),
		goodHeader("RED to two persons", labelled(Red, Recipient{Org: OrgOf(seeded(3)), Person: "Ada"}, Recipient{Org: OrgOf(seeded(3)), Person: "Grace"})),
	}
}

func placeVectors() []vector {
	floor := func(p Position) func(*Header) { return func(h *Header) { h.Floor = &p } }
	return []vector{
		refuse("epoch 0", "an epoch starts at 1", "start at 1", changed(green(), func(h *Header) { h.Epoch = 0 })...),
		refuse("number 0", "seq starts at 1", "start at 1", changed(green(), func(h *Header) { h.Seq = 0 })...),
		refuse("number 2 without prev", "from 2 on prev must be there", "names no header before it", changed(green(), func(h *Header) { h.Seq = 2 })...),
		refuse("issued before its certificate", "issued lies outside the certificate", "issued outside", changed(green(), func(h *Header) { h.Issued = year2026 - 1 })...),
		refuse("issued after its certificate", "issued lies outside the certificate", "issued outside", changed(green(), func(h *Header) { h.Issued = year2027 + 1 })...),
		refuse("a floor above itself", "the floor is above the header's own position", "floor", changed(green(), floor(Position{7 << 32, 2}))...),
		refuse("a floor of a later epoch", "the floor is above the header's own position", "floor", changed(green(), floor(Position{7<<32 + 1, 1}))...),
		refuse("a floor of zero", "the floor's epoch and seq start at 1", "floor", changed(green(), floor(Position{}))...),
		refuse("a floor of statements", "statements are never pruned", "floor", changed(green(), func(h *Header) {
			h.Kind, h.Floor = Statements, &Position{7 << 32, 1}
		})...),
		refuse("version 0", "there is no version 0", "version 0", changed(green(), func(h *Header) { h.Version = 0 })...),
		later("version 2", "a later version", "version 2", changed(green(), func(h *Header) { h.Version = 2 })...),
		later("version 2 with unknown fields", "a later version", "version 2", signedHeader(encode(map[int]any{1: 2, 2: "all else is new"}))...),
		later("a critical extension", "a critical extension nobody knows", "critical", changed(green(), func(h *Header) {
			h.Critical = map[uint64][]byte{1: {1}}
		})...),
		refuse("a certificate that another organisation signed", "the certificate's signature", "certificate: wrong signature", changed(green(), func(h *Header) {
			h.Certificate.Org = OrgOf(seeded(3))
		})...),
		refuse("the certificate of another node", "signature", "wrong signature", changed(green(), func(h *Header) { h.Certificate = certOf(1, 4) })...),
	}
}

func labelVectorsOfHeaders() []vector {
	label := func(t TLP) []field { return changed(green(), func(h *Header) { h.TLP = t }) }
	to := func(t TLP, audience ...Recipient) []field {
		return changed(green(), func(h *Header) { h.Community, h.TLP, h.Audience = ID{}, t, audience })
	}
	sorted := []Recipient{toOrg(3), toOrg(5)}
	SortAudience(sorted)
	first, second := sorted[0], sorted[1]
	group := hashOf("group")
	return []vector{
		refuse("kind 0", "there is no kind 0", "kind(0)", changed(green(), func(h *Header) { h.Kind = 0 })...),
		refuse("kind 3", "there is no kind 3", "kind(3)", changed(green(), func(h *Header) { h.Kind = 3 })...),
		refuse("no label", "there is no label 0", "not a TLP 2.0 label", label(0)...),
		refuse("label 6", "there is no label 6", "not a TLP 2.0 label", label(6)...),
		refuse("PAP 5", "there is no PAP level 5", "pap(5)", changed(green(), func(h *Header) { h.PAP = 5 })...),
		refuse("GREEN without a community", "GREEN is of one community", "TLP:GREEN without a community", changed(green(), func(h *Header) { h.Community = ID{} })...),
		refuse("CLEAR without a community", "CLEAR is of one community", "TLP:CLEAR without a community", to(Clear)...),
		refuse("GREEN with an audience", "the community is the audience", "TLP:GREEN with an audience", changed(green(), func(h *Header) { h.Audience = []Recipient{toOrg(3)} })...),
		refuse("AMBER with a community", "above GREEN there is no community", "TLP:AMBER with a community", label(Amber)...),
		refuse("AMBER without an audience", "above GREEN an audience is named", "TLP:AMBER without an audience", to(Amber)...),
		refuse("RED without an audience", "above GREEN an audience is named", "TLP:RED without an audience", to(Red)...),
		refuse("RED to an organisation", "RED names persons", "does not fit TLP:RED", to(Red, toOrg(3))...),
		refuse("RED to a group", "RED names persons", "does not fit TLP:RED", to(Red, Recipient{Group: group, Version: 1})...),
		refuse("AMBER to a person", "only RED names persons", "does not fit TLP:AMBER", to(Amber, Recipient{Org: first.Org, Person: "Ada"})...),
		refuse("a group without version", "a group is named with its roster's version", "does not fit", to(Amber, Recipient{Group: group})...),
		refuse("an organisation with version", "only a group has a version", "does not fit", to(Amber, Recipient{Org: first.Org, Version: 1})...),
		refuse("organisation and group in one entry", "an entry is one of both", "does not fit", to(Amber, Recipient{Org: first.Org, Group: group, Version: 1})...),
		refuse("an entry that names nobody", "an entry is an organisation or a group", "does not fit", to(Amber, Recipient{})...),
		refuse("a key of small order in the audience", "not a key", "small order", to(Amber, Recipient{Org: Org{1}})...),
		refuse("an audience out of order", "entries are in the order of their encodings", "not sorted", to(Amber, second, first)...),
		refuse("an audience that names one twice", "entries differ", "not sorted", to(Amber, first, first)...),
		refuse("a person with a line break", "a name has printable characters", "cannot be shown", to(Red, Recipient{Org: first.Org, Person: "Ada\n"})...),
	}
}

func sizeVectors() []vector {
	var crowd []Recipient
	for i := range MaxAudience + 1 {
		crowd = append(crowd, Recipient{Group: hashOf(fmt.Sprint(i)), Version: 1})
	}
	many := map[uint64][]byte{}
	for i := range maxExtensions + 1 {
		many[uint64(i)] = []byte{}
	}
	drill := func(name string) []field { return changed(green(), func(h *Header) { h.Drill = name }) }
	extensions := func(e map[uint64][]byte) []field { return changed(green(), func(h *Header) { h.Extensions = e }) }
	return []vector{
		refuse("no objects", "a bulletin has 1 to 1000 objects", "0 objects", changed(green(), func(h *Header) { h.Count = 0 })...),
		refuse("1001 objects", "a bulletin has 1 to 1000 objects", "1001 objects", changed(green(), func(h *Header) { h.Count = MaxObjects + 1 })...),
		refuse("a body over the limit", "a body has at most 786432 bytes", "786433 bytes", changed(green(), func(h *Header) { h.Size = MaxBody + 1 })...),
		refuse("an audience of 65", "at most 64 entries", "audience of 65", signedHeader(encode(bodied(labelled(Amber, crowd...))))...),
		refuse("17 extensions", "at most 16 extensions", "17 extensions", extensions(many)...),
		refuse("an extension that is null", "an extension is a byte string", "is null", extensions(map[uint64][]byte{1: nil})...),
		refuse("over 2 KiB without an audience", "at most 2048 bytes and 128 for each entry of the audience", "at most 2048",
			extensions(map[uint64][]byte{1: make([]byte, 2<<10)})...),
		refuse("a drill of 65 characters", "a name has at most 64 characters", "1 to 64", drill(strings.Repeat("a", 65))...),
		refuse("a drill with a zero-width space", "a name has printable characters", "cannot be shown", drill("drill\u200b")...),
		refuse("a drill with a variation selector", "a name has no character that shows as nothing", "cannot be shown", drill("drill\ufe0f")...),
		refuse("a drill with a leading space", "no space at either end", "space", drill(" drill")...),
	}
}

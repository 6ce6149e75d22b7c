package protocol

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
)

func readKey(in map[string]string) (map[string]string, error) {
	key := Org(blob(in, "key"))
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if err := CheckKey(Node(key)); err != nil {
		return nil, fmt.Errorf("of an organisation, but not of a node: %v", err)
	}
	return map[string]string{"fingerprint": key.Fingerprint()}, nil
}

func readCertificate(in map[string]string) (map[string]string, error) {
	c, err := DecodeCertificate(blob(in, "certificate"))
	if err != nil {
		return nil, err
	}
	if in["certificate"] != hex.EncodeToString(c.Encode()) {
		return nil, fmt.Errorf("encodes to other bytes")
	}
	return map[string]string{"org": c.Org.String(), "node": c.Node.String()}, nil
}

func keyVectors() []vector {
	good := func(name, key string) vector {
		return accept(name, field{"key", key}, field{"fingerprint", Org(must(hex.DecodeString(key))).Fingerprint()})
	}
	list := []vector{
		good("RFC 8032 test 1", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
		good("RFC 8032 test 2", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
		good("RFC 8032 test 3", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
		good("seed of ones", OrgOf(seeded(1)).String()),
		good("the smallest y above those of small order", "0300000000000000000000000000000000000000000000000000000000000000"),
	}
	for i, y := range smallOrder() {
		for _, sign := range []byte{0, 1} {
			list = append(list, refuse(fmt.Sprintf("small order %d, sign %d", i, sign), "a point of small order", "small order", keyField(y, sign)))
		}
	}
	for i := range int64(19) {
		for _, sign := range []byte{0, 1} {
			y := new(big.Int).Add(prime(), big.NewInt(i))
			list = append(list, refuse(fmt.Sprintf("y = p + %d, sign %d", i, sign), "y is not below p", "canonical", keyField(y, sign)))
		}
	}
	return list
}

func keyField(y *big.Int, sign byte) field {
	b := y.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	b[31] |= sign << 7
	return bytesField("key", b)
}

// prime is 2^255 - 19, computed here apart from the code under test.
func prime() *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
}

// smallOrder computes the y coordinates of all points whose order divides 8 on
// -x² + y² = 1 + dx²y²: 1, -1, 0, and, as twice a point of order 8 has y = 0 and
// so x² = -y², the roots of dy⁴ + 2y² - 1.
func smallOrder() []*big.Int {
	p, one := prime(), big.NewInt(1)
	inverse := func(n *big.Int) *big.Int { return new(big.Int).ModInverse(n, p) }
	product := func(a, b *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Mul(a, b), p) }
	d := product(new(big.Int).Sub(p, big.NewInt(121665)), inverse(big.NewInt(121666)))
	list := []*big.Int{big.NewInt(0), one, new(big.Int).Sub(p, one)}
	root := new(big.Int).ModSqrt(new(big.Int).Add(d, one), p)
	for _, r := range []*big.Int{root, new(big.Int).Sub(p, root)} {
		square := product(new(big.Int).Mod(new(big.Int).Sub(r, one), p), inverse(d))
		if y := new(big.Int).ModSqrt(square, p); y != nil {
			list = append(list, y, new(big.Int).Sub(p, y))
		}
	}
	slices.SortFunc(list, (*big.Int).Cmp)
	return list
}

func certificateVectors() []vector {
	good := certOf(1, 2)
	plain := pairsOf(good.Encode())
	made := func(org, node byte, change func(*Certificate)) field {
		c := Certificate{Org: OrgOf(seeded(org)), Node: NodeOf(seeded(node)), NotBefore: year2026, NotAfter: year2027}
		change(&c)
		c.Signature = sign(seeded(org), certificateDomain, c.content())
		return bytesField("certificate", encode(c))
	}
	unsigned, swapped := good, good
	unsigned.NotAfter++
	swapped.Org, swapped.Node = Org(good.Node), Node(good.Org)
	longest := Certify(seeded(1), NodeOf(seeded(2)), at(0), at(maxMillis))
	ok := func(name string, c Certificate) vector {
		return accept(name, bytesField("certificate", c.Encode()), field{"org", c.Org.String()}, field{"node", c.Node.String()})
	}
	return []vector{
		ok("a year", good),
		ok("the longest", longest),
		refuse("ends when it begins", "it must end after it begins", "ends before", made(1, 2, func(c *Certificate) { c.NotAfter = c.NotBefore })),
		refuse("ends before it begins", "it must end after it begins", "ends before", made(1, 2, func(c *Certificate) { c.NotBefore, c.NotAfter = c.NotAfter, c.NotBefore })),
		refuse("beyond the year 9999", "dates end with the year 9999", "ends before", made(1, 2, func(c *Certificate) { c.NotAfter = maxMillis + 1 })),
		refuse("organisation and node are one key", "they must differ", "one key", made(1, 1, func(*Certificate) {})),
		refuse("a node key of small order", "not a key", "small order", made(1, 2, func(c *Certificate) { c.Node = Node{1} })),
		refuse("a node key that is not canonical", "not a key", "canonical", made(1, 2, func(c *Certificate) { c.Node = Node(fieldPrime) })),
		refuse("an organisation key of small order", "not a key", "small order", made(1, 2, func(c *Certificate) { c.Org = Org{} })),
		refuse("dates changed after signing", "signature", "wrong signature", bytesField("certificate", unsigned.Encode())),
		refuse("keys swapped", "signature", "wrong signature", bytesField("certificate", swapped.Encode())),
		refuse("signed under another domain", "the domain string is another one", "wrong signature", bytesField("certificate", misCertified().Encode())),
		refuse("without signature", "a field that must be there is missing", "canonical", bytesField("certificate", mapOf(plain[:4]))),
		refuse("an unknown field", "key 6", "unknown", bytesField("certificate", mapOf(with(plain, 6, 0)))),
		refuse("keys out of order", "keys 1 and 2 swapped", "canonical", bytesField("certificate", mapOf(append([]pair{plain[1], plain[0]}, plain[2:]...)))),
		refuse("a byte behind the end", "trailing bytes", "extraneous", bytesField("certificate", append(good.Encode(), 0))),
		refuse("nothing", "no bytes", "EOF", field{"certificate", ""}),
	}
}

func misCertified() Certificate {
	c := certOf(1, 2)
	c.Signature = sign(seeded(1), charterDomain, c.content())
	return c
}

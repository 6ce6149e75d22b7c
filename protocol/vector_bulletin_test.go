package protocol

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

func readBulletin(in map[string]string) (map[string]string, error) {
	b, err := Open(blob(in, "wire"))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b.Wire(), blob(in, "wire")) {
		return nil, fmt.Errorf("encodes to other bytes")
	}
	there := 0
	for range b.Objects() {
		there++
	}
	return map[string]string{
		"id": b.ID().String(), "stream": b.Header.Stream().ID().String(), "objects": strconv.Itoa(there),
	}, nil
}

func readHeader(in map[string]string) (map[string]string, error) {
	b, err := OpenHeader(blob(in, "header"), Signature(blob(in, "signature")))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(encode(b.Header), blob(in, "header")) {
		return nil, fmt.Errorf("encodes to other bytes")
	}
	return map[string]string{"id": b.ID().String(), "stream": b.Header.Stream().ID().String()}, nil
}

func readBody(in map[string]string) (map[string]string, error) {
	b, err := OpenHeader(blob(in, "header"), Signature(blob(in, "signature")))
	if err != nil {
		return nil, fmt.Errorf("not even the header: %v", err)
	}
	if b, err = b.WithBody(blob(in, "body")); err != nil {
		return nil, err
	}
	if !bytes.Equal(JoinBody(b.Salted(), b.Leaves()), blob(in, "body")) {
		return nil, fmt.Errorf("encodes to other bytes")
	}
	return map[string]string{"whole": strconv.FormatBool(b.Whole())}, nil
}

func wireField(b *Bulletin) field { return bytesField("wire", b.Wire()) }

func wireOf(header []byte, sig Signature, body []byte) field {
	return bytesField("wire", encode(wire{Header: header, Sig: sig, Body: body}))
}

func goodBulletin(name string, b *Bulletin) vector {
	there := 0
	for range b.Objects() {
		there++
	}
	return accept(name, wireField(b), field{"id", b.ID().String()}, field{"stream", b.Header.Stream().ID().String()},
		field{"objects", strconv.Itoa(there)})
}

func bulletinVectors() []vector {
	one, other := fixed(green(), indicator(1)), fixed(green(), indicator(2))
	header, sig := one.HeaderBytes()
	statement := green()
	statement.Kind = Statements
	list := fixed(green(), indicators(12)...)
	erased := slices.Clone(list.Salted())
	erased[3] = nil
	plain := append([]byte("tocsin bulletin v2"), header...)
	whole := one.Wire()
	return []vector{
		goodBulletin("one object under GREEN", one),
		goodBulletin("twelve objects", list),
		goodBulletin("a statement", fixed(statement, string(Statement{Erasure: &Erasure{hashOf("some bulletin"), []uint64{0}}}.Encode()))),
		goodBulletin("an object of one byte", fixed(green(), "x")),
		goodBulletin("header only", one.HeaderOnly()),
		goodBulletin("the fourth of twelve objects erased", must(list.HeaderOnly().WithBody(JoinBody(erased, list.Leaves())))),
		goodBulletin("the only object erased", must(one.HeaderOnly().WithBody(JoinBody([][]byte{nil}, one.Leaves())))),
		refuse("nothing", "no bytes", "EOF", field{"wire", ""}),
		refuse("a byte behind the end", "trailing bytes", "extraneous", bytesField("wire", append(one.Wire(), 0))),
		refuse("cut short", "the last byte is missing", "unexpected EOF", bytesField("wire", whole[:len(whole)-1])),
		refuse("an array of two", "no place for the body", "number of elements", bytesField("wire", encode([]any{header, sig}))),
		refuse("an array of four", "one element too many", "wire", bytesField("wire", encode([]any{header, sig, one.Body(), nil}))),
		refuse("a map", "the wire form is an array", "wire", bytesField("wire", encode(map[int]any{0: header, 1: sig, 2: one.Body()}))),
		refuse("an empty body", "an absent body is null, not empty", "EOF", wireOf(header, sig, []byte{})),
		refuse("a signature of 63 bytes", "a signature has 64 bytes", "canonical", bytesField("wire", encode([]any{header, sig[:63], one.Body()}))),
		refuse("a signature of 65 bytes", "a signature has 64 bytes", "canonical", bytesField("wire", encode([]any{header, append(sig[:], 0), one.Body()}))),
		refuse("the body of another bulletin", "leaf list and root differ", "not the one that was signed", wireOf(header, sig, other.Body())),
		refuse("the signature of another bulletin", "signature", "wrong signature", wireOf(header, must1(other.HeaderBytes()), one.Body())),
		refuse("signed by the organisation", "the node signs, not the organisation", "wrong signature",
			wireOf(header, sign(seeded(1), bulletinDomain, header), one.Body())),
		refuse("signed without the domain", "the domain string is missing", "wrong signature", wireOf(header, sign(seeded(2), "", header), one.Body())),
		refuse("signed under another domain", "the domain string is another one", "wrong signature", wireOf(header, sign(seeded(2), "", plain), one.Body())),
		refuse("a signature with S + L", "S is not below the group order", "wrong signature", wireOf(header, addOrder(sig), one.Body())),
	}
}

func must1(_ []byte, sig Signature) Signature { return sig }

// addOrder returns the same signature with S + L instead of S: a second
// encoding that lax verifiers take.
func addOrder(sig Signature) Signature {
	l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := slices.Clone(sig[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), l).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	copy(sig[32:], sum)
	return sig
}

func bodyVectors() []vector {
	b := fixed(green(), indicator(1), indicator(2))
	header, sig := b.HeaderBytes()
	leaves, salted := b.Leaves(), b.Salted()
	swapped := [][]byte{salted[1], salted[0]}
	forged := [][]byte{salted[0], append(slices.Clone(salted[1][:saltSize]), "another object"...)}
	resalted := [][]byte{salted[0], append(make([]byte, saltSize), salted[1][saltSize:]...)}
	list := append(leaves[0][:], leaves[1][:]...)
	with := func(v vector, body []byte) vector {
		v.fields = append([]field{bytesField("header", header), {"signature", fmt.Sprintf("%x", sig)}, bytesField("body", body)}, v.fields...)
		return v
	}
	lying := filled(green(), b.Body(), leaves)
	lying.Size++
	return []vector{
		with(accept("whole", field{"whole", "true"}), b.Body()),
		with(accept("the first object erased", field{"whole", "false"}), JoinBody([][]byte{nil, salted[1]}, leaves)),
		with(accept("all objects erased", field{"whole", "false"}), JoinBody([][]byte{nil, nil}, leaves)),
		with(refuse("objects swapped", "an object does not hash to its leaf", "object 0 is not the one"),
			encode([][]byte{list, swapped[0], swapped[1]})),
		with(refuse("leaves and objects swapped", "the leaf list does not hash to the root", "leaf list"), JoinBody(swapped, nil)),
		with(refuse("another object under the salt", "an object does not hash to its leaf", "object 1 is not the one"),
			encode([][]byte{list, forged[0], forged[1]})),
		with(refuse("another salt", "an object does not hash to its leaf", "object 1 is not the one"), encode([][]byte{list, resalted[0], resalted[1]})),
		with(refuse("an object too few", "two are signed", "not 2 leaves"), encode([][]byte{list, salted[0]})),
		with(refuse("an object too many", "two are signed", "not 2 leaves"), encode([][]byte{list, salted[0], salted[1], nil})),
		with(refuse("a leaf too few", "two are signed", "not 2 leaves"), encode([][]byte{list[:32], salted[0], salted[1]})),
		with(refuse("no leaf list", "the first element is the leaf list", "not 2 leaves"), encode([][]byte{nil, salted[0], salted[1]})),
		with(refuse("an empty array", "the first element is the leaf list", "not 2 leaves"), encode([][]byte{})),
		with(refuse("a salt without object", "an object has at least one byte", "wrong size"), encode([][]byte{list, salted[0], salted[1][:saltSize]})),
		with(refuse("an empty object", "an erased object is null, not empty", "wrong size"), encode([][]byte{list, salted[0], {}})),
		with(refuse("undefined for null", "an erased object is null", "canonical"),
			append(encode([][]byte{list, salted[0], {}})[:len(encode([][]byte{list, salted[0], {}}))-1], 0xf7)),
		with(refuse("text for bytes", "an object is a byte string", "body"), encode([]any{list, salted[0], "object"})),
		with(refuse("a byte behind the end", "trailing bytes", "extraneous"), append(b.Body(), 0)),
		sized("a size that is not the body's", lying, b.Body()),
	}
}

func sized(name string, h Header, body []byte) vector {
	header := encode(h)
	return refuse(name, "no object is erased and the header's size is another", "bytes, the header says",
		bytesField("header", header), field{"signature", fmt.Sprintf("%x", sign(seeded(2), bulletinDomain, header))}, bytesField("body", body))
}

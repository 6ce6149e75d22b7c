package protocol

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// openerKey is the X25519 key with which node 4 opens what is sealed for it:
// 09, 32 times.
func openerKey() []byte { return slices.Repeat([]byte{9}, 32) }

// opener is the same key as a node keeps it.
func opener() *SealKey {
	return must(ParseSealKey(append(binary.BigEndian.AppendUint16(nil, SuiteX25519), openerKey()...)))
}

// sealedFor is a bulletin sealed to node 4 with an ephemeral key that is the
// same every time. It goes by RFC 9180 and not by the package that [Seal] uses.
func sealedFor(id ID, plaintext []byte) *Sealed {
	ephemeral := must(ecdh.X25519().NewPrivateKey(slices.Repeat([]byte{8}, 32)))
	public := must(ecdh.X25519().NewPrivateKey(openerKey())).PublicKey()
	enc := ephemeral.PublicKey().Bytes()

	kem := suite{"KEM\x00\x20"}
	shared := kem.expand(kem.extract(nil, "eae_prk", must(ephemeral.ECDH(public))), "shared_secret", slices.Concat(enc, public.Bytes()), 32)

	all := suite{"HPKE\x00\x20\x00\x01\x00\x03"} // DHKEM with X25519, HKDF-SHA256, ChaCha20-Poly1305
	node := NodeOf(seeded(4))
	info := append([]byte("tocsin seal v1"), node[:]...)
	context := slices.Concat([]byte{0}, all.extract(nil, "psk_id_hash", nil), all.extract(nil, "info_hash", info))
	secret := all.extract(shared, "secret", nil)
	aead := must(chacha20poly1305.New(all.expand(secret, "key", context, chacha20poly1305.KeySize)))
	nonce := all.expand(secret, "base_nonce", context, chacha20poly1305.NonceSize)
	return &Sealed{Bulletin: id, Enc: enc, Text: aead.Seal(nil, nonce, plaintext, id[:])}
}

// A suite labels key derivations, as section 4 of RFC 9180 says.
type suite struct{ id string }

func (s suite) extract(salt []byte, label string, ikm []byte) []byte {
	return must(hkdf.Extract(sha256.New, slices.Concat([]byte("HPKE-v1"+s.id+label), ikm), salt))
}

func (s suite) expand(prk []byte, label string, info []byte, size int) []byte {
	return must(hkdf.Expand(sha256.New, prk, string(binary.BigEndian.AppendUint16(nil, uint16(size)))+"HPKE-v1"+s.id+label+string(info), size))
}

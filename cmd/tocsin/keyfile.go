package main

import (
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	maxKeyFile = 4 << 10
	pemPlain   = "PRIVATE KEY" // PKCS #8, as other tools read it
	pemSealed  = "TOCSIN SEALED KEY"
	pemCert    = "TOCSIN CERTIFICATE"
	pemSealKey = "TOCSIN ENCRYPTION KEY" // opens what is sealed for this node

	// sealing names algorithms and their costs, so that no number from a file
	// decides how much memory is taken.
	sealing     = "argon2id-64MiB-3-4-xchacha20poly1305"
	argonTime   = 3
	argonMemory = 64 << 10 // KiB
	argonLanes  = 4
)

// errPassphrase is wrapped when a key does not open.
var errPassphrase = errors.New("wrong passphrase, or the file is damaged")

// encodeKey writes a signing key as PEM, sealed when there is a passphrase.
func encodeKey(name string, key ed25519.PrivateKey, passphrase []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if passphrase == nil {
		return pem.EncodeToMemory(&pem.Block{Type: pemPlain, Bytes: der}), nil
	}
	return seal(name, der, passphrase)
}

// seal wraps a secret under a passphrase. The name is bound in, so that one
// key file cannot take the place of another.
func seal(name string, secret, passphrase []byte) ([]byte, error) {
	salt, nonce := make([]byte, 16), make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(salt)
	rand.Read(nonce)
	aead, err := wrapping(passphrase, salt)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{
		Type:    pemSealed,
		Headers: map[string]string{"Key": name, "Sealing": sealing, "Salt": base64.StdEncoding.EncodeToString(salt)},
		Bytes:   aead.Seal(nonce, nonce, secret, sealedName(name)),
	}), nil
}

func wrapping(passphrase, salt []byte) (cipher.AEAD, error) {
	return chacha20poly1305.NewX(argon2.IDKey(passphrase, salt, argonTime, argonMemory, argonLanes, chacha20poly1305.KeySize))
}

func sealedName(name string) []byte { return []byte("tocsin sealed key v1 " + name) }

// sealed reports whether a key file needs a passphrase.
func sealed(file []byte) bool {
	block, _ := pem.Decode(file)
	return block != nil && block.Type == pemSealed
}

// unseal opens what seal wrapped.
func unseal(name string, block *pem.Block, passphrase []byte) ([]byte, error) {
	if block.Headers["Sealing"] != sealing {
		return nil, fmt.Errorf("sealed in a way this version does not know: %q", block.Headers["Sealing"])
	}
	salt, err := base64.StdEncoding.DecodeString(block.Headers["Salt"])
	if err != nil || len(salt) != 16 || len(block.Bytes) < chacha20poly1305.NonceSizeX {
		return nil, errPassphrase
	}
	aead, err := wrapping(passphrase, salt)
	if err != nil {
		return nil, err
	}
	nonce, content := block.Bytes[:chacha20poly1305.NonceSizeX], block.Bytes[chacha20poly1305.NonceSizeX:]
	secret, err := aead.Open(nil, nonce, content, sealedName(name))
	if err != nil {
		return nil, errPassphrase
	}
	return secret, nil
}

// oneBlock returns the only PEM block of a file.
func oneBlock(file []byte) (*pem.Block, error) {
	block, rest := pem.Decode(file)
	if block == nil {
		return nil, errors.New("no PEM block in it: is this a key file?")
	}
	if len(rest) > 0 {
		return nil, errors.New("something follows the PEM block")
	}
	return block, nil
}

// decodeKey reads a signing key; the passphrase is used only if it is sealed.
func decodeKey(name string, file, passphrase []byte) (ed25519.PrivateKey, error) {
	block, err := oneBlock(file)
	if err != nil {
		return nil, err
	}
	der := block.Bytes
	switch block.Type {
	case pemPlain:
	case pemSealed:
		if der, err = unseal(name, block, passphrase); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a PEM block %q is not a key", block.Type)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return key, protocol.CheckKey(protocol.NodeOf(key))
}

// decodeStoreKey reads the key a store is encrypted with.
func decodeStoreKey(file, passphrase []byte) ([]byte, error) {
	block, err := oneBlock(file)
	if err != nil {
		return nil, err
	}
	if block.Type != pemSealed {
		return nil, fmt.Errorf("a PEM block %q is not a sealed key", block.Type)
	}
	key, err := unseal("store", block, passphrase)
	if err == nil && len(key) != storeKeySize {
		err = errPassphrase
	}
	return key, err
}

const storeKeySize = 32

// encodeSealKey writes the key that opens what is sealed for this node.
func encodeSealKey(k *protocol.SealKey, passphrase []byte) ([]byte, error) {
	secret, err := k.Bytes()
	if err != nil {
		return nil, err
	}
	if passphrase == nil {
		return pem.EncodeToMemory(&pem.Block{Type: pemSealKey, Bytes: secret}), nil
	}
	return seal("seal", secret, passphrase)
}

// decodeSealKey reads what encodeSealKey wrote.
func decodeSealKey(file, passphrase []byte) (*protocol.SealKey, error) {
	block, err := oneBlock(file)
	if err != nil {
		return nil, err
	}
	secret := block.Bytes
	switch block.Type {
	case pemSealKey:
	case pemSealed:
		if secret, err = unseal("seal", block, passphrase); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a PEM block %q is not an encryption key", block.Type)
	}
	return protocol.ParseSealKey(secret)
}

// encodeCertificate writes a certificate as PEM.
func encodeCertificate(c protocol.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: c.Encode()})
}

// decodeCertificate reads and checks a certificate.
func decodeCertificate(file []byte) (protocol.Certificate, error) {
	block, err := oneBlock(file)
	if err != nil {
		return protocol.Certificate{}, err
	}
	if block.Type != pemCert {
		return protocol.Certificate{}, fmt.Errorf("a PEM block %q is not a certificate", block.Type)
	}
	return protocol.DecodeCertificate(block.Bytes)
}

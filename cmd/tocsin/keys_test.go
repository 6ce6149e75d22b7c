package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

func newKey(t testing.TB) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeyFiles(t *testing.T) {
	key := newKey(t)
	for _, passphrase := range [][]byte{nil, []byte("correct horse")} {
		file, err := encodeKey("node", key, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		if sealed(file) != (passphrase != nil) {
			t.Errorf("sealed = %v with passphrase %q", sealed(file), passphrase)
		}
		got, err := decodeKey("node", file, passphrase)
		if err != nil || !got.Equal(key) {
			t.Errorf("passphrase %q: %v", passphrase, err)
		}
		if passphrase == nil {
			continue
		}
		if bytes.Contains(file, key.Seed()) {
			t.Error("the key stands in the sealed file")
		}
		if _, err := decodeKey("node", file, []byte("wrong horse!")); !errors.Is(err, errPassphrase) {
			t.Errorf("wrong passphrase: %v", err)
		}
		if _, err := decodeKey("org", file, passphrase); !errors.Is(err, errPassphrase) {
			t.Errorf("a node key in place of an organisation's: %v", err)
		}
	}
}

func TestKeyFileRefuses(t *testing.T) {
	file, err := encodeKey("node", newKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := encodeCertificate(protocol.Certify(newKey(t), protocol.NodeOf(newKey(t)), time.Now(), time.Now().Add(time.Hour)))
	for _, row := range []struct {
		name, text, want string
	}{
		{"empty", "", "no PEM block"},
		{"text", "my key", "no PEM block"},
		{"two", string(file) + string(file), "something follows"},
		{"certificate", string(cert), "is not a key"},
		{"other algorithm", "-----BEGIN PRIVATE KEY-----\nMEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCBqhjbfg6cpBpvTGMSm\njxMSrhl4OMTo9aKpzZ2PbKlvGQ==\n-----END PRIVATE KEY-----\n", "not an Ed25519 key"},
		{"sealed oddly", "-----BEGIN TOCSIN SEALED KEY-----\nSealing: argon2id-900GiB\n\nAAAA\n-----END TOCSIN SEALED KEY-----\n", "does not know"},
		{"sealed short", "-----BEGIN TOCSIN SEALED KEY-----\nSealing: " + sealing + "\n\nAAAA\n-----END TOCSIN SEALED KEY-----\n", "damaged"},
	} {
		if _, err := decodeKey("node", []byte(row.text), []byte("passphrase")); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
}

func TestCertificateFile(t *testing.T) {
	want := protocol.Certify(newKey(t), protocol.NodeOf(newKey(t)), time.Now(), time.Now().Add(time.Hour))
	file := encodeCertificate(want)
	if got, err := decodeCertificate(file); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for i := range file {
		damaged := bytes.Clone(file)
		damaged[i] ^= 1
		if got, err := decodeCertificate(damaged); err == nil && got != want {
			t.Errorf("bit flip in byte %d makes another certificate", i)
		}
	}
}

func TestRenew(t *testing.T) {
	dir := newDirectory(t, nil)
	k, err := dir.readKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	first, now := k.cert, time.Now()
	for _, row := range []struct {
		name string
		now  time.Time
		org  ed25519.PrivateKey
		want bool
	}{
		{"fresh", now, k.org, false},
		{"31 days left", now.Add(certLife - 31*24*time.Hour), k.org, false},
		{"29 days left, key elsewhere", now.Add(certLife - 29*24*time.Hour), nil, false},
		{"29 days left", now.Add(certLife - 29*24*time.Hour), k.org, true},
		{"long ended", now.Add(3 * certLife), k.org, true},
	} {
		try := keys{org: row.org, node: k.node, cert: first}
		renewed, err := dir.renew(&try, row.now)
		if err != nil || renewed != row.want {
			t.Errorf("%s: renewed = %v, %v", row.name, renewed, err)
		}
		if !row.want {
			continue
		}
		onDisk, err := dir.readCert(dir.cert())
		if err != nil || onDisk != try.cert || !onDisk.Covers(protocol.Millis(row.now.Add(300*24*time.Hour))) || onDisk.Node != first.Node || onDisk.Org != first.Org {
			t.Errorf("%s: %v is on the disk, %v", row.name, onDisk, err)
		}
	}
}

func TestReadKeysRefuses(t *testing.T) {
	other := newDirectory(t, nil)
	for _, row := range []struct {
		name string
		do   func(d directory) error
		want string
	}{
		{"others may read node.key", func(d directory) error { return os.Chmod(d.nodeKey(), 0o644) }, "is open to others (mode 0644)"},
		{"others may read org.key", func(d directory) error { return os.Chmod(d.orgKey(), 0o640) }, "is open to others (mode 0640)"},
		{"another node's key", func(d directory) error { return copyFile(other.nodeKey(), d.nodeKey()) }, "is not about the key"},
		{"another organisation's key", func(d directory) error { return copyFile(other.orgKey(), d.orgKey()) }, "is not by the organisation"},
		{"no node.key", func(d directory) error { return os.Remove(d.nodeKey()) }, "no such file"},
		{"no certificate", func(d directory) error { return os.Remove(d.cert()) }, "no such file"},
		{"endless key", func(d directory) error { return os.WriteFile(d.nodeKey(), make([]byte, 1<<20), 0o600) }, "longer than"},
	} {
		dir := newDirectory(t, nil)
		if err := row.do(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.readKeys(nil); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
	dir := newDirectory(t, nil)
	if err := os.Remove(dir.orgKey()); err != nil {
		t.Fatal(err)
	}
	if k, err := dir.readKeys(nil); err != nil || k.org != nil {
		t.Errorf("an organisation's key kept elsewhere: %v", err)
	}
}

func TestPassphrases(t *testing.T) {
	dir := newDirectory(t, []byte("correct horse"))
	if _, err := dir.readKeys(func() ([]byte, error) { return []byte("battery staple"), nil }); !errors.Is(err, errPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	asked := 0
	k, err := dir.readKeys(func() ([]byte, error) { asked++; return []byte("correct horse"), nil })
	if err != nil || len(k.store) != storeKeySize || k.org == nil || asked != 1 {
		t.Errorf("asked %d times, store key of %d bytes, %v", asked, len(k.store), err)
	}
}

// FuzzKeyFile: no panic, and nothing but a good key is taken.
func FuzzKeyFile(f *testing.F) {
	file, err := encodeKey("node", newKey(f), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte("-----BEGIN TOCSIN SEALED KEY-----\nSealing: x\nSalt: AA==\n\nAAAA\n-----END TOCSIN SEALED KEY-----\n"))
	f.Add(encodeCertificate(protocol.Certify(newKey(f), protocol.NodeOf(newKey(f)), time.Now(), time.Now().Add(time.Hour))))
	f.Fuzz(func(t *testing.T, file []byte) {
		if sealed(file) {
			return // each would take a second
		}
		if key, err := decodeKey("node", file, nil); err == nil && protocol.CheckKey(protocol.NodeOf(key)) != nil {
			t.Errorf("took a bad key from %q", file)
		}
		if c, err := decodeCertificate(file); err == nil && c.Check() != nil {
			t.Errorf("took a bad certificate from %q", file)
		}
	})
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// newDirectory sets up a node that listens on loopback only.
func newDirectory(t testing.TB, passphrase []byte) directory {
	t.Helper()
	dir := directory(t.TempDir() + "/n")
	c := defaultConfig()
	c.Org, c.Listen, c.HTTP = "bank", []string{"/ip4/127.0.0.1/tcp/0"}, "127.0.0.1:0"
	if _, err := dir.create(c, passphrase, time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

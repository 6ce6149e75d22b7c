package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestRotateStopsAnywhere: a crash after any of the steps of a change of keys
// leaves a directory that starts, with the old key or with the new one.
func TestRotateStopsAnywhere(t *testing.T) {
	whole := newDirectory(t, nil)
	before, err := whole.readKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(whole.nodeKey())
	if err != nil {
		t.Fatal(err)
	}
	oldCert, err := os.ReadFile(whole.cert())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := whole.rotate(before, protocol.SuiteHybrid, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	after, err := whole.readKeys(nil)
	if err != nil || after.cert != cert || after.former() != before.cert.Node || after.cert.Node == before.cert.Node {
		t.Fatalf("%v, former %v", err, after.former())
	}
	if same(t, before.seal, after.seal) {
		t.Error("the key for what is sealed stayed the same")
	}
	if _, err := whole.rotate(after, protocol.SuiteHybrid, time.Now()); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("a second change before the start: %v", err)
	}
	fresh, err := os.ReadFile(whole.nodeKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		key     []byte
		next    bool // the new certificate waits beside the old
		changed bool
	}{
		{"the former key is kept", old, false, false},
		{"the next certificate is written", old, true, false},
		{"the key is in place", fresh, true, true},
	} {
		if err := firstError(os.WriteFile(whole.nodeKey(), row.key, 0o600), os.WriteFile(whole.formerKey(), old, 0o600), os.WriteFile(whole.cert(), oldCert, 0o600)); err != nil {
			t.Fatal(err)
		}
		if row.next {
			if err := os.WriteFile(whole.nextCert(), encodeCertificate(cert), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k, err := whole.readKeys(nil)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if changed := k.cert.Node == cert.Node; changed != row.changed || k.former().IsZero() == row.changed {
			t.Errorf("%s: changed %v, former %v", row.name, changed, k.former())
		}
	}
}

func same(t *testing.T, a, b *protocol.SealKey) bool {
	x, errX := a.Bytes()
	y, errY := b.Bytes()
	if err := errors.Join(errX, errY); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x, y)
}

func TestRotateRefuses(t *testing.T) {
	dir := newDirectory(t, nil)
	_, down := up(t, dir)
	if code, _, stderr := play(t, env{}, "key", "rotate", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "stop the daemon first") {
		t.Errorf("under a daemon: exit %d, %s", code, stderr)
	}
	down()
	if err := os.Remove(dir.orgKey()); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := play(t, env{}, "key", "rotate", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "no org.key") {
		t.Errorf("without org.key: exit %d, %s", code, stderr)
	}
}

// TestSealKeyFile: made by init, made anew where it is missing or of another
// suite than the configuration says, kept else, and never open to others.
func TestSealKeyFile(t *testing.T) {
	for _, passphrase := range [][]byte{nil, []byte("correct horse")} {
		dir := newDirectory(t, passphrase)
		read := func() keys {
			k, err := dir.readKeys(func() ([]byte, error) { return passphrase, nil })
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		first := read()
		if first.seal == nil || first.seal.Suite() != protocol.SuiteHybrid {
			t.Fatal("init makes no key, or not of the hybrid suite")
		}
		k := first
		if err := dir.readySealKey(&k, protocol.SuiteHybrid); err != nil || !same(t, first.seal, read().seal) {
			t.Errorf("made anew without need: %v", err)
		}
		if err := dir.readySealKey(&k, protocol.SuiteX25519); err != nil || read().seal.Suite() != protocol.SuiteX25519 || !same(t, k.seal, read().seal) {
			t.Errorf("not made anew for another suite: %v", err)
		}
		if err := os.Remove(dir.sealKey()); err != nil {
			t.Fatal(err)
		}
		if k = read(); k.seal != nil {
			t.Error("a key without a file")
		}
		if err := dir.readySealKey(&k, protocol.SuiteX25519); err != nil || !same(t, k.seal, read().seal) {
			t.Errorf("not made where it is missing: %v", err)
		}
		file, err := os.ReadFile(dir.sealKey())
		if err != nil || sealed(file) != (passphrase != nil) {
			t.Errorf("sealed %v with passphrase %q, %v", sealed(file), passphrase, err)
		}
		if err := os.Chmod(dir.sealKey(), 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.readKeys(func() ([]byte, error) { return passphrase, nil }); err == nil || !strings.Contains(err.Error(), "open to others") {
			t.Errorf("open to others: %v", err)
		}
	}
}

func FuzzSealKeyFile(f *testing.F) {
	key, err := protocol.NewSealKey(protocol.SuiteX25519)
	if err != nil {
		f.Fatal(err)
	}
	file, err := encodeSealKey(key, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte("-----BEGIN TOCSIN ENCRYPTION KEY-----\nZHo=\n-----END TOCSIN ENCRYPTION KEY-----\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if sealed(file) {
			return // each would take a second
		}
		key, err := decodeSealKey(file, nil)
		if err != nil {
			return
		}
		again, err := encodeSealKey(key, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeSealKey(again, nil); err != nil {
			t.Errorf("%q was taken and written as %q: %v", file, again, err)
		}
	})
}

// TestStolenDirectory: with a passphrase no file of the directory shows a key or
// a byte of content, in any form, after values were said, an import, a restart
// and a change of keys.
func TestStolenDirectory(t *testing.T) {
	dir, passphrase := newDirectory(t, []byte("correct horse")), []byte("correct horse")
	secret := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must := func(args ...string) {
		t.Helper()
		if code, _, stderr := play(t, env{}, append(args, "--dir", string(dir))...); code != exitDone {
			t.Fatalf("%v: exit %d, %s", args, code, stderr)
		}
	}
	k, err := dir.readKeys(func() ([]byte, error) { return passphrase, nil })
	if err != nil {
		t.Fatal(err)
	}
	seal, err := k.seal.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	canaries := map[string][]byte{
		"passphrase": passphrase, "org.key": k.org.Seed(), "node.key": k.node.Seed(), "seal.key": seal[2:], "store.key": k.store,
		"a value": []byte("canary-domain.example"), "a description": []byte("said of the canary in confidence"), "a tag": []byte("canary-tagged-thing"),
	}
	_, down := up(t, dir, "--passphrase-file", secret)
	must("community", "create", "isac-of-canaries")
	canaries["a community"] = []byte("isac-of-canaries")
	must("submit", "--tlp", "green", "--description", "said of the canary in confidence", "--tag", "canary-tagged-thing", "canary-domain.example")
	showsNothing(t, dir, canaries)
	down()
	showsNothing(t, dir, canaries)
	must("key", "rotate", "--passphrase-file", secret)
	_, down = up(t, dir, "--passphrase-file", secret)
	must("submit", "--tlp", "green", "canary-domain.example")
	down()
	showsNothing(t, dir, canaries)
	if _, err := os.Lstat(dir.formerKey()); err == nil {
		t.Error("the former key is left over after the start")
	}
	open := newDirectory(t, nil)
	if found := find(t, open, map[string][]byte{"org.key": keySeed(t, open)}); len(found) == 0 {
		t.Error("the search does not find a key that is not sealed")
	}
}

func keySeed(t *testing.T, d directory) []byte {
	k, err := d.readKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k.org.Seed()
}

func showsNothing(t *testing.T, dir directory, canaries map[string][]byte) {
	t.Helper()
	for _, found := range find(t, dir, canaries) {
		t.Error(found)
	}
}

// find searches every file of a directory for secrets in any form.
func find(t *testing.T, dir directory, canaries map[string][]byte) (found []string) {
	t.Helper()
	for path, content := range filesIn(t, dir) {
		content = bytes.ReplaceAll(content, []byte("\n"), nil) // of PEM
		for name, canary := range canaries {
			for _, form := range forms(canary) {
				if bytes.Contains(content, form) {
					found = append(found, path+" shows "+name)
				}
			}
		}
	}
	return found
}

// forms returns a secret as it is, in hexadecimal digits, and the inner part of
// its base64 at each of the three places a byte can have.
func forms(secret []byte) [][]byte {
	list := [][]byte{secret, []byte(hex.EncodeToString(secret)), []byte(strings.ToUpper(hex.EncodeToString(secret)))}
	for shift := range 3 {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString(append(make([]byte, shift), secret...))
			list = append(list, []byte(text[4:len(text)-4]))
		}
	}
	return list
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const somePeer = "/ip4/198.51.100.7/tcp/4001/p2p/12D3KooWAAmkpiALz996QqpjVfBtc9s94ZzNDEmmzWSEdjFaso3d"

func someCertificateFile(t testing.TB) certificateFile {
	return certificateFile{
		Org: "bank \"north\"", Certificate: protocol.Certify(newKey(t), protocol.NodeOf(newKey(t)), time.Now(), time.Now().Add(time.Hour)),
		Communities: []protocol.ID{{1}, {2}}, Peers: []string{somePeer},
	}
}

func TestCertificateFileReadsWhatItWrites(t *testing.T) {
	full, small := someCertificateFile(t), someCertificateFile(t)
	small.Communities, small.Peers = nil, nil
	for _, want := range []certificateFile{full, small} {
		text, err := want.text()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseCertificateFile(text)
		if err != nil || got.Org != want.Org || got.Certificate != want.Certificate || len(got.Communities) != len(want.Communities) || len(got.Peers) != len(want.Peers) {
			t.Errorf("%+v, %v from\n%s", got, err, text)
		}
	}
}

func TestCertificateFileRefuses(t *testing.T) {
	text, err := someCertificateFile(t).text()
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string { return strings.Replace(string(text), old, new, 1) }
	for _, row := range []struct{ name, text, want string }{
		{"nothing", "", "certificate"},
		{"another name", swap("bank", "b\\u0061nk"), "changed on the way"},
		{"another date", swap("until = \"2", "until = \"3"), "changed on the way"},
		{"a comment more", string(text) + "# x\n", "changed on the way"},
		{"an unknown key", string(text) + "ca = 1\n", "unknown key ca"},
		{"a community of zeros", swap("01000", "00000"), "zeros"},
		{"half a community", swap("01000", "01"), "64 hexadecimal"},
		{"an address of nobody", swap("/p2p/12D3KooWAAmkpiALz996QqpjVfBtc9s94ZzNDEmmzWSEdjFaso3d", ""), "does not end in /p2p/"},
		{"no address", swap(somePeer, "bank.example"), "not a multiaddr"},
		{"not base64", swap("certificate = \"", "certificate = \"*"), "base64"},
		{"many", swap("peers = [", "peers = ["+strings.Repeat("\""+somePeer+"\", ", 64)), "at most 64"},
	} {
		if _, err := parseCertificateFile([]byte(row.text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
}

// FuzzCertificateFile: no panic, and what is taken is as it would be written.
func FuzzCertificateFile(f *testing.F) {
	text, err := someCertificateFile(f).text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	f.Add([]byte("org = 'a'\npeers = []\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseCertificateFile(text)
		if err != nil {
			return
		}
		if err := file.Certificate.Check(); err != nil {
			t.Errorf("took a bad certificate: %v", err)
		}
		if again, err := file.text(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q was taken and written as %q, %v", text, again, err)
		}
	})
}

// TestCertifyOffline: with org.key alone, in a directory where no node ever
// lived, and with a node's directory whose daemon does not run.
func TestCertifyOffline(t *testing.T) {
	peer := node.PeerID(protocol.NodeOf(newKey(t))).String()
	home := newDirectory(t, []byte("correct horse"))
	secret := filepath.Join(t.TempDir(), "pass")
	vault := directory(t.TempDir())
	out := filepath.Join(t.TempDir(), "bank2.toml")
	if err := firstError(os.WriteFile(secret, []byte("correct horse\n"), 0o600), copyFile(home.orgKey(), vault.orgKey())); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no node", []string{"--dir", string(home)}, exitUsage, "NODE is missing"},
		{"not a node", []string{"bank2", "--dir", string(home)}, exitUsage, "is no node"},
		{"a day too long", []string{peer, "--valid", "3651d", "--dir", string(home)}, exitUsage, "a minute to 10y"},
		{"no key", []string{peer, "--dir", t.TempDir()}, exitFailed, "there is no org.key"},
		{"no passphrase", []string{peer, "--dir", string(home)}, exitFailed, "no terminal to ask"},
		{"no name", []string{peer, "--dir", string(vault), "--passphrase-file", secret}, exitUsage, "--org is missing"},
		{"no community", []string{peer, "--dir", string(vault), "--passphrase-file", secret, "--org", "bank", "--community", "isac"}, exitUsage, "want the id"},
		{"the organisation itself", []string{orgOf(t, home), "--dir", string(home), "--passphrase-file", secret}, exitUsage, "one key"},
		{"a vault", []string{peer, "--valid", "1y", "--dir", string(vault), "--passphrase-file", secret, "--org", "bank", "--peer", somePeer,
			"--community", strings.Repeat("ab", 32)}, exitDone, "org = \"bank\""},
		{"a node", []string{peer, "--dir", string(home), "--passphrase-file", secret, "--out", out}, exitDone, "certified " + peer + " until "},
		{"again", []string{peer, "--dir", string(home), "--passphrase-file", secret, "--out", out}, exitFailed, "exists"},
	} {
		code, stdout, stderr := play(t, env{}, append([]string{"certify"}, row.args...)...)
		if code != row.code || !strings.Contains(stdout+stderr, row.want) {
			t.Errorf("%s: exit %d, %s%s, want %q", row.name, code, stdout, stderr, row.want)
		}
		if row.name != "a vault" || code != exitDone {
			continue
		}
		f, err := parseCertificateFile([]byte(stdout))
		if err != nil || len(f.Communities) != 1 || len(f.Peers) != 1 || node.PeerID(f.Certificate.Node).String() != peer {
			t.Errorf("%s: %+v, %v", row.name, f, err)
		}
		if life := protocol.Time(f.Certificate.NotAfter).Sub(time.Now()); life < 364*24*time.Hour || life > 366*24*time.Hour {
			t.Errorf("%s: it is valid for %s", row.name, life)
		}
	}
}

func orgOf(t *testing.T, d directory) string {
	cert, err := d.readCert(d.cert())
	if err != nil {
		t.Fatal(err)
	}
	return cert.Org.String()
}

// TestSecondNodeSetUp: key create, certify, init --certificate; what does not
// belong together is refused, and leaves nothing.
func TestSecondNodeSetUp(t *testing.T) {
	home, other := newDirectory(t, nil), newDirectory(t, nil)
	secret := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := directory(filepath.Join(t.TempDir(), "bank2"))
	code, stdout, stderr := play(t, env{}, "key", "create", "--dir", string(dir), "--passphrase-file", secret, "--json")
	var made struct{ Node, Dir string }
	if err := json.Unmarshal([]byte(stdout), &made, json.MatchCaseInsensitiveNames(true)); code != exitDone || err != nil || made.Dir != string(dir) {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := play(t, env{}, "key", "create", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "is there already") {
		t.Errorf("a second key: exit %d, %s", code, stderr)
	}
	good := certifyHere(t, home, made.Node)
	wrong := certifyHere(t, home, somePeer[strings.LastIndex(somePeer, "/")+1:])
	for _, row := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"no certificate", "no such file", exitFailed, []string{"--certificate", filepath.Join(t.TempDir(), "none")}},
		{"no certificate file", "changed on the way", exitFailed, []string{"--certificate", other.config()}},
		{"for another node", "the certificate is for node", exitFailed, []string{"--certificate", wrong, "--passphrase-file", secret}},
		{"nobody to ask", "no terminal to ask", exitFailed, []string{"--certificate", good}},
		{"asked for another", "--passphrase", exitUsage, []string{"--certificate", good, "--passphrase"}},
	} {
		code, _, stderr := play(t, env{}, append([]string{"init", "--dir", string(dir)}, row.args...)...)
		if row.name == "no certificate file" {
			row.want = "unknown key"
		}
		if code != row.code || !strings.Contains(stderr, row.want) {
			t.Errorf("%s: exit %d, %s", row.name, code, stderr)
		}
		if entries, err := os.ReadDir(string(dir)); err != nil || len(entries) != 1 {
			t.Fatalf("%s: it left %v, %v", row.name, entries, err)
		}
	}
	code, _, stderr = play(t, env{}, "init", "--org", "bank", "--certificate", good, "--passphrase-file", secret, "--dir", string(dir), "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	k, err := dir.readKeys(func() ([]byte, error) { return []byte("correct horse"), nil })
	if err != nil || k.org != nil || k.seal == nil || len(k.store) != storeKeySize || k.entry == nil {
		t.Errorf("keys %+v, %v", k.entry, err)
	}
	ready, down := up(t, dir)
	if !strings.Contains(ready, "node="+made.Node) {
		t.Error(ready)
	}
	if code, log := down(); code != exitDone {
		t.Errorf("exit %d: %s", code, log)
	}
	if _, err := os.Lstat(dir.entry()); err == nil {
		t.Error("entry.toml is left over after the first start")
	}
}

// certifyHere certifies a node with the organisation's key of a directory.
func certifyHere(t *testing.T, dir directory, peer string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "certificate.toml")
	if code, _, stderr := play(t, env{}, "certify", peer, "--dir", string(dir), "--out", file); code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return file
}

// TestKeyLoadOffline: a certificate that was renewed elsewhere is put in place
// while the daemon is down, also after the old one ended.
func TestKeyLoadOffline(t *testing.T) {
	dir := newDirectory(t, nil)
	vault := directory(t.TempDir())
	if err := firstError(copyFile(dir.orgKey(), vault.orgKey()), endCertificate(dir)); err != nil {
		t.Fatal(err)
	}
	old, err := dir.readCert(dir.cert())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "renewed.toml")
	if code, _, stderr := play(t, env{}, "certify", node.PeerID(old.Node).String(), "--dir", string(vault), "--org", "bank", "--out", file); code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := play(t, env{}, "key", "load", certifyHere(t, newDirectory(t, nil), node.PeerID(old.Node).String()), "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "another node") {
		t.Errorf("by another organisation: exit %d, %s", code, stderr)
	}
	code, stdout, stderr := play(t, env{}, "key", "load", file, "--dir", string(dir))
	if code != exitDone || !strings.HasPrefix(stdout, "loaded "+node.PeerID(old.Node).String()+" until ") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	up(t, dir)
	if code, stdout, stderr := play(t, env{}, "key", "load", file, "--dir", string(dir)); code != exitDone {
		t.Errorf("into the daemon: exit %d, %s%s", code, stdout, stderr)
	}
}

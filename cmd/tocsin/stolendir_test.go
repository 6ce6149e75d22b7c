package main

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestStolenDaemon: whoever takes the directories of two daemons with a
// passphrase, running, stopped in good order or killed, reads nothing in them:
// no content of any label, no id of a bulletin, no key or name of another, of a
// group or a community, no act of the journal, no token and no key of its own.
// Without a passphrase the same search finds it. What can be seen all the same is
// listed in seenAllTheSame.
func TestStolenDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs four processes")
	}
	binary := buildBinary(t)
	for _, row := range []struct {
		name       string
		passphrase []byte
	}{{"with a passphrase", []byte("correct horse battery")}, {"without", nil}} {
		t.Run(row.name, func(t *testing.T) { stolenDaemon(t, binary, row.passphrase) })
	}
}

func stolenDaemon(t *testing.T, binary string, passphrase []byte) {
	var flags []string
	if passphrase != nil {
		secret := filepath.Join(t.TempDir(), "pass")
		if err := os.WriteFile(secret, append(passphrase, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		flags = []string{"--passphrase-file", secret}
	}
	bank, hospital := newProcess(t, binary, "bank-of-canaries", "tcp", flags...), newProcess(t, binary, "hospital-of-canaries", "tcp", flags...)
	content, hashed := sayCanaries(t, bank, hospital)
	keys := map[*process]map[string][]byte{bank: keyCanaries(t, bank.dir, passphrase), hospital: keyCanaries(t, hospital.dir, passphrase)}
	for _, theft := range []struct {
		name string
		stop func(*process)
	}{
		{"running", func(*process) {}},
		{"killed", (*process).kill},
		{"stopped", func(p *process) { p.start(); p.terminate() }},
		{"killed after a restart", func(p *process) { p.start(); p.kill() }},
	} {
		for _, p := range []*process{bank, hospital} {
			theft.stop(p)
			showsNone(t, p.dir, hashed)
			if passphrase != nil {
				showsNone(t, p.dir, content[p])
				showsNone(t, p.dir, keys[p])
				seenAllTheSame(t, p.dir)
			}
		}
	}
	if passphrase != nil {
		if out := bank.must("audit", "verify", string(bank.dir)); !strings.HasPrefix(out, "mark: ") {
			t.Errorf("audit verify without the node: %s", out)
		}
		return
	}
	delete(content[bank], redID) // of which only keys may be left, and badger cuts those in two
	for _, p := range []*process{bank, hospital} {
		for _, canaries := range []map[string][]byte{content[p], keys[p]} {
			if found := shown(t, p.dir, canaries); !namesAll(found, canaries) {
				t.Errorf("%s: the search finds only this where nothing is sealed: %q", p.dir, slices.Compact(found))
			}
		}
	}
}

const redID = "the id of what is under RED"

// sayCanaries has the bank say something under every label, to a group and to
// persons. It returns what each of the two then holds, and what nobody keeps.
func sayCanaries(t *testing.T, bank, hospital *process) (content map[*process]map[string][]byte, hashed map[string][]byte) {
	bank.must("community", "create", "isac-of-canaries")
	token := bank.must("invite", "--community", "isac-of-canaries")
	hospital.must("join", token)
	bank.meets(1)
	hospital.meets(1)
	bank.must("group", "create", "group-of-canaries", "hospital-of-canaries")
	person := hospital.must("token", "create", "--role", "reader", "--clearance", "red", "--person", "alice-of-canaries", "--name", "tool-of-canaries")
	both, own, idOfRed := map[string][]byte{}, map[string][]byte{}, []byte(nil)
	for label, to := range map[string][]string{
		"clear": nil, "green": nil, "amber": {"--group", "group-of-canaries"}, "amber+strict": {"--to", "hospital-of-canaries"}, "red": {"--to", "hospital-of-canaries/alice-of-canaries"},
	} {
		name := strings.ReplaceAll(label, "+", "-")
		value, description := "canary-"+name+".example", "said of the "+name+" canary in confidence"
		said := bank.must(append([]string{"submit", "--json", "--tlp", label, "--description", description, "--tag", "tag-of-" + name + "-canary", value}, to...)...)
		both["a value under "+label], both["a description under "+label], both["a tag under "+label] = []byte(value), []byte(description), []byte("tag-of-"+name+"-canary")
		id, err := hex.DecodeString(bulletinID.FindString(said))
		if err != nil || len(id) != len(protocol.ID{}) {
			t.Fatalf("no id in %s", said)
		}
		if label == "red" {
			idOfRed = id // only its author's files name it where nothing is sealed
		} else {
			both["the id of what is under "+label] = id
			hospital.learns(value, "bank-of-canaries")
		}
	}
	eventually(t, "Alice sees what is for her", func() (bool, string) {
		code, stdout, stderr := hospital.playAs(person, "lookup", "canary-red.example")
		return code == exitDone, stdout + stderr
	})
	both["the group"], both["the community"], both["the person"] = []byte("group-of-canaries"), []byte("isac-of-canaries"), []byte("alice-of-canaries")
	own["the name of a token"] = []byte("tool-of-canaries")
	content = map[*process]map[string][]byte{
		bank:     {redID: idOfRed, "the other": []byte("hospital-of-canaries"), "its key": orgKey(t, hospital), "an act": []byte(`"act":"submit"`), "a label in the journal": []byte(`"tlp":"amber+strict"`)},
		hospital: {"the other": []byte("bank-of-canaries"), "its key": orgKey(t, bank), "an act": []byte(`"act":"admit"`), "a rule": []byte(`"rule":"create"`)},
	}
	for name, canary := range both {
		content[bank][name], content[hospital][name] = canary, canary
	}
	for name, canary := range own {
		content[hospital][name] = canary
	}
	return content, map[string][]byte{"a token": []byte(strings.TrimPrefix(person, "tocsin_")), "an invite": []byte(token[len(token)-40:])}
}

var bulletinID = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// orgKey is the organisation's public key of a directory.
func orgKey(t *testing.T, p *process) []byte {
	t.Helper()
	cert, err := p.dir.readCert(p.dir.cert())
	if err != nil {
		t.Fatal(err)
	}
	return cert.Org[:]
}

// seenAllTheSame is what whoever has a directory with a passphrase sees: which
// files there are, how long and how old; the configuration, and in it how the
// organisation calls itself; the node's certificate, which the whole community
// knows; and of the journal how many records each month has, which of them are
// long, and nothing in them.
func seenAllTheSame(t *testing.T, dir directory) {
	t.Helper()
	public := []string{"audit", "config.toml", "lock", "node.cert", "node.key", "org.key", "policy.toml", "seal.key", "store", "store.key", "tocsin.sock"}
	entries, err := os.ReadDir(string(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(public, e.Name()) {
			t.Errorf("%s: nobody has looked at what %s shows", dir, e.Name())
		}
	}
	entries, err = os.ReadDir(dir.audit())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir.audit(), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != "journal.head" && !sealedSegment.MatchString(e.Name()) || !sealedContent.Match(content) {
			t.Errorf("%s: something is not sealed in %s", dir, e.Name())
		}
	}
}

var (
	sealedSegment = regexp.MustCompile(`^\d{8}-\d{4}-\d\d\.sealed$`)
	sealedContent = regexp.MustCompile(`^(?:sealed [0-9a-f]{16} |[A-Za-z0-9+/]{395,}\n?| *\n|\x00+)*$`)
)

// keyCanaries are the private keys of a directory.
func keyCanaries(t *testing.T, dir directory, passphrase []byte) map[string][]byte {
	t.Helper()
	k, err := dir.readKeys(func() ([]byte, error) { return passphrase, nil })
	if err != nil {
		t.Fatal(err)
	}
	seal, err := k.seal.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	canaries := map[string][]byte{"org.key": k.org.Seed(), "node.key": k.node.Seed(), "seal.key": seal[2:]}
	if passphrase != nil {
		canaries["passphrase"], canaries["store.key"] = passphrase, k.store
	}
	for name, canary := range canaries {
		if len(canary) < 16 {
			t.Fatalf("%s has %d bytes", name, len(canary))
		}
	}
	return canaries
}

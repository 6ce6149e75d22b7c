package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStolenDaemon: whoever takes the directories of two daemons with a
// passphrase, running, stopped in good order or killed, reads nothing in them:
// no content of any label, no name of a peer, a group or a community, no token
// and no key. Without a passphrase the same search finds it.
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
			}
		}
	}
	if passphrase != nil {
		return
	}
	for _, p := range []*process{bank, hospital} {
		for _, canaries := range []map[string][]byte{content[p], keys[p]} {
			if found := shown(t, p.dir, canaries); !namesAll(found, canaries) {
				t.Errorf("%s: the search finds only this where nothing is sealed: %q", p.dir, slices.Compact(found))
			}
		}
	}
}

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
	both, own := map[string][]byte{}, map[string][]byte{}
	for label, to := range map[string][]string{
		"clear": nil, "green": nil, "amber": {"--group", "group-of-canaries"}, "amber+strict": {"--to", "hospital-of-canaries"}, "red": {"--to", "hospital-of-canaries/alice-of-canaries"},
	} {
		name := strings.ReplaceAll(label, "+", "-")
		value, description := "canary-"+name+".example", "said of the "+name+" canary in confidence"
		bank.must(append([]string{"submit", "--tlp", label, "--description", description, "--tag", "tag-of-" + name + "-canary", value}, to...)...)
		both["a value under "+label], both["a description under "+label], both["a tag under "+label] = []byte(value), []byte(description), []byte("tag-of-"+name+"-canary")
		if label != "red" {
			hospital.learns(value, "bank-of-canaries")
		}
	}
	eventually(t, "Alice sees what is for her", func() (bool, string) {
		code, stdout, stderr := hospital.playAs(person, "lookup", "canary-red.example")
		return code == exitDone, stdout + stderr
	})
	both["the group"], both["the community"], both["the person"] = []byte("group-of-canaries"), []byte("isac-of-canaries"), []byte("alice-of-canaries")
	own["the name of a token"] = []byte("tool-of-canaries")
	content = map[*process]map[string][]byte{bank: {"the other": []byte("hospital-of-canaries")}, hospital: {"the other": []byte("bank-of-canaries")}}
	for name, canary := range both {
		content[bank][name], content[hospital][name] = canary, canary
	}
	for name, canary := range own {
		content[hospital][name] = canary
	}
	return content, map[string][]byte{"a token": []byte(strings.TrimPrefix(person, "tocsin_")), "an invite": []byte(token[len(token)-40:])}
}

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

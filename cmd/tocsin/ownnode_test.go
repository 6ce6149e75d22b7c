package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestSecondNodeProcesses: the whole way of a second node, with real files,
// processes and sockets; then the first one is given a new key.
func TestSecondNodeProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs three processes")
	}
	binary := buildBinary(t)
	bank, hospital := newProcess(t, binary, "bank", "tcp"), newProcess(t, binary, "hospital", "tcp")
	bank.must("community", "create", "isac")
	hospital.joins(bank)
	hospital.must("submit", "--tlp", "green", "before.example")

	second := &process{t: t, binary: binary, dir: directory(filepath.Join(t.TempDir(), "bank2"))}
	peer := second.must("key", "create")
	file := filepath.Join(t.TempDir(), "bank2.toml")
	if got := bank.must("certify", peer, "--valid", "1y", "--out", file); !strings.HasPrefix(got, "certified "+peer+" until ") {
		t.Errorf("certify printed %q", got)
	}
	second.must("init", "--org", "bank", "--certificate", file, "--listen", freeAddr(t, "tcp"), "--http", "")
	second.start()
	second.learns("before.example", "hospital")
	for _, p := range []*process{bank, hospital, second} {
		p.meets(2)
	}
	second.must("submit", "--tlp", "green", "second.example")
	bank.learns("second.example", "bank")
	hospital.learns("second.example", "bank")
	if s := second.status(); len(s.Entering) > 0 {
		t.Errorf("left to do: %+v", s.Entering)
	}

	bank.terminate()
	hospital.must("submit", "--tlp", "green", "meanwhile.example")
	second.learns("meanwhile.example", "hospital")
	former, err := bank.dir.readCert(bank.dir.cert())
	if err != nil {
		t.Fatal(err)
	}
	bank.must("key", "rotate")
	bank.start()
	bank.learns("meanwhile.example", "hospital")
	bank.must("submit", "--tlp", "green", "new-key.example")
	hospital.learns("new-key.example", "bank")
	second.learns("new-key.example", "bank")
	hospital.learns("second.example", "bank")
	eventually(t, "hospital knows that the former key ended", func() (bool, string) {
		for _, p := range hospital.status().Peers {
			if p.Node == former.Node {
				return strings.Contains(p.Problem, "revoked"), p.Problem
			}
		}
		return false, "it does not know the node"
	})
	now, err := bank.dir.readCert(bank.dir.cert())
	if err != nil || now.Node == former.Node || now.Org != former.Org {
		t.Errorf("after the change: %v, %v", now.Node, err)
	}
	if s := bank.status(); len(s.Entering) > 0 {
		t.Errorf("left to do: %+v", s.Entering)
	}
	for _, p := range []*process{bank, hospital, second} {
		p.terminate()
	}
}

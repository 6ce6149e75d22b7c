package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	recallWithin = 2 * time.Second
	quiet        = 2 * time.Second // in which nothing more may come
)

func TestNamedRecipientsTCP(t *testing.T)  { namedRecipients(t, "tcp") }
func TestNamedRecipientsQUIC(t *testing.T) { namedRecipients(t, "quic") }

// namedRecipients plays the labels above GREEN as somebody types them, between
// four daemons: what is said reaches whom it names and nobody else, is taken
// back, destroyed, and goes no more to whoever was cut off.
func namedRecipients(t *testing.T, transport string) {
	if testing.Short() {
		t.Skip("builds the command and runs four processes")
	}
	binary := buildBinary(t)
	all := map[string]*process{}
	for _, org := range []string{"bank", "hospital", "vendor", "shop"} {
		all[org] = newProcess(t, binary, org, transport)
	}
	bank, hospital, vendor, shop := all["bank"], all["hospital"], all["vendor"], all["shop"]
	bank.must("community", "create", "isac")
	for _, p := range []*process{hospital, vendor, shop} {
		p.joins(bank)
	}
	for _, p := range all {
		p.meets(3)
	}
	toGroup(t, bank, hospital, vendor)
	toClient(t, bank, hospital, shop, vendor)
	toPerson(t, bank, hospital, vendor)
	takenBack(t, bank, hospital, vendor, shop)
	cutOff(t, bank, hospital, vendor)
	for _, p := range all {
		p.terminate()
	}
}

func toGroup(t *testing.T, bank, hospital, vendor *process) {
	bank.prints("group health version:1 owner:bank members:bank,hospital\n", "group", "create", "health", "hospital")
	bank.prints("yes hospital tlp-amber TLP:AMBER: in sharing group health\n"+
		"no shop not-in-group the organisation is not in sharing group health\n"+
		"no vendor not-in-group the organisation is not in sharing group health\n", "who", "--tlp", "amber", "--group", "health")
	bank.prints("submitted domain-name grouped.example tlp:amber\n", "submit", "--tlp", "amber", "--group", "health", "grouped.example")
	hospital.learns("grouped.example", "bank")
	if said := bank.signed("grouped.example", "1 of 1 in "); !strings.HasSuffix(said, "\nhospital held\n") {
		t.Errorf("status of what went to a group:\n%s", said)
	}
	vendor.ignores("grouped.example")
}

// toClient: AMBER goes on to a client and no further, AMBER+STRICT does not.
func toClient(t *testing.T, bank, hospital, shop, vendor *process) {
	hospital.must("peer", "name", "shop@bank", "shop")
	hospital.prints("client shop\n", "peer", "client", "add", "shop")
	bank.must("submit", "--tlp", "amber", "--to", "hospital", "onward.example")
	bank.must("submit", "--tlp", "amber+strict", "--to", "hospital", "strict.example")
	shop.learns("onward.example", "bank")
	if _, stdout, _ := shop.play("lookup", "onward.example"); !strings.Contains(stdout, " via:hospital") {
		t.Errorf("the client does not see who passed it on: %s", stdout)
	}
	if said := bank.signed("onward.example", "2 of 2 in "); !strings.Contains(said, "\nhospital held\nshop held client\n") {
		t.Errorf("status of what went on to a client:\n%s", said)
	}
	hospital.learns("strict.example", "bank")
	bank.signed("strict.example", "1 of 1 in ")
	shop.ignores("strict.example")
	vendor.ignores("onward.example")
	vendor.ignores("strict.example")
}

// toPerson: RED shows at the socket and at the HTTP door to the person it names.
func toPerson(t *testing.T, bank, hospital, vendor *process) {
	carol := bank.must("token", "create", "--role", "analyst", "--clearance", "red", "--person", "carol")
	alice := hospital.must("token", "create", "--role", "reader", "--clearance", "red", "--person", "alice")
	bob := hospital.must("token", "create", "--role", "reader", "--clearance", "red", "--person", "bob")
	if code, _, stderr := bank.playAs(carol, "submit", "--tlp", "red", "--to", "hospital/alice", "insider.example"); code != exitDone {
		t.Fatalf("submit: exit %d, %s", code, stderr)
	}
	eventually(t, "Alice sees what is for her", func() (bool, string) {
		code, stdout, stderr := hospital.playAs(alice, "lookup", "insider.example")
		return code == exitDone && strings.HasPrefix(stdout, "insider.example domain-name exact bank tlp:red "), stdout + stderr
	})
	if code, stdout, _ := hospital.playAs(bob, "lookup", "insider.example"); code != exitNotFound {
		t.Errorf("Bob: exit %d, %s", code, stdout)
	}
	hospital.ignores("insider.example")
	vendor.ignores("insider.example")
	bank.ignores("insider.example")
	const path = "/v1/lookup?value=insider.example"
	if code, _, body := hospital.fetch(path, alice, ""); code != http.StatusOK || !strings.Contains(body, "TLP:RED") && !strings.Contains(body, `"red"`) {
		t.Errorf("Alice over HTTP: %d %s", code, body)
	}
	_, _, seen := hospital.fetch(path, bob, "")
	_, _, nothing := hospital.fetch("/v1/lookup?value=none.example", bob, "")
	if strings.ReplaceAll(nothing, "none.example", "insider.example") != seen {
		t.Errorf("Bob over HTTP: %s, and of what nobody said: %s", seen, nothing)
	}
	if code, _, body := hospital.fetch("/feeds/domain", alice, ""); code != http.StatusOK || strings.Contains(body, "insider.example") {
		t.Errorf("a list shows RED: %d %s", code, body)
	}
}

// fetch asks the HTTP door as a tool does that keeps a copy with its tag.
func (p *process) fetch(path, token, tag string) (code int, newTag, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), "GET", p.url()+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("ETag"), string(text)
}

// takenBack: what is revoked is out of every answer and list within two seconds,
// what is erased is signed for by all.
func takenBack(t *testing.T, bank, hospital, vendor, shop *process) {
	reader := vendor.must("token", "create", "--role", "reader")
	bank.must("submit", "--tlp", "green", "false-alarm.example", "stays.example", "jane.example")
	for _, p := range []*process{hospital, vendor, shop} {
		p.learns("jane.example", "bank")
	}
	_, tag, list := vendor.fetch("/feeds/domain", reader, "")
	if list != "false-alarm.example\njane.example\nstays.example\n" {
		t.Errorf("the list:\n%s", list)
	}
	if code, same, body := vendor.fetch("/feeds/domain", reader, tag); code != http.StatusNotModified || same != tag || body != "" {
		t.Errorf("the same list again: %d %s %q, want 304 %s", code, same, body, tag)
	}
	began := time.Now()
	bank.prints("revoked domain-name false-alarm.example tlp:green\n", "revoke", "false-alarm.example")
	for _, p := range []*process{hospital, vendor, shop} {
		eventually(t, string(p.dir)+" has heard of the revocation", func() (bool, string) {
			code, stdout, _ := p.play("lookup", "false-alarm.example")
			return code == exitNotFound, stdout
		})
	}
	if took := time.Since(began); took > recallWithin {
		t.Errorf("a revocation was everywhere after %s, want %s", took, recallWithin)
	} else {
		t.Logf("a revocation was everywhere after %s", took.Round(time.Millisecond))
	}
	code, newer, list := vendor.fetch("/feeds/domain", reader, tag)
	if code != http.StatusOK || newer == tag || list != "jane.example\nstays.example\n" {
		t.Errorf("the list after the revocation: %d %s\n%s", code, newer, list)
	}
	code, stdout, stderr := bank.play("erase", "--wait", arriveWithin.String(), "jane.example", "onward.example")
	if code != exitDone || !strings.Contains(stdout, "\nreceipts: 3 of 3 in ") || !strings.Contains(stdout, "\nreceipts: 2 of 2 in ") {
		t.Errorf("erase: exit %d, %s%s", code, stdout, stderr)
	}
	for _, p := range []*process{bank, hospital, vendor, shop} {
		p.ignores("jane.example")
		p.ignores("onward.example")
	}
	if _, _, list := vendor.fetch("/feeds/domain", reader, newer); list != "stays.example\n" {
		t.Errorf("the list after the erasure:\n%s", list)
	}
}

// cutOff: who is left out of a group, and who is out of the community, gets
// nothing more.
func cutOff(t *testing.T, bank, hospital, vendor *process) {
	bank.prints("group health version:2 owner:bank members:bank,hospital,vendor\n", "group", "add", "health", "vendor")
	bank.prints("group health version:3 owner:bank members:bank,vendor\n", "group", "remove", "health", "hospital")
	bank.must("submit", "--tlp", "amber", "--group", "health", "later.example")
	vendor.learns("later.example", "bank")
	hospital.ignores("later.example")
	bank.prints("removed vendor\n", "peer", "remove", "vendor", "--reason", "left the sector")
	bank.must("submit", "--tlp", "amber", "--group", "health", "too-late.example")
	bank.must("submit", "--tlp", "green", "for-members.example")
	hospital.learns("for-members.example", "bank")
	eventually(t, "nobody is connected with who was removed", func() (bool, string) {
		for _, p := range bank.status().Peers {
			if strings.HasPrefix(p.Name, "vendor") && p.Connected {
				return false, p.Name
			}
		}
		return true, ""
	})
	<-time.After(quiet)
	vendor.ignores("too-late.example")
	vendor.ignores("for-members.example")
}

// TestOutboxSurvives: what is said to a node that is down is brought to it by an
// author that was killed meanwhile, once, and signed for.
func TestOutboxSurvives(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and kills two processes")
	}
	bank, hospital := newPair(t, buildBinary(t))
	hospital.kill()
	bank.must("submit", "--tlp", "amber", "--to", "hospital", "owed.example")
	bank.signed("owed.example", "0 of 1, 1 offline")
	bank.kill()
	bank.start()
	bank.signed("owed.example", "0 of 1, 1 offline")
	hospital.start()
	hospital.learns("owed.example", "bank")
	bank.signed("owed.example", "1 of 1 in ")
	if n := bank.status().Counts["delivered"]; n > 1 { // 0 where the recipient asked first
		t.Errorf("brought %d times", n)
	}
	bank.kill()
	bank.start()
	bank.signed("owed.example", "1 of 1 in ")
	bank.meets(1)
	<-time.After(quiet)
	if n := bank.status().Counts["delivered"]; n != 0 {
		t.Errorf("brought %d times more after a restart", n)
	}
	if s := hospital.status(); s.Objects != 1 {
		t.Errorf("the recipient holds %d objects", s.Objects)
	}
	bank.terminate()
	hospital.terminate()
}

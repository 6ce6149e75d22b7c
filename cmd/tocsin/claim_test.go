package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

func TestClaimLine(t *testing.T) {
	sure := 80
	day := time.Date(2026, 12, 22, 23, 59, 0, 0, time.UTC)
	for _, row := range []struct {
		asked string
		claim api.Claim
		want  string
	}{
		{"203.0.113.7", api.Claim{Org: "bank", Relation: "exact", Type: "ipv4-addr", Value: "203.0.113.7", TLP: protocol.Green, Community: "isac", Confidence: &sure, Expires: day},
			"203.0.113.7 ipv4-addr exact bank tlp:green confidence:80 expires:2026-12-22 community:isac"},
		{"203.0.113.7", api.Claim{Org: "cert@bank", Relation: "cidr", Type: "ipv4-addr", Value: "203.0.113.0/24", TLP: protocol.Clear, PAP: protocol.PAPAmber, Community: "night shift", Labels: []string{"a", "b c"}, Description: "two\nlines"},
			`203.0.113.7 ipv4-addr cidr cert@bank tlp:clear community:"night shift" claim:203.0.113.0/24 pap:amber tags:a,"b c" "two\nlines"`},
		{"", api.Claim{Org: "bank", Type: "user-agent", Value: "Mozilla/5.0 (evil)", TLP: protocol.Green, Expires: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), Drill: "autumn"},
			`"Mozilla/5.0 (evil)" user-agent bank tlp:green expires:never drill:autumn`},
		{"", api.Claim{Org: "bank", ID: "malware--6a0b2f5e-0d5b-4c5b-9b0a-0a5f3a1c2d3e", Name: "Quiet Harbour", TLP: protocol.Green},
			`"Quiet Harbour" malware bank tlp:green`},
		{"", api.Claim{Org: "ba\x1b[31mnk", ID: "note--6a0b2f5e-0d5b-4c5b-9b0a-0a5f3a1c2d3e", TLP: protocol.Red},
			`note--6a0b2f5e-0d5b-4c5b-9b0a-0a5f3a1c2d3e note ba\x1b[31mnk tlp:red`},
	} {
		if got := claimLine(row.asked, row.claim); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}

func TestPeerLine(t *testing.T) {
	for _, row := range []struct {
		peer node.Peer
		want string
	}{
		{node.Peer{Name: "hospital", Connected: true, Member: true, Communities: []string{"isac", "night shift"}}, `hospital connected communities:isac,"night shift"`},
		{node.Peer{Name: "cert@bank", IntroducedBy: []string{"bank"}, Problem: "no route\n"}, `cert@bank away introduced-by:bank problem:"no route\n"`},
		{node.Peer{Name: "bad", Blocked: true, Connected: true}, "bad blocked"},
	} {
		if got := peerLine(row.peer); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}

func TestStatusLines(t *testing.T) {
	status := node.Status{
		Org: "bank", Claims: 12, Objects: 13, Bulletins: 5, Peers: []node.Peer{{Connected: true}, {}},
		Communities: []node.Community{{Name: "night shift", Members: []string{"bank", "hospital"}}},
		Origins:     []node.Origin{{Org: "hospital", Community: "night shift", Kind: "objects", TLP: protocol.Green, Headers: 3, Gaps: 1, Missing: []node.Missing{{Epoch: 7, To: 2}, {Epoch: 7, From: 4, To: 4}, {Epoch: 7, From: 6, To: 9}}, Bodies: map[string]int{"held": 2, "absent": 1}}},
		Queues:      map[string]int{"fetches": 2, "arrived": 0},
	}
	want := `org: bank
claims: 12
objects: 13
bulletins: 5
peers: 1 of 2 connected
community: "night shift" members:bank,hospital
origin: "night shift" hospital objects tlp:green bulletins:3 missing:..2,4,6-9 absent:1 held:2
queue: fetches 2`
	if got := statusLines(status); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRowLine(t *testing.T) {
	for _, row := range []struct {
		row  api.ImportRow
		want string
	}{
		{api.ImportRow{File: "a\x1b.csv", Line: 3, Status: "refused", Reason: "private address", Text: "10.0.0.1"}, `a\x1b.csv:3: private address: 10.0.0.1`},
		{api.ImportRow{File: "b.json", Line: 9, Place: "/objects/2", Status: "partial", Reason: "no port"}, "b.json:9: in part: no port (at /objects/2)"},
	} {
		if got := rowLine(row.row); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}

// TestProgress: a bar is drawn for whoever watches, nobody else sees one, and
// it never comes between the bytes.
func TestProgress(t *testing.T) {
	text := strings.Repeat("evil.example\n", 1000)
	for _, watched := range []bool{true, false} {
		var drawn, noted bytes.Buffer
		c := &cli{env: env{terminal: watched, stderr: &drawn}}
		bar := c.progress("feed\x1b.csv", int64(len(text)))
		read, err := io.ReadAll(bar.reader(strings.NewReader(text)))
		bar.note(&noted, "feed.csv:3: private address")
		bar.at(5, 10)
		bar.end()
		if err != nil || string(read) != text || noted.String() != "feed.csv:3: private address\n" {
			t.Errorf("read %d bytes, %v, noted %q", len(read), err, &noted)
		}
		if (drawn.Len() > 0) != watched || strings.Contains(drawn.String(), "feed\x1b") {
			t.Errorf("watched %v: drew %q", watched, &drawn)
		}
	}
}

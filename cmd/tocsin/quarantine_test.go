package main

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestQuarantineIsShown: the hospital's key is stolen, and the thief says a
// second thing at one place. peer list, peer show, status and doctor say so at
// the bank and at the hospital, and what to do; release ends it.
func TestQuarantineIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		said := fed.Submit("hospital", "mine.example", protocol.Green)
		fed.Settle()
		mine, _, err := fed.Node("hospital").Store().Header(said.Bulletin)
		if err != nil {
			t.Fatal(err)
		}
		raw := fed.Raw("bank")
		token, err := fed.Node("bank").Invite(t.Context(), fed.Community(), "", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		invite, err := protocol.ParseInvite(token)
		if err != nil {
			t.Fatal(err)
		}
		raw.Connect("bank")
		request := protocol.JoinRequest{Community: fed.Community(), Secret: invite.Secret[:], Certificate: raw.Cert, Name: "thief"}
		if answer, err := raw.Join("bank", request); err != nil || answer.Refused != "" {
			t.Fatal(answer.Refused, err)
		}
		fed.Settle()
		tap := raw.Listen(protocol.TopicOf(fed.Community()), protocol.GossipProtocol)
		raw.Connect("bank")
		fed.Settle()
		h := mine.Header
		twin := fed.Forge("hospital", protocol.Header{Epoch: h.Epoch, Seq: h.Seq, Prev: h.Prev, Community: h.Community, TLP: h.TLP}, "{}")
		if err := tap.Say(t.Context(), twin.Wire()); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		shows := func(org, command string, want ...string) {
			t.Helper()
			_, stdout, stderr := play(t, env{dial: func(string) *api.Client { return fed.Client(org) }}, strings.Fields(command)...)
			got := regexp.MustCompile("[0-9a-f]{64}").ReplaceAllString(stdout+stderr, "ID")
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("%s$ tocsin %s lacks %q:\n%s", org, command, w, got)
				}
			}
		}
		const what = "said two things at one place: ID ID; `tocsin peer release hospital`"
		shows("bank", "peer list", "hospital connected communities:isac introduced-by:bank quarantined:\""+what+"\"\n")
		shows("bank", "peer show hospital", "\nstate: connected\n", "\nquarantined: "+what+"\n")
		shows("bank", "status", "\nquarantined: hospital "+what+"\n")
		shows("bank", "doctor", "log of hospital", what, "ask it by a channel you trust what happened")
		shows("bank", "lookup mine.example", "nothing is known of mine.example")
		shows("hospital", "status", "\nalarm: our own organisation "+what+"\n")
		shows("hospital", "doctor", "our own organisation, by node ID, "+what, "stop the copy", "the others have quarantined us")
		shows("hospital", "lookup mine.example", "mine.example domain-name exact hospital")

		shows("bank", "peer release hospital", "released hospital\n")
		shows("bank", "lookup mine.example", "mine.example domain-name exact hospital")
		shows("bank", "doctor", "nobody broke the log it signs")
		shows("hospital", "peer release hospital", "released hospital\n")
		shows("hospital", "peer release hospital", "hospital is neither blocked nor quarantined")
		shows("hospital", "doctor", "nobody broke the log it signs")
	})
}

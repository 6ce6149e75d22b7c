package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestConfigReadsWhatItWrites(t *testing.T) {
	full := config{
		Org: "bank \"north\"", Listen: []string{"/ip6/2001:db8::1/tcp/4001"}, Announce: []string{"/dns4/tocsin.bank.example/tcp/4001"},
		HTTP: "203.0.113.1:7801", Hosts: []string{"tocsin.bank.example"}, TLS: tlsFiles{Cert: "http.pem", Key: "/etc/http.key"},
		PassphraseFile: "/etc/tocsin.pass", LogLevel: "warn", Connections: 3, MaxPeers: 50, Sealing: sealX25519,
		LoopbackFeeds: "amber+strict", Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	}
	small := defaultConfig()
	small.Org = "bank"
	for _, want := range []config{full, small} {
		text, err := want.text()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseConfig(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		same := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})}
		if diff := cmp.Diff(want, got, same...); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", `org = "": invalid name`},
		{"org = \"bank\"\nlisten_to = []\n", "line 2: unknown key listen_to"},
		{"org = \"bank\"\n[tls]\nca = \"x\"\n", "line 3: unknown key tls.ca"},
		{"org = \"bank\"\nlisten = [\n", "line "},
		{"org = bank\n", "line 1, column 7"},
		{"org = 5\n", "line 1"},
		{"org = \"a\"\norg = \"b\"\n", "line 2"},
		{"org = \"a\\u202eb\"\n", "cannot be shown"},
		{"org = \"bank\"\nlisten = [\"127.0.0.1:4001\"]\n", "is not a multiaddr"},
		{"org = \"bank\"\nlisten = [\"/ip4/127.0.0.1/udp/4001\"]\n", "neither /tcp/PORT nor"},
		{"org = \"bank\"\nlisten = [\"/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWAAmkpiALz996QqpjVfBtc9s94ZzNDEmmzWSEdjFaso3d\"]\n", "without /p2p/"},
		{"org = \"bank\"\nannounce = [\"tocsin.bank.example\"]\n", "announce: "},
		{"org = \"bank\"\nhttp = \"7801\"\n", "want HOST:PORT"},
		{"org = \"bank\"\nhttp = \"127.0.0.1:http\"\n", "is not a port"},
		{"org = \"bank\"\nhttp = \"0.0.0.0:7801\"\n", "not a loopback address"},
		{"org = \"bank\"\nhttp = \":7801\"\n", "not a loopback address"},
		{"org = \"bank\"\nhttp = \"203.0.113.1:7801\"\n", "not a loopback address"},
		{"org = \"bank\"\nhttp = \"localhost.evil.example:7801\"\n", "not a loopback address"},
		{"org = \"bank\"\n[tls]\ncert = \"a.pem\"\n", "cert and key are needed together"},
		{"org = \"bank\"\nsealing = \"rot13\"\n", "hybrid or x25519"},
		{"org = \"bank\"\nloopback_feeds = \"red\"\n", "amber+strict, or empty"},
		{"org = \"bank\"\nloopback_feeds = \"all\"\n", "amber+strict, or empty"},
		{"org = \"bank\"\nlog_level = \"loud\"\n", "one of debug, info, warn, error"},
		{"org = \"bank\"\nconnections = 0\n", "1 to 200"},
		{"org = \"bank\"\nmax_peers = 1000000\n", "8 to 5000"},
		{"org = \"bank\"\ntrusted = [\"198.51.100.0\"]\n", "line 2"},
		{"org = \"bank\"\nmax_peers = 99999999999999999999\n", "line 2"},
	} {
		_, err := parseConfig([]byte(row.text))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: got %v, want %q", row.text, err, row.want)
		}
	}
}

// FuzzConfig: no panic, and what is taken can be written and read again.
func FuzzConfig(f *testing.F) {
	text, err := config{Org: "bank", Sealing: sealHybrid}.text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("org = \"bank\"\ntrusted = [\"::/0\"]\n"))
	f.Add([]byte("org = '''a'''\n[tls]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig(text)
		if err != nil {
			return
		}
		again, err := c.text()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseConfig(again); err != nil {
			t.Errorf("%q was taken and written as %q: %v", text, again, err)
		}
	})
}

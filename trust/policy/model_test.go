package policy

import (
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"pgregory.net/rapid"
)

// TestModelOfAnyPolicy: whatever a policy says, strangers alone cannot block by
// it, and its never-block lists make a floor.
func TestModelOfAnyPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		m := p.Model()
		if err := m.Check(); err != nil {
			t.Fatalf("%v\n%s", err, p.Show())
		}
		if _, err := p.NeverBlock.Own(); err != nil {
			t.Fatalf("%v\n%s", err, p.Show())
		}
	})
}

func TestModel(t *testing.T) {
	p, err := Parse([]byte("[trust]\ndefault = 40\nnewcomer = 15\n[tiers.alert]\nscore = 20\n[tiers.block]\nscore = 25\norgs = 3\n[lifetimes]\nurl = \"10d\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := p.Model()
	if m.Chosen != 40 || m.Newcomer != 15 || m.Alert != 20 || m.Block != 25 || m.Corroboration != 3 || m.NewcomerCap != 24 || m.StrangersCap != 24 {
		t.Errorf("%+v", m)
	}
	if half := m.HalfLife(stix.URL); half != 5*24*time.Hour {
		t.Errorf("a URL's weight halves in %s", half)
	}
}

func TestOwn(t *testing.T) {
	p, err := Parse([]byte("[never-block]\nnetworks = [\"198.51.100.0/24\"]\ndomains = [\"bank.example\"]\nvalues = [\"mutex:Global\\\\updater\", \"203.0.113.53\"]\n[never-block.min-prefix]\nipv4 = 20\n"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.NeverBlock.Own()
	if err != nil {
		t.Fatal(err)
	}
	f, err := floor.New(own)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[stix.Observable]bool{
		{Type: stix.IPv4Addr, Value: "198.51.100.7"}: true, {Type: stix.IPv4Addr, Value: "203.0.113.53"}: true, {Type: stix.IPv4Addr, Value: "203.0.113.7"}: false,
		{Type: stix.DomainName, Value: "mail.bank.example"}: true, {Type: stix.DomainName, Value: "evil.example"}: false,
		{Type: stix.Mutex, Value: `Global\updater`}: true, {Type: stix.IPv4Addr, Value: "203.0.112.0/19"}: true,
	} {
		if _, never := f.Check(value); never != want {
			t.Errorf("%s: %v, want %v", value, never, want)
		}
	}
}

func TestRetentionBefore(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := Default().Retention
	r.Red = 24 * time.Hour
	if at := r.Before(protocol.Green, now); !at.IsZero() {
		t.Errorf("green goes before %s", at)
	}
	if at := r.Before(protocol.Red, now); !at.Equal(now.Add(-24 * time.Hour)) {
		t.Errorf("red goes before %s", at)
	}
}

// TestManyAtOnce: whoever shows a policy changes nothing of it, so that others
// may ask it at the same time. The race detector looks on.
func TestManyAtOnce(t *testing.T) {
	p, err := Parse([]byte("[trust.types]\nurl = 40\n[trust.org]\nvendor = { level = 60, types = { url = 20 } }\n[lifetimes]\nurl = \"10d\"\n[quota.org.vendor]\nindicators = 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := p.Digest()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				p.Level("vendor", nil, true, "url")
				p.Model()
				p.Quota.Of("vendor")
				if p.Digest() != want || len(p.Show()) == 0 {
					t.Error("the policy changed")
				}
			}
		})
	}
	all.Wait()
}

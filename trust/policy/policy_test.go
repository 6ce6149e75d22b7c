package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// same compares what two policies say, not how it was compiled.
func same(t rapid.TB, got, want *Policy) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Policy{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("it says something else (-want +got):\n%s", diff)
	}
	if got.Digest() != want.Digest() {
		t.Fatal("the digest is another")
	}
}

func again(t rapid.TB, p *Policy) *Policy {
	t.Helper()
	text := p.Show()
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("what Show wrote is refused: %v\n%s", err, text)
	}
	same(t, q, p)
	if string(q.Show()) != string(text) {
		t.Fatal("Show of it is another text")
	}
	return q
}

// An empty file is the default, and the default can be written to a file.
func TestDefault(t *testing.T) {
	p, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, p, Default())
	again(t, p)
	if r := p.Admit(Arrival{}); r.Do != Admit || r.Rule != "default" {
		t.Errorf("admit: %+v", r)
	}
	if r := p.Share(Submission{}); r.Do != Allow || r.Rule != "default" {
		t.Errorf("share: %+v", r)
	}
}

// What differs in a file differs in the digest, and what does not does not.
func TestDigest(t *testing.T) {
	base := Default().Digest()
	lab, err := Parse([]byte("trust.org.lab = 60"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Parse([]byte("trust.org.lab = { level = 60, types = {} }")); err != nil || p.Digest() != lab.Digest() || string(p.Show()) != string(lab.Show()) {
		t.Errorf("a level alone in a table: %v", err)
	}
	for _, c := range []struct {
		text string
		same bool
	}{
		{"# a comment", true},
		{"[trust]\ndefault = 50\n", true},
		{"tiers.block.score = 6_0\nretention.journal = '17520h'", true},
		{"[trust]\ndefault = 51\n", false},
		{"clients = ['lab']", false},
		{"[[share]]\nname = 'x'\nwhen = 'drill'\nallow = true", false},
	} {
		p, err := Parse([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if (p.Digest() == base) != c.same {
			t.Errorf("%q: same = %v", c.text, !c.same)
		}
	}
}

// The zero values let nothing in or out.
func TestZeroRuling(t *testing.T) {
	var r Ruling
	for _, a := range []Action{Admit, Allow, ToGroup, ToOrgs} {
		if r.Do == a {
			t.Errorf("the zero ruling is %q", a)
		}
	}
}

func TestOf(t *testing.T) {
	p, err := Parse([]byte("[lifetimes]\ndefault = '7d'\nurl = '1d12h'\n[quota]\nindicators = 9\n[quota.org.hospital]\nbytes = '2 GiB'\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Lifetimes.Of("url"); got != 36*time.Hour {
		t.Errorf("url lives %v", got)
	}
	if got := p.Lifetimes.Of("mutex"); got != 7*day {
		t.Errorf("mutex lives %v", got)
	}
	if got, want := p.Quota.Of("hospital"), (Allowance{2 << 30, 9}); got != want {
		t.Errorf("hospital has %+v", got)
	}
	if got, want := p.Quota.Of("lab"), (Allowance{256 << 20, 9}); got != want {
		t.Errorf("lab has %+v", got)
	}
}

// Parse(Show(p)) == p, for policies of any content.
func TestShowProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		again(t, draw(t))
	})
}

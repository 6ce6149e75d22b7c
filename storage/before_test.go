package storage

import (
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestHeldBefore: what is held of a value counts from its first version on, for
// those who may see it.
func TestHeldBefore(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank := newAuthor("bank")
	o := stix.Observable{Type: stix.IPv4Addr, Value: "203.0.113.7"}
	all := Query{Now: start}
	held := func(position uint64, q Query) bool {
		t.Helper()
		is, err := s.HeldBefore(o, position, q)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if held(1<<63, all) {
		t.Error("held before it came")
	}
	keep(t, s, whole(bank.issue(t, green(0), indicator(t, "203.0.113.8"))))
	before := s.Position()
	keep(t, s, whole(bank.issue(t, green(time.Minute), indicator(t, o.Value))))
	first := s.Position()
	keep(t, s, whole(bank.issue(t, green(2*time.Minute), revoked(indicator(t, o.Value)))))
	nobody := Query{Now: start, Visible: func(*protocol.Header) bool { return false }}
	if held(before, all) || !held(first, all) || !held(s.Position(), all) || held(first, nobody) {
		t.Errorf("before %v, then %v, now %v, to whom may not see it %v", held(before, all), held(first, all), held(s.Position(), all), held(first, nobody))
	}
}

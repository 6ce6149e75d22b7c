package stix

import (
	"errors"
	"testing"
	"time"
)

func TestRevokeIsTheNextVersion(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o, err := Draft{Confidence: -1, Indicator: Indicator{
		Observable: Observable{Type: "ipv4-addr", Value: "203.0.113.7"}, Confidence: -1, ValidUntil: now.Add(time.Hour),
	}}.Finish([]byte("scope"), now, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{now, now.Add(-time.Hour), now.Add(time.Minute)} { // clocks may step back
		r, err := Revoke(o.Raw, at)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Revoked || r.ID != o.ID || !r.Modified.After(o.Modified) || r.Claims[0] != o.Claims[0] || !r.ValidUntil.After(at.Add(300*24*time.Hour)) {
			t.Errorf("at %v: %s", at, r.Raw)
		}
	}
}

func TestRevokeWhatHasNoVersions(t *testing.T) {
	var fault *Fault
	_, err := Revoke([]byte(`{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"203.0.113.7"}`), time.Now())
	if !errors.As(err, &fault) {
		t.Errorf("got %v", err)
	}
}

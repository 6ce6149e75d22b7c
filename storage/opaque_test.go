package storage

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// TestOpaque: a text is the same for the same content, and no other text, no
// other store and no other purpose reads it.
func TestOpaque(t *testing.T) {
	o := NewOpaque("test", "one")
	for _, plain := range [][]byte{{}, []byte("a"), bytes.Repeat([]byte("content"), 50)} {
		text := o.Text(plain)
		if got, ours, err := o.Read(text); err != nil || !ours || !bytes.Equal(got, plain) || o.Text(plain) != text {
			t.Errorf("%q reads as %q, %v, %v", plain, got, ours, err)
		}
		for _, other := range []Opaque{NewOpaque("test", "two"), NewOpaque("another", "one")} {
			if got, ours, err := other.Read(text); err != nil || ours || len(got) != len(plain) {
				t.Errorf("elsewhere %q reads as %q, %v, %v", plain, got, ours, err)
			}
		}
		raw, _ := base64.RawURLEncoding.DecodeString(text)
		for i := range raw {
			raw[i] ^= 1
			if got, ours, _ := o.Read(base64.RawURLEncoding.EncodeToString(raw)); ours {
				t.Errorf("with byte %d changed %q reads as %q", i, plain, got)
			}
			raw[i] ^= 1
		}
	}
	for _, text := range []string{"", "AAAA", "not base64!"} {
		if _, _, err := o.Read(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

package protocol

import (
	"errors"
	"strings"
	"testing"
)

func TestInviteSurvivesMail(t *testing.T) {
	text := inviteOf().Text()
	if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("a token that a shell or a mail program may change: %s", text)
	}
	for name, sent := range map[string]string{
		"as it is": text, "blanks around": "  " + text + "\r\n", "wrapped": text[:70] + "\r\n" + text[70:140] + "\n  " + text[140:],
	} {
		if got, err := ParseInvite(sent); err != nil || got.Text() != text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryLetterOfAnInviteCounts(t *testing.T) {
	text := inviteOf().Text()
	for i := range text {
		for _, other := range "A_z0" {
			if text[i] == byte(other) {
				continue
			}
			changed := text[:i] + string(other) + text[i+1:]
			if _, err := ParseInvite(changed); !errors.Is(err, ErrInvalid) {
				t.Errorf("letter %d as %c: %v", i, other, err)
			}
		}
		if _, err := ParseInvite(text[:i]); !errors.Is(err, ErrInvalid) {
			t.Errorf("cut to %d letters: %v", i, err)
		}
	}
}

func TestLimitsOfAnInvite(t *testing.T) {
	largest := inviteOf()
	largest.Name, largest.OrgName, largest.Addrs = strings.Repeat("警", MaxName), strings.Repeat("報", MaxName), nil
	for range 16 {
		largest.Addrs = append(largest.Addrs, strings.Repeat("a", 256))
	}
	if _, err := ParseInvite(largest.Text()); err != nil {
		t.Errorf("the largest invite (%d letters): %v", len(largest.Text()), err)
	}
	if _, err := ParseInvite(invitePrefix + strings.Repeat("A", 8<<10+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("over the limit: %v", err)
	}
}

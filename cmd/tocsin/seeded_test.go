package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestSeededMistakes builds the project with one mistake at a time, and has the
// tests meant to find it fail.
func TestSeededMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the tests of two packages four times")
	}
	for _, c := range []struct {
		tag, dir, tests, what string
		rapid                 bool
	}{
		{"seeded_ack", "../../storage", "TestAcknowledgedIsThere", "acknowledges before the commit", false},
		{"seeded_hash", "../../storage", "TestDamage", "does not look at hashes when it reads", false},
		{"seeded_gap", "../../storage", "TestSyncModel", "forgets that something is missing", true},
		{"seeded_number", "../../node", "TestOldCopySpeaksAgain", "goes on in its old epoch after a start", false},
	} {
		t.Run(c.tag, func(t *testing.T) {
			args := []string{"test", "-count=1", "-tags", c.tag, "-run", c.tests, "."}
			if c.rapid {
				args = append(args, "-rapid.nofailfile")
			}
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Dir = c.dir
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("a node that %s passes %s", c.what, c.tests)
			} else if !strings.Contains(string(out), "--- FAIL: "+c.tests) {
				t.Errorf("it fails, but not by %s:\n%s", c.tests, out)
			}
		})
	}
}

package intake

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// detected is what is said by the rows of a file that was read as a format.
func detected(t *testing.T, data []byte, format Format) (said []string, rows []Row) {
	t.Helper()
	guess, rows, _, err := collect(t, data, Options{Name: "alerts", TLP: protocol.Green, Now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)})
	if err != nil || guess.Format != format {
		t.Fatalf("taken for %s: %v", guess, err)
	}
	for _, row := range rows {
		for _, d := range row.Drafts {
			said = append(said, goldenDraft(d))
		}
	}
	return said, rows
}

// TestRealCrowdSecAlerts: of CrowdSec's own samples the attackers come out, and
// nothing of those whom they attacked.
func TestRealCrowdSecAlerts(t *testing.T) {
	dir := os.Getenv("TOCSIN_TESTDATA")
	files, _ := filepath.Glob(filepath.Join(dir, "crowdsec", "*apiserver__tests__alert_*.json"))
	if dir == "" || len(files) == 0 {
		t.Skip("TOCSIN_TESTDATA names no directory with alerts of CrowdSec's")
	}
	taken := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		said, rows := detected(t, data, CrowdSec)
		taken += len(said)
		for _, row := range rows {
			text := strings.Join(said, "\n") + row.Refused + row.Skipped + row.Text
			for _, secret := range []string{"target_user", "root", "OVH", "machine", "auth.log", "IsoCode", "ssh_failed"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: %q comes out: %s", file, secret, text)
				}
			}
		}
		t.Logf("%s: %d alerts, said %q", filepath.Base(file), len(rows), said)
	}
	if taken == 0 {
		t.Error("nothing was taken")
	}
}

// TestSaganEVE: of what Sagan wrote about a log with a login of alice from
// 203.0.113.7 the attacker comes out, and not the line itself, which is in the
// payload, nor the host it came from.
func TestSaganEVE(t *testing.T) {
	data, err := os.ReadFile("testdata/sagan.eve")
	if err != nil {
		t.Fatal(err)
	}
	said, rows := detected(t, data, EVE)
	if want := ` ipv4-addr:203.0.113.7 labels ["suricata:9000001"] "detected by Suricata: SSH login by a listed user"`; len(rows) != 1 || len(said) != 1 || said[0] != want {
		t.Errorf("%q %+v", said, rows)
	}
}

package sink

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestConfigs(t *testing.T) {
	text, err := os.ReadFile("testdata/configs.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		asked, want, ok := strings.Cut(strings.TrimSpace(line), " : ")
		f := strings.Fields(asked)
		if !ok || len(f) < 2 {
			t.Fatalf("no row: %q", line)
		}
		c := Config{Name: "soc", Kind: Kind(f[0]), URL: f[1]}
		for _, flag := range f[2:] {
			setFlag(t, &c, flag)
		}
		got := ""
		if err := c.Check(); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprintf("ok %s %s %s", c.Clearance, c.PAP, c.Format)
		}
		if strings.HasPrefix(want, "ok") && got != want || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", asked, got, want)
		}
	}
	if rows < 30 {
		t.Errorf("%d rows", rows)
	}
}

func setFlag(t *testing.T, c *Config, flag string) {
	t.Helper()
	name, value, _ := strings.Cut(flag, "=")
	var err error
	switch name {
	case "clearance":
		err = c.Clearance.UnmarshalText([]byte(value))
	case "pap":
		err = c.PAP.UnmarshalText([]byte(value))
	case "tier":
		c.Tier = value
	case "format":
		c.Format = Format(value)
	case "user":
		c.User = value
	case "secret":
		c.SecretFile = value
	case "ca":
		c.CAFile = value
	default:
		t.Fatalf("no flag: %q", flag)
	}
	if err != nil {
		t.Fatal(err)
	}
}

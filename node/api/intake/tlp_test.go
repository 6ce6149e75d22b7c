package intake

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestTLPTable reads every label of the table of real ones in the format it
// was found in. An unknown one must refuse the row, or else count as RED.
func TestTLPTable(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(realData(t), "truth", "tlp.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		where, status := f[0], f[3]
		var found string
		if err := json.Unmarshal([]byte(f[1]), &found); err != nil {
			t.Fatal(err)
		}
		input, label := labelledInput(where, found)
		_, rows, _, err := collect(t, []byte(input), Options{Format: label, Confidence: -1, Now: green().Now})
		if err != nil {
			t.Errorf("%s %s: %v", where, found, err)
			continue
		}
		row := rows[len(rows)-1]
		want := f[2]
		switch {
		case status == "unknown" || status == "conflict":
			if row.Refused == "" && row.TLP != protocol.Red || len(row.Drafts) > 0 && row.TLP < protocol.Red {
				t.Errorf("%s %s: %s %+v, want refused or RED", where, found, row.TLP, row)
			}
		case want == "NONE":
			if !strings.HasPrefix(row.Refused, "no label") && !strings.HasPrefix(row.Refused, "distribution 0") {
				t.Errorf("%s %s: %+v, want no label", where, found, row)
			}
		default:
			if len(row.Drafts) == 0 || row.TLP.Label() != "TLP:"+want {
				t.Errorf("%s %s: %s %+v, want %s", where, found, row.TLP.Label(), row, want)
			}
		}
	}
}

// labelledInput is an input with one value under a label as found.
func labelledInput(where, found string) (string, Format) {
	const stixBundle = `{"type":"bundle","objects":[%s{"type":"indicator","spec_version":"2.1","id":"indicator--a932fcc6-e032-476c-826f-cb970a5a1ade",
"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'evil.example']","pattern_type":"stix",
"valid_from":"2026-01-01T00:00:00Z","object_marking_refs":["%s"]}]}`
	const marking = `{"type":"marking-definition","spec_version":"2.1","id":"%s","created":"2026-01-01T00:00:00.000Z",%s},`
	const statement, iep = "marking-definition--d81f86b9-975b-4c0b-875e-810c5ad45a4f", "marking-definition--da05d443-ad8d-46fc-abf5-31d3d00290f1"
	switch {
	case strings.HasPrefix(where, "marking"):
		before := fmt.Sprintf(marking, statement, `"definition_type":"statement","definition":{"statement":"(c)"}`)
		return fmt.Sprintf(stixBundle, before, strings.ReplaceAll(found, " ", `","`)), STIX
	case strings.HasPrefix(where, "IEP"):
		before := fmt.Sprintf(marking, iep, `"extensions":{"`+iepExtension+`":{"extension_type":"property-extension","tlp":"`+found+`"}}`)
		return fmt.Sprintf(stixBundle, before, iep), STIX
	case strings.HasPrefix(where, "CSV"):
		return "ip,tlp\n203.0.113.7," + found + "\n", CSV
	case strings.HasPrefix(where, "MISP tag"), strings.HasPrefix(where, "MISP taxonomy"):
		return `{"Event":{"Attribute":[{"type":"domain","value":"evil.example","to_ids":true}],"Tag":[{"name":"` + found + `"}]}}`, MISP
	}
	_, n, _ := strings.Cut(found, "=")
	return `{"Event":{"distribution":"` + n + `","Attribute":[{"type":"domain","value":"evil.example","to_ids":true}]}}`, MISP
}

func TestMention(t *testing.T) {
	tests := []struct {
		line        string
		said, alone protocol.TLP
	}{
		{"TLP:AMBER", protocol.Amber, protocol.Amber},
		{"# TLP: Green", protocol.Green, protocol.Green},
		{"** TLP:AMBER+STRICT **", protocol.AmberStrict, protocol.AmberStrict},
		{"This is tlp:white, share it.", protocol.Clear, protocol.Unlabelled},
		{"TLP:AMBER-STRICT", protocol.Red, protocol.Unlabelled},
		{"TLP:UNCLEAR", protocol.Red, protocol.Unlabelled},
		{"TLP: the protocol", protocol.Unlabelled, protocol.Unlabelled},
		{"tlp:ex:chr", protocol.Unlabelled, protocol.Unlabelled},
		{"TLP:GREEN and TLP:RED", protocol.Red, protocol.Unlabelled},
		{"notlp:red", protocol.Unlabelled, protocol.Unlabelled},
		{"TLP:", protocol.Unlabelled, protocol.Unlabelled},
	}
	for _, test := range tests {
		s := newSource(Options{}, nil)
		s.mention(test.line)
		if s.said != test.said || s.alone != test.alone {
			t.Errorf("%q: said %s, alone %s, want %s, %s", test.line, s.said.Label(), s.alone.Label(), test.said.Label(), test.alone.Label())
		}
	}
}

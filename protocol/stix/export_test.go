package stix

import (
	"bytes"
	"strings"
	"testing"
)

const (
	exportGreen = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
	exportOther = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
	exportBank  = "identity--0f1c5b0a-7f0e-5b43-9d0c-6f6a2a1b7c11"
)

// TestExport: what an edition adds, and that nothing else changes.
func TestExport(t *testing.T) {
	const id = `"id":"tool--11111111-1111-4111-8111-111111111111"`
	const dates = `"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-02T00:00:00.5Z"`
	for _, row := range []struct{ name, raw, want string }{
		{"both are added at the end",
			`{"type":"tool",` + id + `,` + dates + `,"name":"x", "x_n": 1.50 }`,
			`{"type":"tool",` + id + `,` + dates + `,"name":"x", "x_n": 1.50 ,"created_by_ref":"` + exportBank + `","object_marking_refs":["` + exportGreen + `"]}`},
		{"its own author and markings stay",
			`{"object_marking_refs":[ "` + exportOther + `"],"type":"tool",` + id + `,` + dates + `,"created_by_ref":"identity--11111111-1111-4111-8111-111111111111"}`,
			`{"object_marking_refs":["` + exportGreen + `", "` + exportOther + `"],"type":"tool",` + id + `,` + dates + `,"created_by_ref":"identity--11111111-1111-4111-8111-111111111111"}`},
		{"a marking that is there is not added",
			`{"type":"tool",` + id + `,` + dates + `,"object_marking_refs":["` + exportGreen + `"],"created_by_ref":"` + exportBank + `"}`, ""},
		{"a cyber-observable has no author",
			`{"type":"ipv4-addr","id":"ipv4-addr--11111111-1111-4111-8111-111111111111","value":"203.0.113.7"}`,
			`{"type":"ipv4-addr","id":"ipv4-addr--11111111-1111-4111-8111-111111111111","value":"203.0.113.7","object_marking_refs":["` + exportGreen + `"]}`},
		{"a definition stays", `{"type":"marking-definition","id":"` + exportOther + `","created":"2026-01-01T00:00:00.000Z"}`, ""},
	} {
		o, err := Outlined([]byte(row.raw))
		if row.want == "" {
			row.want = row.raw
		}
		if got := string(o.Export(nil, Edition{Marking: exportGreen, Author: exportBank})); err != nil || got != row.want {
			t.Errorf("%s: %v\n%s, want\n%s", row.name, err, got, row.want)
		}
	}
	o, _ := Outlined([]byte(`{"type":"tool",` + id + `,` + dates + `,"created_by_ref":"identity--11111111-1111-4111-8111-111111111111"}`))
	if got := string(o.Export(nil, Edition{Author: exportBank, Replace: true})); !strings.HasSuffix(got, `,"created_by_ref":"`+exportBank+`"}`) {
		t.Errorf("another author: %s", got)
	}
	if o.Version() != "2026-01-02T00:00:00.5Z" {
		t.Errorf("version %q", o.Version())
	}
}

// TestRenamed: ids are renamed wherever they refer, texts that only look like one
// are not.
func TestRenamed(t *testing.T) {
	const a, b = "tool--11111111-1111-4111-8111-111111111111", "tool--22222222-2222-4222-8222-222222222222"
	raw := strings.ReplaceAll(`{"type":"tool","id":"A","name":"A","object_refs":["A", "B"],"external_references":[{"external_id":"A"}],`+
		`"extensions":{"x":{"deep_ref":"A","id":"A"}},"granular_markings":[{"marking_ref":"A","selectors":["a_ref"]}],"n":1e2}`, "A", a)
	want := strings.ReplaceAll(`{"type":"tool","id":"B","name":"A","object_refs":["B", "B"],"external_references":[{"external_id":"A"}],`+
		`"extensions":{"x":{"deep_ref":"B","id":"A"}},"granular_markings":[{"marking_ref":"B","selectors":["a_ref"]}],"n":1e2}`, "A", a)
	got, err := Renamed(nil, []byte(strings.ReplaceAll(raw, `"B"`, `"`+b+`"`)), func(string) string { return b })
	if want = strings.ReplaceAll(want, `"B"`, `"`+b+`"`); err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}

// FuzzExport: whatever Parse accepts has the outline that Parse sees, is as strict
// an object when it is exported, and the same where nothing is added or renamed.
func FuzzExport(f *testing.F) {
	f.Add([]byte(`{"type":"tool","spec_version":"2.1","id":"tool--11111111-1111-4111-8111-111111111111","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"x"}`))
	f.Add([]byte(`{"\u0074ype":"ipv4-addr","id":"ipv4-addr--11111111-1111-4111-8111-111111111111","value":"203.0.113.7","object_marking_refs":["` + exportOther + `"] }`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := Parse(raw)
		if err != nil {
			Outlined(raw)
			Renamed(nil, raw, strings.ToLower)
			return
		}
		line, err := Outlined(raw)
		if err != nil || line.Type != o.Type || line.ID != o.ID || line.Revoked != o.Revoked || line.CreatedByRef != o.CreatedByRef || line.SpecVersion != o.SpecVersion {
			t.Fatalf("outline %+v, %v", line, err)
		}
		if same := line.Export(nil, Edition{}); !bytes.Equal(same, raw) {
			t.Fatalf("nothing is added: %s", same)
		}
		if same, err := Renamed(nil, raw, func(id string) string { return id }); err != nil || o.ID == strings.ToValidUTF8(o.ID, "") && !bytes.Contains(raw, []byte(`\`)) && !bytes.Equal(same, raw) {
			t.Fatalf("nothing is renamed: %s, %v", same, err)
		}
		if len(raw) > MaxObject-200 || len(o.MarkingRefs) > 1000 {
			return
		}
		marked, err := Parse(line.Export(nil, Edition{Marking: exportGreen, Author: exportBank}))
		if err != nil || marked.ID != o.ID || !marked.Modified.Equal(o.Modified) {
			t.Fatalf("%v: %s", err, marked.Raw)
		}
	})
}

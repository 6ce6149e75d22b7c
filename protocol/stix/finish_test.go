package stix

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const tlpGreen = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"

func isGreen(id string) bool { return id == tlpGreen }

func TestUpgrade(t *testing.T) {
	list := lines(t, "upgrade.txt")
	full := strings.NewReplacer("$T", "2024-01-01T00:00:00.000Z", "$U", "11111111-1111-4111-8111-111111111111")
	for i := 0; i < len(list); i += 2 {
		got, err := Upgrade([]byte(full.Replace(list[i])))
		if err != nil || string(got) != full.Replace(list[i+1]) {
			t.Errorf("%s\ngot %s, %v", list[i], got, err)
		}
		if _, err := Parse(got); err != nil {
			t.Errorf("%s: %v", got, err)
		}
		if again, err := Upgrade(got); err != nil || string(again) != string(got) {
			t.Errorf("upgraded twice: %s, %v", again, err)
		}
	}
	for _, bad := range []string{"", "[]", `{"type":1`, `{"type":"a","type":"a"}`, `{"a":1} x`} {
		var fault *Fault
		if _, err := Upgrade([]byte(bad)); !errors.As(err, &fault) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	i := sampleIndicator(Observable{URL, `http://evil.example/'"\`})
	i.Name, i.Description, i.Aliases = "n", "line\nbreak", []string{"indicator--11111111-1111-4111-8111-111111111111"}
	want := `{"type":"indicator","spec_version":"2.1","id":"` + i.ID + `","created":"2026-11-22T09:30:00.123Z","modified":"2026-11-22T09:30:00.123Z",` +
		`"name":"n","description":"line\nbreak","pattern":"[url:value = 'http://evil.example/\\'\"\\\\']","pattern_type":"stix",` +
		`"valid_from":"2026-11-22T09:30:00.123Z","valid_until":"2026-12-22T09:30:00.123Z","labels":["botnet","c2"],"confidence":80,` +
		`"external_references":[{"source_name":"stix","external_id":"indicator--11111111-1111-4111-8111-111111111111"}]}`
	if got := string(i.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestIndicatorID(t *testing.T) {
	a, b := Observable{IPv4Addr, "203.0.113.7"}, Observable{DomainName, "evil.example"}
	id := IndicatorID([]byte("scope"), []Observable{a, b})
	const fixed = "indicator--21966628-8311-5a86-97d9-fa30054bace1" // ids outlive versions of this program
	if id != fixed {
		t.Errorf("id is %s", id)
	}
	if !regexp.MustCompile(`^indicator--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("%s is not a version 5 UUID", id)
	}
	claims := []Observable{a, b, a}
	if got := IndicatorID([]byte("scope"), claims); got != id || claims[0] != a {
		t.Error("order or repetition of the claims counts, or they were sorted in place")
	}
	for _, other := range []string{
		IndicatorID([]byte("scop"), []Observable{a, b}), IndicatorID([]byte("scope"), []Observable{a}),
		IndicatorID(nil, []Observable{a, b}), patternID([]byte("scope"), "stix", a.Pattern()),
	} {
		if other == id {
			t.Error("two things share an id")
		}
	}
}

func TestFinishOwn(t *testing.T) {
	d := Draft{Indicator: Indicator{Observable: Observable{DomainName, "evil.example"}, Confidence: 80, Labels: []string{"c2", "", "c2"}}}
	now := sampleTime.Add(999 * time.Microsecond)
	first, err := d.Finish([]byte("scope"), now, isGreen)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != IndicatorID([]byte("scope"), first.Claims) || !slices.Equal(first.Claims, []Observable{d.Indicator.Observable}) {
		t.Errorf("id %s, claims %v", first.ID, first.Claims)
	}
	if !first.Created.Equal(sampleTime) || !first.Modified.Equal(sampleTime) || !first.ValidFrom.Equal(sampleTime) || !slices.Equal(first.Labels, []string{"c2"}) {
		t.Errorf("%+v", first)
	}
	later, err := d.Finish([]byte("scope"), now.Add(time.Hour), isGreen)
	if err != nil || later.ID != first.ID || !later.Modified.After(first.Modified) {
		t.Errorf("a later version: %+v, %v", later, err)
	}
	d.Indicator.Observable.Value = "Evil.example"
	if _, err := d.Finish([]byte("scope"), now, isGreen); !errors.Is(err, ErrInvalid) {
		t.Errorf("a value that is not canonical: %v", err)
	}
	d.Indicator.Observable.Value = "evil.example"
	d.Indicator.ValidUntil = now.Add(-time.Hour)
	if _, err := d.Finish([]byte("scope"), now, isGreen); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired before it begins: %v", err)
	}
}

const foreign = `{
	"type": "indicator", "spec_version": "2.1", "id": "indicator--11111111-1111-4111-8111-111111111111",
	"created": "2024-01-01T00:00:00.5Z", "modified": "2024-01-01T00:00:00.5Z", "valid_from": "2024-01-01T00:00:00Z",
	"created_by_ref": "identity--11111111-1111-4111-8111-111111111111", "x_own": {"n": [1, 2.50]}, "labels": ["a"],
	"object_marking_refs": ["` + tlpGreen + `", "marking-definition--11111111-1111-4111-8111-111111111111"],
	"granular_markings": [{"selectors": ["name"], "marking_ref": "` + tlpGreen + `"}],
	"external_references": [{"source_name": "report", "url": "https://reports.example/1"}],
	"pattern": "[domain-name:value = 'evil.example']", "pattern_type": "stix"}`

func TestFinishForeign(t *testing.T) {
	d := Draft{Object: []byte(foreign), ValidUntil: sampleTime.AddDate(0, 0, 30), Confidence: 60, Labels: []string{"b", "a"}, Description: "why"}
	o, err := d.Finish([]byte("scope"), sampleTime, isGreen)
	if err != nil {
		t.Fatal(err)
	}
	id := IndicatorID([]byte("scope"), []Observable{{DomainName, "evil.example"}})
	want := `{"type":"indicator","spec_version":"2.1","id":"` + id + `","created":"2024-01-01T00:00:00.5Z","modified":"2026-11-22T09:30:00.123Z",` +
		`"valid_from":"2024-01-01T00:00:00Z","x_own":{"n":[1,2.50]},"labels":["a","b"],"object_marking_refs":["marking-definition--11111111-1111-4111-8111-111111111111"],` +
		`"external_references":[{"source_name":"report","url":"https://reports.example/1"},{"source_name":"stix","external_id":"indicator--11111111-1111-4111-8111-111111111111"}],` +
		`"pattern":"[domain-name:value = 'evil.example']","pattern_type":"stix","valid_until":"2026-12-22T09:30:00.123Z","confidence":60,"description":"why"}`
	if string(o.Raw) != want {
		t.Errorf("got  %s\nwant %s", o.Raw, want)
	}
	again, err := Draft{Object: o.Raw, Confidence: -1}.Finish([]byte("scope"), sampleTime, isGreen)
	if err != nil || string(again.Raw) != want {
		t.Errorf("finished twice: %s, %v", again.Raw, err)
	}
}

func TestFinishForeignKeeps(t *testing.T) {
	raw := strings.Replace(foreign, `"labels"`, `"confidence":10,"description":"own","valid_until":"2030-01-01T00:00:00Z","labels"`, 1)
	raw = strings.Replace(raw, "2024-01-01T00:00:00.5Z", "2040-01-01T00:00:00.500001Z", 2) // ahead of our clock
	d := Draft{Object: []byte(raw), ValidUntil: sampleTime, Confidence: 60, Description: "why"}
	o, err := d.Finish([]byte("scope"), sampleTime, isGreen)
	if err != nil || o.Confidence != 10 || o.Description != "own" || o.ValidUntil.Year() != 2030 || !slices.Equal(o.Labels, []string{"a"}) {
		t.Errorf("%+v, %v", o, err)
	}
	if !o.Modified.Equal(o.Created) {
		t.Errorf("modified %v, created %v", o.Modified, o.Created)
	}
	bare := strings.Replace(raw, `"modified": "2040-01-01T00:00:00.500001Z", `, "", 1)
	if o, err := (Draft{Object: []byte(bare), Confidence: -1}).Finish(nil, sampleTime, isGreen); err != nil || !o.Modified.Equal(o.Created) || bare == raw {
		t.Errorf("without modified: %+v, %v", o, err)
	}
}

func TestFinishWithoutClaims(t *testing.T) {
	yara := strings.Replace(strings.Replace(foreign, `"stix"`, `"yara"`, 1), "[domain-name:value = 'evil.example']", "rule a {}", 1)
	a, err := Draft{Object: []byte(yara), Confidence: -1}.Finish([]byte("scope"), sampleTime, isGreen)
	b, err2 := Draft{Object: []byte(strings.Replace(yara, "rule a", "rule b", 1)), Confidence: -1}.Finish([]byte("scope"), sampleTime, isGreen)
	if err != nil || err2 != nil || a.ID == b.ID || a.Claims != nil {
		t.Errorf("%s, %s, %v, %v, %v", a.ID, b.ID, a.Claims, err, err2)
	}
	tool := object(`{$SDO, "name":"a", "object_marking_refs":["` + tlpGreen + `"]}`)
	o, err := Draft{Object: []byte(tool), Confidence: 10, Labels: []string{"x"}}.Finish([]byte("scope"), sampleTime, isGreen)
	if err != nil || string(o.Raw) != tool {
		t.Errorf("%s, %v", o.Raw, err)
	}
	if _, err := (Draft{Object: []byte(`{"type":"indicator"}`)}).Finish(nil, sampleTime, isGreen); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

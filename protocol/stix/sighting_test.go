package stix

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sampleID = "indicator--11111111-1111-4111-8111-111111111111"

func TestSightingSaysItsFields(t *testing.T) {
	at := rapid.Int64Range(0, 4e12)
	rapid.Check(t, func(t *rapid.T) {
		created, seen := time.UnixMilli(at.Draw(t, "created")).UTC(), time.UnixMilli(at.Draw(t, "seen")).UTC()
		s := Sighting{
			ID: SightingID([]byte("scope"), sampleID), Of: sampleID, Description: rapid.String().Draw(t, "description"),
			Labels:     rapid.SliceOfN(rapid.StringN(1, 20, -1), 1, 3).Draw(t, "labels"),
			Confidence: rapid.IntRange(-1, 100).Draw(t, "confidence"), Count: rapid.IntRange(0, maxCount).Draw(t, "count"),
			Created: created, Modified: created.Add(time.Hour),
		}
		if rapid.Bool().Draw(t, "first") {
			s.FirstSeen = seen
		}
		if rapid.Bool().Draw(t, "last") {
			s.LastSeen = seen.Add(time.Minute)
		}
		raw := s.AppendJSON(nil)
		got, err := Parse(raw)
		want := Object{
			Type: "sighting", SpecVersion: "2.1", Raw: raw, ID: s.ID, Description: s.Description, Labels: s.Labels, Confidence: s.Confidence,
			Created: created, Modified: s.Modified, SightingOf: sampleID, FirstSeen: s.FirstSeen, LastSeen: s.LastSeen, Count: max(1, s.Count),
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
		if !slices.Equal(got.About(), []string{sampleID}) || !got.Confirms() || got.FalsePositive() {
			t.Fatalf("about %v, confirms %v", got.About(), got.Confirms())
		}
	})
}

func TestOpinionSaysItsFields(t *testing.T) {
	for word, means := range map[string]string{
		StronglyDisagree: "false positive", Disagree: "false positive", Neutral: "", Agree: "confirms", StronglyAgree: "confirms",
	} {
		about := []string{sampleID, "tool--22222222-2222-4222-8222-222222222222"}
		o := Opinion{
			ID: OpinionID(nil, about...), About: about, Opinion: word, Explanation: "a \"shared\" host", Labels: []string{"cdn"}, Confidence: 90,
			Created: sampleTime, Modified: sampleTime,
		}
		raw := o.AppendJSON(nil)
		got, err := Parse(raw)
		want := Object{
			Type: "opinion", SpecVersion: "2.1", Raw: raw, ID: o.ID, Labels: o.Labels, Confidence: 90, Created: sampleTime, Modified: sampleTime,
			Opinion: word, ObjectRefs: about,
		}
		if err != nil || !reflect.DeepEqual(got, want) || !slices.Equal(got.About(), about) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
		if got.FalsePositive() != (means == "false positive") || got.Confirms() != (means == "confirms") {
			t.Errorf("%s: false positive %v, confirms %v", word, got.FalsePositive(), got.Confirms())
		}
		if !strings.Contains(string(raw), `"explanation":"a \"shared\" host"`) {
			t.Errorf("%s", raw)
		}
	}
}

// TestNotMet: a count of 0 says that something was looked for in vain.
func TestNotMet(t *testing.T) {
	o, err := Parse([]byte(object(`{$SIGHTING,"sighting_of_ref":$ID,"count":0}`)))
	if err != nil || o.Count != 0 || o.Confirms() {
		t.Errorf("%v: count %d", err, o.Count)
	}
}

// TestOthersSayNothingOfObjects: properties of the same names mean nothing
// elsewhere.
func TestOthersSayNothingOfObjects(t *testing.T) {
	for _, text := range []string{
		`{$SDO,"name":"a","first_seen":"2024-01-01T00:00:00Z","last_seen":"2024-01-02T00:00:00Z","count":7,"opinion":"agree","object_refs":[$ID]}`,
		`{"type":"x-own","id":"x-own--11111111-1111-4111-8111-111111111111","sighting_of_ref":$ID,"opinion":"disagree","object_refs":["x"],"count":3}`,
	} {
		o, err := Parse([]byte(object(text)))
		if err != nil || len(o.About()) > 0 || o.Confirms() || o.FalsePositive() || o.Count != 0 || !o.FirstSeen.IsZero() || !o.LastSeen.IsZero() {
			t.Errorf("%v: %+v", err, o)
		}
	}
	for text, about := range map[string]int{
		`{$OPINION,"opinion":"agree","object_refs":[$ID],"sighting_of_ref":$ID,"count":2,"first_seen":"2024-01-01T00:00:00Z"}`: 1,
		`{$SIGHTING,"sighting_of_ref":$ID,"opinion":"disagree","object_refs":[$ID,$ID]}`:                                       1,
	} {
		o, err := Parse([]byte(object(text)))
		if err != nil || len(o.About()) != about || o.Type == "sighting" && o.FalsePositive() || o.Type == "opinion" && o.Count != 0 {
			t.Errorf("%v: %+v", err, o)
		}
	}
}

func TestIDsOfSightingsAndOpinions(t *testing.T) {
	scope, other := []byte("scope"), "tool--22222222-2222-4222-8222-222222222222"
	ids := []string{
		SightingID(scope, sampleID), SightingID(scope, other), SightingID([]byte("else"), sampleID), SightingID(nil, sampleID),
		OpinionID(scope, sampleID), OpinionID(scope, other), OpinionID(scope, sampleID, other), OpinionID([]byte("else"), sampleID),
	}
	for i, id := range ids {
		if !IsID(id) || slices.Contains(ids[:i], id) {
			t.Errorf("%s", id)
		}
	}
	if SightingID(scope, sampleID) != ids[0] || OpinionID(scope, other, sampleID, other) != ids[6] {
		t.Error("saying it again is another object")
	}
	if ids[0] != "sighting--452c8395-3b5f-537d-8059-ac47692a2cbb" || ids[4] != "opinion--c0c36ddb-6ec1-51e5-b488-6562a299ed30" {
		t.Errorf("what was said before would be another object: %s, %s", ids[0], ids[4])
	}
}

// TestRevokeTakesSightingsAndOpinionsBack: still about the same.
func TestRevokeTakesSightingsAndOpinionsBack(t *testing.T) {
	for _, raw := range [][]byte{
		Sighting{ID: SightingID(nil, sampleID), Of: sampleID, Confidence: -1, Created: sampleTime, Modified: sampleTime, LastSeen: sampleTime}.AppendJSON(nil),
		Opinion{ID: OpinionID(nil, sampleID), About: []string{sampleID}, Opinion: Disagree, Confidence: -1, Created: sampleTime, Modified: sampleTime}.AppendJSON(nil),
	} {
		before, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Revoke(raw, sampleTime.Add(time.Hour))
		if err != nil || !after.Revoked || after.ID != before.ID || !slices.Equal(after.About(), []string{sampleID}) ||
			!after.Modified.Equal(sampleTime.Add(time.Hour)) || !after.LastSeen.Equal(before.LastSeen) {
			t.Errorf("%v: %+v", err, after)
		}
	}
}

package journal

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// full is a record with every member.
func full() Record {
	return Record{
		Prev: Hash{0xab}, Seq: 7, At: time.Date(2026, 11, 1, 12, 0, 0, 5e6, time.UTC),
		Act: ActAdmit, Actor: "operator:k3", Org: "hospital", Peer: "12D3KooW", Community: "isac", Bulletin: "b0b0", TLP: "GREEN",
		Rule: `trust >= 40 && tlp == "GREEN"`, Count: 3, Numbers: map[string]int64{"score": 61, "age": -1}, Words: map[string]string{"tier": "block", "feed": "ip"},
	}
}

func TestRecordLine(t *testing.T) {
	want := `{"prev":"ab` + strings.Repeat("0", 62) + `","seq":7,"at":"2026-11-01T12:00:00.005Z","act":"admit","actor":"operator:k3","org":"hospital",` +
		`"peer":"12D3KooW","community":"isac","bulletin":"b0b0","tlp":"GREEN","rule":"trust >= 40 && tlp == \"GREEN\"","count":3,` +
		`"numbers":{"age":-1,"score":61},"words":{"feed":"ip","tier":"block"}}` + "\n"
	if got := string(full().Encode()); got != want {
		t.Fatalf("got  %swant %s", got, want)
	}
	if r, err := DecodeRecord([]byte(want)); err != nil || !reflect.DeepEqual(r, full()) {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestRecordIsMended(t *testing.T) {
	long := strings.Repeat("é", 400)
	for _, c := range []struct {
		name string
		r    Record
		want string // occurs in the line
	}{
		{"no act", Record{}, `"act":"_","actor":"node"}`},
		{"act", Record{Act: "Ad mit"}, `"act":"_d_mit"`},
		{"line break", Record{Org: "a\n{\"prev\""}, `"org":"a�{\"prev\""`},
		{"no text", Record{Org: "a\xff\u202eb\u00a0"}, `"org":"a��b�"`},
		{"long", Record{Rule: long}, `"rule":"` + strings.Repeat("é", 126) + `…"`},
		{"backslash", Record{Peer: `a\`}, `"peer":"a\\"}`},
		{"names that become one", Record{Numbers: map[string]int64{"A": 1, "B": 2, "z": 3}}, `"numbers":{"_":1,"z":3}`},
		{"years", Record{At: time.Unix(1<<40, 0)}, `"at":"9999-12-31T23:59:59.999Z"`},
	} {
		c.r.Seq = 1
		line := c.r.Encode()
		if !strings.Contains(string(line), c.want) {
			t.Errorf("%s: %s", c.name, line)
		}
		if _, err := DecodeRecord(line); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestLongestRecord shows that no record is longer than a line may be.
func TestLongestRecord(t *testing.T) {
	quotes := strings.Repeat(`"`, 4096)
	r := Record{
		Seq: 1<<64 - 1, At: time.Now(), Act: Act(strings.Repeat("a", 99)), Actor: quotes, Org: quotes, Peer: quotes, Community: quotes,
		Bulletin: quotes, TLP: quotes, Rule: quotes, Count: -1 << 63, Numbers: map[string]int64{}, Words: map[string]string{},
	}
	for i := range 30 {
		key := string(rune('a'+i%26)) + strings.Repeat("x", 10+i) + strings.Repeat("y", 40)
		r.Numbers[key], r.Words[key] = -1<<63, quotes
	}
	line := r.Encode()
	got, err := DecodeRecord(line)
	if err != nil || len(line) > maxLine || len(line) < maxLine*3/4 {
		t.Fatalf("%d bytes: %v", len(line), err)
	}
	total := 0
	for _, w := range got.Words {
		total += len(w)
	}
	if len(got.Words) != maxDetails || len(got.Numbers) != maxDetails || total > maxWords {
		t.Fatalf("%d words of %d bytes, %d numbers", len(got.Words), total, len(got.Numbers))
	}
}

// TestEveryRecordIsRead: whatever is noted, the line is taken, says the same
// when it is written again, and is one line of valid UTF-8.
func TestEveryRecordIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anyText := rapid.OneOf(rapid.String(), rapid.StringN(0, 700, 2000), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		r := Record{
			Seq: rapid.Uint64Min(1).Draw(t, "seq"), At: time.UnixMilli(rapid.Int64().Draw(t, "at")), Act: Act(anyText.Draw(t, "act")),
			Actor: anyText.Draw(t, "actor"), Org: anyText.Draw(t, "org"), Rule: anyText.Draw(t, "rule"), TLP: anyText.Draw(t, "tlp"),
			Count: rapid.Int64().Draw(t, "count"), Numbers: rapid.MapOf(anyText, rapid.Int64()).Draw(t, "numbers"),
			Words: rapid.MapOf(anyText, anyText).Draw(t, "words"),
		}
		line := r.Encode()
		got, err := DecodeRecord(line)
		if err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if !bytes.Equal(got.Encode(), line) || !utf8.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("%q", line)
		}
		if got.Seq != r.Seq || got.Count != r.Count || len(got.Words) > len(r.Words) {
			t.Fatalf("%+v", got)
		}
	})
}

// TestDecodeRefuses: there is one line for a record, and no other is taken.
func TestDecodeRefuses(t *testing.T) {
	line := string(full().Encode())
	for _, bad := range []string{
		"", "\n", line[:len(line)-1], line + "\n", line + " ", " " + line, strings.Replace(line, `"seq":7`, `"seq":07`, 1),
		strings.Replace(line, `"seq":7`, `"seq":0`, 1), strings.Replace(line, `"seq":7`, `"seq":18446744073709551616`, 1),
		strings.Replace(line, `"prev":"ab`, `"prev":"AB`, 1), strings.Replace(line, `,"count":3`, `,"count":0`, 1),
		strings.Replace(line, `"age":-1,"score":61`, `"score":61,"age":-1`, 1), strings.Replace(line, `"org":"hospital"`, `"org":""`, 1),
		strings.Replace(line, `"org":"hospital"`, `"org":"hospit\u0061l"`, 1), strings.Replace(line, `"tlp"`, `"TLP"`, 1),
		strings.Replace(line, `.005Z`, `.005+`, 1), strings.Replace(line, "2026-11-01", "2026-11-31", 1), strings.Repeat("a", 2*maxLine),
	} {
		if r, err := DecodeRecord([]byte(bad)); err == nil {
			t.Errorf("%q read as %+v", bad, r)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(full().Encode())
	f.Add(Record{Seq: 1}.Encode())
	f.Add([]byte(`{"prev":"` + strings.Repeat("0", 64) + `","seq":1,"at":"2026-11-01T12:00:00.000Z","act":"a","actor":"\\\""}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecord(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.Encode(), b) {
			t.Fatalf("%q is written as %q", b, r.Encode())
		}
		if len(slices.Collect(maps.Keys(r.Words))) > maxDetails || len(r.Org) > maxID || r.Seq == 0 {
			t.Fatalf("past the limits: %+v", r)
		}
	})
}

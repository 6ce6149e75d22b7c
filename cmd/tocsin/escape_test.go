package main

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func TestClean(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"evil.example", "evil.example"},
		{"bücher.example ☂", "bücher.example ☂"},
		{`HKLM\SOFTWARE\Run`, `HKLM\SOFTWARE\Run`},
		{"a\x1b[31mb", `a\x1b[31mb`},
		{"bell\a, back\b, del\x7f", `bell\x07, back\x08, del\x7f`},
		{"two\nlines\tand\rmore", `two\nlines\tand\rmore`},
		{"c1 \u009b31m", `c1 \x9b31m`},
		{"raw \x9b31m", `raw \x9b31m`},
		{"bank\u202egro.live", `bank\u{202e}gro.live`},
		{"zero\u200bwidth", `zero\u{200b}width`},
		{"line\u2028separator", `line\u{2028}separator`},
		{"tag\U000e0041", `tag\u{e0041}`},
		{"blank\u2800", `blank\u{2800}`},
		{"variation\ufe0f", `variation\u{fe0f}`},
		{"no\u00a0break", `no\xa0break`},
	} {
		if got := clean(row.in); got != row.want {
			t.Errorf("clean(%q) = %q, want %q", row.in, got, row.want)
		}
	}
}

func TestField(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"evil.example", "evil.example"},
		{"", `""`},
		{"two words", `"two words"`},
		{`say "hi"`, `"say \"hi\""`},
		{"tab\there", `tab\there`},
		{"bell \a", `"bell \u0007"`},
	} {
		if got := field(row.in); got != row.want {
			t.Errorf("field(%q) = %q, want %q", row.in, got, row.want)
		}
	}
}

func TestJSONLineKeepsItsMeaning(t *testing.T) {
	hostile := "a\x1b[31m\u009b\u202e\u2028\U000e0041\n\"<&>é"
	line, err := jsonLine(map[string]string{"v": hostile})
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(strings.TrimSuffix(string(line), "\n"), hidden) || !strings.Contains(string(line), "é") {
		t.Errorf("%q shows what should be escaped, or escapes what can be shown", line)
	}
	var back map[string]string
	if err := json.Unmarshal(line, &back); err != nil || back["v"] != hostile {
		t.Errorf("read back %q, %v, want %q", back["v"], err, hostile)
	}
}

// FuzzClean: whatever comes, what is shown cannot do anything but be seen, and
// stays one field of one line.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a b", "\x1b]0;title\a", "\xff\xfe", "\u202e", `"\`, "\U000e0041"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if strings.ContainsFunc(got, hidden) || !utf8.ValidString(got) {
			t.Errorf("clean(%q) = %q", s, got)
		}
		if again := clean(got); again != got {
			t.Errorf("clean(clean(%q)) = %q, want %q", s, again, got)
		}
		if quotedField := field(s); strings.ContainsFunc(quotedField, hidden) || quotedField == "" {
			t.Errorf("field(%q) = %q", s, quotedField)
		} else if quotedField[0] != '"' && strings.Contains(quotedField, " ") {
			t.Errorf("field(%q) = %q: a blank outside of quotes", s, quotedField)
		}
	})
}

// FuzzCleanJSON: escaping changes no meaning.
func FuzzCleanJSON(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, "[\"\u202e\",1]", "\"\u009b\"", `{"a":null}`, "{\"\U000e0041\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !jsontext.Value(text).IsValid() {
			return
		}
		var before, after any
		if json.Unmarshal(text, &before) != nil {
			return
		}
		got := cleanJSON(text)
		if err := json.Unmarshal(got, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("cleanJSON(%q) = %q: %v", text, got, err)
		}
	})
}

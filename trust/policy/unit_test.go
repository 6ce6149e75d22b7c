package policy

import (
	"strings"
	"testing"
	"time"
)

// TestSpans: durations as files write them, up to the longest there is.
func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "1s": time.Second, "1m": time.Minute, "1h": time.Hour, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour, "1d1h1m1s": 25*time.Hour + 61*time.Second,
		"4294967295s": 4294967295 * time.Second, "106751d": 106751 * 24 * time.Hour, "106751d23h47m16s": 9223372036 * time.Second,
	} {
		if got, err := parseSpan(text); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1", "s", "1w", "1 s", "-1s", "4294967296s", "106752d", "106751d23h47m17s", "106751d106751d"} {
		if got, err := parseSpan(text); got != 0 || err == nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for want, d := range map[string]time.Duration{"0d": 0, "1d": day, "25h": 25 * time.Hour, "1m": time.Minute, "61s": 61 * time.Second, "forever": Forever} {
		if got := writeSpan(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0 B": 0, "7 B": 7, "1 KiB": 1024, "1 MiB": 1 << 20, "1 GiB": 1 << 30, "9223372036854775807 B": 1<<63 - 1, "8589934591 GiB": (1<<33 - 1) << 30,
	} {
		if got, err := parseSize(text); got != want || err != nil || writeSize(want) != text {
			t.Errorf("%q: %d, %v, want %d; written %s", text, got, err, want, writeSize(want))
		}
	}
	for _, text := range []string{"", "7", "B", "-7 B", "7 kB", "9223372036854775808 B", "18446744073709551615 B", "8589934592 GiB"} {
		if got, err := parseSize(text); got != 0 || err == nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"": `""`, "a": `"a"`, "it's": `"it's"`, `a"b`: `'a"b'`, `a\b`: `'a\b'`, `it's "a"`: `"it's \"a\""`, "\x01\"": `"\u0001\""`, "\"\x01": `"\"\u0001"`,
		"\n": `"\n"`, "\t": `"\t"`, "\r": `"\u000D"`, "\x1f": `"\u001F"`, " ": `" "`, "~": `"~"`, "\x7f": `"\u007F"`, "\u009f": `"\u009F"`, "\u00a0": "\"\u00a0\"",
	} {
		if got := quote(text); got != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
	for _, r := range "azAZ09-_" {
		if got := quoteKey(string(r)); got != string(r) {
			t.Errorf("the key %c is written %s", r, got)
		}
	}
	for _, key := range []string{"", "`", "{", "@", "[", "/", ":", "^", ".", " ", "é", "a.b"} {
		if got := quoteKey(key); got != `"`+key+`"` {
			t.Errorf("the key %q is written %s", key, got)
		}
	}
}

// TestLongestCondition: a condition of 4096 bytes is read, one of 4097 is not.
func TestLongestCondition(t *testing.T) {
	for n, fits := range map[int]bool{4096: true, 4097: false} {
		text := "[[share]]\nname = 'a'\nallow = true\nwhen = '" + strings.Repeat(" ", n-len("drill")) + "drill'\n"
		_, err := Parse([]byte(text))
		if (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "the condition has 4097 bytes, at most 4096 are allowed") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

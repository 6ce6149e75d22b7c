package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Forever is the lifetime of what is kept without end.
const Forever = time.Duration(math.MaxInt64)

const day = 24 * time.Hour

// units of time in files, the largest first.
var units = [...]struct {
	name string
	size time.Duration
}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// parseSpan reads "30d", "12h" or "1d12h".
func parseSpan(text string) (time.Duration, error) {
	var sum time.Duration
	rest := text
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseUint(rest[:digits], 10, 32)
		size := time.Duration(0)
		for _, u := range units {
			if strings.HasPrefix(rest[digits:], u.name) {
				size = u.size
			}
		}
		if err != nil || size == 0 || time.Duration(n) > (Forever-1-sum)/size {
			return 0, fmt.Errorf("%q is no duration", text)
		}
		sum += time.Duration(n) * size
		rest = rest[digits+1:]
	}
	if text == "" {
		return 0, errors.New("an empty text is no duration")
	}
	return sum, nil
}

// writeSpan writes whole seconds in the largest unit that fits.
func writeSpan(d time.Duration) string {
	if d == Forever {
		return "forever"
	}
	for _, u := range units {
		if d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return d.String()
}

var sizes = [...]struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// parseSize reads "256 MiB".
func parseSize(text string) (int64, error) {
	for _, u := range sizes {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, " "), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.size {
			break
		}
		return int64(n) * u.size, nil
	}
	return 0, fmt.Errorf("%q is no size", text)
}

func writeSize(n int64) string {
	for _, u := range sizes {
		if n%u.size == 0 && n != 0 {
			return fmt.Sprintf("%d %s", n/u.size, u.name)
		}
	}
	return "0 B"
}

// quote writes a text as a TOML string; as a literal one where that reads
// better.
func quote(text string) string {
	if strings.ContainsAny(text, `"\`) && !strings.Contains(text, "'") && strings.IndexFunc(text, control) < 0 {
		return "'" + text + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case control(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// quoteKey writes a key bare where TOML allows it.
func quoteKey(key string) string {
	bare := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) < 0
	if bare {
		return key
	}
	if q := quote(key); q[0] == '"' {
		return q
	}
	return "'" + key + "'"
}

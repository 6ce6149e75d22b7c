package crowdsec

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// Origin is where every decision comes from.
	Origin = "tocsin"
	// Scenario is why every decision was made.
	Scenario = "tocsin/block"
)

const (
	scopeIP    = "Ip"
	scopeRange = "Range"
	actionBan  = "ban"
)

// forever is the duration of what ends never.
const forever = 10 * 365 * 24 * time.Hour

// An Entry is a value that is to be banned.
type Entry struct {
	Value string    // an address or a block, as it is written canonically
	Until time.Time // zero: for ever
}

// Standing is what is to be banned at one moment, in order: first addresses and
// blocks of IPv4, then those of IPv6, each by the bytes of their text. What stands
// is the same where Changed and Position both are.
type Standing struct {
	Changed  time.Time
	Position uint64 // of the store
	Len      int
	All      iter.Seq[Entry]
}

func (s *Standing) same(other *Standing) bool {
	return s.Changed.Equal(other.Changed) && s.Position == other.Position
}

// A Decision is a ban as bouncers read it.
type Decision struct {
	Duration string `json:"duration"`
	ID       int64  `json:"id"`
	Origin   string `json:"origin"`
	Scenario string `json:"scenario"`
	Scope    string `json:"scope"`
	Type     string `json:"type"`
	Value    string `json:"value"`
}

// decide is the ban of an entry as of a moment.
func decide(e Entry, now time.Time) Decision {
	left := forever
	if !e.Until.IsZero() {
		left = e.Until.Sub(now).Truncate(time.Millisecond)
	}
	return Decision{left.String(), number(e.Value), Origin, Scenario, scope(e.Value), actionBan, e.Value}
}

// lift is the end of a ban.
func lift(value string) Decision {
	return Decision{(-time.Second).String(), number(value), Origin, Scenario, scope(value), actionBan, value}
}

// number is the id of a value: 48 bits of its hash, which every language's
// numbers hold.
func number(value string) int64 {
	sum := sha256.Sum256([]byte(value))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 16)
}

func scope(value string) string {
	if strings.Contains(value, "/") {
		return scopeRange
	}
	return scopeIP
}

// compare puts values in the order of a Standing.
func compare(a, b string) int {
	if x, y := strings.Contains(a, ":"), strings.Contains(b, ":"); x != y {
		if y {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// prefix reads an address or a block.
func prefix(value string) (netip.Prefix, error) {
	if strings.Contains(value, "/") {
		p, err := netip.ParsePrefix(value)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(value)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Past is what a key may have been told, of values in no order: whether something
// was said of each since, so that it may last for longer now. What has ended is of
// no matter: a bouncer knows when.
type Past map[string]bool

// entries is the past as if all of it had been told for ever, but for what may last
// for longer now.
func (p Past) entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, v := range slices.SortedFunc(maps.Keys(p), compare) {
			e := Entry{Value: v}
			if p[v] {
				e.Until = time.Unix(0, 0)
			}
			if !yield(e) {
				return
			}
		}
	}
}

// Changes is an answer of the stream.
type Changes struct {
	Deleted []Decision `json:"deleted"`
	New     []Decision `json:"new"`
}

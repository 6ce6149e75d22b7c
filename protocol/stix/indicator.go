package stix

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Indicator is a claim as we write it ourselves: one value.
type Indicator struct {
	ID                    string
	Observable            Observable
	Name, Description     string
	Labels                []string // tags
	Confidence            int      // 0 to 100, -1 when absent
	Created, Modified     time.Time
	ValidFrom, ValidUntil time.Time // ValidUntil may be zero
	Aliases               []string  // foreign STIX ids of the same thing
}

// AppendJSON appends the indicator as a STIX 2.1 object: properties in a fixed
// order, times in UTC to the millisecond. Given valid fields, [Parse] accepts
// it and its Claims are the one Observable. Bytes of a text that are not UTF-8
// become U+FFFD.
func (i Indicator) AppendJSON(b []byte) []byte {
	b = append(b, `{"type":"indicator","spec_version":"2.1","id":`...)
	b = appendText(b, i.ID)
	b = appendTimeProperty(b, `,"created":"`, i.Created)
	b = appendTimeProperty(b, `,"modified":"`, i.Modified)
	if i.Name != "" {
		b = appendText(append(b, `,"name":`...), i.Name)
	}
	if i.Description != "" {
		b = appendText(append(b, `,"description":`...), i.Description)
	}
	var room [128]byte
	b = appendText(append(b, `,"pattern":`...), i.Observable.appendPattern(room[:0]))
	b = append(b, `,"pattern_type":"stix"`...)
	b = appendTimeProperty(b, `,"valid_from":"`, i.ValidFrom)
	if !i.ValidUntil.IsZero() {
		b = appendTimeProperty(b, `,"valid_until":"`, i.ValidUntil)
	}
	if len(i.Labels) > 0 {
		b = appendTexts(append(b, `,"labels":`...), i.Labels)
	}
	if i.Confidence >= 0 {
		b = strconv.AppendInt(append(b, `,"confidence":`...), int64(i.Confidence), 10)
	}
	if len(i.Aliases) > 0 {
		b = append(b, `,"external_references":[`...)
		for n, id := range i.Aliases {
			if n > 0 {
				b = append(b, ',')
			}
			b = appendAlias(b, id)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendAlias(b []byte, id string) []byte {
	b = append(b, `{"source_name":"`+aliasSource+`","external_id":`...)
	return append(appendText(b, id), '}')
}

func appendTimeProperty(b []byte, head string, t time.Time) []byte {
	return append(appendTime(append(b, head...), t), '"')
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b, _ = jsontext.AppendQuote(b, s) // bad UTF-8 is replaced, as promised
	return b
}

func appendTexts(b []byte, list []string) []byte {
	b = append(b, '[')
	for n, s := range list {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

// namespace is the UUID our ids are made under:
// 3d5c7f0e-0f0b-5b43-9d0c-6f6a2a1b7c11.
const namespace = "\x3d\x5c\x7f\x0e\x0f\x0b\x5b\x43\x9d\x0c\x6f\x6a\x2a\x1b\x7c\x11"

// IndicatorID is the id of the indicator that says these values under this
// scope: UUID version 5 over the length of scope in eight bytes, scope, and
// for each value in canonical order a line feed and "type:value". So the same
// values under the same scope are a new version and not a second object.
func IndicatorID(scope []byte, claims []Observable) string {
	var room [256]byte
	name := scopedName(room[:0], scope)
	sorted := claims
	if len(claims) > 1 {
		sorted = sortObservables(append([]Observable(nil), claims...))
	}
	for _, o := range sorted {
		name = append(append(append(append(name, '\n'), o.Type...), ':'), o.Value...)
	}
	return objectID("indicator--", name)
}

// IDAfter is the id of what is said of the same after an object was taken back: STIX
// 2.1 section 3.6 has no later versions of what is revoked. It is of the same type,
// and UUID version 5 over a word and the id.
func IDAfter(id string) string {
	kind, _, _ := strings.Cut(id, "--")
	return objectID(kind+"--", append([]byte(namespace+"\nafter:"), id...))
}

// patternID is the id where a pattern yields no values: the pattern itself
// stands for them.
func patternID(scope []byte, patternType, pattern string) string {
	name := append(scopedName(nil, scope), "\npattern:"+patternType+":"+pattern...)
	return objectID("indicator--", name)
}

func scopedName(b, scope []byte) []byte {
	b = append(b, namespace...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(scope)))
	return append(b, scope...)
}

// objectID takes a type with its two hyphens.
func objectID(head string, name []byte) string {
	sum := sha1.Sum(name)
	sum[6] = sum[6]&0x0f | 0x50 // version 5
	sum[8] = sum[8]&0x3f | 0x80
	b := make([]byte, 0, len(head)+36)
	b = append(b, head...)
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, sum[[...]int{0, 4, 6, 8, 10}[i]:end])
	}
	return string(b)
}

// cleanTexts drops empty texts and what follows the first of two equal ones.
func cleanTexts(list []string) []string {
	clean := true
	for i, s := range list {
		clean = clean && strings.TrimSpace(s) != "" && (i == 0 || !slices.Contains(list[:i], s))
	}
	if clean {
		return list
	}
	var out []string
	for _, s := range list {
		if strings.TrimSpace(s) != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

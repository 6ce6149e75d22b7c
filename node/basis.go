package node

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// What values are judged by goes into the journal, so that a judgement can be
// repeated from the journal and the bulletins. A record of [ActBasis] says what
// holds from its time on; its rule says of what:
//
//	policy-text  a part of a policy's text: words digest (of the policy, hex) and
//	             a, b, c: base64 of the zstd of the text, without comments; numbers
//	             part (from 0), parts
//	policy       the policy of this digest is in force; number anew: the node was
//	             started or began to record, and what no record after this one says
//	             holds no longer
//	org          how far an organisation is believed: words any and level-N:
//	             "ROLE NUMBER" and "TYPE ROLE NUMBER" separated by semicolons; ROLE
//	             is stranger, chosen or anchor, NUMBER -1 to 100, of a stranger
//	             without meaning. Word silenced: why its word does not count
//	outcomes     what became of its word: words sum-N: "TYPE RECORD CONFIRMED FALSE
//	             AT" separated by semicolons; RECORD is 1 for what is drawn from
//	             CLEAR and GREEN, 2 for that and AMBER; AT in Unix milliseconds
//
// Whoever has no record of org is a stranger: the policy says the rest. No record
// has a name, a value or a bulletin.

// ActBasis says what values are judged by from then on.
const ActBasis journal.Act = "basis"

// Rules of its records.
const (
	basisText     = "policy-text"
	basisPolicy   = "policy"
	basisOrg      = "org"
	basisOutcomes = "outcomes"
)

// ErrBasis is wrapped by errors about records of [ActBasis] that say nothing.
var ErrBasis = errors.New("not a record of what values are judged by")

const (
	textWord  = 504 // base64 digits in a word; a multiple of 4
	textWords = 3   // in a record
	textParts = policy.MaxText/(textWord/4*3*textWords) + 2
	listWord  = 480 // bytes of a list in a word
	listWords = 4

	maxPolicies = 1 << 12 // texts remembered
)

// A policyText is what is known of one policy.
type policyText struct {
	parts  []string       // nil: all are there
	packed string         // of them
	policy *policy.Policy // nil until somebody asks
	err    error          // it cannot be had
}

// read returns the policy; false where it cannot be had.
func (p *policyText) read(digest string) (*policy.Policy, bool) {
	if p == nil || p.parts != nil {
		return nil, false
	}
	if p.policy == nil && p.err == nil {
		p.policy, p.err = unpackPolicy(p.packed, digest)
	}
	return p.policy, p.err == nil
}

// takeText takes a part of a policy's text. t.mu is held.
func (t *timeline) takeText(r *journal.Record) error {
	digest, part, parts := r.Words["digest"], r.Numbers["part"], r.Numbers["parts"]
	if parts < 1 || parts > textParts || part < 0 || part >= parts {
		return fmt.Errorf("%w: part %d of %d", ErrBasis, part, parts)
	}
	text := t.texts[digest]
	switch {
	case text == nil && len(t.texts) >= maxPolicies:
		return fmt.Errorf("%w: more than %d policies", ErrBasis, maxPolicies)
	case text == nil, text.parts != nil && int64(len(text.parts)) != parts, text.err != nil:
		text = &policyText{parts: make([]string, parts)}
		t.texts[digest] = text
	case text.parts == nil:
		return nil
	}
	text.parts[part] = r.Words["a"] + r.Words["b"] + r.Words["c"]
	if !slices.Contains(text.parts, "") {
		text.packed, text.parts = strings.Join(text.parts, ""), nil
	}
	return nil
}

func unpackPolicy(packed, digest string) (*policy.Policy, error) {
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBasis, err)
	}
	z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<24))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBasis, err)
	}
	defer z.Close()
	text, err := io.ReadAll(io.LimitReader(z, policy.MaxText+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBasis, err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: the text of a policy: %w", ErrBasis, err)
	}
	if is := p.Digest(); hex.EncodeToString(is[:]) != digest {
		return nil, fmt.Errorf("%w: the text of a policy has not its digest", ErrBasis)
	}
	return p, nil
}

// policyRecords are the records of a policy that is in force.
func policyRecords(p *policy.Policy, anew bool) ([]journal.Record, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	packed := base64.StdEncoding.EncodeToString(z.EncodeAll(withoutComments(p.Show()), nil))
	sum := p.Digest()
	digest := hex.EncodeToString(sum[:])
	var list []journal.Record
	for part := range slices.Chunk([]byte(packed), textWord*textWords) {
		words := map[string]string{"digest": digest}
		for i, word := range slices.Collect(slices.Chunk(part, textWord)) {
			words[string(rune('a'+i))] = string(word)
		}
		list = append(list, journal.Record{Act: ActBasis, Rule: basisText, Words: words, Numbers: map[string]int64{"part": int64(len(list))}})
	}
	for i := range list {
		list[i].Numbers["parts"] = int64(len(list))
	}
	last := journal.Record{Act: ActBasis, Rule: basisPolicy, Words: map[string]string{"digest": digest}}
	if anew {
		last.Numbers = map[string]int64{"anew": 1}
	}
	return append(list, last), nil
}

// withoutComments leaves out the lines of a policy that are for people. A line
// of [policy.Policy.Show] that begins with # is a comment.
func withoutComments(text []byte) (short []byte) {
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("#")) && len(bytes.TrimSpace(line)) > 0 {
			short = append(short, line...)
		}
	}
	return short
}

// standingRecord is the record of how far an organisation is believed.
func standingRecord(org protocol.Org, s standing) journal.Record {
	words := map[string]string{"any": levelText(s.any)}
	var levels []string
	for _, kind := range slices.Sorted(maps.Keys(s.types)) {
		levels = append(levels, string(kind)+" "+levelText(s.types[kind]))
	}
	for i, word := range inWords(levels) {
		words[fmt.Sprint("level-", i)] = word
	}
	if s.unsaid != heard {
		words["silenced"] = string(s.unsaid)
	}
	r := onOrg(ActBasis, org, basisOrg)
	r.Words = words
	return r
}

func levelText(l score.Level) string { return fmt.Sprintf("%s %d", l.Role, l.Number) }

func readLevel(text string) (score.Level, error) {
	word, number, _ := strings.Cut(text, " ")
	role, err := called(word, score.Stranger, score.Chosen, score.Anchor)
	n, failed := strconv.Atoi(number)
	if err != nil || failed != nil || n < score.Unstated || n > 100 {
		return score.Level{}, fmt.Errorf("%w: level %q", ErrBasis, text)
	}
	return score.Level{Role: role, Number: n}, nil
}

func readStanding(r *journal.Record) (org protocol.Org, s standing, err error) {
	if err = org.UnmarshalText([]byte(r.Org)); err != nil {
		return org, s, fmt.Errorf("%w: %w", ErrBasis, err)
	}
	if s.any, err = readLevel(r.Words["any"]); err != nil {
		return org, s, err
	}
	for _, text := range fromWords(r.Words, "level-") {
		kind, level, _ := strings.Cut(text, " ")
		l, err := readLevel(level)
		if err != nil || !slices.Contains(stix.Types(), stix.Type(kind)) {
			return org, s, fmt.Errorf("%w: level %q", ErrBasis, text)
		}
		if s.types == nil {
			s.types = map[stix.Type]score.Level{}
		}
		s.types[stix.Type(kind)] = l
	}
	switch s.unsaid = silenced(r.Words["silenced"]); s.unsaid {
	case heard, blocked, quarantined:
		return org, s, nil
	}
	return org, s, fmt.Errorf("%w: silenced %q", ErrBasis, s.unsaid)
}

// outcomeRecords are the records of what became of one organisation's word.
func outcomeRecords(org protocol.Org, sums map[outcomeKey]score.Outcomes) (list []journal.Record) {
	var texts []string
	for k, sum := range sums {
		number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
		texts = append(texts, fmt.Sprintf("%s %d %s %s %d", k.kind, k.record, number(sum.Confirmed), number(sum.False), sum.At))
	}
	slices.Sort(texts)
	for words := range slices.Chunk(inWords(texts), listWords) {
		r := onOrg(ActBasis, org, basisOutcomes)
		r.Words = map[string]string{}
		for i, word := range words {
			r.Words[fmt.Sprint("sum-", i)] = word
		}
		list = append(list, r)
	}
	return list
}

func readOutcomes(r *journal.Record) (map[outcomeKey]score.Outcomes, error) {
	var org protocol.Org
	if err := org.UnmarshalText([]byte(r.Org)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBasis, err)
	}
	sums := map[outcomeKey]score.Outcomes{}
	for _, text := range fromWords(r.Words, "sum-") {
		f := strings.Fields(text)
		if len(f) != 5 || !slices.Contains(stix.Types(), stix.Type(f[0])) || f[1] != "1" && f[1] != "2" {
			return nil, fmt.Errorf("%w: outcomes %q", ErrBasis, text)
		}
		confirmed, err1 := strconv.ParseFloat(f[2], 64)
		wrong, err2 := strconv.ParseFloat(f[3], 64)
		at, err3 := strconv.ParseInt(f[4], 10, 64)
		if errors.Join(err1, err2, err3) != nil || !(confirmed >= 0 && confirmed <= maxSum) || !(wrong >= 0 && wrong <= maxSum) || at < 0 {
			return nil, fmt.Errorf("%w: outcomes %q", ErrBasis, text)
		}
		sums[outcomeKey{org, stix.Type(f[0]), Record(f[1][0] - '0')}] = score.Outcomes{Confirmed: confirmed, False: wrong, At: at}
	}
	return sums, nil
}

const maxSum = 1 << 20 // of the weights of outcomes, each at most 1

// inWords joins texts to words of a record.
func inWords(texts []string) (words []string) {
	for _, text := range texts {
		if last := len(words) - 1; last >= 0 && len(words[last])+1+len(text) <= listWord {
			words[last] += ";" + text
		} else {
			words = append(words, text)
		}
	}
	return words
}

// fromWords takes them apart again.
func fromWords(words map[string]string, prefix string) (texts []string) {
	for _, name := range slices.Sorted(maps.Keys(words)) {
		if strings.HasPrefix(name, prefix) {
			texts = append(texts, strings.Split(words[name], ";")...)
		}
	}
	return texts
}

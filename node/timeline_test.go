package node

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// written is a record as a journal gives it back.
func written(t interface{ Fatal(...any) }, r journal.Record, at int64) journal.Record {
	r.Seq, r.At, r.Actor = 1, time.UnixMilli(at).UTC(), journal.Node
	back, err := journal.DecodeRecord(r.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func drawStanding(t *rapid.T) standing {
	level := func() score.Level {
		return score.Level{Role: rapid.SampledFrom([]score.Role{score.Chosen, score.Anchor}).Draw(t, "role"), Number: rapid.IntRange(0, 100).Draw(t, "level")}
	}
	s := standing{any: level(), unsaid: rapid.SampledFrom([]silenced{heard, heard, blocked, quarantined}).Draw(t, "silenced")}
	for range rapid.IntRange(0, len(stix.Types())).Draw(t, "types") {
		if s.types == nil {
			s.types = map[stix.Type]score.Level{}
		}
		s.types[rapid.SampledFrom(stix.Types()).Draw(t, "type")] = level()
	}
	return s
}

// TestTimelineIsWhatHeld: whatever changes, at every moment the timeline that was
// made from the lines of a journal says what held then.
func TestTimelineIsWhatHeld(t *testing.T) {
	policies := []*policy.Policy{policy.Default()}
	for _, text := range []string{"[trust]\ndefault = 40\n", "[[admit]]\nname = \"x\"\nwhen = 'bulletin.tlp == \"green\"'\ndo = \"hold\"\n"} {
		p, err := policy.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	rapid.Check(t, func(t *rapid.T) {
		line, at := newTimeline(), caseNow
		var is basis
		is.orgs, is.outcomes = map[protocol.Org]standing{}, &outcomes{sums: map[outcomeKey]score.Outcomes{}}
		var moments []int64
		var held []basis
		take := func(list ...journal.Record) {
			for _, r := range list {
				r = written(t, r, at)
				if err := line.take(&r); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			at += int64(rapid.IntRange(1, 100_000).Draw(t, "pause"))
			org := rapid.SampledFrom(people()).Draw(t, "org")
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case i == 0 || kind == 0:
				is.policy = rapid.SampledFrom(policies).Draw(t, "policy")
				list, err := policyRecords(is.policy, i == 0)
				if err != nil {
					t.Fatal(err)
				}
				take(list...)
			case kind == 1:
				is.orgs[org] = drawStanding(t)
				take(standingRecord(org, is.orgs[org]))
			default:
				sums := map[outcomeKey]score.Outcomes{}
				for range rapid.IntRange(1, 60).Draw(t, "sums") {
					k := outcomeKey{org, rapid.SampledFrom(stix.Types()).Draw(t, "type"), rapid.SampledFrom([]Record{OpenRecord, WholeRecord}).Draw(t, "record")}
					sums[k] = score.Outcomes{Confirmed: rapid.Float64Range(0, 500).Draw(t, "confirmed"), False: rapid.Float64Range(0, 64).Draw(t, "false"), At: at}
				}
				maps.Copy(is.outcomes.sums, sums)
				take(outcomeRecords(org, sums)...)
			}
			moments = append(moments, at)
			held = append(held, basis{is.policy, maps.Clone(is.orgs), &outcomes{sums: maps.Clone(is.outcomes.sums)}})
		}
		for i, at := range moments {
			got, known := line.at(time.UnixMilli(at))
			if !known || got.policy.Digest() != held[i].policy.Digest() || !maps.EqualFunc(got.orgs, held[i].orgs, standing.equal) || !maps.Equal(got.outcomes.sums, held[i].outcomes.sums) {
				t.Fatalf("moment %d of %d: known %t, %+v, want %+v", i, len(moments), known, got, held[i])
			}
		}
		if _, known := line.at(time.UnixMilli(moments[0] - 1)); known {
			t.Fatal("something is known of the time before")
		}
	})
}

// TestTimelineForgets: a timeline that is full forgets the older time, says so,
// and knows the rest as before.
func TestTimelineForgets(t *testing.T) {
	line := newTimeline()
	line.most = 100
	list, err := policyRecords(policy.Default(), true)
	if err != nil {
		t.Fatal(err)
	}
	org := orgCalled("a")
	for i := range 1000 {
		r := outcomeRecords(org, map[outcomeKey]score.Outcomes{{org, stix.URL, WholeRecord}: {Confirmed: float64(i), At: caseNow}})[0]
		for _, r := range append(list, r) {
			r = written(t, r, caseNow+int64(i))
			if err := line.take(&r); err != nil {
				t.Fatal(err)
			}
		}
		list = nil
	}
	if line.count > line.most {
		t.Errorf("it holds %d steps", line.count)
	}
	begins := line.begins().UnixMilli() - caseNow
	if begins < 800 || begins > 990 {
		t.Errorf("it begins at %d", begins)
	}
	for i := range int64(1000) {
		b, known := line.at(time.UnixMilli(caseNow + i))
		if known != (i >= begins) || known && b.outcomes.of(org, stix.URL, WholeRecord).Confirmed != float64(i) {
			t.Fatalf("at %d: %t, %+v", i, known, b.outcomes)
		}
	}
}

// TestTimelineAfterAStart: what a node did not note before it ended holds no
// longer once it has started, and what is read of the past goes in front.
func TestTimelineAfterAStart(t *testing.T) {
	a, b := orgCalled("a"), orgCalled("b")
	list, err := policyRecords(policy.Default(), true)
	if err != nil {
		t.Fatal(err)
	}
	sure := standing{any: score.Level{Role: score.Chosen, Number: 80}}
	older, line := newTimeline(), newTimeline()
	take := func(line *timeline, at int64, list ...journal.Record) {
		for _, r := range list {
			r = written(t, r, at)
			if err := line.take(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	take(older, caseNow, list...)
	take(older, caseNow, standingRecord(a, sure), standingRecord(b, sure))
	take(line, caseNow+10, list...)
	take(line, caseNow+10, standingRecord(b, sure))
	line.before(older)
	for at, want := range map[int64]score.Role{caseNow: score.Chosen, caseNow + 9: score.Chosen, caseNow + 10: score.Stranger} {
		was, known := line.at(time.UnixMilli(at))
		if !known || was.orgs[a].any.Role != want || was.orgs[b].any.Role != score.Chosen {
			t.Errorf("at %d: %t %+v", at-caseNow, known, was.orgs)
		}
	}
}

// FuzzBasisRecord: no line of a journal breaks a timeline, and what one says is
// written again as it was read.
func FuzzBasisRecord(f *testing.F) {
	org := orgCalled("a")
	list, err := policyRecords(policy.Default(), true)
	if err != nil {
		f.Fatal(err)
	}
	list = append(list, standingRecord(org, standing{any: score.Level{Role: score.Chosen, Number: 50}, types: map[stix.Type]score.Level{stix.URL: {Role: score.Chosen, Number: 5}}}))
	list = append(list, outcomeRecords(org, map[outcomeKey]score.Outcomes{{org, stix.URL, OpenRecord}: {Confirmed: 1.5, At: caseNow}})...)
	for _, r := range list {
		r.Seq, r.At, r.Actor = 1, time.UnixMilli(caseNow).UTC(), journal.Node
		f.Add(r.Encode())
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := journal.DecodeRecord(line)
		if err != nil {
			return
		}
		held := newTimeline()
		if err := held.take(&r); err != nil {
			if !errors.Is(err, ErrBasis) {
				t.Fatal(err)
			}
			return
		}
		held.at(r.At)
		for org, steps := range held.orgs {
			again := written(t, standingRecord(org, steps[0].is), caseNow)
			if _, s, err := readStanding(&again); err != nil || !s.equal(steps[0].is) {
				t.Fatalf("%+v became %+v, %v", steps[0].is, s, err)
			}
		}
	})
}

// TestPolicyRecordsFit: the longest text there may be is put into records and
// read from them, and one that was changed is not taken for it.
func TestPolicyRecordsFit(t *testing.T) {
	var text bytes.Buffer
	text.WriteString("[trust.org]\n")
	for i := 0; text.Len() < policy.MaxText/4; i++ {
		fmt.Fprintf(&text, "o%s = %d\n", orgCalled(fmt.Sprint(i)).String()[:40], i%100)
	}
	p, err := policy.Parse(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	list, err := policyRecords(p, false)
	if err != nil {
		t.Fatal(err)
	}
	line := newTimeline()
	for _, r := range list {
		r = written(t, r, caseNow)
		if err := line.take(&r); err != nil {
			t.Fatal(err)
		}
	}
	if b, known := line.at(time.UnixMilli(caseNow)); !known || b.policy.Digest() != p.Digest() {
		t.Errorf("of %d bytes in %d records nothing came back", text.Len(), len(list))
	}
	line = newTimeline()
	for i, r := range list {
		if i == 0 {
			r.Words["a"] = r.Words["b"]
		}
		r = written(t, r, caseNow)
		if err := line.take(&r); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := line.at(time.UnixMilli(caseNow)); known {
		t.Error("a text that was changed passes for the policy")
	}
}

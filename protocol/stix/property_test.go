package stix

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// observables draws canonical values of every type.
func observables() *rapid.Generator[Observable] {
	label := `[a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9])?`
	name := `(` + label + `\.){1,3}(example|onion|xn--p1ai)`
	v4 := `(1?[0-9]|2[0-4])?[0-9](\.(1?[0-9]|2[0-4])?[0-9]){3}`
	v6 := `2001:db8(:[1-9a-f][0-9a-f]{0,3}){1,5}::`
	port := `[1-9][0-9]{0,3}`
	text := `[^\x00-\x1f\x7f]{1,40}`
	forms := map[Type]string{
		IPv4Addr: v4 + `(/([89]|[12][0-9]|3[0-2]))?`, IPv6Addr: v6 + `(/(1[6-9]|[2-9][0-9]|1[01][0-9]))?`,
		DomainName: `(\*\.)?` + name, URL: `(https?://|tcp://)?` + name + `(:` + port + `)?/[!-~]{0,20}`, URLPath: `/[a-z'\\][!-~]{0,20}`,
		IPPort: `(` + v4 + `|\[` + v6 + `\]):` + port, DomainPort: name + `:` + port, EmailAddr: `[a-z.+'_-]{1,10}@` + name,
		MD5: `[0-9a-fA-F]{32}`, SHA1: `[0-9a-f]{40}`, SHA256: `[0-9a-f]{64}`, SHA512: `[0-9a-f]{128}`,
		SSDEEP: `[0-9]{1,6}:[A-Za-z0-9+/]{3,64}:[A-Za-z0-9+/]{3,64}`, TLSH: `(T1)?[0-9a-f]{70}`, FileName: text,
		MACAddr: `[0-9A-F]{2}(-[0-9A-F]{2}){5}`, AutonomousSystem: `AS[1-9][0-9]{0,8}`, Mutex: text,
		WindowsRegistryKey: `HKLM(\\[A-Za-z' ]{1,8}){1,4}`, UserAgent: text, CVE: `CVE-[0-9]{4}-[0-9]{4,7}`,
		X509MD5: `[0-9a-f]{32}`, X509SHA1: `[0-9a-f]{40}`, X509SHA256: `[0-9a-f]{64}`, JA3: `[0-9a-f]{32}`, JA3S: `[0-9a-f]{32}`,
		JA4: `[tqd](1[0-3]|s3)[di][0-9]{4}[a-z0-9]{2}_[0-9a-f]{12}_[0-9a-f]{12}`,
	}
	return rapid.Custom(func(t *rapid.T) Observable {
		typ := rapid.SampledFrom(Types()).Draw(t, "type")
		for {
			o, err := Canonical(typ, rapid.StringMatching(forms[typ]).Draw(t, "value"))
			if err == nil {
				return o
			}
		}
	})
}

func TestCanonicalIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := observables().Draw(t, "observable")
		if again, err := Canonical(o.Type, o.Value); again != o || err != nil {
			t.Fatalf("%v becomes %v, %v", o, again, err)
		}
	})
}

func TestPatternSaysTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := observables().Draw(t, "observable")
		p, err := ParsePattern(o.Pattern())
		if err != nil || !slices.Equal(p.Observables(), []Observable{o}) {
			t.Fatalf("%s says %v, %v; want %v", o.Pattern(), p.Observables(), err, o)
		}
	})
}

func TestIndicatorSaysItsFields(t *testing.T) {
	at := rapid.Int64Range(0, 4e12)
	rapid.Check(t, func(t *rapid.T) {
		created := time.UnixMilli(at.Draw(t, "created")).UTC()
		o := observables().Draw(t, "observable")
		i := Indicator{
			ID: IndicatorID([]byte("scope"), []Observable{o}), Observable: o,
			Name: rapid.String().Draw(t, "name"), Description: rapid.String().Draw(t, "description"),
			Labels:     rapid.SliceOfN(rapid.StringN(1, 20, -1), 0, 3).Draw(t, "labels"),
			Confidence: rapid.IntRange(-1, 100).Draw(t, "confidence"), Created: created, Modified: created.Add(time.Hour), ValidFrom: created,
		}
		if rapid.Bool().Draw(t, "expires") {
			i.ValidUntil = created.Add(time.Millisecond)
		}
		if rapid.Bool().Draw(t, "alias") {
			i.Aliases = []string{"indicator--11111111-1111-4111-8111-111111111111"}
		}
		raw := i.AppendJSON(nil)
		p, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if len(i.Labels) == 0 {
			i.Labels = nil
		}
		want := Object{
			Type: "indicator", SpecVersion: "2.1", PatternType: "stix", Raw: raw, ID: i.ID, Pattern: o.Pattern(), Claims: []Observable{o},
			Name: i.Name, Description: i.Description, Labels: i.Labels, Confidence: i.Confidence, Aliases: i.Aliases,
			Created: created, Modified: i.Modified, ValidFrom: created, ValidUntil: i.ValidUntil,
		}
		if !reflect.DeepEqual(p, want) {
			t.Fatalf("got  %+v\nwant %+v", p, want)
		}
	})
}

func TestTimesKeepTheirValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "ms")).UTC()
		got := string(appendTime(nil, at))
		if want := at.Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if back, ok := parseTime(got); !ok || !back.Equal(at) {
			t.Fatalf("%s reads as %v, %v", got, back, ok)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, line := range lines(f, "valid.txt") {
		f.Add([]byte(object(line)))
	}
	for _, line := range lines(f, "invalid.txt") {
		f.Add([]byte(object(strings.SplitN(line, " | ", 3)[2])))
	}
	f.Add(sampleIndicator(Observable{IPPort, "203.0.113.7:443"}).AppendJSON(nil))
	f.Add(Sighting{ID: SightingID(nil, sampleID), Of: sampleID, Count: 3, FirstSeen: sampleTime, LastSeen: sampleTime}.AppendJSON(nil))
	f.Add(Opinion{ID: OpinionID(nil, sampleID), About: []string{sampleID}, Opinion: Disagree, Explanation: "shared"}.AppendJSON(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		o, err := Parse(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) || fault.Reason == "" {
				t.Fatalf("%T without a place: %v", err, err)
			}
		} else if again, err := Parse(raw); err != nil || !bytes.Equal(o.Raw, before) || !reflect.DeepEqual(o, again) {
			t.Fatalf("read twice: %+v, %+v, %v", o, again, err)
		} else if err := checkRemark(&o); err != "" {
			t.Fatalf("%s: %s", raw, err)
		}
		checkFinish(t, raw, o, err == nil)
		if up, err := Upgrade(raw); err == nil {
			if again, err := Upgrade(up); err == nil && !bytes.Equal(again, up) {
				t.Fatalf("upgraded twice: %s", again)
			}
		}
	})
}

// checkFinish holds for any bytes: a finished object passes Parse under its
// own bytes, and whatever passes Parse can be finished.
func checkFinish(t *testing.T, raw []byte, o Object, valid bool) {
	d := Draft{Object: raw, Confidence: -1}
	done, err := d.Finish([]byte("scope"), sampleTime, isNoTLP)
	if err != nil {
		if valid && len(raw) < MaxObject-1024 {
			t.Fatalf("valid and not finished: %v", err)
		}
		return
	}
	if again, err := Parse(done.Raw); err != nil || !reflect.DeepEqual(again, done) {
		t.Fatalf("finished and not valid: %s: %v", done.Raw, err)
	}
	if valid && !slices.Equal(o.Claims, done.Claims) {
		t.Fatalf("claims changed from %v to %v", o.Claims, done.Claims)
	}
}

func FuzzPattern(f *testing.F) {
	for _, line := range lines(f, "patterns.txt") {
		text, _, _ := strings.Cut(line, " =>")
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePattern(s)
		if err != nil {
			var e *PatternError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(s) && len(s) <= MaxPattern {
				t.Fatalf("%T at %v", err, err)
			}
			return
		}
		for _, o := range p.Observables() {
			checkObservable(t, o)
		}
		for _, c := range p.Comparisons() {
			if !strings.Contains(s, c.Path) || !strings.Contains(s, c.Value) {
				t.Fatalf("%+v is not in %q", c, s)
			}
		}
	})
}

// checkObservable holds for every value the package returns.
func checkObservable(t *testing.T, o Observable) {
	if again, err := Canonical(o.Type, o.Value); again != o || err != nil {
		t.Fatalf("%#v becomes %#v, %v", o, again, err)
	}
	if p, err := ParsePattern(o.Pattern()); err != nil || !slices.Equal(p.Observables(), []Observable{o}) {
		t.Fatalf("%s says %v, %v; want %v", o.Pattern(), p.Observables(), err, o)
	}
	_, _ = o.SpecialUse(), o.Parents()
	if p, ok := o.Prefix(); ok && (!p.IsValid() || formatPrefix(p) != o.Value) {
		t.Fatalf("%v has prefix %v", o, p)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, line := range lines(f, "canonical.txt") {
		part := strings.Split(line, " | ")
		f.Add(part[0], goText(f, part[1]))
	}
	f.Fuzz(func(t *testing.T, typ, s string) {
		if o, err := Canonical(Type(typ), s); err == nil {
			checkObservable(t, o)
		} else if !errors.Is(err, ErrNotObservable) {
			t.Fatal(err)
		}
		if once := Refang(s); Refang(once) != once {
			t.Fatalf("refanged twice: %q", once)
		}
	})
}

func FuzzDetect(f *testing.F) {
	for _, line := range lines(f, "detect.txt") {
		f.Add(goText(f, strings.Split(line, " | ")[0]))
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := Detect(s); err == nil {
			checkObservable(t, o)
		} else if !errors.Is(err, ErrNotObservable) {
			t.Fatal(err)
		}
	})
}

// checkRemark holds for every object that passes Parse: only sightings and
// opinions speak of others, by ids, and what they say is what may be said.
func checkRemark(o *Object) string {
	about := o.About()
	speaks := o.Type == "sighting" || o.Type == "opinion"
	switch {
	case speaks != (len(about) > 0) || !speaks && (o.Confirms() || o.FalsePositive() || o.Count != 0):
		return "says something of other objects, or nothing"
	case o.Confirms() && o.FalsePositive():
		return "confirms and calls false"
	case o.Count < 0 || o.Count > maxCount || !o.FirstSeen.IsZero() && !o.LastSeen.IsZero() && o.LastSeen.Before(o.FirstSeen):
		return "a sighting that cannot be"
	case slices.ContainsFunc(about, func(id string) bool { return !IsID(id) }):
		return "about what has no id"
	}
	return ""
}

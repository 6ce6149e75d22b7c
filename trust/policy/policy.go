package policy

import (
	"bytes"
	"crypto/sha256"
	"time"
)

// A Policy is what a policy file says, with the default of every key that it
// leaves out. It is not changed once parsed, and may be asked by many at once.
type Policy struct {
	Clients    []string // names of organisations
	Trust      Trust
	Admits     []AdmitRule
	Shares     []ShareRule
	Tiers      Tiers
	Lifetimes  Lifetimes
	NeverBlock NeverBlock
	Quota      Quota
	Retention  Retention
	Feeds      Feeds
	Review     Review
	Audit      Audit

	admits, shares []condition // of the rules, in their order
	refs           []reference
}

// Trust says whom to believe how far.
type Trust struct {
	Default   int            // level of whoever is not named below
	Newcomer  int            // the most for organisations the operator did not choose
	Types     map[string]int // per observable type
	Community map[string]Level
	Org       map[string]Level
}

// A Level is how far one is believed: 0..100, or as an anchor.
type Level struct {
	Value  int
	Anchor bool           // Value is 100 then
	Types  map[string]int // where it differs, by observable type
}

// Tiers say what may act on a value.
type Tiers struct {
	Alert AlertTier
	Block BlockTier
}

// AlertTier: the least score, 0..100.
type AlertTier struct{ Score int }

// BlockTier: the least score, and what must stand behind it.
type BlockTier struct {
	Score  int
	Orgs   int  // independent organisations that say so
	Anchor bool // the word of one anchor does as well
}

// Lifetimes say for how long a claim is believed without news.
type Lifetimes struct {
	Default time.Duration
	Types   map[string]time.Duration
}

// Of returns the lifetime of an observable type.
func (l Lifetimes) Of(kind string) time.Duration {
	if d, ok := l.Types[kind]; ok {
		return d
	}
	return l.Default
}

// NeverBlock is what nothing may ever act on, beside what is built in.
type NeverBlock struct {
	Networks   []string // CIDR, host bits zero
	Domains    []string // with everything under them
	Values     []string // TYPE:VALUE, canonical
	Lists      []string // files of MISP warninglists or directories of them, relative to the directory of the node
	PrefixIPv4 int      // the shortest prefixes that may act
	PrefixIPv6 int
}

// Quota is what an author may have us take in a day.
type Quota struct {
	Allowance
	Org map[string]Allowance
}

// Of returns the allowance of an organisation.
func (q Quota) Of(org string) Allowance {
	if a, ok := q.Org[org]; ok {
		return a
	}
	return q.Allowance
}

// Allowance: bytes of objects and number of indicators, each a day.
type Allowance struct {
	Bytes      int64
	Indicators int
}

// Retention is for how long things are kept, [Forever] included.
type Retention struct {
	Clear, Green, Amber, AmberStrict, Red time.Duration // since the bulletin was issued
	Journal                               time.Duration
}

// Feeds is what exports to acting devices are held to.
type Feeds struct {
	Tier   string // observe, alert or block, where none is asked for
	Lines  int    // the most of one feed
	Change Change
}

// Change says when a feed changes too fast: by more than Percent of its lines
// and at least Minimum of them, at once. It then stands for HoldDown, and an
// alarm is raised.
type Change struct {
	Percent, Minimum int
	HoldDown         time.Duration
}

// Review says who accepts what is held.
type Review struct {
	Roles    []string // of analyst, reviewer, operator
	FourEyes bool     // never whoever submitted it
	Expire   time.Duration
	Limit    int // the most that is held at once
}

// Audit says what the journal is kept of.
type Audit struct{ Enabled, Tokens bool }

// Default returns the policy of an empty file.
func Default() *Policy {
	return &Policy{
		Trust: Trust{Default: 50, Newcomer: 25, Types: map[string]int{}, Community: map[string]Level{}, Org: map[string]Level{}},
		Tiers: Tiers{Alert: AlertTier{Score: 30}, Block: BlockTier{Score: 60, Orgs: 2, Anchor: true}},
		Lifetimes: Lifetimes{Default: 90 * day, Types: map[string]time.Duration{
			"ipv4-addr": 30 * day, "ipv6-addr": 30 * day, "ip-port": 30 * day, "url": 60 * day, "md5": 365 * day, "sha1": 365 * day, "sha256": 365 * day, "sha512": 365 * day,
		}},
		NeverBlock: NeverBlock{PrefixIPv4: 16, PrefixIPv6: 32},
		Quota:      Quota{Allowance: Allowance{Bytes: 256 << 20, Indicators: 250_000}, Org: map[string]Allowance{}},
		Retention:  Retention{Clear: Forever, Green: Forever, Amber: Forever, AmberStrict: Forever, Red: Forever, Journal: 730 * day},
		Feeds:      Feeds{Tier: "observe", Lines: 100_000, Change: Change{Percent: 50, Minimum: 100, HoldDown: time.Hour}},
		Review:     Review{Roles: []string{"reviewer", "operator"}, FourEyes: true, Expire: 14 * day, Limit: 10_000},
		Audit:      Audit{Enabled: true, Tokens: true},
	}
}

// Parse reads a policy file of at most [MaxText] bytes. An error is [Faults]:
// everything that is wrong with it, by line.
func Parse(text []byte) (*Policy, error) {
	doc, content := readDocument(text)
	p := Default()
	if len(doc.faults) == 0 {
		f := &form{doc: doc, table: content}
		p.form(f)
		f.finish()
		p.refs = doc.refs
	}
	if faults := doc.faults.sorted(); len(faults) > 0 {
		return nil, faults
	}
	return p, nil
}

// Show returns the effective policy as a file, every key with its value and what
// it is about. Parsed, it is the same policy.
func (p *Policy) Show() []byte { return p.text(true) }

func (p *Policy) text(explain bool) []byte {
	var b bytes.Buffer
	p.form(&form{out: &b, explain: explain})
	return b.Bytes()
}

// Digest identifies the effective policy: two files that say the same have one.
func (p *Policy) Digest() [32]byte {
	return sha256.Sum256(append([]byte("tocsin policy v1\n"), p.text(false)...))
}

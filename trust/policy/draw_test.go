package policy

import (
	"fmt"
	"time"

	"pgregory.net/rapid"
)

// draw makes a policy of any content that a file could have.
func draw(t *rapid.T) *Policy {
	p := Default()
	p.Clients = drawNames(t, "clients")
	p.Trust = drawTrust(t)
	drawAdmits(t, p)
	drawShares(t, p)
	p.Tiers.Alert.Score = drawInt(t, "alert", 1, 100)
	p.Tiers.Block = BlockTier{drawInt(t, "block", p.Tiers.Alert.Score, 100), drawInt(t, "orgs", 1, 16), rapid.Bool().Draw(t, "anchor")}
	p.Lifetimes.Default = drawSpan(t, "lifetime", time.Hour, longest)
	for _, kind := range drawTypes(t, "lifetimes") {
		p.Lifetimes.Types[kind] = drawSpan(t, kind, time.Hour, longest)
	}
	p.NeverBlock = NeverBlock{
		Networks:   drawSome(t, "networks", "203.0.113.0/24", "203.0.113.7/32", "2001:db8::/32", "0.0.0.0/0"),
		Domains:    drawSome(t, "domains", "bank.example", "xn--bcher-kva.example", "a.b.c.example"),
		Values:     drawSome(t, "values", `mutex:Global\a "b" 'c'`, "url:http://a.example/?q='x'", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
		Lists:      drawSome(t, "lists", "warninglists", "a b/c.json", "ü"),
		PrefixIPv4: drawInt(t, "ipv4", 8, 32), PrefixIPv6: drawInt(t, "ipv6", 16, 128),
	}
	p.Quota.Allowance = drawAllowance(t)
	for _, org := range drawNames(t, "quotas") {
		p.Quota.Org[org] = drawAllowance(t)
	}
	for _, d := range []*time.Duration{&p.Retention.Clear, &p.Retention.Green, &p.Retention.Amber, &p.Retention.AmberStrict, &p.Retention.Red} {
		*d = rapid.OneOf(rapid.Just(Forever), rapid.Just(drawSpan(t, "retention", day, longest))).Draw(t, "kept")
	}
	p.Retention.Journal = drawSpan(t, "journal", 30*day, longest)
	p.Feeds = Feeds{
		Tier: rapid.SampledFrom([]string{"observe", "alert", "block"}).Draw(t, "tier"), Lines: drawInt(t, "lines", 1, 10_000_000),
		Change: Change{drawInt(t, "percent", 1, 100), drawInt(t, "minimum", 1, 10_000_000), drawSpan(t, "hold", 0, 30*day)},
	}
	p.Review = Review{append(drawSome(t, "roles", "analyst", "reviewer"), "operator"), rapid.Bool().Draw(t, "eyes"),
		drawSpan(t, "expire", time.Hour, 365*day), drawInt(t, "limit", 1, 1_000_000)}
	p.Audit.Enabled = rapid.Bool().Draw(t, "audit")
	p.Audit.Tokens = p.Audit.Enabled && rapid.Bool().Draw(t, "tokens")
	return p
}

func drawInt(t *rapid.T, label string, least, most int) int {
	return rapid.IntRange(least, most).Draw(t, label)
}

func drawSpan(t *rapid.T, label string, least, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(least/time.Second), int64(most/time.Second)).Draw(t, label)) * time.Second
}

func drawSome(t *rapid.T, label string, all ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, len(all), rapid.ID[string]).Draw(t, label)
}

func drawNames(t *rapid.T, label string) []string {
	return drawSome(t, label, "hospital", "lab", "hospital@bank", "Crédit & Cie.", `quote"d`, `back\slash`, "it's", "10", "0", "a.b", "default", "types", "org", "警報", `'"\`)
}

func drawTypes(t *rapid.T, label string) []string {
	return drawSome(t, label, "url", "ipv4-addr", "mutex", "ja4", "sha256")
}

func drawTypeLevels(t *rapid.T) map[string]int {
	m := map[string]int{}
	for _, kind := range drawTypes(t, "types") {
		m[kind] = drawInt(t, kind, 0, 100)
	}
	return m
}

func drawTrust(t *rapid.T) Trust {
	trust := Trust{Default: drawInt(t, "default", 0, 100), Types: drawTypeLevels(t), Community: map[string]Level{}, Org: map[string]Level{}}
	trust.Newcomer = drawInt(t, "newcomer", 0, trust.Default)
	for _, name := range drawNames(t, "communities") {
		trust.Community[name] = Level{Value: drawInt(t, name, 0, 100), Types: drawTypeLevels(t)}
	}
	for _, name := range drawNames(t, "orgs") {
		l := Level{Value: drawInt(t, name, 0, 100), Types: drawTypeLevels(t), Anchor: rapid.Bool().Draw(t, "anchor")}
		if l.Anchor {
			l.Value = 100
		}
		trust.Org[name] = l
	}
	return trust
}

func drawAllowance(t *rapid.T) Allowance {
	return Allowance{rapid.Int64Range(1<<20, 1<<40).Draw(t, "bytes"), drawInt(t, "indicators", 1, 1_000_000_000)}
}

func drawWhy(t *rapid.T) string {
	return rapid.SampledFrom([]string{"because", `"quoted" and 'quoted' \n`, "ünïcode 🔔", "#"}).Draw(t, "why")
}

func drawAdmits(t *rapid.T, p *Policy) {
	conditions := []string{`bulletin.drill`, `"fin'ance" in tags`, "org.level < 3 &&\n\tbulletin.tlp == \"red\"", `tags.exists(t, t.matches("^\\d+$"))`, `from != '' // why`}
	for i := range drawInt(t, "admits", 0, 4) {
		r := AdmitRule{Name: fmt.Sprintf("admit-%d", i), When: rapid.SampledFrom(conditions).Draw(t, "when"), Do: rapid.SampledFrom([]Action{Admit, Hold, Decline}).Draw(t, "do")}
		if rapid.Bool().Draw(t, "explained") {
			r.Why = drawWhy(t)
		}
		p.Admits = append(p.Admits, r)
	}
}

func drawShares(t *rapid.T, p *Policy) {
	conditions := []string{`drill`, `"fin'ance" in tags`, "count > 3 ||\r\n confidence < 20", `values.exists(v, v.contains("\""))`}
	for i := range drawInt(t, "shares", 0, 4) {
		r := ShareRule{Name: fmt.Sprintf("share-%d", i), When: rapid.SampledFrom(conditions).Draw(t, "when"),
			Do: rapid.SampledFrom([]Action{ToGroup, ToOrgs, Refuse, Hold, Allow}).Draw(t, "do")}
		switch r.Do {
		case ToGroup:
			r.Group = rapid.SampledFrom([]string{"finance", "a b", `q"`}).Draw(t, "group")
		case ToOrgs:
			r.To = [][]string{{"hospital"}, {"hospital", "lab"}, {"hospital/alice", "lab/bob's"}}[drawInt(t, "to", 0, 2)]
		case Refuse:
			r.Why = drawWhy(t)
		}
		p.Shares = append(p.Shares, r)
	}
}

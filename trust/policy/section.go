package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// longest is the longest duration but forever, in any key.
const longest = 3650 * day

const (
	maxNames  = 4096    // of one list or table of organisations
	maxValues = 100_000 // of one list of never-block
)

// form goes through the file, in the order in which it is written.
func (p *Policy) form(f *form) {
	if f.explain {
		fmt.Fprintln(f.out, "# The policy of a tocsin node, with the value of every key.")
	}
	f.texts("clients", &p.Clients, maxNames, checkName, "Organisations that AMBER may be passed on to, for their own protection.")
	for i, name := range p.Clients {
		f.refer(Org, name, "clients", strconv.Itoa(i))
	}
	f.section("trust", p.Trust.form)
	f.admitRules(p)
	f.shareRules(p)
	f.section("tiers", p.Tiers.form)
	f.section("lifetimes", p.Lifetimes.form)
	f.section("never-block", p.NeverBlock.form)
	f.section("quota", p.Quota.form)
	f.section("retention", p.Retention.form)
	f.section("feeds", p.Feeds.form)
	f.section("review", p.Review.form)
	f.section("audit", p.Audit.form)
}

func (t *Trust) form(f *form) {
	f.number("default", &t.Default, 0, 100, "How far a member is believed whom nothing below names, 0 to 100.")
	f.number("newcomer", &t.Newcomer, 0, 100, "The most for organisations that you neither gave a level nor named.")
	if f.reading() && t.Newcomer > t.Default {
		if _, said := f.table["newcomer"]; said {
			f.fault("newcomer", fmt.Sprintf("newcomers would be believed further (%d) than those you know (%d)", t.Newcomer, t.Default), "at most as much as trust.default")
		} else {
			t.Newcomer = t.Default
		}
	}
	f.section("types", func(f *form) { f.typeLevels(t.Types) })
	f.section("community", func(f *form) { f.levels(t.Community, Community) })
	f.section("org", func(f *form) { f.levels(t.Org, Org) })
}

// typeLevels is a table of levels by observable type.
func (f *form) typeLevels(m map[string]int) {
	for _, name := range keys(f, m) {
		if f.reading() && !f.knowsType(name) {
			continue
		}
		n := m[name]
		f.number(name, &n, 0, 100, "")
		if f.reading() {
			m[name] = n
		}
	}
}

// knowsType refuses a key that is no observable type.
func (f *form) knowsType(name string) bool {
	if slices.Contains(stix.Types(), stix.Type(name)) {
		return true
	}
	f.known = append(f.known, name)
	f.doc.unknown(f.at(name), "there is no such observable type", suggestType(name))
	return false
}

// levels is a table of levels by the name of an organisation or community.
func (f *form) levels(m map[string]Level, kind Kind) {
	for _, name := range keys(f, m) {
		if !f.reading() {
			f.write(name, m[name].text(), "")
			continue
		}
		v, _ := f.take(name)
		if _, err := checkName(name); err != nil {
			f.fault(name, err.Error(), hintOf(err))
			continue
		}
		if l, ok := f.level(name, v, kind); ok {
			m[name] = l
			f.refer(kind, name, name)
		}
	}
}

func (l Level) text() string {
	level := strconv.Itoa(l.Value)
	if l.Anchor {
		level = `"anchor"`
	}
	if len(l.Types) == 0 {
		return level
	}
	var types []string
	for _, t := range keys(&form{}, l.Types) {
		types = append(types, fmt.Sprintf("%s = %d", t, l.Types[t]))
	}
	return fmt.Sprintf("{ level = %s, types = { %s } }", level, strings.Join(types, ", "))
}

// level reads 80, "anchor", or a table of level and types.
func (f *form) level(name string, v any, kind Kind) (Level, bool) {
	table, ok := v.(map[string]any)
	if !ok {
		l := Level{}
		return l, f.setLevel(name, v, &l, kind)
	}
	l, ok := Level{Types: map[string]int{}}, true
	inner := &form{path: f.at(name), doc: f.doc, table: table}
	if value, said := inner.take("level"); said {
		ok = inner.setLevel("level", value, &l, kind)
	} else {
		inner.fault("level", "it is missing", "level = 80, beside types")
		ok = false
	}
	inner.section("types", func(f *form) { f.typeLevels(l.Types) })
	inner.finish()
	if len(l.Types) == 0 {
		l.Types = nil
	}
	return l, ok
}

func (f *form) setLevel(key string, v any, l *Level, kind Kind) bool {
	text, ok := v.(string)
	switch {
	case !ok:
		return f.setNumber(key, v, &l.Value, 0, 100)
	case text == "anchor" && kind == Org:
		l.Value, l.Anchor = 100, true
		return true
	case text == "anchor":
		f.fault(key, "a community cannot be an anchor", "anchors are organisations, in [trust.org]")
	default:
		f.fault(key, fmt.Sprintf("%q is no level", text), `0 to 100 without quotation marks, or "anchor"`)
	}
	return false
}

func (t *Tiers) form(f *form) {
	f.section("alert", func(f *form) {
		f.number("score", &t.Alert.Score, 1, 100, "The least score at which analysts are told.")
	})
	f.section("block", func(f *form) {
		b := &t.Block
		f.number("score", &b.Score, 1, 100, "The least score at which devices act by themselves.")
		f.number("orgs", &b.Orgs, 1, 16, "Independent organisations that must say so, at least one of them chosen by you.")
		f.boolean("anchor", &b.Anchor, "Whether the word of one anchor does as well.")
	})
	if f.reading() && t.Block.Score < t.Alert.Score {
		f.doc.fault(f.clash("block", "alert"), fmt.Sprintf("values would be blocked (score %d) before they alert (score %d)", t.Block.Score, t.Alert.Score),
			"block.score is alert.score or more")
	}
}

// clash returns the path of whichever score the file says.
func (f *form) clash(tables ...string) []string {
	for _, name := range tables {
		if table, ok := f.table[name].(map[string]any); ok && table["score"] != nil {
			return append(f.at(name), "score")
		}
	}
	return f.path
}

func (l *Lifetimes) form(f *form) {
	const about = "For how long a claim is believed after it was last made or sighted, by observable type."
	f.span("default", &l.Default, time.Hour, longest, about)
	for _, name := range keys(f, l.Types) {
		if name == "default" || f.reading() && !f.knowsType(name) {
			continue
		}
		d := l.Types[name]
		f.span(name, &d, time.Hour, longest, "")
		if f.reading() { // whoever shows a policy changes nothing of it
			l.Types[name] = d
		}
	}
}

func (n *NeverBlock) form(f *form) {
	f.texts("networks", &n.Networks, maxValues, checkNetwork, "What no device may ever act on, beside what is built in. Your own networks,")
	f.texts("domains", &n.Domains, maxValues, checkDomain, "domains, with everything under them,")
	f.texts("values", &n.Values, maxValues, checkValue, "and single values of any type, as TYPE:VALUE where the type cannot be told.")
	f.texts("lists", &n.Lists, 256, checkList, "MISP warninglists: files or directories within the directory of the node.")
	f.section("min-prefix", func(f *form) {
		f.number("ipv4", &n.PrefixIPv4, 8, 32, "Networks wider than these never act.")
		f.number("ipv6", &n.PrefixIPv6, 16, 128, "")
	})
}

func (q *Quota) form(f *form) {
	q.Allowance.form(f)
	f.section("org", func(f *form) {
		for _, name := range keys(f, q.Org) {
			if f.reading() {
				f.refer(Org, name, name)
				if _, err := checkName(name); err != nil {
					f.fault(name, err.Error(), hintOf(err))
				}
			}
			a, held := q.Org[name]
			if !held {
				a = q.Allowance
			}
			f.section(name, a.form)
			if f.reading() {
				q.Org[name] = a
			}
		}
	})
}

func (a *Allowance) form(f *form) {
	f.size("bytes", &a.Bytes, 1<<20, "What an author may have this node store in a day; more is left out, headers alone.")
	f.number("indicators", &a.Indicators, 1, 1_000_000_000, "Indicators of an author in a day.")
}

func (r *Retention) form(f *form) {
	f.span("clear", &r.Clear, day, Forever, "For how long bulletins are kept after their issue, by label. What has expired leaves sooner.")
	f.span("green", &r.Green, day, Forever, "")
	f.span("amber", &r.Amber, day, Forever, "")
	f.span("amber+strict", &r.AmberStrict, day, Forever, "")
	f.span("red", &r.Red, day, Forever, "")
	f.span("journal", &r.Journal, 30*day, Forever, "The audit journal, in whole months.")
}

func (e *Feeds) form(f *form) {
	f.text("tier", &e.Tier, oneOf("observe", "alert", "block"), "The tier of a feed where none is asked for.")
	f.number("lines", &e.Lines, 1, 10_000_000, "The most lines of a feed; the strongest are kept.")
	f.section("change", func(f *form) {
		c := &e.Change
		f.number("percent", &c.Percent, 1, 100, "A feed that would gain or lose more than this share of its lines at once,")
		f.number("minimum", &c.Minimum, 1, 10_000_000, "and at least so many, stands as it is")
		f.span("hold-down", &c.HoldDown, 0, 30*day, "for so long, and an alarm is raised.")
	})
}

func (r *Review) form(f *form) {
	f.texts("roles", &r.Roles, 8, checkReviewer, "Who accepts or rejects what is held: roles of tokens.")
	f.boolean("four-eyes", &r.FourEyes, "Never whoever submitted it.")
	f.span("expire", &r.Expire, time.Hour, 365*day, "What nobody decided on is rejected after this.")
	f.number("limit", &r.Limit, 1, 1_000_000, "The most that is held at once; what comes on top is refused.")
	if list, ok := f.table["roles"].([]any); ok && len(list) == 0 {
		f.fault("roles", "nobody could accept what is held", `such as ["reviewer"]`)
	}
}

func (a *Audit) form(f *form) {
	f.boolean("enabled", &a.Enabled, "Whether the journal is kept.")
	f.boolean("tokens", &a.Tokens, "Whether the use of tokens goes into it.")
	if f.reading() && a.Tokens && !a.Enabled {
		if _, said := f.table["tokens"]; said {
			f.fault("tokens", "it goes into a journal that is not kept", "audit.enabled = true")
		}
		a.Tokens = false
	}
}

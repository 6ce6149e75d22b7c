package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// check refuses fields that the question or its outcome does not have.
func (c *tableCase) check() *Fault {
	if ask := c.ask; ask != "admit" && ask != "share" && ask != "trust" {
		return c.fault(1, "", fmt.Sprintf("%q is no question", ask), suggest(ask, []string{"admit", "share", "trust"}))
	}
	if f := c.fill(c.target(nil)); f != nil {
		return f
	}
	return c.checkWant()
}

// outcomes are the words that may stand behind the arrow.
func (c *tableCase) outcomes() []string {
	switch c.ask {
	case "admit":
		return []string{"admit", "hold", "decline"}
	case "share":
		return []string{"allow", "hold", "refuse", "group", "to"}
	}
	return []string{"anchor"}
}

func (c *tableCase) checkWant() *Fault {
	plain := 0
	for i, w := range c.want {
		switch {
		case w.keyed && w.key == "rule" && len(w.values) == 1 && i > 0:
		case w.keyed:
			return c.fault(w.column, w.key, "it has no place behind the arrow", "an outcome, and after it rule=NAME")
		case plain > 0 && (plain > 1 || c.want[0].value() != "group" && c.want[0].value() != "to"):
			return c.fault(w.column, "", fmt.Sprintf("%q is too much", w.value()), "one outcome, and after it rule=NAME")
		default:
			plain++
		}
	}
	first := c.want[0].value()
	_, err := strconv.ParseUint(first, 10, 7)
	switch {
	case c.ask == "trust" && err == nil:
	case !slices.Contains(c.outcomes(), first):
		hint := suggest(first, c.outcomes())
		if c.ask == "trust" {
			hint = "a level of 0 to 100, or anchor"
		}
		return c.fault(c.want[0].column, "", fmt.Sprintf("%q is no outcome of %s", first, c.ask), hint)
	case plain < 2 && (first == "group" || first == "to"):
		return c.fault(c.want[0].column, "", first+" names nobody", first+" NAME")
	}
	return nil
}

// question is what a case asks about.
type question struct {
	arrival    Arrival
	submission Submission

	communities []string // of trust
	kind        string
}

// A target is where a key of a case goes.
type target map[string]any

// target lists the keys of a question.
func (c *tableCase) target(q *question) target {
	if q == nil {
		q = &question{}
	}
	a, s := &q.arrival, &q.submission
	switch c.ask {
	case "admit":
		return target{
			"tlp": &a.TLP, "pap": &a.PAP, "kind": &a.Kind, "community": &a.Community, "drill": &a.Drill, "count": &a.Count, "age": &a.Age,
			"types": &a.Types, "tags": &a.Tags, "from": &a.From, "org": &a.Source.Name, "level": &a.Source.Level,
			"anchor": &a.Source.Anchor, "chosen": &a.Source.Chosen, "introduced-by": &a.Source.IntroducedBy,
		}
	case "share":
		return target{
			"tlp": &s.TLP, "pap": &s.PAP, "community": &s.Community, "drill": &s.Drill, "count": &s.Count, "confidence": &s.Confidence,
			"types": &s.Types, "tags": &s.Tags, "values": &s.Values, "person": &s.Person, "role": &s.Role, "group": &s.Group, "to": &s.To,
		}
	}
	return target{"org": &a.Source.Name, "community": &q.communities, "chosen": &a.Source.Chosen, "type": &q.kind}
}

// fill reads the fields of a case.
func (c *tableCase) fill(to target) *Fault {
	seen := map[string]bool{}
	for _, f := range c.given {
		into, known := to[f.key]
		switch {
		case !f.keyed:
			return c.fault(f.column, "", fmt.Sprintf("%q has no equals sign", f.value()), "KEY=VALUE")
		case !known:
			return c.fault(f.column, f.key, "there is no such key", suggest(f.key, keys(&form{}, to)))
		case seen[f.key]:
			return c.fault(f.column, f.key, "it stands here twice", "several values stand between commas")
		}
		seen[f.key] = true
		if err := f.set(into); err != nil {
			return c.fault(f.column, f.key, err.Error(), hintOf(err))
		}
	}
	return nil
}

// set reads the value of a field.
func (f field) set(into any) (err error) {
	switch into := into.(type) {
	case *string:
		*into = f.value()
		return f.checkWord()
	case *[]string:
		*into = f.values
		return f.checkWord()
	case *int:
		*into, err = strconv.Atoi(f.value())
	case *bool:
		*into, err = strconv.ParseBool(f.value())
	case *time.Duration:
		*into, err = parseSpan(f.value())
	case *protocol.TLP:
		*into, err = protocol.ParseTLP(f.value())
	case *protocol.PAP:
		err = into.UnmarshalText([]byte(f.value()))
	}
	if err != nil {
		err = hinted{fmt.Sprintf("%q cannot be read", f.value()), f.example()}
	}
	return err
}

// checkWord refuses words that such a field never has.
func (f field) checkWord() error {
	known := map[string][]string{"types": typeNames(), "type": typeNames(), "kind": kinds(), "role": roles()}[f.key]
	for _, v := range f.values {
		if known != nil && !slices.Contains(known, v) {
			hint := suggest(v, known)
			if f.key == "types" || f.key == "type" {
				hint = suggestType(v)
			}
			return hinted{fmt.Sprintf("it is never %q", v), hint}
		}
	}
	return nil
}

func (f field) example() string {
	switch f.key {
	case "tlp":
		return "one of " + strings.Join(labels(), ", ")
	case "pap":
		return "one of " + strings.Join(levels()[1:], ", ")
	case "age":
		return "such as 12h or 3d"
	case "drill", "anchor", "chosen":
		return "true or false"
	}
	return "a whole number"
}

// run asks a policy. A bulletin that does not say otherwise holds objects of a
// member the operator believes as the policy says.
func (c *tableCase) run(p *Policy) Result {
	q := &question{arrival: Arrival{Kind: "objects"}}
	c.fill(c.target(q))
	r := Result{Line: c.line, Case: c.asked, Want: c.out}
	var outcome []string
	var rule string
	switch c.ask {
	case "admit":
		c.believe(p, &q.arrival)
		ruling := p.Admit(q.arrival)
		outcome, rule, r.Reason = []string{string(ruling.Do)}, ruling.Rule, ruling.Reason
	case "share":
		ruling := p.Share(q.submission)
		outcome, rule, r.Reason = ruling.words(), ruling.Rule, ruling.Reason
	default:
		b := p.Level(q.arrival.Source.Name, q.communities, q.arrival.Source.Chosen, q.kind)
		outcome, rule, r.Reason = []string{strconv.Itoa(b.Level)}, b.Key, b.Key
		if b.Anchor && c.want[0].value() == "anchor" {
			outcome = []string{"anchor"}
		}
	}
	r.Got = strings.Join(append(outcome, "rule="+rule), " ")
	r.Pass = c.pass(outcome, rule)
	return r
}

// believe fills in what the policy says of the author, where the case does not.
func (c *tableCase) believe(p *Policy, a *Arrival) {
	given := func(key string) bool { return slices.ContainsFunc(c.given, func(f field) bool { return f.key == key }) }
	if _, named := p.Trust.Org[a.Source.Name]; named && !given("chosen") {
		a.Source.Chosen = true
	}
	b := p.Level(a.Source.Name, []string{a.Community}, a.Source.Chosen, "")
	if !given("level") {
		a.Source.Level = b.Level
	}
	if !given("anchor") {
		a.Source.Anchor = b.Anchor
	}
	if !given("from") {
		a.From = a.Source.Name
	}
}

// words are the outcome as a table has it.
func (r Ruling) words() []string {
	switch r.Do {
	case ToGroup:
		return []string{"group", r.Group}
	case ToOrgs:
		return []string{"to", strings.Join(r.To, ",")}
	}
	return []string{string(r.Do)}
}

// pass compares what was expected with what came.
func (c *tableCase) pass(outcome []string, rule string) bool {
	var want []string
	for _, w := range c.want {
		if w.keyed {
			if w.value() != rule {
				return false
			}
			continue
		}
		want = append(want, w.value())
	}
	return slices.Equal(want, outcome)
}

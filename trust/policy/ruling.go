package policy

import (
	"fmt"
	"slices"
	"strings"
)

// A Ruling is what the rules say of a bulletin or submission, the rule that
// decided, and why. The zero value lets nothing in or out.
type Ruling struct {
	Do     Action
	Rule   string // its name, "default" where none matched, "limit" where it could not be judged
	Reason string
	Group  string   // of ToGroup
	To     []string // of ToOrgs: ORG, or under RED ORG/PERSON
}

// Admit says what becomes of a bulletin of another organisation: the first rule
// that matches decides; where none does it is admitted. Whatever cannot be
// judged is held.
func (p *Policy) Admit(a Arrival) Ruling {
	i, r := decide(p.admits, a.input, func(i int) string { return p.Admits[i].Name })
	switch {
	case r.Rule != "":
		r.Do = Hold
		return r
	case i < 0:
		return Ruling{Do: Admit, Rule: ruleDefault, Reason: "no rule holds or declines it"}
	}
	rule := &p.Admits[i]
	r = Ruling{Do: rule.Do, Rule: rule.Name, Reason: rule.Why}
	if r.Reason == "" {
		r.Reason = "rule " + rule.Name
	}
	return r
}

// Share says with whom a submission of ours is shared: the first rule that
// matches decides; where none does, with the audience that the submitter chose.
// What cannot be judged is refused, and so is what a rule shares with others
// than the submitter asked for or than its label can name.
func (p *Policy) Share(s Submission) Ruling {
	i, r := decide(p.shares, s.input, func(i int) string { return p.Shares[i].Name })
	switch {
	case r.Rule != "":
		r.Do = Refuse
		return r
	case i < 0:
		return Ruling{Do: Allow, Rule: ruleDefault, Reason: "no rule says otherwise"}
	}
	rule := &p.Shares[i]
	switch rule.Do {
	case Refuse:
		return Ruling{Do: Refuse, Rule: rule.Name, Reason: rule.Why}
	case Hold:
		return Ruling{Do: Hold, Rule: rule.Name, Reason: "rule " + rule.Name + " wants a second pair of eyes"}
	case ToGroup, ToOrgs:
		return rule.redirect(&s)
	}
	return Ruling{Do: rule.Do, Rule: rule.Name, Reason: "rule " + rule.Name}
}

// redirect gives a submission the audience of a rule. What its author asked for
// is never widened: other wishes are refused.
func (r *ShareRule) redirect(s *Submission) Ruling {
	audience := "group " + r.Group
	asked := s.Group != r.Group && s.Group != "" || len(s.To) > 0
	if r.Do == ToOrgs {
		audience = strings.Join(r.To, ", ")
		asked = s.Group != "" || len(s.To) > 0 && !sameNames(s.To, r.To)
	}
	only := fmt.Sprintf("rule %s shares it with %s only", r.Name, audience)
	switch {
	case !r.suits(s.TLP):
		return Ruling{Do: Refuse, Rule: r.Name, Reason: only + ", which " + s.TLP.Label() + " cannot name"}
	case asked:
		return Ruling{Do: Refuse, Rule: r.Name, Reason: only}
	}
	return Ruling{Do: r.Do, Rule: r.Name, Reason: only, Group: r.Group, To: slices.Clone(r.To)}
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}

// decide returns the first condition that matches, -1 for none. A ruling with a
// rule says which could not be judged, and why.
func decide(conditions []condition, facts func() map[string]any, name func(int) string) (int, Ruling) {
	if len(conditions) == 0 {
		return -1, Ruling{}
	}
	input := facts()
	if err := conditions[0].language.within(input); err != nil {
		return -1, Ruling{Rule: ruleLimit, Reason: "too large to be judged: " + err.Error()}
	}
	total := uint64(0)
	for i := range conditions {
		yes, cost, err := conditions[i].matches(input)
		if err != nil {
			return -1, Ruling{Rule: name(i), Reason: "the condition of rule " + name(i) + " failed: " + err.Error()}
		}
		if yes {
			return i, Ruling{}
		}
		if total += cost; total > maxTotalCost {
			return -1, Ruling{Rule: ruleLimit, Reason: fmt.Sprintf("too costly to be judged: the rules up to %s took %d units", name(i), total)}
		}
	}
	return -1, Ruling{}
}

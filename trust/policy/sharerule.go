package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A ShareRule says with whom submissions of ours are shared.
type ShareRule struct {
	Name, When string
	Do         Action   // ToGroup, ToOrgs, Refuse, Hold, Allow
	Group      string   // of ToGroup
	To         []string // of ToOrgs: ORG, or under RED ORG/PERSON
	Why        string   // of Refuse
}

func (f *form) shareRules(p *Policy) {
	if !f.reading() {
		for _, r := range p.Shares {
			f.heading("share", r.Name, r.When)
			switch r.Do {
			case ToGroup:
				f.write("group", quote(r.Group), "")
			case ToOrgs:
				f.texts("to", &r.To, maxNames, nil, "")
			case Refuse:
				f.write("refuse", quote(r.Why), "")
			default:
				f.write(string(r.Do), "true", "")
			}
		}
		return
	}
	tables := f.rules("share")
	if len(tables) == 0 {
		return
	}
	l := f.language(submissionWords())
	if l == nil {
		return
	}
	var order order
	for i, table := range tables {
		var r ShareRule
		in := f.rule("share", i, table)
		if in.need("name", &r.Name, checkRuleName, `name = "finance"`) {
			in.unique(r.Name)
		}
		c := in.condition(&r.When, l)
		order.add(in, r.Name, c)
		if in.outcome(&r) && c != nil {
			in.fits(&r, c)
		}
		in.finish()
		p.Shares = append(p.Shares, r)
		if c != nil {
			p.shares = append(p.shares, *c)
		}
	}
}

// outcome reads the one thing a share rule does.
func (f *form) outcome(r *ShareRule) bool {
	outcomes := []Action{ToGroup, ToOrgs, Refuse, Hold, Allow}
	var said []string
	for _, o := range outcomes {
		if _, ok := f.table[string(o)]; ok {
			r.Do = o
			said = append(said, string(o))
		} else {
			f.take(string(o))
		}
	}
	if len(said) != 1 {
		reason := "the rule does nothing"
		if len(said) > 1 {
			reason = "the rule has more than one outcome: " + strings.Join(said, ", ")
		}
		f.doc.fault(f.path, reason, `one of group = "...", to = [...], refuse = "why", hold = true, allow = true`)
		for _, key := range said {
			f.take(key)
		}
		return false
	}
	switch r.Do {
	case ToGroup:
		ok := f.text("group", &r.Group, checkName, "")
		f.refer(Group, r.Group, "group")
		return ok
	case ToOrgs:
		return f.recipients(r)
	case Refuse:
		return f.text("refuse", &r.Why, checkSentence, "")
	}
	var yes bool
	f.boolean(said[0], &yes, "")
	if v, ok := f.table[said[0]].(bool); ok && !v {
		f.fault(said[0], "false is no outcome", said[0]+" = true, or another outcome")
	}
	return yes
}

func (f *form) recipients(r *ShareRule) bool {
	before := len(f.doc.faults)
	f.texts("to", &r.To, 64, checkRecipient, "")
	if len(f.doc.faults) > before {
		return false
	}
	persons := 0
	for i, to := range r.To {
		org, person, _ := strings.Cut(to, "/")
		f.refer(Org, org, "to", strconv.Itoa(i))
		if person != "" {
			persons++
		}
	}
	switch {
	case len(r.To) == 0:
		f.fault("to", "it names nobody", `to = ["hospital"], or refuse = "why"`)
	case persons > 0 && persons < len(r.To):
		f.fault("to", "it names organisations beside persons", "TLP:RED names persons (ORG/PERSON), the other labels organisations")
	}
	return len(f.doc.faults) == before
}

// checkRecipient accepts ORG and ORG/PERSON.
func checkRecipient(s string) (string, error) {
	org, person, named := strings.Cut(s, "/")
	if _, err := checkName(org); err != nil {
		return "", err
	}
	if named && protocol.CheckName(person) != nil {
		return "", hinted{fmt.Sprintf("%q names no person", s), "ORG/PERSON, such as hospital/alice"}
	}
	return s, nil
}

// suits reports whether an outcome is one that a label allows.
func (r *ShareRule) suits(label protocol.TLP) bool {
	switch {
	case r.Do != ToGroup && r.Do != ToOrgs:
		return true
	case r.Do == ToOrgs && strings.Contains(r.To[0], "/"):
		return label == protocol.Red
	}
	return label == protocol.Amber || label == protocol.AmberStrict
}

// fits refuses a rule that matches only labels its outcome cannot be had under.
func (f *form) fits(r *ShareRule, c *condition) {
	if c.constant() == never {
		return // that was said
	}
	for label := protocol.Clear; label <= protocol.Red; label++ {
		if r.suits(label) && c.mayMatch(map[string]any{"tlp": label.String()}) {
			return
		}
	}
	f.fault(string(r.Do), "the labels that the rule matches name no such recipients", "CLEAR and GREEN name nobody, AMBER groups and organisations, RED persons (ORG/PERSON)")
}

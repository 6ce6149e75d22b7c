package policy

import (
	"fmt"
	"strconv"
)

// maxRules bounds the rules of a policy, of both lists together.
const maxRules = 256

// Names of what decides where no rule does.
const (
	ruleDefault = "default" // no rule matched
	ruleLimit   = "limit"   // too large or too costly to be judged
)

// An Action is what a rule does. The zero value lets nothing in or out.
type Action string

// Admit, Hold and Decline are what becomes of a bulletin of others; Allow, Hold,
// Refuse, ToGroup and ToOrgs what becomes of a submission of ours.
const (
	Admit   Action = "admit"   // it counts here
	Hold    Action = "hold"    // until a person decides
	Decline Action = "decline" // its header is held and passed on, its body is not
	Allow   Action = "allow"   // to the audience that the submitter chose
	Refuse  Action = "refuse"
	ToGroup Action = "group" // to a sharing group, and nobody else
	ToOrgs  Action = "to"    // to organisations or persons, and nobody else
)

// rules returns the tables of a list of rules in a file.
func (f *form) rules(key string) []map[string]any {
	v, ok := f.take(key)
	if !ok {
		return nil
	}
	items, ok := v.([]any)
	if !ok || len(items) > maxRules {
		hint := "write [[" + key + "]] and the keys of a rule below"
		if ok {
			f.fault(key, fmt.Sprintf("%d rules, at most %d are allowed", len(items), maxRules), "one condition may name several tags or types: \"finance\" in tags || ...")
		} else {
			f.fault(key, "it is "+kindOf(v)+", and must be a list of rules", hint)
		}
		return nil
	}
	tables := make([]map[string]any, len(items))
	for i, item := range items {
		if tables[i], ok = item.(map[string]any); !ok {
			f.doc.fault(append(f.at(key), strconv.Itoa(i)), "it is "+kindOf(item)+", and must be a rule", "write [["+key+"]] and the keys of a rule below")
			return nil
		}
	}
	return tables
}

// rule is the form of one rule; nothing of it may be missing but its why.
func (f *form) rule(key string, i int, table map[string]any) *form {
	return &form{path: append(f.at(key), strconv.Itoa(i)), doc: f.doc, table: table}
}

// need reads a text that a rule must have.
func (f *form) need(key string, s *string, check func(string) (string, error), example string) bool {
	if _, ok := f.table[key]; !ok {
		f.take(key)
		f.doc.fault(f.path, "the rule has no "+key, "such as "+example)
		return false
	}
	return f.text(key, s, check, "")
}

// unique refuses a rule's name that was given before, in either list.
func (f *form) unique(name string) {
	if line, twice := f.doc.rules[name]; twice {
		f.fault("name", fmt.Sprintf("the rule of line %d has this name", line), "the journal tells rules apart by their names")
		return
	}
	f.doc.rules[name] = f.doc.find(f.at("name")).line
}

// order finds rules that can never decide. A broken condition is nil.
type order struct{ last string } // the rule that always matches

func (o *order) add(f *form, name string, c *condition) {
	if o.last != "" {
		f.doc.fault(f.path, "it never decides: the rule "+o.last+" before it always matches", "move it before that rule")
	}
	if c == nil {
		return
	}
	switch matches := c.constant(); {
	case matches == always && o.last == "":
		o.last = fmt.Sprintf("%q (line %d)", name, f.doc.find(f.path).line)
	case matches == never:
		f.fault("when", "it can never match", "correct the condition, or leave the rule out")
	}
}

func (f *form) heading(list, name, when string) {
	fmt.Fprintf(f.out, "\n[[%s]]\n", list)
	f.write("name", quote(name), "")
	f.write("when", quote(when), "")
}

func (f *form) optional(key, s string) {
	if s != "" {
		f.write(key, quote(s), "")
	}
}

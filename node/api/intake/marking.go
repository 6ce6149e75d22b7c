package intake

import (
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const (
	tlpExtension = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d" // TLP 2.0
	iepExtension = "extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a" // FIRST IEP 2.0

	// mitreCopyright is the statement MITRE ATT&CK objects carry, which other
	// reports refer to without repeating it.
	mitreCopyright = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"

	// maxMarkings bounds the definitions learnt from one file.
	maxMarkings = 10_000
)

// markings are the marking-definitions a file has shown so far, besides the
// TLP's own. A statement is known and has no level.
type markings map[string]protocol.TLP

// label is the strictest level of an object's markings, or else the first of
// them that nobody has defined.
func (m markings) label(refs []string) (t protocol.TLP, missing string) {
	for _, ref := range refs {
		level, ok := protocol.MarkingTLP(ref)
		if !ok {
			level, ok = m[ref]
		}
		if !ok && ref != mitreCopyright {
			return protocol.Unlabelled, ref
		}
		t = t.Stricter(level)
	}
	return t, ""
}

// learn takes a definition. It reports whether that is a TLP label and nothing
// else. A marking of a kind we do not know stays undefined, so that what
// refers to it is refused.
func (m *markings) learn(o stix.Object) (pure bool, err error) {
	level, known, pure, err := level(o.Raw)
	if err != nil || !known {
		return false, err
	}
	if official, ok := protocol.MarkingTLP(o.ID); ok {
		if official != level {
			return false, errors.New("contradictory marking: redefines " + official.Label())
		}
		return pure, nil
	}
	if *m == nil {
		*m = markings{}
	}
	before, again := (*m)[o.ID]
	if again && before != level {
		(*m)[o.ID] = before.Stricter(level)
		return false, errors.New("contradictory marking: defined before with another level")
	}
	if !again && len(*m) >= maxMarkings {
		return false, errors.New("more than 10000 marking definitions in one file")
	}
	(*m)[o.ID] = level
	return pure, nil
}

// level reads what a marking-definition says, in any of the ways there are.
func level(raw []byte) (t protocol.TLP, known, pure bool, err error) {
	var d struct {
		Kind       string `json:"definition_type"`
		Definition struct {
			TLP string `json:"tlp"`
		} `json:"definition"`
		Extensions map[string]struct {
			TLP2 string `json:"tlp_2_0"`
			IEP  string `json:"tlp"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return t, false, false, errors.New("marking definition that cannot be understood: " + excerpt(err.Error()))
	}
	words := []string{d.Extensions[tlpExtension].TLP2, d.Extensions[iepExtension].IEP, d.Definition.TLP}
	for i, word := range words {
		if word == "" {
			continue
		}
		one, err := protocol.ParseTLP(word)
		if err != nil {
			return t, false, false, errors.New("unknown TLP label: " + excerpt(word))
		}
		t, known = t.Stricter(one), true
		pure = i != 1
	}
	if d.Kind == "statement" {
		known = true
	}
	return t, known, pure && d.Kind != "statement", nil
}

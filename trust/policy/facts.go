package policy

import (
	"fmt"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// An Arrival is what admit rules are asked about: a bulletin of another
// organisation. The word of a condition stands behind each field.
type Arrival struct {
	TLP       protocol.TLP  // bulletin.tlp
	PAP       protocol.PAP  // bulletin.pap, "" where none was stated
	Kind      string        // bulletin.kind: objects or statements
	Community string        // bulletin.community: its name here, "" above GREEN
	Drill     bool          // bulletin.drill
	Count     int           // bulletin.count: objects in it
	Age       time.Duration // bulletin.age: whole hours since it was issued
	Types     []string      // types: observable types in it
	Tags      []string      // tags: labels of its objects
	From      string        // from: name of the organisation that handed it over
	Source    Source        // org
}

// Source is the author of a bulletin.
type Source struct {
	Name         string   // org.name
	Level        int      // org.level: 0..100, as the policy and outcomes have it
	Anchor       bool     // org.anchor
	Chosen       bool     // org.chosen: the operator gave it a level or confirmed its name
	IntroducedBy []string // org.introduced_by
}

// A Submission is what share rules are asked about: what we are about to say.
type Submission struct {
	TLP        protocol.TLP // tlp
	PAP        protocol.PAP // pap
	Community  string       // community, "" above GREEN
	Drill      bool         // drill
	Count      int          // count
	Confidence int          // confidence: the highest of its indicators
	Types      []string     // types
	Tags       []string     // tags
	Values     []string     // values: of its observables
	Person     string       // person: who submits, "" where not known
	Role       string       // role of who submits
	Group      string       // group: that the submitter asked for
	To         []string     // to: that the submitter asked for, ORG or ORG/PERSON
}

func (a *Arrival) input() map[string]any {
	return map[string]any{
		"bulletin.tlp": a.TLP.String(), "bulletin.pap": a.PAP.String(), "bulletin.kind": a.Kind, "bulletin.community": a.Community,
		"bulletin.drill": a.Drill, "bulletin.count": a.Count, "bulletin.age": int(a.Age / time.Hour),
		"org.name": a.Source.Name, "org.level": a.Source.Level, "org.anchor": a.Source.Anchor, "org.chosen": a.Source.Chosen,
		"org.introduced_by": a.Source.IntroducedBy, "from": a.From, "types": a.Types, "tags": a.Tags,
	}
}

func (s *Submission) input() map[string]any {
	return map[string]any{
		"tlp": s.TLP.String(), "pap": s.PAP.String(), "community": s.Community, "drill": s.Drill, "count": s.Count, "confidence": s.Confidence,
		"types": s.Types, "tags": s.Tags, "values": s.Values, "person": s.Person, "role": s.Role, "group": s.Group, "to": s.To,
	}
}

// within refuses input larger than conditions were priced for.
func (l *language) within(input map[string]any) error {
	for _, w := range l.words {
		switch v := input[w.name].(type) {
		case string:
			if len(v) > w.bytes {
				return fmt.Errorf("%s has %d bytes, rules are asked about %d at most", w.name, len(v), w.bytes)
			}
		case []string:
			if len(v) > w.entries {
				return fmt.Errorf("%s has %d entries, rules are asked about %d at most", w.name, len(v), w.entries)
			}
			for _, s := range v {
				if len(s) > w.bytes {
					return fmt.Errorf("an entry of %s has %d bytes, rules are asked about %d at most", w.name, len(s), w.bytes)
				}
			}
		}
	}
	return nil
}

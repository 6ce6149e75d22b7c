package policy

import (
	"fmt"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Kind is what a name in a policy is the name of.
type Kind string

// Kinds of names.
const (
	Org       Kind = "organisation"
	Group     Kind = "sharing group"
	Community Kind = "community"
)

// A reference is where a policy names somebody.
type reference struct {
	kind Kind
	name string
	at   place
	key  string
}

// refer notes that the text at a path below here names somebody.
func (f *form) refer(kind Kind, name string, path ...string) {
	if !f.reading() || name == "" {
		return
	}
	full := append(slices.Clone(f.path), path...)
	f.doc.refs = append(f.doc.refs, reference{kind, name, f.doc.find(full), f.doc.show(full)})
}

// Directory knows who is called what here. Its errors say why a name is not to
// be used, in a few words; they become the reason of a fault.
type Directory struct {
	Org       func(name string) (protocol.Org, error)
	Group     func(name string) error
	Community func(name string) error
}

// A Bound is a policy whose names of organisations were looked up.
type Bound struct {
	*Policy
	Orgs  map[string]protocol.Org // by name; those nobody has are missing
	Names map[protocol.Org]string // as the policy calls them
}

// Bind looks up every name in a policy. Faults are the names that nobody has,
// by line, and two names for one organisation: what such a name says holds for
// nobody, and the rest of the policy holds without it.
func (p *Policy) Bind(d Directory) (Bound, Faults) {
	b := Bound{Policy: p, Orgs: map[string]protocol.Org{}, Names: map[protocol.Org]string{}}
	var faults Faults
	asked := map[string]error{}
	for _, r := range p.refs {
		id := string(r.kind) + "\x00" + r.name
		err, known := asked[id]
		if !known {
			err = b.look(d, r)
			asked[id] = err
		}
		if err != nil {
			faults = append(faults, &Fault{Line: r.at.line, Column: r.at.column, Key: r.key,
				Reason: fmt.Sprintf("%q: %v", r.name, err), Hint: hintOf(err)})
		}
	}
	return b, faults.sorted()
}

func (b *Bound) look(d Directory, r reference) error {
	switch r.kind {
	case Group:
		return d.Group(r.name)
	case Community:
		return d.Community(r.name)
	}
	org, err := d.Org(r.name)
	if err != nil {
		return err
	}
	if other, twice := b.Names[org]; twice {
		return hinted{"it is the organisation that is called " + other + " above", "use one name for it"}
	}
	b.Orgs[r.name], b.Names[org] = org, r.name
	return nil
}

// ClientOrgs returns the organisations that AMBER may be passed on to.
func (b *Bound) ClientOrgs() []protocol.Org {
	var orgs []protocol.Org
	for _, name := range b.Clients {
		if org, ok := b.Orgs[name]; ok {
			orgs = append(orgs, org)
		}
	}
	return orgs
}

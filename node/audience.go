package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Audience finds the recipients that people name: a sharing group in the version
// in force, organisations, or for RED persons as ORG/PERSON. Names that others
// gave are refused: nobody here has compared fingerprints. Under RED the person
// who says it may see it, where one is named.
func (n *Node) Audience(label protocol.TLP, group string, to []string, person string) ([]protocol.Recipient, error) {
	if !trust.Named(label) {
		return nil, fmt.Errorf("%w: to name recipients, label it amber or above", ErrUsage)
	}
	var audience []protocol.Recipient
	if group != "" {
		id, err := n.Group(group)
		if err != nil {
			return nil, err
		}
		audience = append(audience, protocol.Recipient{Group: id, Version: n.look().Groups[id].Latest()})
	}
	for _, name := range to {
		r, err := n.recipient(label, name)
		if err != nil {
			return nil, err
		}
		audience = append(audience, r)
	}
	if label == protocol.Red && person != "" && len(to) > 0 {
		audience = append(audience, protocol.Recipient{Org: n.cert.Org, Person: person})
	}
	if len(audience) > protocol.MaxAudience {
		return nil, fmt.Errorf("%w: %d recipients, at most %d are allowed: make a sharing group", ErrUsage, len(audience), protocol.MaxAudience)
	}
	return audience, nil
}

func (n *Node) recipient(label protocol.TLP, name string) (r protocol.Recipient, err error) {
	org, person, named := strings.Cut(name, "/")
	switch {
	case label == protocol.Red && !named:
		return r, fmt.Errorf("%w: TLP:RED is for persons: say %s/PERSON", ErrUsage, name)
	case label != protocol.Red && named:
		return r, fmt.Errorf("%w: %s names a person: persons belong to TLP:RED", ErrUsage, name)
	case named:
		if err := protocol.CheckName(person); err != nil {
			return r, fmt.Errorf("%w: %s: %v", ErrUsage, name, err)
		}
	}
	r.Person = person
	r.Org, err = n.Resolve(org, false)
	return r, err
}

// AudienceText writes an audience for people.
func (n *Node) AudienceText(audience []protocol.Recipient) string {
	o := n.look()
	var names []string
	for _, r := range audience {
		switch g := o.Groups[r.Group]; {
		case g != nil:
			names = append(names, fmt.Sprintf("group %s v%d", o.groupName(g), r.Version))
		case !r.Group.IsZero():
			names = append(names, fmt.Sprintf("group %s v%d", r.Group.String()[:12], r.Version))
		case r.Person != "":
			names = append(names, o.name(r.Org)+"/"+r.Person)
		default:
			names = append(names, o.name(r.Org))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

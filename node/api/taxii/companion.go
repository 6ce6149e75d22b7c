package taxii

import "github.com/tocsin-exchange/tocsin/protocol"

// Marking is the id and the definition of a label's marking in the newest edition.
func Marking(label protocol.TLP) (id, object string) {
	r := newest()
	return r.marking(label)
}

// Author is the id and the object of the identity that stands for an organisation.
func Author(org protocol.Org) (id, object string) {
	r := newest()
	return r.identity(org)
}

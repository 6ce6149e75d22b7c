package trust

import (
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A Reader is who asks at the local door: a tool, or a person. The zero value
// may see nothing.
type Reader struct {
	Clearance protocol.TLP // the strictest label it may see
	PAP       protocol.PAP // the strictest level it may see; what states none passes
	Person    string       // at our own organisation, for what is under RED; "": nobody
}

// MayShow says whether a reader at organisation self may be shown what is under
// a header that is held there. It is asked before anything is counted. RED is
// for the persons it names here and for nobody else: neither the operator nor
// another role of any clearance is one of them.
func MayShow(h *protocol.Header, self protocol.Org, r Reader) Verdict {
	switch {
	case !h.TLP.Valid():
		return deny("unlabelled", "no TLP label: nothing without one is shown")
	case h.TLP > r.Clearance:
		return deny("above-clearance", "its label is above the reader's clearance")
	case h.PAP > r.PAP:
		return deny("above-pap", "its PAP level is above what the reader may act on")
	case h.TLP == protocol.Red && !namesPerson(h.Audience, self, r.Person):
		return deny("not-the-person", "it is for persons it names, and the reader is none of them")
	}
	return allow("cleared", "within the reader's clearance")
}

func namesPerson(audience []protocol.Recipient, org protocol.Org, person string) bool {
	return person != "" && slices.Contains(audience, protocol.Recipient{Org: org, Person: person})
}

package node

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// This file makes what is said again of the same values a later version of one
// object, as STIX 2.1 section 3.6 has it: created stays, modified is raised, and
// what was taken back has no later version but is another object from then on.

// A version is when an object was made, when this version of it was, and when that
// was said at the latest; 0: it is about to be.
type version struct {
	created, modified time.Time
	revoked           bool
	issued            uint64
}

// version makes a finished object the next version of what we said before, if we
// did; written is what it was made of.
func (d *draft) version(written stix.Draft, o stix.Object, isTLP func(string) bool) (stix.Object, error) {
	for {
		v, said := d.earlier(&o)
		if !said {
			return o, nil
		}
		d.issue.Issued = max(d.issue.Issued, v.issued+1) // the newest counts, also of one moment
		another := v.revoked && !o.Revoked
		if another {
			written.ID = stix.IDAfter(o.ID)
		} else {
			written.Created, written.Modified = v.created, v.modified.Add(time.Millisecond)
		}
		var err error
		if o, err = written.Finish(d.scope, d.now, isTLP); err != nil || !another {
			return o, err
		}
	}
}

// earlier is the newest version of an indicator that we said before. Of what is said
// again after a crash that is none of the same moment, which is the same one. Damage
// is mended elsewhere, and is no reason to say nothing.
func (d *draft) earlier(o *stix.Object) (version, bool) {
	if o.Type != "indicator" {
		return version{}, false
	}
	if v, said := d.versions[o.ID]; said {
		return v, true
	}
	now := d.now.Truncate(time.Millisecond)
	last, said, err := d.n.store.Newest(o.ID, func(v *storage.Version) bool {
		return v.Header.Org() == d.n.cert.Org && (!d.again || v.Object.Modified.Before(now))
	})
	if err != nil || !said {
		return version{}, false
	}
	return version{last.Object.Created, last.Object.Modified, last.Object.Revoked, last.Header.Issued}, true
}

package taxii

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// An Item is one version of one object, as it is shown in a root.
type Item struct {
	ID      string
	Version string
	Moment  storage.Moment

	kind   string
	spec   string
	object []byte
}

// at is the date of the version.
func (i *Item) at() time.Time { return versionTime(i.Version, i.Moment) }

func versionTime(version string, arrived storage.Moment) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, version); err == nil {
		return t
	}
	return arrived.Time()
}

// versionOf is what names a version: modified, else created, as the object has it;
// of a cyber-observable, which has neither, when it arrived.
func versionOf(o *stix.Outline, arrived storage.Moment) string {
	if v := o.Version(); v != "" {
		return v
	}
	return arrived.Time().Format(timestampForm)
}

// identity reports whether an id is that of the identity of an organisation known
// here.
func (s *Server) identity(q *Question, id string) bool {
	if q.identities == nil {
		q.identities = map[string]bool{}
		for _, org := range s.orgs() {
			q.identities[IdentityID(org)] = true
		}
	}
	return q.identities[id]
}

// reserved reports whether an id stands for something that the server says by
// itself: nobody's object may take its place.
func (s *Server) reserved(q *Question, id string) bool {
	_, marking := protocol.MarkingTLP(id)
	return marking || strings.HasPrefix(id, "identity--") && s.identity(q, id)
}

// versions lists the versions of an object that the asker sees, oldest first. Of
// several authors under one id those of one count: of whom the id is made of, else
// of whom came first. So nobody can take back, or put another in the place of,
// what somebody else said. Of one version that came twice the first counts.
func (s *Server) versions(q *Question, id string) []storage.Version {
	list, _ := s.store.VersionsOfID(id, q.Visible) // what is damaged is wanted anew
	list = slices.DeleteFunc(list, func(v storage.Version) bool { return v.Object.ID != id })
	if len(list) == 0 || s.reserved(q, id) {
		return nil
	}
	slices.SortFunc(list, func(a, b storage.Version) int { return cmp.Compare(a.Moment, b.Moment) })
	author := list[0].Header.Org()
	if i := slices.IndexFunc(list, func(v storage.Version) bool { return v.Header.Org() != author }); i > 0 {
		if j := slices.IndexFunc(list, func(v storage.Version) bool { return s.bound(v.Header, &v.Object) }); j >= 0 {
			author = list[j].Header.Org()
		}
	}
	list = slices.DeleteFunc(list, func(v storage.Version) bool { return v.Header.Org() != author })
	slices.SortStableFunc(list, func(a, b storage.Version) int { return dateOf(&a.Object).Compare(dateOf(&b.Object)) })
	return slices.CompactFunc(list, func(a, b storage.Version) bool { return dateOf(&a.Object).Equal(dateOf(&b.Object)) })
}

// dateOf is when a version was made; zero for what has no versions.
func dateOf(o *stix.Object) time.Time {
	if o.Modified.IsZero() {
		return o.Created
	}
	return o.Modified
}

// chosen lists what a filter takes of an object's versions, in order of arrival,
// and whether the asker sees any version.
func (s *Server) chosen(q *Question, f *filter, id string) (items []Item, known bool, err error) {
	for _, original := range q.Root.originals(id) {
		if s.store.Named(original) == 0 || q.Root.rename(original) != id {
			continue
		}
		list := s.versions(q, original)
		for i, v := range list {
			known = true
			line, err := stix.Outlined(v.Object.Raw)
			if err != nil {
				return nil, known, err
			}
			if !f.takes(line.Type, line.SpecVersion) || !f.takesVersion(i, len(list), versionTime(line.Version(), v.Moment)) {
				continue
			}
			item, err := s.item(q, &line, v.Header, v.Object.Raw, v.Moment)
			if err != nil {
				return nil, known, err
			}
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.Moment, b.Moment) })
	return items, known, nil
}

// takes reports whether an object on its way past is one that a filter takes.
func (s *Server) takes(q *Question, f *filter, line *stix.Outline, b *storage.Body, index int) bool {
	if s.reserved(q, line.ID) || !f.takes(line.Type, line.SpecVersion) {
		return false
	}
	if s.store.Named(line.ID) == 1 { // all but all
		return len(f.exact) == 0 && len(f.versions) == 0 || f.takesVersion(0, 1, versionTime(line.Version(), b.Moment+storage.Moment(index)))
	}
	list := s.versions(q, line.ID)
	for i := range list {
		if list[i].Bulletin == b.ID && list[i].Index == index {
			return f.takesVersion(i, len(list), versionTime(line.Version(), list[i].Moment))
		}
	}
	return false
}

// item is an object as its root shows it.
func (s *Server) item(q *Question, line *stix.Outline, h *protocol.Header, raw []byte, at storage.Moment) (Item, error) {
	item := Item{ID: q.Root.rename(line.ID), Version: versionOf(line, at), Moment: at, kind: line.Type, spec: line.SpecVersion}
	if q.Kind == OfManifest || q.Kind == OfVersions {
		return item, nil
	}
	marking, _ := q.Root.marking(h.TLP)
	author := IdentityID(h.Org())
	edition := stix.Edition{
		Marking: marking, Author: q.Root.rename(author),
		Replace: line.CreatedByRef != "" && line.CreatedByRef != author && s.identity(q, line.CreatedByRef),
	}
	if q.Root.block != nil && line.Type != "extension-definition" {
		renamed, err := stix.Renamed(make([]byte, 0, len(raw)+64), raw, q.Root.rename)
		if err != nil {
			return item, err
		}
		again, err := stix.Outlined(renamed)
		if err != nil {
			return item, err
		}
		line = &again
	}
	item.object = line.Export(make([]byte, 0, len(raw)+256), edition)
	return item, nil
}

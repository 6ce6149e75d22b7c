package taxii

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// maxScan is how many objects are looked at for a page that has something on it.
const maxScan = 100_000

// A Page is one answer.
type Page struct {
	Kind        Kind
	Items       []Item
	More        bool
	Next        string // with More
	First, Last string // dates of the first and last item; "" where none is known
}

// Answer answers a question with a page. Errors wrap [ErrQuery], [ErrPlace] or
// [ErrNotFound] where they apply.
func (s *Server) Answer(ctx context.Context, q Question) (Page, error) {
	f, err := parseFilter(q.Kind, q.Query)
	if err != nil {
		return Page{}, err
	}
	from := f.after
	if f.next != "" {
		at, err := s.resume(&q, &f)
		if err != nil {
			return Page{}, err
		}
		from = max(from, at)
	}
	p := pager{limit: f.limit, from: from, looked: from}
	v := s.view(&q)
	switch {
	case q.Kind == OfObject || q.Kind == OfVersions:
		f.ids = []string{q.Object}
		if q.Kind == OfVersions {
			f.versions = []string{"all"}
		}
		err = s.named(&q, v, &f, &p)
	case len(f.ids) > 0:
		err = s.named(&q, v, &f, &p)
	default:
		err = s.walk(ctx, &q, v, &f, &p)
	}
	if err != nil {
		return Page{}, err
	}
	return s.page(&q, &f, &p), nil
}

// Whole reports whether a question of one object is of all its versions that the
// asker sees, which it is unless it says something else. Errors are as for
// [Server.Answer]; with no version as asked for, they wrap [ErrNotFound].
func (s *Server) Whole(ctx context.Context, q Question) (bool, error) {
	counts := [2]int{}
	for i, version := range [...][]string{q.Query["match[version]"], {"all"}} {
		if len(version) == 0 {
			version = []string{"all"}
		}
		each := q
		each.Query = map[string][]string{"match[version]": version}
		if spec, given := q.Query["match[spec_version]"]; given {
			each.Query["match[spec_version]"] = spec
		}
		page, err := s.Answer(ctx, each)
		switch counts[i] = len(page.Items); {
		case err != nil:
			return false, err
		case counts[i] == 0:
			return false, fmt.Errorf("%w: no such version of %q", ErrNotFound, excerpt(q.Object))
		}
	}
	return counts[0] == counts[1], nil
}

// resume reads where a page before ended, and brings its filters back.
func (s *Server) resume(q *Question, f *filter) (storage.Moment, error) {
	at, err := s.places.read(f.next)
	switch {
	case err != nil:
		return 0, err
	case at.of != q.name():
		return 0, fmt.Errorf("%w: next is of another resource", ErrQuery)
	case at.silence != s.silence():
		return 0, fmt.Errorf("%w: since then somebody's word has ceased to count here, or counts again", ErrPlace)
	}
	return at.moment, f.resume(q.Kind, at.filter)
}

// A pager gathers a page.
type pager struct {
	limit  int
	from   storage.Moment
	items  []Item
	more   bool
	looked storage.Moment // up to which everything was looked at
	seen   int
}

// add takes an item unless the page is full; false: it is.
func (p *pager) add(item Item) bool {
	if len(p.items) == p.limit {
		p.more = true
		return false
	}
	p.items, p.looked = append(p.items, item), item.Moment
	return true
}

// look notes that an object was looked at, and reports whether to go on.
func (p *pager) look(at storage.Moment) bool {
	p.looked = at
	if p.seen++; p.seen >= maxScan && len(p.items) > 0 {
		p.more = true
	}
	return !p.more
}

// walk fills a page with what comes behind a moment.
func (s *Server) walk(ctx context.Context, q *Question, v *view, f *filter, p *pager) error {
	still := quiet{q.group(), v.silence, p.from}
	begin, known := s.quiets.Get(still)
	if !known {
		begin = p.from
	}
	for b, err := range s.store.Since(begin, storage.Query{Visible: q.Visible}) {
		still.after = math.MaxUint64
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			continue // it is wanted anew, and arrives then
		case b.Moment > v.latest:
			return nil // it came meanwhile
		}
		for _, item := range v.ahead(q, b.Header, b.Moment) {
			if item.Moment > p.from && f.takes(item.kind, item.spec) && f.takesVersion(0, 1, item.at()) && !p.add(item) {
				return nil
			}
		}
		if on, err := s.walkBody(q, f, p, &b); err != nil || !on {
			return err
		}
	}
	if still.after == p.from {
		s.quiets.Add(still, max(p.from, v.latest))
	}
	return nil
}

// walkBody is walk for one bulletin; it reports whether to go on.
func (s *Server) walkBody(q *Question, f *filter, p *pager, b *storage.Body) (bool, error) {
	first := 0
	if p.from >= b.Moment {
		first = int(p.from-b.Moment) + 1
	}
	for i := first; i < int(b.Header.Count); i++ {
		raw, err := b.Object(i)
		if err != nil && !errors.Is(err, storage.ErrDamaged) {
			return false, err
		}
		at := b.Moment + storage.Moment(i)
		if raw == nil || err != nil {
			continue
		}
		line, err := stix.Outlined(raw)
		if err != nil {
			return false, err
		}
		if s.takes(q, f, &line, b, i) {
			item, err := s.item(q, &line, b.Header, raw, at)
			if err != nil {
				return false, err
			}
			if !p.add(item) {
				return false, nil
			}
		}
		if !p.look(at) {
			return false, nil
		}
	}
	return true, nil
}

// named fills a page with what has one of the ids asked for.
func (s *Server) named(q *Question, v *view, f *filter, p *pager) error {
	var all []Item
	known := false
	for _, item := range v.companions(q) {
		if slices.Contains(f.ids, item.ID) {
			if known = true; f.takes(item.kind, item.spec) && f.takesVersion(0, 1, item.at()) {
				all = append(all, item)
			}
		}
	}
	for _, id := range f.ids {
		items, some, err := s.chosen(q, f, id)
		if err != nil {
			return err
		}
		all, known = append(all, items...), known || some
	}
	if !known && q.Object != "" {
		return fmt.Errorf("%w: no object %q", ErrNotFound, excerpt(q.Object))
	}
	slices.SortFunc(all, func(a, b Item) int { return cmp.Compare(a.Moment, b.Moment) })
	for _, item := range all {
		if item.Moment > p.from && item.Moment <= v.latest && !p.add(item) {
			return nil
		}
	}
	return nil
}

// page makes the answer. Where there is nothing the dates are those that were
// asked for: some clients go on from the last one, and from now where it lacks.
func (s *Server) page(q *Question, f *filter, p *pager) Page {
	page := Page{Kind: q.Kind, Items: p.items, More: p.more}
	if p.more {
		page.Next = s.places.text(place{moment: p.looked, silence: s.silence(), of: q.name(), filter: f.text()})
	}
	switch n := len(p.items); {
	case n > 0:
		page.First, page.Last = stamp(p.items[0].Moment), stamp(p.items[n-1].Moment)
	case f.afterGiven || f.next != "":
		page.First, page.Last = stamp(p.from), stamp(p.from)
	}
	return page
}

func stamp(m storage.Moment) string { return m.Time().Format(timestampForm) }

// AppendJSON appends the resource that the page is: an envelope, a manifest, or a
// list of versions. What is empty is left out, since the standard has no empty lists.
func (p *Page) AppendJSON(b []byte) []byte {
	b = append(b, `{"more":`...)
	b = strconv.AppendBool(b, p.More)
	if p.More {
		b = append(append(append(b, `,"next":"`...), p.Next...), '"')
	}
	list := `,"objects":[`
	if p.Kind == OfVersions {
		list = `,"versions":[`
	}
	for i := range p.Items {
		if i == 0 {
			b = append(b, list...)
		} else {
			b = append(b, ',')
		}
		b = p.Items[i].appendJSON(b, p.Kind)
	}
	if len(p.Items) > 0 {
		b = append(b, ']')
	}
	return append(b, "}\n"...)
}

func (i *Item) appendJSON(b []byte, kind Kind) []byte {
	switch kind {
	case OfManifest:
		b = append(append(append(b, `{"id":"`...), i.ID...), `","date_added":"`...)
		b = append(i.Moment.Time().AppendFormat(b, timestampForm), `","version":"`...)
		return append(append(b, i.Version...), `","media_type":"`+objectsType+`"}`...)
	case OfVersions:
		return append(append(append(b, '"'), i.Version...), '"')
	}
	return append(b, i.object...)
}

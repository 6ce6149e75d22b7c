package taxii

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	statusTable = "taxii-status" // id -> statusRow as JSON
	// StatusLasts is how long a status can be asked for after its POST.
	StatusLasts = 24 * time.Hour
	// maxStatuses is how many there may be: beyond, the oldest goes early.
	maxStatuses = 1000
	// maxDetails is how many objects a status lists of each kind; all count.
	maxDetails = 100
	// maxMessage is how long what is said of one may be, in bytes.
	maxMessage = 120
)

// A statusRow is a status as it is kept, and whose POST it is of.
type statusRow struct {
	StatusResource
	Caller string   `json:"caller"`
	Held   []string `json:"held,omitempty"` // what each of Pendings waits as
}

// A Fate is what has become of an object that waited.
type Fate string

// Fates.
const (
	Waits    Fate = "waits"
	Said     Fate = "said"
	Declined Fate = "declined"
)

// Keep gives a status its id, counts and date, and keeps it for a day for the
// caller whose POST it is of; held says as what each of its pendings waits.
func (s *Server) Keep(ctx context.Context, caller string, status StatusResource, held []string, now time.Time) (StatusResource, error) {
	status.ID, status.Request = newUUID(), Timestamp{now.Truncate(time.Microsecond)}
	status.Success, status.Failure, status.Pending = len(status.Successes), len(status.Failures), len(status.Pendings)
	status.Total = status.Success + status.Failure + status.Pending
	status.cut()
	if err := s.forget(ctx, now); err != nil {
		return status, err
	}
	return status, s.write(ctx, statusRow{status, caller, held[:len(status.Pendings)]})
}

// cut leaves the lists as long as they may be, and says whether anything waits.
func (r *StatusResource) cut() {
	r.Status = "complete"
	if r.Pending > 0 {
		r.Status = "pending"
	}
	for _, list := range []*[]StatusDetail{&r.Successes, &r.Failures, &r.Pendings} {
		*list = (*list)[:min(len(*list), maxDetails)]
		for i := range *list {
			(*list)[i].Message = cutText((*list)[i].Message, maxMessage)
		}
	}
}

func (s *Server) write(ctx context.Context, row statusRow) error {
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return s.store.Table(statusTable).Set(ctx, []byte(row.ID), text)
}

// forget drops the statuses whose day is over, and the oldest of too many.
func (s *Server) forget(ctx context.Context, now time.Time) error {
	type dated struct {
		id string
		at time.Time
	}
	var list []dated
	table := s.store.Table(statusTable)
	for id, row := range table.All() {
		kept, err := readStatus(row)
		if err != nil {
			return err
		}
		list = append(list, dated{string(id), kept.Request.Time})
	}
	slices.SortFunc(list, func(a, b dated) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	for i, d := range list {
		if now.Sub(d.at) < StatusLasts && len(list)-i < maxStatuses {
			return nil
		}
		if err := table.Delete(ctx, []byte(d.id)); err != nil {
			return err
		}
	}
	return nil
}

func readStatus(row []byte) (kept statusRow, err error) {
	if err = json.Unmarshal(row, &kept); err != nil {
		return kept, fmt.Errorf("a TAXII status: %w", err)
	}
	return kept, nil
}

// Status returns a status to the caller whose POST it is of, after fate was asked
// about each object that waited: what it waits as, the object, and the moment of
// the POST. An error wraps [ErrNotFound] where there is none, or none of this
// caller's any more.
func (s *Server) Status(ctx context.Context, id, caller string, now time.Time, fate func(held string, d *StatusDetail, since time.Time) Fate) (StatusResource, error) {
	missing := fmt.Errorf("%w: no status %q", ErrNotFound, excerpt(id))
	if _, ok := parseUUID(id); !ok {
		return StatusResource{}, missing
	}
	row, ok, err := s.store.Table(statusTable).Load([]byte(id))
	if err != nil || !ok {
		return StatusResource{}, cmp.Or(err, missing)
	}
	kept, err := readStatus(row)
	if err != nil {
		return StatusResource{}, err
	}
	if kept.Caller != caller || now.Sub(kept.Request.Time) >= StatusLasts {
		return StatusResource{}, missing
	}
	if before := kept.Pending; kept.settle(fate) < before {
		return kept.StatusResource, s.write(ctx, kept)
	}
	return kept.StatusResource, nil
}

// settle moves what waits no more to where it belongs, and returns how much still
// does. What is not listed goes with the last that is.
func (r *statusRow) settle(fate func(string, *StatusDetail, time.Time) Fate) int {
	waiting, held, unlisted, last := []StatusDetail(nil), []string(nil), r.Pending-len(r.Pendings), Waits
	r.Pending = 0
	for i, d := range r.Pendings {
		switch last = fate(r.Held[i], &d, r.Request.Time); last {
		case Said:
			r.Success++
			r.Successes = append(r.Successes, d)
		case Declined:
			r.Failure++
			r.Failures = append(r.Failures, d)
		default:
			r.Pending++
			waiting, held = append(waiting, d), append(held, r.Held[i])
		}
	}
	switch last {
	case Said:
		r.Success += unlisted
	case Declined:
		r.Failure += unlisted
	default:
		r.Pending += unlisted
	}
	r.Pendings, r.Held = waiting, held
	r.cut()
	return r.Pending
}

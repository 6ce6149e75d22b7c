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
	Caller string `json:"caller"`
}

// Keep gives a status its id, counts and date, and keeps it for a day for the
// caller whose POST it is of.
func (s *Server) Keep(ctx context.Context, caller string, status StatusResource, now time.Time) (StatusResource, error) {
	status.ID, status.Request = newUUID(), Timestamp{now.Truncate(time.Microsecond)}
	status.Success, status.Failure, status.Pending = len(status.Successes), len(status.Failures), len(status.Pendings)
	status.Total = status.Success + status.Failure + status.Pending
	status.Status = "complete"
	if status.Pending > 0 {
		status.Status = "pending"
	}
	for _, list := range []*[]StatusDetail{&status.Successes, &status.Failures, &status.Pendings} {
		*list = (*list)[:min(len(*list), maxDetails)]
		for i := range *list {
			(*list)[i].Message = cutText((*list)[i].Message, maxMessage)
		}
	}
	if err := s.forget(ctx, now); err != nil {
		return status, err
	}
	row, err := json.Marshal(statusRow{status, caller})
	if err != nil {
		return status, err
	}
	return status, s.store.Table(statusTable).Set(ctx, []byte(status.ID), row)
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

// Status returns a status to the caller whose POST it is of. An error wraps
// [ErrNotFound] where there is none, or none of this caller's any more.
func (s *Server) Status(id, caller string, now time.Time) (StatusResource, error) {
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
	return kept.StatusResource, nil
}

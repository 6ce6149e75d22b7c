package source

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	sourceTable = "sources"      // name -> record as JSON
	eventTable  = "sourceevents" // id, event and part -> timestamp and the ids said of it
	idSize      = 16             // bytes of an indicator's UUID
	idsInRow    = 4000
)

// A record is all that is kept of a source, but for its events.
type record struct {
	Config
	ID      string    `json:"id"` // another for every source that ever had the name
	Created time.Time `json:"created"`
	Last    Report    `json:"last,omitzero"`

	AddedAfter string `json:"added_after,omitempty"` // taxii: what the server said last
	Next       string `json:"next,omitempty"`        // taxii: of the pull that was cut off

	ETag     string `json:"etag,omitempty"` // of the manifest, or of the page behind what was read
	Modified string `json:"modified,omitempty"`
}

// A Report is what came of a pull.
type Report struct {
	At        time.Time      `json:"at,omitzero"` // when it began
	Accepted  int            `json:"accepted"`    // rows, as an import counts them
	Skipped   int            `json:"skipped"`
	Refused   int            `json:"refused"`
	Withdrawn int            `json:"withdrawn"` // objects that were taken back
	Reasons   map[string]int `json:"reasons,omitempty"`
	Problem   string         `json:"problem,omitempty"` // why it broke off
	Failures  int            `json:"failures,omitzero"` // in a row

	etag, modified string // of what was asked for with [pull.news]
}

// add counts what was said of a part.
func (r *Report) add(s Said) {
	r.Accepted, r.Skipped, r.Refused = r.Accepted+s.Accepted, r.Skipped+s.Skipped, r.Refused+s.Refused
	for reason, n := range s.Reasons {
		if r.Reasons == nil {
			r.Reasons = map[string]int{}
		}
		if _, known := r.Reasons[reason]; !known && len(r.Reasons) >= 50 {
			reason = "other reasons"
		}
		r.Reasons[reason] += n
	}
}

// records are the tables of a store.
type records struct{ store *storage.Store }

func (r records) load(name string) (rec record, err error) {
	row, ok, err := r.store.Table(sourceTable).Load([]byte(name))
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err == nil {
		err = json.Unmarshal(row, &rec)
	}
	return rec, err
}

func (r records) all() (list []record, err error) {
	for name, row := range r.store.Table(sourceTable).All() {
		var rec record
		if err := json.Unmarshal(row, &rec); err != nil {
			return nil, fmt.Errorf("source %s: its record: %w", name, err)
		}
		list = append(list, rec)
	}
	return list, nil
}

func (r records) create(ctx context.Context, rec record) error {
	row, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.store.Table(sourceTable).Update(ctx, []byte(rec.Name), func(_ []byte, taken bool) ([]byte, error) {
		if taken {
			return nil, fmt.Errorf("%w: %s", ErrExists, rec.Name)
		}
		return row, nil
	})
}

// save writes a record, unless its source was removed meanwhile.
func (r records) save(ctx context.Context, rec *record) error {
	row, err := json.Marshal(*rec)
	if err != nil {
		return err
	}
	return r.store.Table(sourceTable).Update(ctx, []byte(rec.Name), func(old []byte, ok bool) ([]byte, error) {
		var now record
		if !ok || json.Unmarshal(old, &now) != nil || now.ID != rec.ID {
			return nil, fmt.Errorf("%w: %s", ErrNotFound, rec.Name)
		}
		return row, nil
	})
}

func (r records) remove(ctx context.Context, rec *record) error {
	if err := r.store.Table(sourceTable).Delete(ctx, []byte(rec.Name)); err != nil {
		return err
	}
	for event := range r.events(rec) {
		if err := r.setEvent(ctx, rec, event, held{}); err != nil {
			return err
		}
	}
	return nil
}

// held is what was said of one MISP event.
type held struct {
	timestamp uint64
	ids       [][idSize]byte // sorted, each once
	parts     int            // rows it takes
}

func eventKey(rec *record, event string, part int) []byte {
	return append([]byte(rec.ID+event), byte(part))
}

// events returns what was said of every event of a source.
func (r records) events(rec *record) map[string]held {
	all := map[string]held{}
	for key, row := range r.store.Table(eventTable).Prefix([]byte(rec.ID)) {
		if len(key) != len(rec.ID)+uuidSize+1 || len(row) < 8 {
			continue
		}
		event := string(key[len(rec.ID) : len(key)-1])
		h := all[event]
		h.timestamp, h.parts = binary.BigEndian.Uint64(row), h.parts+1
		for id := range slices.Chunk(row[8:], idSize) {
			if len(id) == idSize {
				h.ids = append(h.ids, [idSize]byte(id))
			}
		}
		all[event] = h
	}
	return all
}

// setEvent writes what was said of an event; the zero value forgets it.
func (r records) setEvent(ctx context.Context, rec *record, event string, h held) error {
	table, part := r.store.Table(eventTable), 0
	if h.timestamp > 0 {
		for first := true; first || part*idsInRow < len(h.ids); first = false {
			row := binary.BigEndian.AppendUint64(nil, h.timestamp)
			for _, id := range h.ids[part*idsInRow : min(len(h.ids), (part+1)*idsInRow)] {
				row = append(row, id[:]...)
			}
			if err := table.Set(ctx, eventKey(rec, event, part), row); err != nil {
				return err
			}
			part++
		}
	}
	for ; ; part++ {
		key := eventKey(rec, event, part)
		if _, ok, err := table.Load(key); err != nil || !ok {
			return err
		}
		if err := table.Delete(ctx, key); err != nil {
			return err
		}
	}
}

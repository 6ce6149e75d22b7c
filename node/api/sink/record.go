package sink

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	sinkTable = "sinks"    // name -> record as JSON
	deadTable = "sinkdead" // id and number of a letter -> letter as JSON
)

// A record is all that is kept of a sink.
type record struct {
	Config
	ID        string    `json:"id"`               // another for every sink that ever had the name
	Secret    []byte    `json:"secret,omitempty"` // a webhook's key
	Created   time.Time `json:"created"`
	Cursor    string    `json:"cursor,omitempty"`
	Resetting bool      `json:"resetting,omitzero"` // a reset is to be told before anything else
	Resets    uint64    `json:"resets,omitzero"`    // that were told, or are to be
	Letters   uint64    `json:"letters,omitzero"`   // dead letters ever written
}

// A Letter is an event that its receiver refused. It says where the event is.
type Letter struct {
	Number uint64    `json:"number"`
	Event  string    `json:"event"`           // its id
	After  string    `json:"after,omitempty"` // cursor before it
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Due    bool      `json:"due,omitzero"` // it is to be tried again
}

// records are the tables of a store.
type records struct{ store *storage.Store }

func (r records) load(name string) (rec record, ok bool, err error) {
	row, ok, err := r.store.Table(sinkTable).Load([]byte(name))
	if err != nil || !ok {
		return rec, ok, err
	}
	if err := json.Unmarshal(row, &rec); err != nil {
		return rec, false, fmt.Errorf("sink %s: its record: %w", name, err)
	}
	return rec, true, nil
}

func (r records) all() (list []record, err error) {
	for name, row := range r.store.Table(sinkTable).All() {
		var rec record
		if err := json.Unmarshal(row, &rec); err != nil {
			return nil, fmt.Errorf("sink %s: its record: %w", name, err)
		}
		list = append(list, rec)
	}
	return list, nil
}

// create writes a record unless the name is taken.
func (r records) create(ctx context.Context, rec record) error {
	row, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.store.Table(sinkTable).Update(ctx, []byte(rec.Name), func(_ []byte, taken bool) ([]byte, error) {
		if taken {
			return nil, fmt.Errorf("%w: %s", ErrExists, rec.Name)
		}
		return row, nil
	})
}

// save writes how far a sink is, unless it was removed meanwhile.
func (r records) save(ctx context.Context, rec record) error {
	row, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.store.Table(sinkTable).Update(ctx, []byte(rec.Name), func(old []byte, ok bool) ([]byte, error) {
		var now record
		if !ok || json.Unmarshal(old, &now) != nil || now.ID != rec.ID {
			return nil, fmt.Errorf("%w: %s", ErrNotFound, rec.Name)
		}
		return row, nil
	})
}

// remove deletes a sink and its letters.
func (r records) remove(ctx context.Context, rec record) error {
	if err := r.store.Table(sinkTable).Delete(ctx, []byte(rec.Name)); err != nil {
		return err
	}
	letters, err := r.letters(&rec)
	for _, l := range letters {
		if err := r.dropLetter(ctx, &rec, l.Number); err != nil {
			return err
		}
	}
	return err
}

func letterKey(rec *record, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(rec.ID), number)
}

func (r records) putLetter(ctx context.Context, rec *record, l Letter) error {
	row, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return r.store.Table(deadTable).Set(ctx, letterKey(rec, l.Number), row)
}

func (r records) dropLetter(ctx context.Context, rec *record, number uint64) error {
	return r.store.Table(deadTable).Delete(ctx, letterKey(rec, number))
}

// letters lists a sink's dead letters, the oldest first.
func (r records) letters(rec *record) (list []Letter, err error) {
	for key, row := range r.store.Table(deadTable).Prefix([]byte(rec.ID)) {
		var l Letter
		if err := json.Unmarshal(row, &l); err != nil {
			return list, fmt.Errorf("sink %s: letter %s: %w", rec.Name, hex.EncodeToString(bytes.TrimPrefix(key, []byte(rec.ID))), err)
		}
		list = append(list, l)
	}
	return list, nil
}

package source

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const uuidSize = 36 // characters

// parseManifest reads the timestamps of a feed's events.
func parseManifest(b []byte) (map[string]uint64, error) {
	var listed map[string]struct {
		Timestamp jsontext.Value `json:"timestamp"`
	}
	if err := json.Unmarshal(b, &listed); err != nil {
		return nil, fmt.Errorf("%w: no manifest: %v", ErrAnswer, err)
	}
	if len(listed) > MaxEvents {
		return nil, fmt.Errorf("%w: a manifest of %d events, at most %d", ErrAnswer, len(listed), MaxEvents)
	}
	events := make(map[string]uint64, len(listed))
	for uuid, e := range listed {
		at, err := strconv.ParseUint(strings.Trim(string(e.Timestamp), `"`), 10, 64)
		if _, ok := uuidBytes(uuid); !ok || err != nil || at == 0 {
			return nil, fmt.Errorf("%w: the manifest's %.60q has no UUID or no timestamp", ErrAnswer, uuid)
		}
		events[uuid] = at
	}
	return events, nil
}

// uuidBytes reads a UUID as it is written in small letters.
func uuidBytes(s string) (id [idSize]byte, ok bool) {
	if len(s) != uuidSize || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' || strings.ToLower(s) != s {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(s, "-", "")))
	return id, err == nil && n == idSize
}

func uuidText(id [idSize]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

const indicatorPrefix = "indicator--"

func (p *pull) misp(ctx context.Context) error {
	base := strings.TrimSuffix(p.rec.URL, "/") + "/"
	listed, changed, err := p.manifest(ctx, base)
	if err != nil || !changed {
		return err
	}
	known := p.s.records.events(p.rec)
	if len(listed) == 0 && len(known) > 0 {
		return fmt.Errorf("%w: an empty manifest, where there were %d events: nothing is taken back", ErrAnswer, len(known))
	}
	for _, uuid := range slices.Sorted(maps.Keys(listed)) {
		if h, is := known[uuid]; is && h.timestamp == listed[uuid] {
			continue
		}
		if err := p.event(ctx, base, uuid, listed[uuid], known); err != nil {
			return err
		}
	}
	for _, uuid := range slices.Sorted(maps.Keys(known)) {
		if _, is := listed[uuid]; is {
			continue
		}
		if err := p.replace(ctx, uuid, held{}, known); err != nil {
			return err
		}
	}
	p.rec.ETag, p.rec.Modified = p.report.etag, p.report.modified
	return nil
}

// manifest returns the events there are; false where it has not changed since
// all of it was taken in.
func (p *pull) manifest(ctx context.Context, base string) (events map[string]uint64, changed bool, err error) {
	resp, err := p.news(ctx, base+"manifest.json", "application/json")
	if err != nil || resp == nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	b, err := body(resp)
	if err != nil {
		return nil, false, err
	}
	events, err = parseManifest(b)
	return events, true, err
}

// event takes one event in.
func (p *pull) event(ctx context.Context, base, uuid string, timestamp uint64, known map[string]held) error {
	resp, err := p.get(ctx, base+uuid+".json", "application/json", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := body(resp)
	if err != nil {
		return fmt.Errorf("event %s: %w", uuid, err)
	}
	said, err := p.s.Say(ctx, &p.rec.Config, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("event %s: %w", uuid, err)
	}
	p.report.add(said)
	h := held{timestamp: timestamp}
	for _, text := range said.IDs {
		if id, ok := uuidBytes(strings.TrimPrefix(text, indicatorPrefix)); ok {
			h.ids = append(h.ids, id)
		}
	}
	slices.SortFunc(h.ids, func(a, b [idSize]byte) int { return bytes.Compare(a[:], b[:]) })
	h.ids = slices.Compact(h.ids)
	return p.replace(ctx, uuid, h, known)
}

// replace takes back what an event said before and does not say now, unless
// another event says it, and keeps what it says now.
func (p *pull) replace(ctx context.Context, uuid string, now held, known map[string]held) error {
	gone := map[[idSize]byte]bool{}
	for _, id := range known[uuid].ids {
		gone[id] = true
	}
	if known[uuid] = now; now.timestamp == 0 {
		delete(known, uuid)
	}
	if len(gone) > 0 {
		for _, h := range known {
			for _, id := range h.ids {
				delete(gone, id)
			}
		}
	}
	var ids []string
	for id := range gone {
		ids = append(ids, indicatorPrefix+uuidText(id))
	}
	slices.Sort(ids)
	n, err := p.s.Withdraw(ctx, &p.rec.Config, ids, p.report.At)
	if p.report.Withdrawn += n; err != nil {
		return err
	}
	return p.s.records.setEvent(ctx, p.rec, uuid, now)
}

package api

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestArchiveRoutes: over a socket, what one node exports for its own
// organisation comes back as known.
func TestArchiveRoutes(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7", "evil.example")
	server := httptest.NewServer(r.door.Local())
	defer server.Close()
	client := &Client{URL: server.URL, HTTP: server.Client()}
	for name, c := range map[string]*Client{"socket": client, "in process": r.Client} {
		var archive bytes.Buffer
		e, err := c.ExportArchive(t.Context(), &archive, ExportOptions{For: []string{"bank"}, Community: "isac"})
		r.check(err)
		if e.Bulletins < 2 || e.Bytes != int64(archive.Len()) || len(e.Communities) != 1 || len(e.Withheld) > 0 {
			t.Errorf("%s: %+v", name, e)
		}
		report, err := c.ImportArchive(t.Context(), &archive)
		r.check(err)
		if !report.Whole() || report.Known != e.Bulletins || report.Bulletins != e.Bulletins || report.From != "bank" {
			t.Errorf("%s: %+v", name, report)
		}
	}
}

// TestArchiveRefusals are problems with a status, over a socket too, where a
// refusal comes while the sender is still sending.
func TestArchiveRefusals(t *testing.T) {
	r := member(t)
	server := httptest.NewServer(r.door.Local())
	defer server.Close()
	client := &Client{URL: server.URL, HTTP: server.Client()}
	for _, c := range []struct {
		name string
		o    ExportOptions
		want error
	}{
		{"for nobody", ExportOptions{}, node.ErrUsage},
		{"for somebody unknown", ExportOptions{For: []string{"hospital"}}, node.ErrNotFound},
		{"for no member", ExportOptions{For: []string{strings.Repeat("07", 32)}}, node.ErrRefused},
		{"of no community", ExportOptions{For: []string{"bank"}, Community: "ops"}, node.ErrNotFound},
		{"since ever", ExportOptions{For: []string{"bank"}, Since: "ever"}, node.ErrUsage},
		{"since tomorrow", ExportOptions{For: []string{"bank"}, Since: time.Now().AddDate(0, 0, 2).Format(time.DateOnly)}, node.ErrUsage},
	} {
		var archive bytes.Buffer
		if _, err := client.ExportArchive(t.Context(), &archive, c.o); !errors.Is(err, c.want) || archive.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", c.name, err, archive.Len())
		}
	}
	endless := io.LimitReader(zeros{}, 1<<30)
	if _, err := client.ImportArchive(t.Context(), endless); !errors.Is(err, node.ErrUsage) {
		t.Errorf("an endless file that is no archive: %v", err)
	}
	if _, err := client.ImportArchive(t.Context(), strings.NewReader("203.0.113.7\n")); !errors.Is(err, node.ErrUsage) {
		t.Errorf("a list: %v", err)
	}
	for _, role := range []Role{Reader, Analyst, Reviewer, Auditor} {
		if _, err := r.remote(r.token(role, wholeFrom)).ExportArchive(t.Context(), io.Discard, ExportOptions{For: []string{"bank"}}); !hasStatus(err, 403) {
			t.Errorf("%s exports: %v", role, err)
		}
	}
	if _, err := r.remote(r.token(Operator, protocol.Amber)).ExportArchive(t.Context(), io.Discard, ExportOptions{For: []string{"bank"}}); !hasStatus(err, 403) {
		t.Errorf("an operator cleared for AMBER exports: %v", err)
	}
}

func hasStatus(err error, status int) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == status
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCutExport: an export that broke off is an error, never a short archive.
func TestCutExport(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	var archive bytes.Buffer
	_, err := r.ExportArchive(t.Context(), &archive, ExportOptions{For: []string{"bank"}})
	r.check(err)
	for cutAt := range archive.Len() {
		var e Exported
		if err := e.read(bytes.NewReader(archive.Bytes()[:cutAt])); err == nil {
			t.Fatalf("cut at %d: an archive of %d bulletins", cutAt, e.Bulletins)
		}
	}
	report, err := r.ImportArchive(t.Context(), bytes.NewReader(archive.Bytes()[:archive.Len()-1]))
	if err != nil || !report.Truncated || report.Whole() {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	got := map[string]time.Time{}
	for _, text := range []string{"", "2026-03-01", "2026-03-01T10:00:00+02:00", "7d", "90m"} {
		var err error
		if got[text], err = parseSince(text, now); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	want := map[string]time.Time{
		"": {}, "2026-03-01": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "2026-03-01T10:00:00+02:00": time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
		"7d": now.AddDate(0, 0, -7), "90m": now.Add(-90 * time.Minute),
	}
	if !maps.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, text := range []string{"yesterday", "2026-13-01", "-7d", "2026-03-11", "7"} {
		if at, err := parseSince(text, now); err == nil {
			t.Errorf("%q is %v", text, at)
		}
	}
}

package api

import (
	"bytes"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

func TestBackupStreams(t *testing.T) {
	r := member(t)
	if _, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: []string{"203.0.113.7"}}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	report, err := r.Backup(t.Context(), &b)
	if err != nil || report.Records == 0 || report.Store != r.store.ID() {
		t.Fatalf("%+v, %v", report, err)
	}
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := storage.Restore(t.Context(), dir, &b, storage.Options{Small: true}); err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(dir, storage.Options{Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Stats().Headers != r.store.Stats().Headers || s.Stats().Live != 1 {
		t.Fatalf("%+v", s.Stats())
	}
	// A cursor of the store the backup was made of leads nowhere in this one.
	old, now := newCursors(r.store.ID()), newCursors(s.ID())
	if _, err := now.mark(old.text(mark{index: 1})); problemOf(err).Status != http.StatusGone {
		t.Fatalf("cursor: %v", err)
	}
	// A disk that takes no more is told.
	if _, err := r.Backup(t.Context(), fullDisk{}); !errors.Is(err, errFullDisk) {
		t.Fatalf("error: %v", err)
	}
}

var errFullDisk = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFullDisk }

func TestCheckStore(t *testing.T) {
	r := member(t)
	report, err := r.CheckStore(t.Context())
	if err != nil || !report.Sound() || report.Headers != r.store.Stats().Headers {
		t.Fatalf("%+v, %v", report, err)
	}
}

// TestFullStoreIs507: the status of what is refused while the disk is full, and
// the way back to the error it was.
func TestFullStoreIs507(t *testing.T) {
	p := problemOf(errors.Join(storage.ErrReadOnly))
	if p.Status != http.StatusInsufficientStorage || !errors.Is(p, storage.ErrReadOnly) || errors.Is(p, storage.ErrFailed) {
		t.Fatalf("%+v", p)
	}
}

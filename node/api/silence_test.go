package api

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestCursorsEndWithTheWord: who keeps a copy by its cursor is told to begin
// again when somebody's word ceases to count, as no change tells it; a cursor
// from before counts once more when the word does.
func TestCursorsEndWithTheWord(t *testing.T) {
	o := newOrigin(t, utterances())
	r := o.world(t, func(utterance) bool { return true })
	read := func(after string) (values string, cursor string, err error) {
		var list []string
		cursor, err = r.Changes(t.Context(), ChangesOptions{After: after}, func(c Change) error { list = append(list, c.Org); return nil })
		return strings.Join(list, " "), cursor, err
	}
	before, first, err := read("")
	r.check(err)
	if !strings.Contains(before, "hospital") {
		t.Fatalf("the hospital says nothing: %s", before)
	}
	r.check(r.BlockPeer(t.Context(), o.hospital.String(), "a test"))
	for _, cursor := range []string{first, r.door.cursors.text(mark{silence: 1})} {
		if _, _, err := read(cursor); problemOf(err).Status != http.StatusGone || problemOf(err).Hint == "" {
			t.Errorf("a cursor from before the block: %v", err)
		}
	}
	blocked, second, err := read("")
	r.check(err)
	if blocked == "" || strings.Contains(blocked, "hospital") {
		t.Errorf("with the hospital blocked: %s", blocked)
	}
	if _, _, err := read(second); err != nil {
		t.Errorf("a cursor from after the block: %v", err)
	}
	r.check(r.ReleasePeer(t.Context(), o.hospital.String()))
	if _, _, err := read(second); problemOf(err).Status != http.StatusGone {
		t.Errorf("a cursor from within the block: %v", err)
	}
	if late, _, err := read(first); err != nil || late != "" {
		t.Errorf("a cursor from before the block, after it: %q %v", late, err)
	}
}

// TestWatchEndsWithTheWord: a stream that is open ends then.
func TestWatchEndsWithTheWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := virtual(t)
		hospital := protocol.OrgOf(keyNamed("hospital"))
		key := keyNamed("hospital node")
		cert := protocol.Certify(keyNamed("hospital"), protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
		r.check(r.node.Introduce(t.Context(), r.node.Communities()[0].ID, cert, "hospital"))
		w := asker{r, r.token(Reader, protocol.Clear), false}
		go func() {
			time.Sleep(20 * time.Second)
			r.check(r.BlockPeer(t.Context(), hospital.String(), "a test"))
		}()
		began := time.Now()
		w.askBriefly(r.door.Remote(), request{method: "GET", target: "/v1/watch"}.with("Authorization", "Bearer "+w.token), 10*time.Minute)
		if took := time.Since(began); took < 20*time.Second || took > 40*time.Second {
			t.Errorf("the stream ended after %s", took)
		}
		synctest.Wait()
	})
}

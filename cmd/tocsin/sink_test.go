package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A soc takes webhooks and remembers the changes, and serves a MISP feed of one
// event.
type soc struct {
	mu    sync.Mutex
	down  bool
	told  []string
	event string // timestamp; "": no event
}

// ServeHTTP answers both.
func (s *soc) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const uuid = "11111111-1111-4111-8111-111111111111"
	switch {
	case req.URL.Path == "/feed/manifest.json":
		fmt.Fprintf(w, `{%q:{"timestamp":%q}}`, uuid, s.event)
	case req.URL.Path == "/feed/"+uuid+".json":
		fmt.Fprint(w, `{"Event":{"info":"seen","Attribute":[{"type":"domain","category":"Network activity","to_ids":true,"value":"fed.example"}]}}`)
	case s.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		var batch struct {
			Changes []struct{ Op, Value string }
		}
		if json.NewDecoder(req.Body).Decode(&batch) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, c := range batch.Changes {
			s.told = append(s.told, c.Op+" "+c.Value)
		}
	}
}

func (s *soc) hears(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("it hears %q", want), func() (bool, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Equal(s.told, want), strings.Join(s.told, ", ")
	})
}

// TestSinkAndSourceProcess pulls a feed into one process, and hands on what it
// then says, across a restart and an outage of the receiver.
func TestSinkAndSourceProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs it")
	}
	s := &soc{event: "1700000000"}
	server := httptest.NewServer(s)
	defer server.Close()
	bank := newProcess(t, buildBinary(t), "bank", "tcp")
	bank.must("community", "create", "isac")
	bank.must("submit", "--tlp", "green", "one.example")
	if secret := bank.must("sink", "add", "soc", "webhook", server.URL, "--allow", "127.0.0.1"); !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("the last line is %q", secret)
	}
	s.hears(t, "add one.example")
	bank.must("source", "add", "misp", "misp", server.URL+"/feed", "--tlp", "green", "--allow", "127.0.0.1")
	s.hears(t, "add one.example", "add fed.example")
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	bank.must("revoke", "one.example")
	eventually(t, "doctor tells of it", func() (bool, string) {
		_, stdout, _ := bank.play("doctor")
		return strings.Contains(stdout, "503"), stdout
	})
	bank.terminate()
	s.mu.Lock()
	s.down = false
	s.mu.Unlock()
	bank.start()
	s.hears(t, "add one.example", "add fed.example", "remove one.example")
	bank.prints("removed soc\n", "sink", "remove", "soc")
	bank.terminate()
}

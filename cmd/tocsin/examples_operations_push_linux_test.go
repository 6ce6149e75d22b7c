package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// exampleWebhook: a change reaches the playbook and a revocation takes it out again;
// what the node has not signed does not, and what failed is tried again.
func exampleWebhook(t *testing.T, e *example) {
	node := e.start()
	port := freePort(t, "tcp")
	e.types("tocsin sink add", "8787", port)
	e.types("chmod")
	e.types("go build")
	e.runs("./soar-webhook", "8787", port)
	e.types("tocsin submit")
	e.listed("203.0.113.7")

	e.forge("http://127.0.0.1:" + port + "/")

	if err := os.Chmod(e.file("watchlist.sh"), 0); err != nil {
		t.Fatal(err)
	}
	node.must("submit", "--tlp", "green", "--confidence", "90", "evil.example")
	eventually(t, "the sink fails", func() (bool, string) {
		_, list, _ := node.play("sink", "list")
		return strings.Contains(list, "failing:"), list
	})
	if err := os.Chmod(e.file("watchlist.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	e.listed("203.0.113.7", "evil.example")
	e.types("tocsin sight --false-positive 203")
	e.listed("evil.example")
	e.types("tocsin sight --false-positive --retract")
	e.listed("evil.example", "203.0.113.7")
	e.types("tocsin revoke")
	e.listed("evil.example")
	e.types("tocsin erase")
	e.listed()
	if text := e.read("watchlist.txt.from"); strings.Contains(text, "evil.example") {
		t.Errorf("the playbook remembers what was erased: %s", text)
	}
	eventually(t, "all is delivered", func() (bool, string) {
		list := e.types("tocsin sink list")
		return strings.Contains(list, "delivered:6") && !strings.Contains(list, "dead:"), list
	})
}

// listed waits until the playbook's file has just these values.
func (e *example) listed(want ...string) {
	e.t.Helper()
	eventually(e.t, fmt.Sprintf("the watchlist is %q", want), func() (bool, string) {
		text, err := os.ReadFile(e.file("watchlist.txt"))
		return err == nil && slices.Equal(strings.Fields(string(text)), want), fmt.Sprintf("%s, %v", text, err)
	})
}

// forge posts what the node did not sign, or not now.
func (e *example) forge(target string) {
	e.t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(e.read("webhook.secret")), "whsec_"))
	if err != nil {
		e.t.Fatal(err)
	}
	const forged = `{"changes":[{"op":"add","cursor":"c","type":"ipv4-addr","value":"203.0.113.99"}]}`
	post := func(key []byte, at time.Time, signed, sent string) int {
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "id.%s.%s", stamp, signed)
		ctx, cancel := context.WithTimeout(e.t.Context(), arriveWithin)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "POST", target, strings.NewReader(sent))
		if err != nil {
			e.t.Fatal(err)
		}
		req.Header.Set("Webhook-Id", "id")
		req.Header.Set("Webhook-Timestamp", stamp)
		req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			e.t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	now := time.Now()
	for what, got := range map[string]int{
		"another key":  post([]byte("guess"), now, forged, forged),
		"another body": post(key, now, `{"changes":[]}`, forged),
		"an hour ago":  post(key, now.Add(-time.Hour), forged, forged),
		"an hour off":  post(key, now.Add(time.Hour), forged, forged),
	} {
		if got != http.StatusUnauthorized {
			e.t.Errorf("signed with %s: %d", what, got)
		}
	}
	if got := post(key, now, `{"changes":[]}`, `{"changes":[]}`); got != http.StatusNoContent {
		e.t.Errorf("signed as the node signs: %d", got)
	}
}

// exampleTicketing: a value is one ticket whoever says it, also after the program was
// killed at the worst moment, and is closed when the last takes it back or ceases to
// count.
func exampleTicketing(t *testing.T, e *example) {
	bank := e.start()
	vendor := newProcess(t, e.binary, "vendor", "tcp")
	vendor.joins(bank)
	bank.meets(1)
	bank.must("peer", "trust", "vendor", "90")
	e.makesToken("ticketing.token")
	e.types("chmod")
	e.types("go build")
	desk := newTicketServer(t)
	run := func() (stop func()) {
		return e.runs("./ticketing", "https://tickets.bank.example/api", desk.url, "-state tickets.json", "-state tickets.json -wait 1s")
	}
	stop := run()
	e.types("tocsin submit")
	desk.has("ipv4-addr:203.0.113.7 open")
	vendor.must("submit", "--tlp", "green", "--confidence", "90", "203.0.113.7", "evil.example")
	desk.has("ipv4-addr:203.0.113.7 open", "domain-name:evil.example open")
	eventually(t, "both claims are noted", func() (bool, string) {
		state := e.read("tickets.json")
		return strings.Count(state, `"indicator--`) == 3, state
	})

	stop()
	if err := os.Remove(e.file("tickets.json")); err != nil { // as though it had been killed before it was written
		t.Fatal(err)
	}
	stop = run()
	e.types("tocsin revoke")
	bank.must("submit", "--tlp", "green", "--confidence", "90", "198.51.100.9")
	desk.has("ipv4-addr:203.0.113.7 open", "domain-name:evil.example open", "ipv4-addr:198.51.100.9 open")
	vendor.must("revoke", "203.0.113.7")
	desk.has("ipv4-addr:203.0.113.7 closed", "domain-name:evil.example open", "ipv4-addr:198.51.100.9 open")
	bank.must("peer", "block", "vendor")
	desk.has("ipv4-addr:203.0.113.7 closed", "domain-name:evil.example closed", "ipv4-addr:198.51.100.9 open")
	bank.must("erase", "198.51.100.9")
	desk.has("ipv4-addr:203.0.113.7 closed", "domain-name:evil.example closed", "ipv4-addr:198.51.100.9 closed")
	stop()
}

// A ticketServer is a ticket system.
type ticketServer struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	tickets []ticketRecord
}

type ticketRecord struct {
	ID          string `json:"id"`
	ExternalID  string `json:"external_id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Status      string `json:"status"`
	Comment     string `json:"comment"`
}

func newTicketServer(t *testing.T) *ticketServer {
	d := &ticketServer{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tickets", func(w http.ResponseWriter, req *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		found := slices.DeleteFunc(slices.Clone(d.tickets), func(r ticketRecord) bool { return r.ExternalID != req.URL.Query().Get("external_id") })
		json.NewEncoder(w).Encode(found)
	})
	mux.HandleFunc("POST /tickets", func(w http.ResponseWriter, req *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		r := ticketRecord{Status: "open"}
		if err := json.NewDecoder(req.Body).Decode(&r); err != nil || r.Title == "" || r.Description == "" {
			http.Error(w, "not a ticket", http.StatusBadRequest)
			return
		}
		r.ID = strconv.Itoa(len(d.tickets) + 1)
		d.tickets = append(d.tickets, r)
		json.NewEncoder(w).Encode(r)
	})
	mux.HandleFunc("PATCH /tickets/{id}", func(w http.ResponseWriter, req *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		i := slices.IndexFunc(d.tickets, func(r ticketRecord) bool { return r.ID == req.PathValue("id") })
		if i < 0 || json.NewDecoder(req.Body).Decode(&d.tickets[i]) != nil || d.tickets[i].Comment == "" {
			http.Error(w, "no such ticket, or no comment", http.StatusBadRequest)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// has waits until there are just these tickets, in whatever order.
func (d *ticketServer) has(want ...string) {
	d.t.Helper()
	slices.Sort(want)
	eventually(d.t, fmt.Sprintf("the tickets are %q", want), func() (bool, string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		var got []string
		for _, r := range d.tickets {
			got = append(got, cmp.Or(r.ExternalID, "?")+" "+r.Status)
		}
		slices.Sort(got)
		return slices.Equal(got, want), fmt.Sprintf("%+v", d.tickets)
	})
}

package sink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A hook is a webhook's receiver at the other end of a pipe.
type hook struct {
	t      *testing.T
	conns  chan net.Conn
	secret string

	mu     sync.Mutex
	answer func(values []string) int // nil: 200
	taken  []string                  // op and value of each change, in order
	ids    map[string]int            // how often each batch came
	tries  []time.Time
}

// Accept, Close and Addr are those of a listener.
func (h *hook) Accept() (net.Conn, error) {
	c, ok := <-h.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (h *hook) Close() error   { return nil }
func (h *hook) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 80} }

// newHook is the receiver that a desk dials, whatever the address.
func newHook(t *testing.T, d *desk) *hook {
	h := &hook{t: t, conns: make(chan net.Conn), ids: map[string]int{}}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(h) }()
	t.Cleanup(func() { close(h.conns); server.Close(); <-done })
	d.dialer = func([]netip.Prefix, bool) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case h.conns <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return h
}

// ServeHTTP checks a signature as the specification says and not as the sender does.
func (h *hook) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries = append(h.tries, time.Now())
	id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.secret, "whsec_"))
	if want := sign(key, id, at, body); len(key) != 32 || req.Header.Get("webhook-signature") != want || at != fmt.Sprint(time.Now().Unix()) {
		h.t.Errorf("signature %q of %s at %s, want %q", req.Header.Get("webhook-signature"), id, at, want)
	}
	var sent struct {
		Sink    string
		Changes []struct{ Op, Value string }
	}
	if err := json.Unmarshal(body, &sent); err != nil || sent.Sink != "soc" || len(sent.Changes) == 0 || len(sent.Changes) > MaxBatch {
		h.t.Errorf("body %.200s: %v", body, err)
	}
	var values []string
	for _, c := range sent.Changes {
		values = append(values, strings.TrimSpace(c.Op+" "+c.Value))
	}
	if h.ids[id]++; h.answer != nil {
		if status := h.answer(values); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
	}
	h.taken = append(h.taken, values...)
}

// signedWith makes what comes wait until its secret is known.
func (h *hook) signedWith(add func() string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = add()
}

func (h *hook) answers(answer func(values []string) int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *hook) took(want ...string) {
	h.t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.taken, want) {
		h.t.Errorf("taken %q, want %q", h.taken, want)
	}
}

func always(status int) func([]string) int { return func([]string) int { return status } }

var soc = Config{Name: "soc", Kind: Webhook, URL: "http://soc.example/hook"}

// TestSignature is the example of the Standard Webhooks specification.
func TestSignature(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
}

func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		h := newHook(t, d)
		d.say("add", "a.example")
		d.say("add", "b.example")
		s := d.sinks()
		stop := d.run(s)
		h.signedWith(func() string { return d.add(s, soc) })
		h.took("add a.example", "add b.example")
		d.say("remove", "a.example")
		h.took("add a.example", "add b.example", "remove a.example")
		stop()
		d.say("add", "c.example")
		s = d.sinks() // after a restart it goes on behind the last one
		stop = d.run(s)
		defer func() { stop() }()
		h.took("add a.example", "add b.example", "remove a.example", "add c.example")
		if st := d.state(s, "soc"); st.Delivered != 1 || st.Failures != 0 || st.Dead != 0 {
			t.Errorf("state %+v", st)
		}
		if err := s.Remove(t.Context(), "soc"); err != nil {
			t.Fatal(err)
		}
		d.say("add", "d.example")
		h.took("add a.example", "add b.example", "remove a.example", "add c.example")
	})
}

// TestOutage has a receiver that is down for an hour: nothing is lost, the tries
// grow rarer, and what comes again has the id that it had.
func TestOutage(t *testing.T) {
	for _, status := range []int{301, 401, 404, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				h := newHook(t, d)
				h.answers(always(status))
				d.say("add", "a.example")
				s := d.sinks()
				defer d.run(s)()
				h.signedWith(func() string { return d.add(s, soc) })
				time.Sleep(time.Hour)
				st, tries := d.state(s, "soc"), len(h.tries)
				if tries < 12 || tries > 40 || st.Failures != tries || st.Dead != 0 || !strings.Contains(st.Problem, fmt.Sprint(status)) {
					t.Errorf("%d tries in an hour; %+v", tries, st)
				}
				h.answers(nil)
				time.Sleep(longestWait)
				h.took("add a.example")
				if len(h.ids) != 1 {
					t.Errorf("ids %v, want one", h.ids)
				}
				if st := d.state(s, "soc"); st.Failures != 0 || st.Problem != "" || st.Delivered != 1 {
					t.Errorf("when it is back: %+v", st)
				}
			})
		})
	}
}

// TestPoison has a receiver that cannot read two events of many: these alone are
// kept back, and can be tried again.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		h := newHook(t, d)
		h.answers(func(values []string) int {
			if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "poison") }) {
				return http.StatusUnprocessableEntity
			}
			return http.StatusOK
		})
		var want []string
		for i := range 100 {
			name := fmt.Sprintf("n%d.example", i)
			if i == 17 || i == 99 {
				name = "poison" + name
			} else {
				want = append(want, "add "+name)
			}
			d.say("add", name)
		}
		s := d.sinks()
		stop := d.run(s)
		h.signedWith(func() string { return d.add(s, soc) })
		h.took(want...)
		letters, err := s.Dead("soc")
		if err != nil || len(letters) != 2 || letters[0].After != "17" || letters[1].After != "99" || !strings.Contains(letters[0].Reason, "422") {
			t.Fatalf("letters %+v, %v", letters, err)
		}
		if st := d.state(s, "soc"); st.Dead != 2 || st.Failures != 0 || st.Delivered != 98 {
			t.Errorf("state %+v", st)
		}
		if n, err := s.Retry(t.Context(), "soc"); n != 2 || err != nil { // it still cannot
			t.Errorf("retry: %d, %v", n, err)
		}
		time.Sleep(2 * pollEvery)
		h.took(want...)
		h.answers(nil)
		if n, err := s.Retry(t.Context(), "soc"); n != 2 || err != nil {
			t.Errorf("retry: %d, %v", n, err)
		}
		time.Sleep(2 * pollEvery)
		h.took(append(want, "add poisonn17.example", "add poisonn99.example")...)
		if st := d.state(s, "soc"); st.Dead != 0 || st.Delivered != 100 {
			t.Errorf("after the retry: %+v", st)
		}
		stop()
	})
}

// TestSeveralOfOneChange: where one change is several events, the cursor goes
// behind it with the last of them, and what is refused of it is one letter however
// often it comes.
func TestSeveralOfOneChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		h := newHook(t, d)
		for i, value := range []string{"poison.example", "b.example", "c.example"} {
			d.say("add", value)
			d.events[i].Tier = "block"
		}
		d.events[0].Cursor, d.events[0].More = "2", true
		down := true
		h.answers(func(values []string) int {
			switch {
			case slices.Contains(values, "add poison.example"):
				return http.StatusUnprocessableEntity
			case down:
				return http.StatusBadGateway
			}
			return http.StatusOK
		})
		s := d.sinks()
		defer d.run(s)()
		h.signedWith(func() string { return d.add(s, soc) })
		time.Sleep(time.Minute)
		letters, err := s.Dead("soc")
		if err != nil || len(letters) != 1 || letters[0].After != "" || d.state(s, "soc").Failures < 3 {
			t.Fatalf("letters %+v, %v, %+v", letters, err, d.state(s, "soc"))
		}
		h.mu.Lock()
		down = false
		h.mu.Unlock()
		time.Sleep(longestWait)
		h.took("add b.example", "add c.example")
		h.answers(nil)
		if n, err := s.Retry(t.Context(), "soc"); n != 1 || err != nil {
			t.Errorf("retry: %d, %v", n, err)
		}
		time.Sleep(2 * pollEvery)
		h.took("add b.example", "add c.example", "add poison.example")
	})
}

// TestTooManyLetters stops a sink whose receiver refuses everything, before
// anything is forgotten.
func TestTooManyLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		h := newHook(t, d)
		h.answers(always(http.StatusBadRequest))
		for i := range MaxLetters + 5 {
			d.say("add", fmt.Sprintf("n%d.example", i))
		}
		s := d.sinks()
		defer d.run(s)()
		h.signedWith(func() string { return d.add(s, soc) })
		time.Sleep(time.Minute)
		if st := d.state(s, "soc"); st.Dead != MaxLetters || st.Failures == 0 || !strings.Contains(st.Problem, "dead letters") {
			t.Fatalf("state %+v", st)
		}
		h.answers(nil)
		if n, err := s.Drop(t.Context(), "soc"); n != MaxLetters || err != nil {
			t.Fatalf("dropped %d, %v", n, err)
		}
		time.Sleep(longestWait)
		h.took("add n1000.example", "add n1001.example", "add n1002.example", "add n1003.example", "add n1004.example")
	})
}

// TestReset tells all anew after its cursor led nowhere, under new ids: whoever
// holds those it had must not take it for what it forgot.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		h := newHook(t, d)
		d.say("add", "a.example")
		s := d.sinks()
		stop := d.run(s)
		h.signedWith(func() string { return d.add(s, soc) })
		h.took("add a.example")
		h.answers(always(http.StatusServiceUnavailable)) // the reset itself gets lost, and the node restarts
		d.forget()
		time.Sleep(time.Minute)
		stop()
		h.answers(nil)
		s = d.sinks()
		stop = d.run(s)
		defer func() { stop() }()
		h.took("add a.example", "reset", "add a.example")
		d.forget()
		h.took("add a.example", "reset", "add a.example", "reset", "add a.example")
		once := 0
		for _, n := range h.ids {
			if n == 1 {
				once++
			}
		}
		if len(h.ids) != 5 || once != 4 { // the reset that got lost came more often
			t.Errorf("ids %v, want five", h.ids)
		}
	})
}

// TestStop ends within the time a daemon has, also while a receiver says nothing.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		hung := make(chan struct{})
		h := newHook(t, d)
		h.answers(func([]string) int { <-hung; return http.StatusOK })
		d.say("add", "a.example")
		s := d.sinks()
		stop := d.run(s)
		h.signedWith(func() string { return d.add(s, soc) })
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
		close(hung)
	})
}

package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// serve answers on a real listener until the test ends.
func serve(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: h, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() {
		cancel()
		stopping, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		if err := server.Shutdown(stopping); err != nil {
			t.Errorf("requests did not end: %v", err)
		}
		<-done
	})
}

func TestUnixSocket(t *testing.T) {
	r := member(t)
	path := filepath.Join(t.TempDir(), "tocsin.sock")
	l, err := net.Listen("unix", path)
	r.check(err)
	serve(t, PeerCredListener(l), r.door.Local())
	c := Unix(path)
	defer c.HTTP.CloseIdleConnections()
	everyWay(t, c)
}

func TestTCP(t *testing.T) {
	r := member(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.check(err)
	serve(t, l, r.door.Remote())
	c := &Client{URL: "http://" + l.Addr().String(), HTTP: &http.Client{Transport: &http.Transport{}}, Token: r.token(Operator, protocol.Green)}
	defer c.HTTP.CloseIdleConnections()
	everyWay(t, c)
	c.Token = ""
	var p *Problem
	if _, err := c.Status(t.Context()); !errors.As(err, &p) || p.Status != 401 {
		t.Errorf("without a token: %v", err)
	}
}

// everyWay streams in both directions over a real connection.
func everyWay(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen, ready := make(chan string, 100), make(chan struct{})
	ended := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	go func() {
		ended <- c.Watch(watching, "now", func() { close(ready) }, func(change Change) error { seen <- change.Value; return nil })
	}()
	<-ready
	file := strings.Repeat("evil.example\n", 1) + strings.Repeat("# comment\n", 50_000)
	s := slowReader{strings.NewReader(file), make(chan struct{})}
	tally, err := c.Import(ctx, s, green(), func(e ImportEvent) {
		if e.Guess != nil {
			close(s.done)
		}
	})
	if err != nil || tally.Accepted != 1 {
		t.Fatalf("import: %+v %v", tally, err)
	}
	checkTally(t, tally)
	if v := <-seen; v != "evil.example" {
		t.Errorf("watch: %s", v)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ends with %v", err)
	}
	for i := range 3 { // on one connection, after what streamed
		answers, err := c.Lookup(ctx, LookupRequest{Values: []string{"www.evil.example"}})
		if err != nil || len(answers[0].Claims) != 1 || answers[0].Claims[0].Relation != "parent-domain" {
			t.Fatalf("lookup %d: %+v %v", i, answers, err)
		}
	}
	id, err := c.Identity(ctx)
	if err != nil || id.Org != "bank" {
		t.Errorf("identity: %+v %v", id, err)
	}
}

// A request that came to an address may name that address, and no other.
func TestHostIsTheAddressOfTheListener(t *testing.T) {
	r := member(t)
	for host, want := range map[string]int{"198.51.100.7": 200, "198.51.100.7:7801": 200, "198.51.100.8": 421} {
		req := httptest.NewRequest("GET", "http://"+host+"/healthz", nil)
		local := &net.TCPAddr{IP: net.ParseIP("198.51.100.7"), Port: 7801}
		w := httptest.NewRecorder()
		r.door.Remote().ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, local)))
		if w.Code != want {
			t.Errorf("%s gets %d", host, w.Code)
		}
	}
}

// A listener that is no Unix socket tells nothing of who connects, so nobody
// gets in; on a real one our own user does.
func TestPeerCredListener(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("not on Linux")
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guarded := PeerCredListener(tcp)
	accepted := make(chan error, 1)
	go func() {
		_, err := guarded.Accept()
		accepted <- err
	}()
	c, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays: %v", err)
	}
	tcp.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
}

func TestInProcessAborts(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"before": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"within": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"claims":`)
			panic(http.ErrAbortHandler)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>`) },
		"another": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nope", http.StatusTeapot) },
	} {
		if answer, err := InProcess(h).Search(t.Context(), SearchOptions{}); err == nil {
			t.Errorf("%s: %+v", name, answer)
		}
	}
}

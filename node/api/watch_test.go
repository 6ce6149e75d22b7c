package api

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// virtual is a rig in virtual time: call it in a synctest bubble.
func virtual(t *testing.T) *rig {
	t.Helper()
	_, org, _ := ed25519.GenerateKey(nil)
	_, key, _ := ed25519.GenerateKey(nil)
	r := &rig{t: t}
	var err error
	r.store, err = storage.Open(t.TempDir(), storage.Options{Small: true, Log: slog.New(slog.DiscardHandler)})
	r.check(err)
	net := mocknet.New()
	identity, err := crypto.UnmarshalEd25519PrivateKey(key)
	r.check(err)
	h, err := net.AddPeer(identity, ma.StringCast("/ip4/203.0.113.1/tcp/4001"))
	r.check(err)
	now := time.Now()
	r.node, err = node.Start(t.Context(), node.Config{
		Host: h, Gate: node.NewGate(), Key: key, Org: org, Name: "bank", Store: r.store, Log: slog.New(slog.DiscardHandler),
		Certificate: protocol.Certify(org, protocol.NodeOf(key), now.Add(-time.Hour), now.Add(365*24*time.Hour)),
	})
	r.check(err)
	t.Cleanup(func() {
		r.node.Close()
		r.store.Close()
		net.Close()
	})
	r.door = New(Config{Node: r.node, Log: slog.New(slog.DiscardHandler)})
	r.Client = InProcess(r.door.Local())
	_, err = r.CreateCommunity(t.Context(), "isac")
	r.check(err)
	return r
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := virtual(t)
		r.say(protocol.Green, "203.0.113.1")
		ctx, cancel := context.WithCancel(t.Context())
		var all, late []Change
		watch := func(after string, into *[]Change) {
			r.Watch(ctx, after, nil, func(c Change) error { *into = append(*into, c); return nil })
		}
		go watch("", &all)
		go watch("now", &late)
		synctest.Wait()
		time.Sleep(40 * time.Second) // heartbeats pass unseen
		r.say(protocol.Green, "203.0.113.2")
		synctest.Wait()
		r.say(protocol.Green, "203.0.113.3")
		synctest.Wait()
		cancel()
		synctest.Wait()
		values := func(changes []Change) (list string) {
			for _, c := range changes {
				list += " " + c.Op + " " + c.Value
			}
			return list
		}
		if got := values(all); got != " add 203.0.113.1 add 203.0.113.2 add 203.0.113.3" {
			t.Errorf("from the beginning:%s", got)
		}
		if got := values(late); got != " add 203.0.113.2 add 203.0.113.3" {
			t.Errorf("from then on:%s", got)
		}
		var rest []Change
		if _, err := r.Changes(t.Context(), ChangesOptions{After: all[1].Cursor}, func(c Change) error { rest = append(rest, c); return nil }); err != nil || values(rest) != " add 203.0.113.3" {
			t.Errorf("after the cursor of an event: %s %v", values(rest), err)
		}
	})
}

// TestEventStream reads the bytes: ids, heartbeats, Last-Event-ID, and the end
// when the token is ended.
func TestEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := virtual(t)
		r.say(protocol.Green, "203.0.113.1")
		after, err := r.Changes(t.Context(), ChangesOptions{}, func(Change) error { return nil })
		r.check(err)
		r.say(protocol.Green, "203.0.113.2")
		secret := r.token(Reader, protocol.Green)
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://localhost/v1/watch", nil)
		r.check(err)
		req.Header.Set("Authorization", "Bearer "+secret)
		req.Header.Set("Last-Event-ID", after)
		resp, err := inProcess{r.door.Remote()}.RoundTrip(req)
		r.check(err)
		defer resp.Body.Close()
		var lines []string
		begun := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s := bufio.NewScanner(resp.Body); s.Scan(); {
				lines = append(lines, s.Text())
			}
		}()
		time.Sleep(50 * time.Second)
		tokens, err := r.ListTokens(t.Context())
		r.check(err)
		r.check(r.DeleteToken(t.Context(), tokens[0].ID))
		<-done
		if took := time.Since(begun); took > 70*time.Second {
			t.Errorf("it went on for %s", took)
		}
		events, beats := 0, 0
		for i, line := range lines {
			if line == "event: add" {
				events++
				if !strings.HasPrefix(lines[i-1], "id: ") || !strings.Contains(lines[i+1], `"value":"203.0.113.2"`) || lines[i+2] != "" {
					t.Errorf("event: %q", lines[i-1:i+3])
				}
			}
			if line == ":" {
				beats++
			}
		}
		if events != 1 || beats != 3 {
			t.Errorf("%d events, %d heartbeats", events, beats)
		}
	})
}

// A claim that expires, and a wait that ends without news, in virtual time.
func TestTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := virtual(t)
		_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: []string{"203.0.113.1"}, Valid: Duration(time.Hour)})
		r.check(err)
		known := func() int {
			answers, err := r.Lookup(t.Context(), LookupRequest{Values: []string{"203.0.113.1"}})
			r.check(err)
			return len(answers[0].Claims)
		}
		if known() != 1 {
			t.Error("not known at once")
		}
		time.Sleep(time.Hour)
		if known() != 0 {
			t.Error("still known after it expired")
		}
		begun := time.Now()
		_, err = r.Changes(t.Context(), ChangesOptions{After: "now", Wait: Duration(30 * time.Second)}, func(Change) error { return nil })
		if took := time.Since(begun); err != nil || took != 30*time.Second {
			t.Errorf("waited %s, %v", took, err)
		}
	})
}

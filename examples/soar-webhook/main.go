// Command soar-webhook receives what a node's webhook sink hands on, checks that
// the node has signed it, and runs a program for each change: what came in JSON on
// its standard input, the fields that names are made of in its environment.
//
// A program that fails is run again when the node tries again: 500 is answered, and
// changes that were done are not done twice. Changes come one at a time, in order.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits.
const (
	maxBody   = 4 << 20 // bytes; the node sends about one million
	maxSkew   = 5 * time.Minute
	maxDone   = 10_000 // changes remembered
	runWithin = 30 * time.Second
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8787", "where the node posts to")
	secret := flag.String("secret-file", "webhook.secret", "file with the secret that `tocsin sink add` printed")
	program := flag.String("run", "", "program to run for each change")
	cert, key := flag.String("cert", "", "certificate, PEM; plain HTTP without"), flag.String("key", "", "its key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen, *secret, *program, *cert, *key); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, listen, secretFile, program, cert, key string) error {
	text, err := os.ReadFile(secretFile)
	if err != nil {
		return err
	}
	signer, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "whsec_"))
	if err != nil || len(signer) == 0 {
		return fmt.Errorf("%s: not a secret of a webhook", secretFile)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	r := &receiver{key: signer, program: program, done: map[string]bool{}}
	s := &http.Server{Handler: http.HandlerFunc(r.take), ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		until, cancel := context.WithTimeout(context.Background(), runWithin)
		defer cancel()
		s.Shutdown(until)
	}()
	fmt.Println("listening on", l.Addr())
	if cert != "" {
		err = s.ServeTLS(l, cert, key)
	} else {
		err = s.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

// A change is what the fields of one are needed for here.
type change struct {
	Op, Cursor, ID, Type, Value, TLP, Tier, Until, Org string
	Bulletin                                           string
	Index                                              int
	Values                                             []struct{ Type, Value string }
}

// A receiver runs one program at a time.
type receiver struct {
	key     []byte
	program string

	mu    sync.Mutex
	done  map[string]bool // changes, by operation and cursor
	order []string        // of done, the oldest first
}

// take answers a request: 204 when everything in it is done, 500 to have it sent
// again. A 400 would make each change in it a dead letter, so that is only for what
// will never be any better.
func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	switch {
	case req.Method != http.MethodPost:
		http.Error(w, "POST is all there is", http.StatusMethodNotAllowed)
		return
	case err != nil:
		http.Error(w, "the body did not come whole", http.StatusRequestTimeout)
		return
	case !r.signed(req.Header, body, time.Now()):
		http.Error(w, "not signed by the node, or too long ago", http.StatusUnauthorized)
		return
	}
	var batch struct{ Changes []json.RawMessage }
	if err := json.Unmarshal(body, &batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, raw := range batch.Changes {
		if err := r.handle(req.Context(), raw); err != nil {
			log.Print(err)
			http.Error(w, "a change could not be handled", http.StatusInternalServerError)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// signed checks a signature of Standard Webhooks. What is old may have been
// recorded and sent again by somebody else.
func (r *receiver) signed(h http.Header, body []byte, now time.Time) bool {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > maxSkew {
		return false
	}
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for one := range strings.FieldsSeq(h.Get("Webhook-Signature")) { // several while a secret is being changed
		if hmac.Equal([]byte(one), want) {
			return true
		}
	}
	return false
}

func (r *receiver) handle(ctx context.Context, raw json.RawMessage) error {
	var c change
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	if c.Op == "reset" { // everything is told anew
		clear(r.done)
		r.order = nil
	}
	id := c.Op + " " + c.Cursor + " " + c.Value // one change may be of several values
	if r.done[id] {
		return nil
	}
	if err := r.run(ctx, &c, raw); err != nil {
		return err
	}
	r.done[id] = true
	if r.order = append(r.order, id); len(r.order) > maxDone {
		delete(r.done, r.order[0])
		r.order = r.order[1:]
	}
	return nil
}

// run hands nothing over in arguments: a value is what somebody else wrote.
func (r *receiver) run(ctx context.Context, c *change, raw []byte) error {
	if len(c.Values) == 0 {
		c.Values = append(c.Values, struct{ Type, Value string }{c.Type, c.Value})
	}
	for _, v := range c.Values {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), runWithin) // also when the node gives up waiting
		cmd := exec.CommandContext(bounded, r.program)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), os.Stderr
		cmd.Env = append(os.Environ(), "TOCSIN_OP="+word(c.Op), fmt.Sprintf("TOCSIN_OBJECT=%s/%d", word(c.Bulletin), c.Index), "TOCSIN_ID="+word(c.ID), "TOCSIN_TYPE="+word(v.Type), "TOCSIN_VALUE="+word(v.Value),
			"TOCSIN_TLP="+word(c.TLP), "TOCSIN_TIER="+word(c.Tier), "TOCSIN_UNTIL="+word(c.Until), "TOCSIN_ORG="+word(c.Org))
		err := cmd.Run()
		cancel()
		if err != nil {
			return fmt.Errorf("%s of %s: %w", c.Op, cmp.Or(c.ID, c.Cursor), err)
		}
	}
	return nil
}

// word is a text as one line: what a shell script takes for a line has no other in it.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// Command ticketing opens a ticket for each value that a node hears of, and closes
// it when nobody says so any more. It reads /v1/changes, which is /v1/watch with an end
// to each answer, and keeps in a file how far it is and which ticket is whose, so that
// it may be ended and started at any time.
//
// The ticket system is spoken to in three requests, to be changed to what yours has:
//
//	GET   URL/tickets?external_id=ID   [{"id":"..."}]
//	POST  URL/tickets                  {"external_id","title","description"}   {"id":"..."}
//	PATCH URL/tickets/ID               {"status":"closed","comment"}
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	maxLine   = 4 << 20 // bytes of one change
	maxAnswer = 1 << 20
	within    = 5 * time.Minute // to deal with what one answer has
	retry     = 5 * time.Second
)

func main() {
	var d desk
	flag.StringVar(&d.node, "node", "http://127.0.0.1:7801", "the node's HTTP door")
	flag.StringVar(&d.tickets, "tickets", "", "where the ticket system is")
	flag.StringVar(&d.file, "state", "tickets.json", "file with how far it is, and which tickets are open")
	flag.StringVar(&d.tier, "tier", "alert", "open tickets for values in this tier or above: observe, alert or block")
	flag.DurationVar(&d.wait, "wait", 30*time.Second, "how long the node waits for news before it answers, at most a minute")
	token := flag.String("token-file", "ticketing.token", "file with a token of the node")
	login := flag.String("login-file", "", "file with what Authorization says to the ticket system, such as Bearer ...")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.open(*token, *login); err != nil {
		log.Fatal(err)
	}
	for {
		err := d.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			continue
		}
		log.Print(err)
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return
		}
	}
}

// A ticket is open as long as it has claims.
type ticket struct {
	ID     string
	Claims map[string]string // STIX ids, and where the newest version of each is
}

// A desk is between a node and a ticket system.
type desk struct {
	node, tickets, file, tier string
	token, login              string
	wait                      time.Duration

	Cursor string             // of the last change that was dealt with
	Anew   bool               // all is being read anew: what is not told is to be closed
	Open   map[string]*ticket // by type and value
}

func (d *desk) open(tokenFile, loginFile string) error {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return err
	}
	d.token = "Bearer " + strings.TrimSpace(string(token))
	if loginFile != "" {
		login, err := os.ReadFile(loginFile)
		if err != nil {
			return err
		}
		d.login = strings.TrimSpace(string(login))
	}
	d.Open = map[string]*ticket{}
	state, err := os.ReadFile(d.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(state, d)
}

// save writes the state whole or not at all.
func (d *desk) save() error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(d.file+".new", d.file)
}

// A change is what of one a ticket is made of.
type change struct {
	Op, Cursor, ID, Type, Value, Org, TLP, Description, Drill string
	Bulletin                                                  string
	Index                                                     int
	Confidence                                                *int
	Expires                                                   time.Time
	Values                                                    []observable
}

// place is all that is told of an object once it was erased.
func (c *change) place() string { return fmt.Sprintf("%s/%d", c.Bulletin, c.Index) }

type observable struct{ Type, Value string }

func (o observable) String() string { return o.Type + ":" + o.Value }

// follow deals with what has come since the cursor, or waits a while for it. The
// answer ends with a cursor alone, so it is known when all has been read.
func (d *desk) follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.wait+within)
	defer cancel()
	q := url.Values{"after": {d.Cursor}, "wait": {d.wait.String()}}
	resp, err := d.ask(ctx, "GET", d.node+"/v1/changes?"+q.Encode(), d.token, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusGone:
		return d.anew()
	default:
		return fmt.Errorf("the node answers %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var c change
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		if c.Op != "" {
			err = d.take(ctx, &c)
		} else {
			err = d.sweep(ctx)
		}
		if err != nil {
			return err
		}
		d.Cursor = c.Cursor
		if err := d.save(); err != nil {
			return err
		}
		if c.Op == "" {
			return nil
		}
	}
	return cmp.Or(lines.Err(), errors.New("the node's answer was cut off"))
}

// anew begins from the beginning: somebody's word has ceased to count, or counts
// again, and whose that is shows in what is told then.
func (d *desk) anew() error {
	d.Cursor, d.Anew = "", true
	for _, t := range d.Open {
		t.Claims = nil
	}
	return d.save()
}

// sweep closes what was not told any more when all was told anew.
func (d *desk) sweep(ctx context.Context) error {
	if !d.Anew {
		return nil
	}
	for key, t := range d.Open {
		if len(t.Claims) > 0 {
			continue
		}
		if err := d.close(ctx, key, t, "Nobody whose word counts says so any more."); err != nil {
			return err
		}
	}
	d.Anew = false
	return nil
}

func (d *desk) close(ctx context.Context, key string, t *ticket, why string) error {
	closed := map[string]string{"status": "closed", "comment": why}
	err := d.call(ctx, "PATCH", "/tickets/"+url.PathEscape(t.ID), closed, nil)
	if err == nil {
		delete(d.Open, key)
	}
	return err
}

// take opens or closes what a change is about. An exercise opens nothing.
func (d *desk) take(ctx context.Context, c *change) error {
	if len(c.Values) == 0 && c.Value != "" {
		c.Values = []observable{{c.Type, c.Value}}
	}
	if c.Op == "remove" {
		return d.withdrawn(ctx, c)
	}
	for _, o := range c.Values {
		if t := d.Open[o.String()]; t != nil {
			if t.Claims == nil {
				t.Claims = map[string]string{}
			}
			t.Claims[c.ID] = c.place()
			continue
		}
		high, err := d.matters(ctx, o.Value)
		if err != nil {
			return err
		}
		if !high || c.Drill != "" {
			continue
		}
		id, err := d.ticket(ctx, o, c)
		if err != nil {
			return err
		}
		d.Open[o.String()] = &ticket{id, map[string]string{c.ID: c.place()}}
	}
	return nil
}

// withdrawn closes the tickets that have no claim any more.
func (d *desk) withdrawn(ctx context.Context, c *change) error {
	for key, t := range d.Open {
		before := len(t.Claims)
		maps.DeleteFunc(t.Claims, func(id, place string) bool { return id == c.ID || c.ID == "" && place == c.place() })
		if len(t.Claims) == before || len(t.Claims) > 0 {
			continue
		}
		if err := d.close(ctx, key, t, "Taken back by "+c.Org+"."); err != nil {
			t.Claims[c.ID] = c.place() // it is tried again
			return err
		}
	}
	return nil
}

// matters asks the node in which tier a value is now.
func (d *desk) matters(ctx context.Context, value string) (bool, error) {
	resp, err := d.ask(ctx, "GET", d.node+"/v1/lookup?value="+url.QueryEscape(value), d.token, nil)
	if err != nil {
		return false, err
	}
	var found struct{ Tier string }
	if err := answer(resp, &found); err != nil {
		return false, err
	}
	tiers := []string{"observe", "alert", "block"}
	return slices.Index(tiers, found.Tier) >= max(0, slices.Index(tiers, d.tier)), nil
}

// ticket opens one, or finds the one that was opened just before we were ended.
func (d *desk) ticket(ctx context.Context, o observable, c *change) (id string, err error) {
	type found struct{ ID string }
	var old []found
	if err := d.call(ctx, "GET", "/tickets?external_id="+url.QueryEscape(o.String()), nil, &old); err != nil {
		return "", err
	}
	if len(old) > 0 {
		return old[0].ID, nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s says so, TLP:%s.", c.Org, strings.ToUpper(c.TLP))
	if c.Confidence != nil {
		fmt.Fprintf(&b, " Confidence %d.", *c.Confidence)
	}
	if !c.Expires.IsZero() {
		fmt.Fprintf(&b, " Until %s.", c.Expires.UTC().Format(time.DateOnly))
	}
	if c.Description != "" {
		fmt.Fprintf(&b, "\n\n%s", c.Description)
	}
	var made found
	err = d.call(ctx, "POST", "/tickets", map[string]string{"external_id": o.String(), "title": "Look for " + o.String(), "description": b.String()}, &made)
	return made.ID, err
}

// call asks the ticket system.
func (d *desk) call(ctx context.Context, method, path string, body, into any) error {
	resp, err := d.ask(ctx, method, d.tickets+path, d.login, body)
	if err != nil {
		return err
	}
	return answer(resp, into)
}

func (d *desk) ask(ctx context.Context, method, target, login string, body any) (*http.Response, error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, text)
	if err != nil {
		return nil, err
	}
	if login != "" {
		req.Header.Set("Authorization", login)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return http.DefaultClient.Do(req)
}

// answer reads the JSON of an answer that is no failure.
func answer(resp *http.Response, into any) error {
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s answers %s", resp.Request.URL.Redacted(), resp.Status)
	case into == nil:
		return nil
	}
	return json.Unmarshal(text, into)
}

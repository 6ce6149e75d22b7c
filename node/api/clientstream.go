package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
)

// errCut is an answer that ended before its last line.
var errCut = errors.New("the answer was cut off")

// Import streams a file in any supported format to the node while its events
// come back; on may be nil. The tally counts what was done also when an error
// ended the import early.
func (c *Client) Import(ctx context.Context, r io.Reader, o ImportOptions, on func(ImportEvent)) (Tally, error) {
	q, err := o.query()
	if err != nil {
		return Tally{}, err
	}
	resp, err := c.send(ctx, "POST", "/v1/import?"+q.Encode(), "application/octet-stream", struct{ io.Reader }{r})
	if err != nil {
		return Tally{}, err
	}
	defer resp.Body.Close()
	dec := jsontext.NewDecoder(resp.Body)
	var problem *Problem
	for {
		var e ImportEvent
		if err := json.UnmarshalDecode(dec, &e); err != nil {
			return Tally{}, fmt.Errorf("import: %w", cut(err))
		}
		if on != nil {
			on(e)
		}
		switch {
		case e.Problem != nil:
			problem = e.Problem
		case e.Tally != nil && problem != nil:
			return *e.Tally, problem
		case e.Tally != nil:
			return *e.Tally, nil
		}
	}
}

func (o ImportOptions) query() (url.Values, error) {
	q := url.Values{}
	if o.TLP != 0 {
		if !o.TLP.Valid() {
			return nil, fmt.Errorf("%w: no such TLP label", node.ErrUsage)
		}
		q.Set("tlp", o.TLP.String())
	}
	set(q, "pap", o.PAP.String())
	set(q, "name", o.Name)
	set(q, "format", string(o.Format))
	set(q, "community", o.Community)
	set(q, "group", o.Group)
	if len(o.To) > 0 {
		q["to"] = o.To
	}
	set(q, "column", o.Column)
	set(q, "description", o.Description)
	if o.Context {
		q.Set("context", "true")
	}
	if o.Confidence != nil {
		q.Set("confidence", strconv.Itoa(*o.Confidence))
	}
	if o.Valid != 0 {
		q.Set("valid", o.Valid.String())
	}
	if len(o.Tags) > 0 {
		q["tag"] = o.Tags
	}
	return q, nil
}

// Changes calls on for every change after a cursor and returns the cursor to
// go on with. An error of on ends it and is returned. A cursor of another
// node's store is a [*Problem] of status 410: begin again without one.
func (c *Client) Changes(ctx context.Context, o ChangesOptions, on func(Change) error) (cursor string, err error) {
	resp, err := c.send(ctx, "GET", "/v1/changes?"+o.query().Encode(), "", nil)
	if err != nil {
		return o.After, err
	}
	defer resp.Body.Close()
	cursor = o.After
	dec := jsontext.NewDecoder(resp.Body)
	for {
		var line Change
		if err := json.UnmarshalDecode(dec, &line); err != nil {
			return cursor, fmt.Errorf("changes: %w", cut(err))
		}
		if line.Op == "" {
			return line.Cursor, nil
		}
		if err := on(line); err != nil {
			return cursor, err
		}
		cursor = line.Cursor
	}
}

func (o ChangesOptions) query() url.Values {
	q := url.Values{}
	set(q, "after", o.After)
	setInt(q, "limit", o.Limit)
	if o.Wait != 0 {
		q.Set("wait", o.Wait.String())
	}
	return q
}

// maxEvent is the longest line of an event stream the client takes: an object
// and what surrounds it.
const maxEvent = 4 << 20

// Watch calls on for every change after a cursor ("": from the beginning,
// "now": from now on) as it comes, until ctx or the node ends, or on returns
// an error, which Watch then returns. ready, which may be nil, is called once
// the node listens: what comes later is not missed.
func (c *Client) Watch(ctx context.Context, after string, ready func(), on func(Change) error) error {
	q := url.Values{}
	set(q, "after", after)
	resp, err := c.send(ctx, "GET", "/v1/watch?"+q.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if ready != nil {
		ready()
	}
	return readEvents(resp, on)
}

func readEvents(resp *http.Response, on func(Change) error) error {
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		var change Change
		if err := json.Unmarshal([]byte(data), &change); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if err := on(change); err != nil {
			return err
		}
	}
	return lines.Err()
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
)

// piece is how much of a list is written at a time: a slow reader has a minute
// for each.
const piece = 64 << 10

// feeds is the route of the lists, with the shelf they are kept on.
func (d *Door) feeds() route {
	shelf := feed.NewShelf(d.node.Store())
	return route{
		method: "GET", path: "/feeds/{name}", summary: "A plain list of what stands: " + strings.Join(feed.Names(), ", "), right: read, gives: "text/plain",
		serve: func(w *answerWriter, req *http.Request) error { return d.serveFeed(w, req, shelf) },
	}
}

// serveFeed answers with a list, or says that the asker has it already. Nothing
// between may keep it: the next answer may lack a value.
func (d *Door) serveFeed(w *answerWriter, req *http.Request, shelf *feed.Shelf) error {
	list, err := shelf.List(req.Context(), req.PathValue("name"), d.query(w.caller))
	switch {
	case errors.Is(err, feed.ErrUnknown):
		return kindNotFound.problem(plain(err, feed.ErrUnknown), "")
	case errors.Is(err, feed.ErrTooLong):
		return kindUnavailable.problem(plain(err, feed.ErrTooLong), "a list is never cut; fetch a narrower one, or read /v1/changes")
	case err != nil:
		return err
	}
	h := w.Header()
	h.Set("ETag", list.ETag)
	h.Set("Cache-Control", "private, no-cache")
	if hasTag(req.Header.Values("If-None-Match"), list.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(list.Size))
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodHead {
		return nil
	}
	for _, part := range list.Parts {
		for p := range slices.Chunk(part, piece) {
			if _, err := w.Write(p); err != nil {
				return nil // a caller that went away cannot be told
			}
		}
	}
	return nil
}

// hasTag reports whether an If-None-Match names a tag, weakly as it should be
// compared, or everything.
func hasTag(fields []string, tag string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
				return true
			}
		}
	}
	return false
}

// Feed calls on for every value of a list, in its order. An error may come after
// a part of them: what there was then is not the list. An error of on ends it
// and is returned.
func (c *Client) Feed(ctx context.Context, name string, on func(value string) error) error {
	resp, err := c.send(ctx, "GET", "/feeds/"+url.PathEscape(name), "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewReaderSize(resp.Body, maxValueLine)
	for {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("feed %s: %w", name, cut(err))
		}
		if err := on(string(text[:len(text)-1])); err != nil {
			return err
		}
	}
}

package api

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// This file answers with bytes that stay the same for a while: with an ETag and a
// date by which a copy is confirmed, and compressed where the asker takes that.

// A coding is a way to compress an answer.
type coding string

// Codings, in the order of preference. An ETag has the coding behind the hash:
// other bytes, another tag (RFC 9110, 8.8.3).
const (
	plainly coding = ""
	zstdly  coding = "zstd"
	gzipped coding = "gzip"
)

// smallAnswer is what is not worth compressing, in bytes.
const smallAnswer = 1 << 10

// codingFor reads Accept-Encoding. What is not understood is not accepted.
func codingFor(req *http.Request, r *rendering) coding {
	if r.size < smallAnswer || strings.Contains(r.media, "gzip") {
		return plainly
	}
	best, most := plainly, 0.0
	for _, field := range req.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(field, ",") {
			name, weight := weighted(one)
			for _, c := range []coding{zstdly, gzipped} {
				if fits := name == string(c) || name == "*" && c == gzipped; fits && (weight > most || weight == most && weight > 0 && c == zstdly) {
					best, most = c, weight
				}
			}
		}
	}
	return best
}

// weighted reads an element of an Accept field: its name and its weight.
func weighted(element string) (name string, weight float64) {
	name, params, _ := strings.Cut(element, ";")
	weight = 1
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(param, "=")
		if strings.TrimSpace(strings.ToLower(key)) != "q" {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			q = 0
		}
		weight = q
	}
	return strings.ToLower(strings.TrimSpace(name)), weight
}

func (r *rendering) tag(c coding) string {
	if c == plainly {
		return `"` + r.sum + `"`
	}
	return `"` + r.sum + "-" + string(c) + `"`
}

// unchanged reports whether a request says that its copy is this rendering, in
// whatever coding. A date counts where no tag is given.
func (r *rendering) unchanged(req *http.Request) bool {
	if tags := req.Header.Values("If-None-Match"); len(tags) > 0 {
		return slices.ContainsFunc([]coding{plainly, zstdly, gzipped}, func(c coding) bool { return hasTag(tags, r.tag(c)) })
	}
	since, err := http.ParseTime(req.Header.Get("If-Modified-Since"))
	return err == nil && !r.changed.IsZero() && !r.changed.After(since)
}

// serveRendering answers with a rendering, or says that the asker has it already.
// Nothing between may keep it: the next answer may lack a value.
func (d *Door) serveRendering(w *answerWriter, req *http.Request, r *rendering) error {
	c, h := codingFor(req, r), w.Header()
	if !r.unchanged(req) {
		return d.send(w, req, r, c)
	}
	r.head(h, c)
	w.WriteHeader(http.StatusNotModified)
	return nil
}

// head sets what is said of a rendering in a coding, changed or not.
func (r *rendering) head(h http.Header, c coding) {
	h.Set("ETag", r.tag(c))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding")
	if !r.changed.IsZero() {
		h.Set("Last-Modified", r.changed.UTC().Format(http.TimeFormat))
	}
}

// send answers with all of a rendering.
func (d *Door) send(w *answerWriter, req *http.Request, r *rendering, c coding) error {
	coded, length, err := d.coded(req.Context(), r, c)
	if err != nil {
		return err
	}
	h := w.Header()
	r.head(h, c)
	h.Set("Content-Type", r.media)
	if c != plainly {
		h.Set("Content-Encoding", string(c))
	}
	if length >= 0 {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodHead {
		return nil
	}
	if err := coded(w); err != nil {
		panic(http.ErrAbortHandler) // a part must not be taken for the whole
	}
	return nil
}

// coded returns how to write a rendering in a coding, and its length, -1 where
// that shows only at the end. What is small enough to keep is compressed once for
// all who ask.
func (d *Door) coded(ctx context.Context, r *rendering, c coding) (write func(io.Writer) error, length int64, err error) {
	switch {
	case c == plainly:
		return r.writeTo, r.size, nil
	case r.size > maxKept:
		return func(w io.Writer) error { return c.compress(w, r.writeTo) }, -1, nil
	}
	made, err := d.made(ctx, codedKey{r.sum, c}, nil, func() rendering {
		return rendering{write: func(w io.Writer) error { return c.compress(w, r.writeTo) }}
	})
	return made.writeTo, made.size, err
}

// A codedKey is of what is the same for everybody: it is found by its content.
type codedKey struct {
	sum    string
	coding coding
}

// made returns what is kept under a key for a moment, or makes it: few at a time,
// each once.
func (d *Door) made(ctx context.Context, key, moment any, what func() rendering) (rendering, error) {
	if r, ok := d.kept.find(key, moment); ok {
		return r, nil
	}
	select {
	case d.kept.turn <- struct{}{}:
	case <-ctx.Done():
		return rendering{}, ctx.Err()
	}
	defer func() { <-d.kept.turn }()
	if r, ok := d.kept.find(key, moment); ok {
		return r, nil
	}
	r, err := render(what())
	if err == nil {
		d.kept.keep(key, moment, r)
	}
	return r, err
}

// compress writes what is written in a coding. Its memory is bounded whatever the
// length: a window of 128 KiB.
func (c coding) compress(w io.Writer, write func(io.Writer) error) error {
	var z io.WriteCloser
	var err error
	if c == zstdly {
		z, err = zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true))
	} else {
		z, err = gzip.NewWriterLevel(w, gzip.DefaultCompression)
	}
	if err != nil {
		return err
	}
	if err := write(z); err != nil {
		return err
	}
	return z.Close()
}

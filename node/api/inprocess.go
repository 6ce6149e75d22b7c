package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// inProcess is a transport that ends in a handler of the same process. The
// handler runs in a goroutine of its own, which ends with the answer: closing
// the body or ending the request's context makes its reads and writes fail.
type inProcess struct{ handler http.Handler }

// RoundTrip returns as soon as the handler writes.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.RemoteAddr = "in-process"
	r.Host = req.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	out, in := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: in, begun: make(chan struct{}), done: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		defer close(w.done)
		defer stop()
		defer r.Body.Close()
		w.serve(t.handler, r)
	}()
	<-w.begun
	if w.failed != nil {
		cancel()
		return nil, w.failed
	}
	body := &pipeBody{PipeReader: out, cancel: cancel}
	if req.ContentLength >= 0 { // else a handler may wait for a reader that never ends
		body.wait = w.done
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: -1, Request: req,
	}, nil
}

// A pipeBody is an answer being read. Closing it ends the handler.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
	wait   chan struct{}
}

func (b *pipeBody) Close() error {
	err := b.PipeReader.Close()
	b.cancel()
	if b.wait != nil {
		<-b.wait
	}
	return err
}

// A pipeWriter is a ResponseWriter over a pipe. Like net/http's it is used by
// one goroutine at a time.
type pipeWriter struct {
	header, sent http.Header
	status       int
	pipe         *io.PipeWriter
	once         sync.Once
	begun, done  chan struct{}
	failed       error
}

func (w *pipeWriter) serve(h http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil { // net/http cuts the connection; so does this
			w.once.Do(func() { w.failed = fmt.Errorf("handler: %v", p); close(w.begun) })
			w.pipe.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		w.WriteHeader(http.StatusOK)
		w.pipe.Close()
	}()
	h.ServeHTTP(w, r)
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush has nothing to do beyond sending the header: a pipe holds nothing back.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// EnableFullDuplex is what a pipe is from the start.
func (w *pipeWriter) EnableFullDuplex() error { return nil }

// SetReadDeadline and SetWriteDeadline are for sockets; here the request's
// context ends what hangs.
func (w *pipeWriter) SetReadDeadline(time.Time) error { return nil }

func (w *pipeWriter) SetWriteDeadline(time.Time) error { return nil }

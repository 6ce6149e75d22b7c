package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A progress shows how far long work is, on a terminal; elsewhere it is silent.
type progress struct {
	bar *progressbar.ProgressBar // nil: nobody watches
}

// progress begins to show work of so many bytes, or unknown length with 0.
func (c *cli) progress(what string, bytes int64) progress {
	if !c.terminal || c.json {
		return progress{}
	}
	if bytes == 0 {
		bytes = -1
	}
	return progress{progressbar.NewOptions64(bytes,
		progressbar.OptionSetWriter(c.stderr), progressbar.OptionSetDescription(clean(what)),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionShowBytes(bytes > 0), progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(bytes > 0),
	)}
}

// at says how many of how many are done.
func (p progress) at(done, total int) {
	if p.bar != nil {
		p.bar.ChangeMax(max(total, 1))
		p.bar.Set(done)
	}
}

// reader counts what is read.
func (p progress) reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return io.TeeReader(r, p.bar)
}

// note prints a line without tearing the bar.
func (p progress) note(w io.Writer, line string) {
	if p.bar != nil {
		p.bar.Clear()
	}
	io.WriteString(w, line+"\n")
}

// end takes the bar away.
func (p progress) end() {
	if p.bar != nil {
		p.bar.Finish()
		p.bar.Exit()
	}
}

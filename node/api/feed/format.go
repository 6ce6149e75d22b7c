package feed

import (
	"io"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A Format is a file, or a few, in which one kind of tool reads values.
type Format struct {
	Name  string      // of the feed, such as "rpz"
	About string      // who reads it, in a line
	Media string      // its Content-Type
	Types []stix.Type // what it can carry; the rest is left out
	Files []string    // for a format of several: the names of those that are always there

	// fits reports whether a format can say exactly this value of one of its
	// types; nil: any that a list can carry.
	fits func(e *Entry) bool

	// write writes the file of a document; of a format of one file the name is
	// empty. The same document gives the same bytes. Errors wrap [ErrUnknown]
	// for a file that there is not, and those of the writer.
	write func(w io.Writer, d *Document, file string) error
}

// A Document is what a format is written of.
type Document struct {
	Entries
	Source string // the name of the organisation whose node writes it
	URL    string // where the node is asked, without a slash at the end; may be empty
}

// Write writes one file of a format; see [Format.Files].
func (f *Format) Write(w io.Writer, d *Document, file string) error { return f.write(w, d, file) }

// carries reports whether a format can carry values of a type.
func (f *Format) carries(t stix.Type) bool { return slices.Contains(f.Types, t) }

// Carries reports whether an entry is in what a format writes: those of other
// types, and those it could only say something narrower or wider of, are left out.
func (f *Format) Carries(e *Entry) bool {
	return f.carries(e.Type) && fits(e.Value) && canonical(e) && routable(e) && (f.fits == nil || f.fits(e))
}

// Formats returns every format there is, in a fixed order.
func Formats() []Format { return slices.Concat(gatewayFormats(), sensorFormats()) }

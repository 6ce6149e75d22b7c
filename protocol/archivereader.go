package protocol

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// An ArchiveReader reads an archive frame by frame, and finds the next one
// behind damage. It holds one frame in memory.
type ArchiveReader struct {
	in      *bufio.Reader
	header  ArchiveHeader
	sum     hash.Hash
	at      int64 // where the next frame begins
	began   int64 // where the last one did
	trailer *ArchiveTrailer
	altered bool // bytes are not those that were signed
	ended   bool
}

// NewArchiveReader reads the header and verifies that the node it names signed
// it. Errors wrap [ErrInvalid] for what is no archive or has a damaged header,
// and [ErrUnsupported] for a later version: then nobody can tell whom the
// archive is for, and nothing of it may be taken.
func NewArchiveReader(r io.Reader) (*ArchiveReader, error) {
	a := &ArchiveReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	start, err := a.in.Peek(frameStart)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !beginsFrame(start) {
		return nil, fmt.Errorf("%w archive: it does not begin as one", ErrInvalid)
	}
	f, err := a.frame()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w archive: it ends within its header", ErrInvalid)
	case err != nil:
		return nil, err
	case f.Header == nil:
		return nil, fmt.Errorf("%w archive: it does not begin with a header", ErrInvalid)
	}
	a.header, err = openArchiveHeader(f.Header)
	return a, err
}

// Header is what the archive says of itself, under the exporter's signature.
func (a *ArchiveReader) Header() ArchiveHeader { return a.header }

// Offset is the byte at which the last frame began, or the damage that Next
// told of.
func (a *ArchiveReader) Offset() int64 { return a.began }

// Trailer is the signed count and digest, once Next returned io.EOF.
func (a *ArchiveReader) Trailer() ArchiveTrailer {
	if a.trailer == nil {
		return ArchiveTrailer{}
	}
	return *a.trailer
}

// Intact reports, once Next returned io.EOF, whether every byte is the one that
// the exporter signed.
func (a *ArchiveReader) Intact() bool { return a.trailer != nil && !a.altered }

// Next returns the next charter or bulletin, sealed or not, as bytes that the
// caller is to verify. The error is io.EOF behind the trailer, io.ErrUnexpectedEOF where
// the archive ends without one, and wraps [ErrInvalid] where something is
// damaged: the next call goes on behind it. All others are of the reader.
func (a *ArchiveReader) Next() (ArchiveFrame, error) {
	a.began = a.at
	start, err := a.in.Peek(frameStart)
	switch {
	case err != nil && err != io.EOF:
		return ArchiveFrame{}, err
	case len(start) == 0 && a.trailer != nil:
		return ArchiveFrame{}, io.EOF
	case len(start) == 0:
		return ArchiveFrame{}, io.ErrUnexpectedEOF
	case a.ended:
		return ArchiveFrame{}, a.drain()
	case !beginsFrame(start):
		return ArchiveFrame{}, a.seek()
	}
	f, err := a.frame()
	switch {
	case err != nil:
		return ArchiveFrame{}, err
	case f.Header != nil:
		a.altered = true
		return ArchiveFrame{}, fmt.Errorf("%w archive: a second header", ErrInvalid)
	case f.Trailer != nil:
		return a.end(f.Trailer)
	}
	return f, nil
}

// end reads the trailer, which must be of who signed the header.
func (a *ArchiveReader) end(trailer []byte) (ArchiveFrame, error) {
	t, err := openArchiveTrailer(a.header.Certificate.Node, trailer)
	if err != nil {
		a.altered = true
		return ArchiveFrame{}, err
	}
	a.trailer, a.ended = &t, true
	if t.Digest != ID(a.sum.Sum(nil)) {
		a.altered = true
	}
	return a.Next()
}

// drain passes over what stands behind the trailer.
func (a *ArchiveReader) drain() error {
	a.altered = true
	n, err := io.Copy(io.Discard, a.in)
	a.at += n
	if err != nil {
		return err
	}
	return fmt.Errorf("%w archive: %d bytes behind its end", ErrInvalid, n)
}

// seek passes over damage, up to where a frame begins again.
func (a *ArchiveReader) seek() error {
	a.altered = true
	for {
		n, err := a.in.Discard(1)
		a.at += int64(n)
		if err != nil && err != io.EOF {
			return err
		}
		start, err := a.in.Peek(frameStart)
		if err != nil && err != io.EOF {
			return err
		}
		if len(start) == 0 || beginsFrame(start) {
			return fmt.Errorf("%w archive: %d bytes that are no frame", ErrInvalid, a.at-a.began)
		}
	}
}

// frame reads the frame that begins here.
func (a *ArchiveReader) frame() (f ArchiveFrame, err error) {
	b, err := ReadBytes(a.in, MaxFrame)
	if err != nil {
		return f, err
	}
	a.at += int64(4 + len(b))
	if err := decode(b, MaxFrame, "archive frame", &f); err != nil {
		a.altered = true
		return ArchiveFrame{}, err
	}
	if f.Trailer == nil { // the digest covers what stands before it
		if err := WriteBytes(a.sum, b); err != nil {
			return ArchiveFrame{}, err
		}
	}
	return f, nil
}

// frameStart is how many bytes tell where a frame begins: its length, the map
// of one, and the head of its byte string.
const frameStart = 4 + 2 + 5

// beginsFrame reports whether b begins a frame: the two lengths in it must
// agree, which other bytes seldom do. A flipped bit in either costs its own
// frame and no other.
func beginsFrame(b []byte) bool {
	if len(b) < frameStart || b[4] != 0xa1 || b[5] < 1 || b[5] > 5 {
		return false
	}
	total, inner := uint64(binary.BigEndian.Uint32(b)), b[6:]
	var head, n uint64
	switch {
	case inner[0] > 0x40 && inner[0] < 0x58:
		head, n = 1, uint64(inner[0]-0x40)
	case inner[0] == 0x58:
		head, n = 2, uint64(inner[1])
	case inner[0] == 0x59:
		head, n = 3, uint64(binary.BigEndian.Uint16(inner[1:]))
	case inner[0] == 0x5a:
		head, n = 5, uint64(binary.BigEndian.Uint32(inner[1:]))
	default:
		return false
	}
	return total <= MaxFrame && total == 2+head+n
}

package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// backBlock is how much is read at once from the end of a file.
const backBlock = 64 << 10

// readLinesBackwards calls do with every line of a segment, the last first,
// until it returns false. The lines have no numbers.
func (f files) readLinesBackwards(n segmentName, do func(line) bool) error {
	open, err := os.Open(n.path(f.dir))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer open.Close()
	info, err := open.Stat()
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	b := backReader{f: open, seal: f.seal, begin: info.Size(), do: do}
	for b.begin > 0 {
		if err := b.fill(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if !b.lines() {
			return nil
		}
	}
	if len(b.held) > 0 || b.long {
		b.hand(b.held)
	}
	return nil
}

// A backReader holds the bytes from begin up to the line handed out last, of a
// line that is too long only the first that were read.
type backReader struct {
	f     *os.File
	seal  *seal
	begin int64
	held  []byte
	long  bool // more of this line was read than is held
	do    func(line) bool
}

// fill reads the block before.
func (b *backReader) fill() error {
	size := min(b.begin, backBlock)
	block := make([]byte, size, int(size)+len(b.held))
	if _, err := b.f.ReadAt(block, b.begin-size); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b.begin -= size
	b.held = append(block, b.held...)
	return nil
}

// lines hands out what has both its ends.
func (b *backReader) lines() bool {
	for {
		end := len(b.held)
		if end > 0 && b.held[end-1] == '\n' {
			end-- // its own
		}
		i := bytes.LastIndexByte(b.held[:end], '\n')
		if i < 0 {
			break
		}
		raw := b.held[i+1:]
		b.held = b.held[:i+1]
		if !b.hand(raw) {
			return false
		}
	}
	if limit := b.seal.limit(); len(b.held) > limit {
		b.held, b.long = b.held[:limit], true
	}
	return true
}

// hand gives one line, that begins where what is held ends.
func (b *backReader) hand(raw []byte) bool {
	l, limit := line{offset: b.begin + int64(len(b.held)), raw: raw, size: int64(len(raw))}, b.seal.limit()
	switch {
	case b.long || len(raw) > limit:
		l.broken, l.raw = tooLong, raw[:min(len(raw), limit)]
	case raw[len(raw)-1] != '\n':
		l.broken = unfinished
	}
	b.long = false
	return b.do(b.seal.unsealed(l))
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

const copyBlock = 64 << 10

// TestDayOldCopy puts an old copy of a node's directory in the place of the
// newer one. The copy must use no number that its peer has seen, get back what
// was said since, and go on.
func TestDayOldCopy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs two processes")
	}
	binary := buildBinary(t)
	for _, peer := range []struct {
		name string
		away bool
	}{{"peer is up", false}, {"peer is away", true}} {
		t.Run(peer.name, func(t *testing.T) { dayOldCopy(t, binary, peer.away) })
	}
}

// dayOldCopy has the copy speak at once; where the peer is away at that time,
// before the copy can know that it is one.
func dayOldCopy(t *testing.T, binary string, away bool) {
	bank, hospital := newPair(t, binary)
	first := bank.says("before", 5)
	hospital.answers(first, "bank")
	bank.terminate()
	backup, newer := directory(filepath.Join(t.TempDir(), "bank")), bank.dir+".newer"
	copyTree(t, bank.dir, backup)

	bank.start()
	between := bank.says("between", 7)
	hospital.answers(between, "bank")
	bank.terminate()
	if err := os.Rename(string(bank.dir), string(newer)); err != nil {
		t.Fatal(err)
	}
	copyTree(t, backup, bank.dir)

	if away {
		hospital.terminate()
	}
	bank.start()
	since := bank.says("since", 9)
	if away {
		hospital.start()
	}
	said := append(append(append([]string{}, first...), between...), since...)
	for _, p := range []*process{bank, hospital} {
		p.answers(said, "bank")
	}
	said = append(said, bank.says("later", 3)...)
	hospital.answers(said, "bank")
	bank.answers(said, "bank")
	sameLogs(t, bank, hospital, newer)
}

// says submits values one by one.
func (p *process) says(what string, n int) (values []string) {
	p.t.Helper()
	for i := range n {
		values = append(values, fmt.Sprintf("%s-%d.example", what, i))
		p.must("submit", "--tlp", "green", values[i])
	}
	return values
}

// copyTree copies a directory that nobody writes to, for its owner alone.
func copyTree(t testing.TB, from, to directory) {
	t.Helper()
	err := filepath.WalkDir(string(from), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(string(from), path)
		if err != nil {
			return err
		}
		target := filepath.Join(string(to), rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case d.Type().IsRegular():
			return copySparse(path, target)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copySparse leaves out blocks of zeros: most of a store's files is room to grow.
func copySparse(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	block, zeros, at := make([]byte, copyBlock), make([]byte, copyBlock), int64(0)
	for err == nil {
		var n int
		if n, err = io.ReadFull(in, block); !bytes.Equal(block[:n], zeros[:n]) {
			if _, failed := out.WriteAt(block[:n], at); failed != nil {
				err = failed
			}
		}
		at += int64(n)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(err, out.Close())
	}
	return errors.Join(out.Truncate(at), out.Close())
}

// A place is where only one bulletin may ever be.
type place struct {
	stream protocol.ID
	at     protocol.Position
}

// sameLogs stops two nodes and looks into their stores, and into older ones:
// both hold the same logs without a gap, nobody saw or made two bulletins of
// one number, and nothing of its own was lost.
func sameLogs(t *testing.T, a, b *process, older ...directory) {
	t.Helper()
	eventually(t, "both hold as much, without a gap", func() (bool, string) {
		x, y := a.status(), b.status()
		gaps := 0
		for _, o := range append(x.Origins, y.Origins...) {
			gaps += o.Gaps
		}
		return gaps == 0 && x.Bulletins == y.Bulletins, fmt.Sprintf("%d and %d bulletins, %d gaps", x.Bulletins, y.Bulletins, gaps)
	})
	seen := map[place]protocol.ID{}
	for _, p := range []*process{a, b} {
		if n := p.status().Counts["equivocations"]; n > 0 {
			t.Errorf("%s saw %d bulletins at places that were taken", p.dir, n)
		}
		p.terminate()
		older = append(older, p.dir)
	}
	for _, dir := range older {
		walkLogs(t, dir, seen)
	}
	if len(seen) == 0 {
		t.Error("the stores are empty")
	}
}

// walkLogs adds every bulletin of a stopped node's store to what was seen.
func walkLogs(t *testing.T, dir directory, seen map[place]protocol.ID) {
	t.Helper()
	store, err := storage.Open(dir.store(), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if stats := store.Stats(); stats.Lost > 0 || stats.Damaged > 0 {
		t.Errorf("%s: lost %d, damaged %d", dir, stats.Lost, stats.Damaged)
	}
	end := protocol.Position{Epoch: math.MaxUint64, Seq: math.MaxUint64}
	for _, s := range store.Streams() {
		for b, err := range store.Headers(s.ID, protocol.Range{To: end}) {
			if err != nil {
				t.Errorf("%s: %v", dir, err)
				continue
			}
			at := place{s.ID, protocol.Position{Epoch: b.Header.Epoch, Seq: b.Header.Seq}}
			if other, taken := seen[at]; taken && other != b.ID() {
				t.Errorf("%s: two bulletins %d/%d of stream %s: %s and %s", dir, at.at.Epoch, at.at.Seq, s.ID, other, b.ID())
			}
			seen[at] = b.ID()
		}
	}
}

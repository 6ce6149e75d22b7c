package storage

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzCheckTable: whatever a table file holds, looking at it ends with a verdict.
func FuzzCheckTable(f *testing.F) {
	dir := f.TempDir()
	s := openTest(f, dir)
	filled(f, s)
	s.Close()
	tables, _ := filepath.Glob(filepath.Join(dir, "badger", "*.sst"))
	if len(tables) == 0 {
		f.Fatal("no table")
	}
	for _, path := range tables {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if err := checkTable(b, false); err != nil {
			f.Fatalf("a sound table: %v", err)
		}
		f.Add(b, true)
		f.Add(b[:len(b)/2], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, block bool) {
		if block {
			checkBlock(b)
			return
		}
		checkTable(b, true)
	})
}

// TestCheckBlock damages a block in every byte: what badger can walk is
// accepted, what it would panic at is not.
func TestCheckBlock(t *testing.T) {
	entry := func(shared, own byte, key string) []byte {
		return append(append([]byte{shared, 0, own, 0}, key...), 0, 0, 0, 'v')
	}
	first, second := entry(0, 10, "k1--------"), entry(9, 1, "x")
	offsets := []byte{0, 0, 0, 0, byte(len(first)), 0, 0, 0}
	end := []byte{0, 0, 0, 2, 2 << 3, 7, 0, 0, 0, 2} // two entries; a checksum that is wrong
	block := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	if err := checkBlock(block(first, second, offsets, end)); err != nil {
		t.Fatalf("damaged in a value, and walkable: %v", err)
	}
	for name, b := range map[string][]byte{
		"empty":               {},
		"zeros":               make([]byte, 4096),
		"an entry too long":   block(first, entry(9, 200, "x"), offsets, end),
		"more shared than is": block(first, entry(11, 1, "x"), offsets, end),
		"no version":          block(entry(0, 3, "k1-"), offsets[:4], []byte{0, 0, 0, 1, 2 << 3, 7, 0, 0, 0, 2}),
		"offsets backwards":   block(first, second, []byte{9, 0, 0, 0, 4, 0, 0, 0}, end),
		"more entries":        block(first, second, offsets, []byte{9, 0, 0, 2, 2 << 3, 7, 0, 0, 0, 2}),
		"a long checksum":     block(first, second, offsets, []byte{0, 0, 0, 2, 2 << 3, 7, 0xff, 0, 0, 2}),
	} {
		if checkBlock(b) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

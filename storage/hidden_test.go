package storage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestHeadersHiddenByADamagedKey: one bit of a key in a table, and the keys
// beside it cannot be looked up any more. All of them are gaps, and come back.
func TestHeadersHiddenByADamagedKey(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	var list []Entry
	for i := range 40 {
		b := a.issue(t, green(time.Duration(i)*time.Second), indicator(t, fmt.Sprintf("v%d.example", i)))
		list = append(list, Entry{Bulletin: b, Body: Held})
	}
	for _, e := range list { // one by one: a number each
		keep(t, s, e)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "badger", "*.sst"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("%v %v", tables, err)
	}
	table, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	hidden := 0
	for at := range table {
		if at+1 >= len(table) || !bytes.HasPrefix(table[at:], []byte{headerPrefix, 0, 0}) {
			continue
		}
		damaged := bytes.Clone(table)
		damaged[at+3] ^= 0x40 // of the number's high bytes: its place is elsewhere
		if healed(t, dir, tables[0], damaged, list) {
			hidden++
		}
	}
	if hidden == 0 {
		t.Error("no key was found")
	}
}

// healed opens a copy of a store with another table, gives it everything again
// as synchronisation would, and checks that all of it answers. It reports
// whether the store opened.
func healed(t *testing.T, dir, table string, content []byte, list []Entry) bool {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "badger", filepath.Base(table)), content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(copied, Options{Small: true, AcceptLoss: true})
	if err != nil {
		return false
	}
	defer s.Close()
	for range 2 { // reads that fail make bodies wanted
		for _, e := range list {
			if _, err := s.Put(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		for i := range list {
			s.Lookup(stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("v%d.example", i)}, Query{Now: start})
		}
	}
	for i := range list {
		claims, err := s.Lookup(stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("v%d.example", i)}, Query{Now: start})
		if err != nil || len(claims) != 1 {
			t.Errorf("v%d.example: %d claims, %v", i, len(claims), err)
		}
	}
	return true
}

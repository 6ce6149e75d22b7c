package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const (
	importWithin = 10 * time.Minute
	floorCommit  = 4 << 20 // bytes of a transaction, as storage makes them
)

// BenchmarkImportTwoProcesses imports a real list of hundreds of thousands of
// values on one node and ends when the other has them all, durable and
// answerable. The floor is badger alone, on the same disk in the same run,
// writing the records that the import left behind.
//
//	ind/s        accepted values until the second node has them all
//	ind/s-local  the same until the first node acknowledged them all
//	floor-ind/s  the same number of values over the time of the floor
//	ratio        ind/s over floor-ind/s
//	cpu-us/ind   processor time of both nodes: what a busy machine does not change much
//	keys/ind     records in the first node's store
//	B/ind        bytes of those records, keys and values
func BenchmarkImportTwoProcesses(b *testing.B) {
	data := os.Getenv("TOCSIN_TESTDATA")
	if data == "" {
		b.Skip("BenchmarkImportTwoProcesses: TOCSIN_TESTDATA is not set")
	}
	feed := filepath.Join(data, "large", "maltrail-mixed.txt.gz")
	if _, err := os.Stat(feed); err != nil {
		b.Skipf("BenchmarkImportTwoProcesses: %v", err)
	}
	binary := buildBinary(b)
	var accepted, keys, size int
	var all, local, floor, cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		bank, hospital := newProcess(b, binary, "bank", "tcp"), newProcess(b, binary, "hospital", "tcp")
		bank.must("community", "create", "isac")
		hospital.joins(bank)
		bank.meets(1)
		hospital.meets(1)
		b.StartTimer()
		began := time.Now()
		accepted += importFeed(b, bank, feed)
		local += time.Since(began)
		catchUp(b, bank, hospital)
		all += time.Since(began)
		b.StopTimer()
		cpu += hospital.terminate() + bank.terminate()
		took, records := writeFloor(b, bank.dir)
		floor += took
		keys += len(records)
		for _, r := range records {
			size += len(r.Key) + len(r.Value)
		}
		b.StartTimer()
	}
	n := float64(accepted)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(n/all.Seconds(), "ind/s")
	b.ReportMetric(n/local.Seconds(), "ind/s-local")
	b.ReportMetric(n/floor.Seconds(), "floor-ind/s")
	b.ReportMetric(floor.Seconds()/all.Seconds(), "ratio")
	b.ReportMetric(float64(cpu.Microseconds())/n, "cpu-us/ind")
	b.ReportMetric(float64(keys)/n, "keys/ind")
	b.ReportMetric(float64(size)/n, "B/ind")
}

// importFeed imports a file and returns how many values were accepted.
func importFeed(b *testing.B, p *process, feed string) int {
	b.Helper()
	var last api.ImportEvent
	if err := json.Unmarshal([]byte(p.must("import", "--tlp", "green", "--json", feed)), &last); err != nil || last.Tally == nil {
		b.Fatalf("no sums: %v", err)
	}
	if last.Tally.Accepted == 0 {
		b.Fatalf("nothing was accepted: %+v", last.Tally)
	}
	return last.Tally.Accepted
}

// catchUp waits until all that one node holds is held by the other and can be
// looked up there.
func catchUp(b *testing.B, from, to *process) {
	b.Helper()
	want := from.status()
	client := api.Unix(to.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	late := time.After(importWithin)
	var got api.StatusAnswer
	for got.Claims != want.Claims || got.Objects != want.Objects {
		select {
		case <-ticker.C:
		case <-late:
			b.Fatalf("not within %s: %d of %d claims; %+v", importWithin, got.Claims, want.Claims, got)
		}
		var err error
		if got, err = client.Status(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	source := api.Unix(from.dir.socket())
	defer source.HTTP.CloseIdleConnections()
	page, err := source.Search(b.Context(), api.SearchOptions{Limit: 100})
	if err != nil || len(page.Claims) == 0 {
		b.Fatalf("search: %d claims, %v", len(page.Claims), err)
	}
	for _, claim := range page.Claims {
		answers, err := client.Lookup(b.Context(), api.LookupRequest{Values: []string{claim.Value}, Type: string(claim.Type)})
		if err != nil || len(answers) != 1 || len(answers[0].Claims) == 0 {
			b.Fatalf("lookup of %s: %+v, %v", claim.Value, answers, err)
		}
	}
}

// writeFloor writes all records of a store into an empty badger with the
// store's own options, each transaction synced, and returns how long that took.
func writeFloor(b *testing.B, dir directory) (time.Duration, []*badger.Entry) {
	b.Helper()
	records := readRecords(b, filepath.Join(dir.store(), "badger"))
	db, err := badger.OpenManaged(floorOptions(filepath.Join(b.TempDir(), "floor")))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	began := time.Now()
	stamp, pending := uint64(1), 0
	txn := db.NewTransactionAt(stamp, true)
	commit := func() {
		if err := txn.CommitAt(stamp, nil); err != nil {
			b.Fatal(err)
		}
		stamp, pending = stamp+1, 0
		txn = db.NewTransactionAt(stamp, true)
	}
	for _, r := range records {
		size := len(r.Key) + len(r.Value)
		if pending > 0 && pending+size > floorCommit {
			commit()
		}
		if err := txn.SetEntry(badger.NewEntry(r.Key, r.Value)); err != nil {
			b.Fatal(err)
		}
		pending += size
	}
	commit()
	txn.Discard()
	return time.Since(began), records
}

// readRecords returns every record of a database that nobody uses, by key.
func readRecords(b *testing.B, dir string) (records []*badger.Entry) {
	b.Helper()
	db, err := badger.OpenManaged(floorOptions(dir).WithReadOnly(true))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.DefaultIteratorOptions)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, &badger.Entry{Key: it.Item().KeyCopy(nil), Value: value})
	}
	return records
}

// floorOptions are those of package storage.
func floorOptions(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithMemTableSize(32 << 20).
		WithValueLogFileSize(16 << 20).
		WithNumCompactors(2).
		WithNumMemtables(3).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithLogger(nil)
}

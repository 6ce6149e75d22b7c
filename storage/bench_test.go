package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

var (
	benchObjects = flag.Int("storage.objects", 50_000, "indicators in the benchmarks' store; figures are quoted for 1000000")
	benchSize    = flag.Int("storage.bulletin", 1000, "indicators in one bulletin of the benchmarks")
)

// benchObservable makes the i-th of a list like published ones: 40 % domains,
// 25 % addresses, 20 % URLs, 15 % file hashes.
func benchObservable(i int) stix.Observable {
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], uint64(i))
	sum := sha256.Sum256(seed[:])
	n := binary.BigEndian.Uint32(sum[:])
	words := []string{"update", "login", "secure", "cdn", "mail", "static", "account", "verify"}
	name := fmt.Sprintf("%s-%s%d.%x.example", words[n%8], words[n>>3%8], n%977, sum[4:9])
	switch {
	case i%20 < 8:
		return stix.Observable{Type: stix.DomainName, Value: name}
	case i%20 < 13:
		return stix.Observable{Type: stix.IPv4Addr, Value: fmt.Sprintf("%d.%d.%d.%d", 1+i>>22%223, i>>14&255, i>>6&255, sum[0])}
	case i%20 < 17:
		return stix.Observable{Type: stix.URL, Value: fmt.Sprintf("http://%s/%s/%x.php?id=%d", name, words[n>>6%8], sum[9:13], n%9999)}
	}
	return stix.Observable{Type: stix.SHA256, Value: fmt.Sprintf("%x", sum)}
}

// benchBulletins signs n indicators in bulletins.
func benchBulletins(tb testing.TB, a *author, n, size int) []*protocol.Bulletin {
	var bulletins []*protocol.Bulletin
	for from := 0; from < n; from += size {
		objects := make([][]byte, 0, size)
		for i := from; i < min(from+size, n); i++ {
			o := benchObservable(i)
			sum := sha256.Sum256([]byte(o.Value))
			in := stix.Indicator{
				Observable: o, Name: "seen in a campaign", Labels: []string{"phishing"}, Confidence: 50 + i%50,
				Created: start, Modified: start, ValidFrom: start, ValidUntil: start.Add(time.Duration(30+i%60) * 24 * time.Hour),
			}
			in.ID = fmt.Sprintf("indicator--%x-%x-5%03x-a%03x-%x", sum[:4], sum[4:6], int(sum[6])<<4|1, int(sum[7])<<4|2, sum[8:14])
			objects = append(objects, in.AppendJSON(nil))
		}
		bulletins = append(bulletins, a.issue(tb, green(time.Duration(from)*time.Millisecond), objects...))
	}
	return bulletins
}

// parsed is what admit has at hand when it keeps a bulletin.
func parsed(tb testing.TB, b *protocol.Bulletin) (objects []stix.Object) {
	for _, raw := range b.Objects() {
		o, err := stix.Parse(raw)
		if err != nil {
			tb.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

// putAll keeps bulletins from two goroutines.
func putAll(tb testing.TB, s *Store, bulletins []*protocol.Bulletin, objects [][]stix.Object) {
	var wg sync.WaitGroup
	for part := range 2 {
		wg.Go(func() {
			for i := part; i < len(bulletins); i += 2 * 8 {
				var entries []Entry
				for k := i; k < min(i+2*8, len(bulletins)); k += 2 {
					e := whole(bulletins[k])
					if objects != nil {
						e.Objects = objects[k]
					}
					entries = append(entries, e)
				}
				if _, err := s.Put(context.Background(), entries...); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkAdmit keeps a list and prints how that compares with badger alone
// writing the same values under the same keys, in the same run; once with
// objects still to be parsed, once with parsed ones, as the node has them.
func BenchmarkAdmit(b *testing.B) {
	n := *benchObjects
	bulletins := benchBulletins(b, newAuthor("bank"), n, *benchSize)
	b.Run("raw", func(b *testing.B) { benchAdmit(b, bulletins, nil) })
	objects := make([][]stix.Object, len(bulletins))
	for i := range bulletins {
		objects[i] = parsed(b, bulletins[i])
	}
	b.Run("parsed", func(b *testing.B) { benchAdmit(b, bulletins, objects) })
}

func benchAdmit(b *testing.B, bulletins []*protocol.Bulletin, objects [][]stix.Object) {
	n := *benchObjects
	var admits, floors []time.Duration
	for b.Loop() {
		dir := b.TempDir()
		s, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		putAll(b, s, bulletins, objects)
		admits = append(admits, time.Since(began))
		keys, values := everything(b, s)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		disk := diskBytes(filepath.Join(dir))
		began = time.Now()
		plainWrite(b, b.TempDir(), keys, values)
		floors = append(floors, time.Since(began))
		stored := 0
		for i := range keys {
			stored += len(keys[i]) + len(values[i])
		}
		slices.Sort(admits)
		slices.Sort(floors)
		admit, floor := admits[len(admits)/2], floors[len(floors)/2]
		b.ReportMetric(float64(n)/admit.Seconds(), "objects/s")
		b.ReportMetric(floor.Seconds()/admit.Seconds(), "of-badger-alone")
		b.ReportMetric(float64(stored)/float64(n), "B/object-stored")
		b.ReportMetric(float64(disk)/float64(n), "B/object-on-disk")
		b.ReportMetric(float64(len(keys))/float64(n), "keys/object")
	}
	b.ReportMetric(0, "ns/op")
}

// everything copies all keys and values of a store.
func everything(tb testing.TB, s *Store) (keys, values [][]byte) {
	for _, prefix := range []byte{headerPrefix, chunkPrefix, segmentPrefix} {
		err := s.scan(prefix, true, func(key, value []byte, ok bool) error {
			keys, values = append(keys, key), append(values, seal(key, value))
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return keys, values
}

// plainWrite is the floor: badger with the same options and transactions.
func plainWrite(tb testing.TB, dir string, keys, values [][]byte) {
	db, err := badger.OpenManaged(badgerOptions(dir, Options{}, testLog()))
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	stamp, size := uint64(1), 0
	txn := db.NewTransactionAt(stamp, true)
	for i := range keys {
		if size += len(values[i]) + writeCosts; size > groupBytes {
			if err := txn.CommitAt(stamp, nil); err != nil {
				tb.Fatal(err)
			}
			stamp, size = stamp+1, 0
			txn = db.NewTransactionAt(stamp, true)
		}
		if err := txn.Set(keys[i], values[i]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := txn.CommitAt(stamp, nil); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkAnswer fills a store once and prints what readers wait for: lookups
// that hit and miss, a page of changes, and a start.
func BenchmarkAnswer(b *testing.B) {
	n := *benchObjects
	dir := b.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	putAll(b, s, benchBulletins(b, newAuthor("bank"), n, *benchSize), nil)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	began := time.Now()
	if s, err = Open(dir, Options{}); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ready := time.Since(began)
	rng := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		hit := measure(5000, func(i int) {
			claims, err := s.Lookup(benchObservable(rng.IntN(n)), Query{Now: start})
			if err != nil || len(claims) != 1 {
				b.Fatal(len(claims), err)
			}
		})
		miss := measure(5000, func(i int) {
			if claims, _ := s.Lookup(benchObservable(n+20+rng.IntN(1<<22)), Query{Now: start}); len(claims) > 0 {
				b.Fatal("found what was never said")
			}
		})
		page := measure(20, func(i int) {
			got := 0
			for _, err := range s.Changes(uint64(rng.Int64N(int64(s.Position())/2+1)), Query{Now: start}) {
				if got++; err != nil || got == 1000 {
					break
				}
			}
		})
		b.ReportMetric(float64(hit[len(hit)/2].Microseconds()), "hit-p50-us")
		b.ReportMetric(float64(hit[len(hit)*99/100].Microseconds()), "hit-p99-us")
		b.ReportMetric(float64(miss[len(miss)/2].Nanoseconds())/1000, "miss-p50-us")
		b.ReportMetric(float64(page[len(page)/2].Microseconds())/1000, "page1000-ms")
		b.ReportMetric(float64(ready.Microseconds())/1000, "start-ms")
		b.ReportMetric(float64(resident())/(1<<20), "rss-MB")
		b.ReportMetric(float64(s.Stats().IndexBytes)/float64(n), "index-B/object")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdle prints the memory of a process with an empty store.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		s, err := Open(b.TempDir(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		b.ReportMetric(float64(resident())/(1<<20), "rss-MB")
		b.ReportMetric(float64(s.Stats().DiskBytes)/1024, "disk-KB")
		s.Close()
	}
	b.ReportMetric(0, "ns/op")
}

func measure(n int, fn func(i int)) []time.Duration {
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		fn(i)
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took
}

// resident is the process's resident memory, 0 where the system does not say.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	fmt.Sscan(string(b), &size, &pages)
	return pages * int64(os.Getpagesize())
}

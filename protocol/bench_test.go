package protocol

import (
	"fmt"
	"testing"
)

func BenchmarkSign(b *testing.B) {
	for _, n := range []int{1, MaxObjects} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			var objects [][]byte
			for _, o := range indicators(n) {
				objects = append(objects, []byte(o))
			}
			key, cert := seeded(2), certOf(1, 2)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(key, cert, green(), objects); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/object")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, MaxObjects} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			wire := fixed(green(), indicators(n)...).Wire()
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(wire); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/object")
		})
	}
}
